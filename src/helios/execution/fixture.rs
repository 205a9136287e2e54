//! What the tests of this folder share: a chain made here, and an execution RPC that answers from it and can lie.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256, address, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::proof::ProofRetainer;
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Node;
use super::error::CallError;
use super::header::Sealed;
use super::upstream::{Upstream, UpstreamError};
use super::view::View;
use crate::config::value::Network;
use crate::helios::clock::Clock;
use crate::helios::head::{Anchor, Snapshot};
use crate::helios::network::Spec;
use crate::sync::lock;

pub(crate) const HISTORY: Address = address!("0000F90827F1C53a10cb7A02335B175320002935");
/// The made chain: its first and last block.
pub(crate) const FIRST: u64 = 20_000;
pub(crate) const LAST: u64 = 20_009;
/// Timestamp of the last block, in Osaka.
pub(crate) const TIME: u64 = 1_770_000_000;

pub(crate) fn mainnet() -> Spec {
    Spec::of(Network::Mainnet)
}

/// One account of a made state.
#[derive(Clone, Default)]
pub(crate) struct Entry {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
    pub(crate) code: Bytes,
    pub(crate) slots: BTreeMap<U256, U256>,
}

pub(crate) type State = BTreeMap<Address, Entry>;

/// A trie's root and the nodes on the way to one key.
pub(crate) fn trie(leaves: impl IntoIterator<Item = (B256, Vec<u8>)>, key: B256) -> (B256, Vec<Bytes>) {
    let leaves: BTreeMap<B256, Vec<u8>> = leaves.into_iter().collect();
    let target = Nibbles::unpack(key);
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(vec![target]));
    for (key, value) in &leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes().matching_nodes_sorted(&target);
    (root, if leaves.is_empty() { Vec::new() } else { nodes.into_iter().map(|(_, node)| node).collect() })
}

fn rlp(value: &impl Encodable) -> Vec<u8> {
    alloy_rlp::encode(value)
}

fn slot_leaves(entry: &Entry) -> impl Iterator<Item = (B256, Vec<u8>)> {
    let set = entry.slots.iter().filter(|(_, value)| !value.is_zero());
    set.map(|(slot, value)| (keccak256(B256::from(*slot)), rlp(value)))
}

fn trie_account(entry: &Entry) -> TrieAccount {
    let storage_root = trie(slot_leaves(entry), B256::ZERO).0;
    TrieAccount { nonce: entry.nonce, balance: entry.balance, storage_root, code_hash: keccak256(&entry.code) }
}

/// A state's root, and the answer to `eth_getProof`.
pub(crate) fn prove(state: &State, address: Address, slots: &[B256]) -> (B256, Value) {
    let leaves = state.iter().map(|(address, entry)| (keccak256(address), rlp(&trie_account(entry))));
    let (root, nodes) = trie(leaves, keccak256(address));
    let entry = state.get(&address).cloned().unwrap_or_default();
    let account = trie_account(&entry);
    let slots: Vec<_> = slots
        .iter()
        .map(|slot| {
            let (storage_root, nodes) = trie(slot_leaves(&entry), keccak256(slot));
            assert!(storage_root == account.storage_root || storage_root == EMPTY_ROOT_HASH);
            let value = entry.slots.get(&U256::from_be_bytes(slot.0)).copied().unwrap_or_default();
            json!({ "key": slot, "value": value, "proof": nodes })
        })
        .collect();
    let answer = json!({
        "address": address, "accountProof": nodes, "balance": account.balance, "codeHash": account.code_hash,
        "nonce": format!("{:#x}", account.nonce), "storageHash": account.storage_root, "storageProof": slots,
    });
    (root, answer)
}

pub(crate) type Lie = Box<dyn Fn(&str, &Value, &mut Value) + Send>;

/// An execution RPC that answers from what was made, and lies where it is told to.
#[derive(Default)]
pub(crate) struct Fake {
    /// By number.
    pub(crate) states: BTreeMap<u64, State>,
    /// By hash.
    pub(crate) headers: BTreeMap<B256, Header>,
    /// Answers that were recorded, by method and first parameter.
    pub(crate) recorded: BTreeMap<(String, String), Value>,
    pub(crate) lie: Mutex<Option<Lie>>,
    pub(crate) asked: Mutex<Vec<String>>,
}

impl Fake {
    /// From now on every answer goes through this: method, parameters, answer.
    pub(crate) fn lie(&self, lie: impl Fn(&str, &Value, &mut Value) + Send + 'static) {
        *lock(&self.lie) = Some(Box::new(lie));
    }

    /// How often a method was called; forgets everything that was.
    pub(crate) fn asked(&self, method: &str) -> usize {
        std::mem::take(&mut *lock(&self.asked)).iter().filter(|asked| *asked == method).count()
    }

    fn answer(&self, method: &'static str, params: &Value) -> Result<Value, UpstreamError> {
        let first = params[0].as_str().unwrap_or_default().to_owned();
        if let Some(recorded) = self.recorded.get(&(method.to_owned(), first)) {
            let mut recorded = recorded.clone();
            if let Some(slots) = recorded.get_mut("storageProof").and_then(Value::as_array_mut) {
                slots.retain(|slot| params[1].as_array().unwrap().contains(&slot["key"]));
            }
            return Ok(recorded);
        }
        let number = |at: usize| u64::from_str_radix(&params[at].as_str().unwrap()[2..], 16).unwrap();
        match method {
            "eth_getBlockByHash" => {
                let hash: B256 = params[0].as_str().unwrap().parse().unwrap();
                Ok(self.headers.get(&hash).map_or(Value::Null, |header| json!(header)))
            }
            "eth_getProof" => {
                let address: Address = params[0].as_str().unwrap().parse().unwrap();
                let slots: Vec<B256> = serde_json::from_value(params[1].clone()).unwrap();
                Ok(prove(&self.states[&number(2)], address, &slots).1)
            }
            "eth_getCode" => {
                let address: Address = params[0].as_str().unwrap().parse().unwrap();
                Ok(json!(self.states[&number(1)].get(&address).cloned().unwrap_or_default().code))
            }
            _ => Err(UpstreamError::Refused(method, -32601, "no such method".to_owned())),
        }
    }
}

impl Upstream for Fake {
    fn request(
        &self,
        method: &'static str,
        params: Value,
        most: usize,
        _: Instant,
    ) -> Result<Box<RawValue>, UpstreamError> {
        lock(&self.asked).push(method.to_owned());
        let mut answer = self.answer(method, &params).or_else(|e| match &*lock(&self.lie) {
            Some(_) => Ok(Value::Null),
            None => Err(e),
        })?;
        if let Some(lie) = &*lock(&self.lie) {
            lie(method, &params, &mut answer);
        }
        let text = answer.to_string();
        assert!(text.len() <= most, "{method} answers {} bytes of {most}", text.len());
        Ok(RawValue::from_string(text).unwrap())
    }
}

/// A node over a made chain.
pub(crate) struct World {
    pub(crate) node: Node,
    pub(crate) fake: Arc<Fake>,
    pub(crate) head: Snapshot,
    pub(crate) hashes: BTreeMap<u64, B256>,
}

impl World {
    /// Blocks from [`FIRST`] to [`LAST`] whose states have `entries`, and EIP-2935's contract.
    pub(crate) fn new(entries: State) -> Self {
        Self::with(entries, |_| {})
    }

    /// The same with headers changed before they are linked.
    pub(crate) fn with(entries: State, change: impl Fn(&mut Header)) -> Self {
        let mut fake = Fake::default();
        let mut hashes = BTreeMap::new();
        let mut parent = B256::repeat_byte(0xee);
        let mut state = entries;
        for number in FIRST..=LAST {
            let history = state.entry(HISTORY).or_default();
            history.nonce = 1;
            history.slots.insert(U256::from((number - 1) % 8191), parent.into());
            let mut header = Header {
                number,
                parent_hash: parent,
                state_root: prove(&state, HISTORY, &[]).0,
                timestamp: TIME - 12 * (LAST - number),
                gas_limit: 45_000_000,
                base_fee_per_gas: Some(7),
                withdrawals_root: Some(B256::repeat_byte(1)),
                blob_gas_used: Some(0),
                excess_blob_gas: Some(20_000_000),
                parent_beacon_block_root: Some(B256::repeat_byte(2)),
                requests_hash: Some(B256::repeat_byte(3)),
                beneficiary: Address::repeat_byte(0xcb),
                mix_hash: B256::repeat_byte(0x77),
                ..Header::default()
            };
            change(&mut header);
            parent = header.hash_slow();
            hashes.insert(number, parent);
            fake.headers.insert(parent, header);
            fake.states.insert(number, state.clone());
        }
        let anchor = |number: u64| Anchor {
            slot: number,
            number,
            hash: hashes[&number],
            timestamp: TIME - 12 * (LAST - number),
        };
        let head = Snapshot { latest: anchor(LAST), finalized: anchor(LAST - 6) };
        let fake = Arc::new(fake);
        let upstream: Arc<dyn Upstream> = Arc::clone(&fake) as _;
        let node = Node::new(Arc::new(mainnet()), upstream, Arc::new(Clock::fixed(TIME + 12)));
        Self { node, fake, head, hashes }
    }

    pub(crate) fn view(&self) -> View<'_> {
        View { node: &self.node, head: &self.head, deadline: soon() }
    }

    pub(crate) fn call(&self, method: &str, params: Value) -> Result<Value, CallError> {
        self.node.call(method, params.as_array().unwrap(), &self.head, soon())
    }
}

/// A node over recorded answers, at one block whose header is taken for granted.
pub(crate) fn recorded(
    number: u64,
    state_root: B256,
    beneficiary: Address,
    recorded: BTreeMap<(String, String), Value>,
) -> World {
    let timestamp = 1_746_600_000;
    let header = Header {
        number,
        state_root,
        beneficiary,
        timestamp,
        gas_limit: 36_000_000,
        base_fee_per_gas: Some(1_000_000_000),
        excess_blob_gas: Some(0),
        ..Header::default()
    };
    let hash = header.hash_slow();
    let anchor = Anchor { slot: 0, number, hash, timestamp };
    let fake = Arc::new(Fake { recorded, ..Fake::default() });
    let upstream: Arc<dyn Upstream> = Arc::clone(&fake) as _;
    let node = Node::new(Arc::new(mainnet()), upstream, Arc::new(Clock::fixed(timestamp)));
    node.caches.keep_header(&Arc::new(Sealed { hash, header }));
    World { node, fake, head: Snapshot { latest: anchor, finalized: anchor }, hashes: BTreeMap::from([(number, hash)]) }
}

/// The folder of recordings, where there is one.
pub(crate) fn recordings() -> Option<PathBuf> {
    let data = std::env::var_os("ODYN_TEST_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
    let folder = data.join("eth/colibri");
    if !folder.is_dir() {
        eprintln!("skipped: no test data");
        return None;
    }
    Some(folder)
}

/// The result of a recorded JSON-RPC answer whose file's name begins so.
pub(crate) fn result(folder: &str, name: &str) -> Option<Value> {
    let file = std::fs::read_dir(recordings()?.join(folder)).unwrap().map(|file| file.unwrap().path());
    let file = file.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name)).unwrap();
    let value: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    Some(if name == "test" { value } else { value["result"].clone() })
}

/// The state root in a recorded answer: the hash of its first node.
/// Says also that it is in a recorded beacon block's payload, beside the block's number.
pub(crate) fn root_in(folder: &str, block: &str, number: u64, proof: &Value) -> B256 {
    let root = root_of(proof);
    let path = recordings().unwrap().join(folder).join(format!("eth_v2_beacon_blocks_{block}.ssz"));
    let ssz = std::fs::read(path).unwrap();
    let at = ssz.windows(32).position(|bytes| bytes == root.as_slice()).expect("no such state root");
    // receipts_root, logs_bloom, prev_randao, then block_number.
    let said = &ssz[at + 32 + 32 + 256 + 32..][..8];
    assert_eq!(u64::from_le_bytes(said.try_into().unwrap()), number);
    root
}

fn root_of(proof: &Value) -> B256 {
    let node: Bytes = serde_json::from_value(proof["accountProof"][0].clone()).unwrap();
    keccak256(node)
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}
