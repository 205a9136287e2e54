//! The generated chain's accounts, and proofs of them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::proof::ProofRetainer;
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, Nibbles, TrieAccount};
use serde_json::{Value, json};

use super::contracts;

/// One account.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub nonce: u64,
    pub balance: U256,
    pub code: Vec<u8>,
    /// Slots that are not zero, with the hash of each.
    storage: BTreeMap<U256, (B256, U256)>,
    /// The root over them, until one changes.
    storage_root: OnceLock<B256>,
    /// What the state's trie has of the account, until [`State::at`] lets somebody change it.
    leaf: OnceLock<(B256, Vec<u8>)>,
}

/// All accounts after a block.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub accounts: BTreeMap<Address, Account>,
}

/// Accounts without code at the start.
pub const PEOPLE: u64 = 60;

/// Those of them with tokens.
pub const HOLDERS: u64 = 45;

/// The address of one of the [`PEOPLE`]. Nobody has a key for it.
pub fn person(index: u64) -> Address {
    contracts::named(&format!("person {index}"))
}

impl Account {
    fn contract(code: Vec<u8>) -> Self {
        Self { nonce: 1, code, ..Self::default() }
    }

    /// Sets a slot; zero is what is not there.
    pub fn set(&mut self, slot: U256, value: U256) {
        self.storage_root.take();
        if value.is_zero() {
            self.storage.remove(&slot);
        } else {
            let hash = self.storage.get(&slot).map_or_else(|| keccak256(slot.to_be_bytes::<32>()), |(hash, _)| *hash);
            self.storage.insert(slot, (hash, value));
        }
    }

    /// What a slot has.
    pub fn slot(&self, slot: U256) -> U256 {
        self.storage.get(&slot).map(|(_, value)| *value).unwrap_or_default()
    }

    /// Its slots that are not zero.
    pub fn slots(&self) -> impl Iterator<Item = (U256, U256)> {
        self.storage.iter().map(|(slot, (_, value))| (*slot, *value))
    }

    fn storage_leaves(&self) -> BTreeMap<B256, Vec<u8>> {
        self.storage.values().map(|(hash, value)| (*hash, alloy_rlp::encode(value))).collect()
    }

    /// As the trie has it.
    pub fn trie(&self) -> TrieAccount {
        let storage_root = *self.storage_root.get_or_init(|| trie(&self.storage_leaves(), &[]).0);
        TrieAccount { nonce: self.nonce, balance: self.balance, storage_root, code_hash: keccak256(&self.code) }
    }
}

impl State {
    /// The first block's: people, and the contracts of [`contracts`].
    pub fn genesis() -> Self {
        let mut accounts = BTreeMap::new();
        for index in 0..PEOPLE {
            let balance = U256::from(index + 1) * U256::from(10).pow(U256::from(15 + index % 5));
            accounts.insert(person(index), Account { nonce: index % 7, balance, ..Account::default() });
        }
        let mut token = Account::contract(contracts::token_code());
        let mut proxy = Account::contract(contracts::proxy_code());
        for index in 0..HOLDERS {
            token.set(contracts::balance_slot(person(index)), U256::from(1_000_000 + index));
            proxy.set(contracts::balance_slot(person(index)), U256::from(7 * index));
        }
        proxy.set(U256::ZERO, U256::from_be_slice(contracts::token().as_slice()));
        accounts.insert(contracts::token(), token);
        accounts.insert(contracts::proxy(), proxy);
        accounts.insert(contracts::reverter(), Account::contract(contracts::reverter_code()));
        accounts.insert(contracts::looper(), Account::contract(contracts::looper_code()));
        accounts.insert(contracts::noter(), Account::contract(contracts::noter_code()));
        accounts.insert(contracts::environment(), Account::contract(contracts::environment_code()));
        accounts.insert(contracts::HISTORY, Account::contract(contracts::history_code()));
        Self { accounts }
    }

    /// The account, made if there is none.
    pub fn at(&mut self, address: Address) -> &mut Account {
        let account = self.accounts.entry(address).or_default();
        account.leaf.take();
        account
    }

    /// The code at an address.
    pub fn code(&self, address: Address) -> Bytes {
        self.accounts.get(&address).map(|account| account.code.clone().into()).unwrap_or_default()
    }

    /// A token balance.
    pub fn tokens(&self, contract: Address, holder: Address) -> U256 {
        self.accounts[&contract].slot(contracts::balance_slot(holder))
    }

    fn leaves(&self) -> BTreeMap<B256, Vec<u8>> {
        let leaf = |(address, account): (&Address, &Account)| {
            account.leaf.get_or_init(|| (keccak256(address), alloy_rlp::encode(account.trie()))).clone()
        };
        self.accounts.iter().map(leaf).collect()
    }

    /// The state root.
    pub fn root(&self) -> B256 {
        trie(&self.leaves(), &[]).0
    }

    /// `eth_getProof`'s result, as geth writes it: of a slot that is named in 32 bytes, the key has 32 bytes again; of any
    /// other it is a quantity.
    pub fn proof(&self, address: Address, keys: &[&str]) -> Value {
        let (_, mut nodes) = trie(&self.leaves(), &[keccak256(address)]);
        let account = self.accounts.get(&address).cloned().unwrap_or_default();
        let slots: Vec<U256> = keys.iter().map(|key| key.parse().unwrap()).collect();
        let hashed: Vec<B256> = slots.iter().map(|slot| keccak256(slot.to_be_bytes::<32>())).collect();
        let (storage_root, proofs) = trie(&account.storage_leaves(), &hashed);
        let storage: Vec<Value> = (0..keys.len())
            .map(|index| {
                let key = if keys[index].len() == 66 {
                    format!("{:#066x}", slots[index])
                } else {
                    format!("{:#x}", slots[index])
                };
                let value = account.slot(slots[index]);
                json!({ "key": key, "value": format!("{value:#x}"), "proof": proofs[index] })
            })
            .collect();
        json!({
            "address": format!("{address:#x}"),
            "accountProof": nodes.remove(0),
            "balance": format!("{:#x}", account.balance),
            "codeHash": keccak256(&account.code),
            "nonce": format!("{:#x}", account.nonce),
            "storageHash": storage_root,
            "storageProof": storage,
        })
    }
}

/// A trie's root, and for each target the nodes on its way, the root's first; none in an empty trie, as geth has it.
fn trie(leaves: &BTreeMap<B256, Vec<u8>>, targets: &[B256]) -> (B256, Vec<Vec<Bytes>>) {
    if leaves.is_empty() {
        return (EMPTY_ROOT_HASH, vec![Vec::new(); targets.len()]);
    }
    let targets: Vec<Nibbles> = targets.iter().map(Nibbles::unpack).collect();
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(targets.clone()));
    for (key, value) in leaves {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    let root = builder.root();
    let nodes = builder.take_proof_nodes();
    let way = |target| nodes.matching_nodes_sorted(target).into_iter().map(|(_, node)| node).collect();
    (root, targets.iter().map(way).collect())
}
