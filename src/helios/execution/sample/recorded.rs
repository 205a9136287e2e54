//! For tests: mainnet's block 22432102, from its beacon block as SSZ (Electra).

use std::path::PathBuf;
use std::sync::Arc;

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_primitives::{Address, B256, Bloom};
use alloy_trie::root::{ordered_trie_root, ordered_trie_root_encoded};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::helios::execution::block::{Block, Withdrawal};
use crate::helios::execution::transaction::Transaction;
use crate::helios::execution::view::Sealed;

const BEACON: &str = "eth_v2_beacon_blocks_0xc742b5d7e7abff3223821e26eaf4e0a62f9715cba8629bc9b959ac1652e4df71.ssz";

/// The folder; `None`, and a word about it, where there is no test data.
pub(in super::super) fn folder() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let data = std::env::var_os("ODYN_TEST_DATA").map_or_else(beside, PathBuf::from);
    let folder = data.join("eth/colibri/eth_getLogs_electra");
    if !folder.is_dir() {
        eprintln!("skipped: no test data");
        return None;
    }
    Some(folder)
}

/// The `result` in a recorded answer, or the file itself.
pub(in super::super) fn result(name: &str) -> Option<Value> {
    let text = std::fs::read_to_string(folder()?.join(name)).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    Some(if value.get("result").is_some() { value["result"].take() } else { value })
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn offset(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn root(bytes: &[u8], at: usize) -> B256 {
    B256::from_slice(&bytes[at..at + 32])
}

/// The parts of a list of things that have no fixed length.
fn parts(list: &[u8]) -> Vec<&[u8]> {
    let count = offset(list, 0) / 4;
    let end = |part: usize| if part < count { offset(list, 4 * part) } else { list.len() };
    (0..count).map(|part| &list[end(part)..end(part + 1)]).collect()
}

/// EIP-7685's hash of the requests: deposits, withdrawals, consolidations.
fn requests_hash(requests: &[u8]) -> B256 {
    let mut all = Sha256::new();
    for (kind, part) in parts(requests).into_iter().enumerate().filter(|(_, part)| !part.is_empty()) {
        all.update(Sha256::new().chain_update([kind as u8]).chain_update(part).finalize());
    }
    B256::from_slice(&all.finalize())
}

/// The block, and what an execution RPC says of it.
pub(in super::super) fn block() -> Option<(Block, Value)> {
    let beacon = std::fs::read(folder()?.join(BEACON)).unwrap();
    let message = &beacon[offset(&beacon, 0)..];
    let body = &message[offset(message, 80)..];
    // After randao, eth1 data, graffiti, five offsets and the sync aggregate.
    let at = 96 + 72 + 32 + 5 * 4 + 160;
    let payload = &body[offset(body, at)..offset(body, at + 4)];
    let extra = offset(payload, 436);
    let (transactions, withdrawals) = (offset(payload, 504), offset(payload, 508));
    let list: Vec<_> = parts(&payload[transactions..withdrawals]).into_iter().map(<[u8]>::to_vec).collect();
    let said: Vec<Value> = payload[withdrawals..]
        .chunks(44)
        .map(|one| {
            json!({
                "index": format!("{:#x}", number(one, 0)),
                "validatorIndex": format!("{:#x}", number(one, 8)),
                "address": Address::from_slice(&one[16..36]),
                "amount": format!("{:#x}", number(one, 36)),
            })
        })
        .collect();
    let withdrawals: Vec<Withdrawal> = serde_json::from_value(json!(said)).unwrap();
    let header = Header {
        parent_hash: root(payload, 0),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: Address::from_slice(&payload[32..52]),
        state_root: root(payload, 52),
        transactions_root: ordered_trie_root_encoded(&list),
        receipts_root: root(payload, 84),
        logs_bloom: Bloom::from_slice(&payload[116..372]),
        mix_hash: root(payload, 372),
        number: number(payload, 404),
        gas_limit: number(payload, 412),
        gas_used: number(payload, 420),
        timestamp: number(payload, 428),
        extra_data: payload[extra..transactions].to_vec().into(),
        base_fee_per_gas: Some(number(payload, 440)),
        withdrawals_root: Some(ordered_trie_root(&withdrawals)),
        blob_gas_used: Some(number(payload, 512)),
        excess_blob_gas: Some(number(payload, 520)),
        parent_beacon_block_root: Some(root(message, 16)),
        requests_hash: Some(requests_hash(&body[offset(body, at + 12)..])),
        ..Header::default()
    };
    let hash = header.hash_slow();
    assert_eq!(hash, root(payload, 472), "the reader misread");
    let transactions: Vec<_> = list.into_iter().map(|bytes| Transaction::read(bytes).unwrap()).collect();
    let block = Block { sealed: Arc::new(Sealed { hash, header }), transactions, withdrawals: Some(withdrawals) };
    let mut answer = block.answer(true).unwrap();
    answer["withdrawals"] = json!(said);
    Some((block, answer))
}
