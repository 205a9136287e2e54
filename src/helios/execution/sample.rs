//! For tests: blocks with transactions of every type, and an execution RPC that says of them what the test wants.

pub(super) mod recorded;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alloy_consensus::crypto::secp256k1::sign_message;
use alloy_consensus::proofs::{calculate_receipt_root, calculate_transaction_root};
use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, Header, Receipt, ReceiptEnvelope, SignableTransaction, TxEip1559, TxEip2930, TxEip4844,
    TxEip7702, TxLegacy,
};
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, LogData, Signature, TxKind, U256};
use alloy_trie::root::ordered_trie_root;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Node;
use super::block::Withdrawal;
use super::error::{CallError, Check};
use super::transaction::Envelope;
use super::upstream::{Upstream, UpstreamError};
use super::view::{Sealed, View};
use crate::config::value::Network;
use crate::helios::clock::Clock;
use crate::helios::head::{Anchor, Snapshot};
use crate::helios::network::Spec;

/// The network of the samples.
pub(super) const CHAIN: u64 = 1;

/// An execution RPC: what it says to which question. Of others it knows no method.
#[derive(Clone, Default)]
pub(super) struct Liar(Arc<Mutex<HashMap<String, Value>>>);

impl Liar {
    /// What it says from now on.
    pub(super) fn say(&self, method: &str, params: Value, answer: Value) {
        self.0.lock().unwrap().insert(format!("{method}{params}"), answer);
    }
}

impl Upstream for Liar {
    fn request(
        &self,
        method: &'static str,
        params: Value,
        most: usize,
        _: Instant,
    ) -> Result<Box<RawValue>, UpstreamError> {
        let known = self.0.lock().unwrap().get(&format!("{method}{params}")).cloned();
        let answer = known.ok_or_else(|| UpstreamError::Refused(method, -32601, "no such method".into()))?.to_string();
        assert!(answer.len() <= most, "{method}: {} bytes", answer.len());
        Ok(RawValue::from_string(answer).unwrap())
    }
}

/// A node that asks `liar`.
pub(super) fn node(liar: &Liar) -> Node {
    let spec = Spec { chain_id: CHAIN, ..Spec::of(Network::Mainnet) };
    Node::new(Arc::new(spec), Arc::new(liar.clone()), Arc::new(clock()))
}

/// The time of the samples: soon after [`usual`]'s.
#[cfg(feature = "sim")]
fn clock() -> Clock {
    Clock::fixed(1_750_000_030)
}

/// Without a clock that stands still the samples are old, which some methods refuse.
#[cfg(not(feature = "sim"))]
fn clock() -> Clock {
    Clock::default()
}

/// What is known when `sealed` is the head.
pub(super) fn head(sealed: &Sealed) -> Snapshot {
    let header = &sealed.header;
    let anchor = Anchor { slot: 1, number: header.number, hash: sealed.hash, timestamp: header.timestamp };
    Snapshot { latest: anchor, finalized: anchor }
}

/// What a call sees.
pub(super) fn view<'a>(node: &'a Node, head: &'a Snapshot) -> View<'a> {
    View { node, head, deadline: Instant::now() + Duration::from_secs(600) }
}

/// The check that failed, of a result that has to be an error.
pub(super) fn failed<T: std::fmt::Debug>(result: Result<T, CallError>) -> Check {
    match result {
        Err(CallError::Unproven(check, _)) => check,
        other => panic!("no check failed: {other:?}"),
    }
}

/// A block, and what an honest execution RPC says of it.
pub(super) struct Sample {
    /// Its header.
    pub(super) sealed: Arc<Sealed>,
    /// Its transactions.
    pub(super) transactions: Vec<Envelope>,
    /// Its receipts.
    pub(super) receipts: Vec<ReceiptEnvelope>,
    /// `eth_getBlockByHash`, with transactions.
    pub(super) block: Value,
    /// `eth_getBlockReceipts`.
    pub(super) said: Value,
}

impl Sample {
    /// Tells the truth about it.
    pub(super) fn tell(&self, liar: &Liar) {
        liar.say("eth_getBlockByHash", json!([self.sealed.hash, true]), self.block.clone());
        liar.say("eth_getBlockReceipts", json!([self.sealed.hash]), self.said.clone());
        let header = serde_json::to_value(&self.sealed.header).unwrap();
        liar.say("eth_getBlockByHash", json!([self.sealed.hash, false]), header);
    }

    /// A node whose execution RPC has told the truth about it so far.
    pub(super) fn node(&self) -> (Liar, Node, Snapshot) {
        let liar = Liar::default();
        self.tell(&liar);
        (liar.clone(), node(&liar), head(&self.sealed))
    }
}

/// A block of these transactions and receipts, after `before`.
pub(super) fn sample(transactions: Vec<Envelope>, receipts: Vec<ReceiptEnvelope>, before: Option<&Sealed>) -> Sample {
    let withdrawals = json!([
        { "index": "0x1", "validatorIndex": "0x80", "address": Address::repeat_byte(5), "amount": "0xffff" },
        { "index": "0x2", "validatorIndex": "0x81", "address": Address::repeat_byte(6), "amount": "0x1" },
    ]);
    let listed: Vec<Withdrawal> = serde_json::from_value(withdrawals.clone()).unwrap();
    let blobs = transactions.iter().filter_map(|t| t.as_eip4844()).map(|t| t.tx().blob_versioned_hashes.len() as u64);
    let header = Header {
        parent_hash: before.map_or(B256::ZERO, |before| before.hash),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        transactions_root: calculate_transaction_root(&transactions),
        receipts_root: calculate_receipt_root(&receipts),
        logs_bloom: receipts.iter().fold(Bloom::ZERO, |all, receipt| all | *receipt.logs_bloom()),
        number: before.map_or(1000, |before| before.header.number + 1),
        gas_limit: 36_000_000,
        gas_used: receipts.last().map_or(0, ReceiptEnvelope::cumulative_gas_used),
        timestamp: before.map_or(1_750_000_000, |before| before.header.timestamp + 12),
        base_fee_per_gas: Some(7_000_000_000),
        withdrawals_root: Some(ordered_trie_root(&listed)),
        blob_gas_used: Some(blobs.sum::<u64>() << 17),
        excess_blob_gas: Some(100 << 17),
        parent_beacon_block_root: Some(B256::repeat_byte(1)),
        requests_hash: Some(B256::repeat_byte(2)),
        ..Header::default()
    };
    let sealed = Arc::new(Sealed { hash: header.hash_slow(), header });
    let mut block = serde_json::to_value(&sealed.header).unwrap();
    block["withdrawals"] = withdrawals;
    block["uncles"] = json!([]);
    block["transactions"] = transactions.iter().map(|t| said_of(t, &sealed)).collect();
    let said = transactions.iter().zip(&receipts).map(|(t, receipt)| {
        let mut said = json!({ "type": format!("{:#x}", receipt.tx_type() as u8), "gasUsed": "0x5208" });
        said["status"] = json!(format!("{:#x}", u8::from(receipt.status())));
        said["cumulativeGasUsed"] = json!(format!("{:#x}", receipt.cumulative_gas_used()));
        said["logsBloom"] = json!(receipt.logs_bloom());
        said["transactionHash"] = json!(t.tx_hash());
        let log = |log: &Log| json!({ "address": log.address, "topics": log.topics(), "data": log.data.data });
        said["logs"] = receipt.logs().iter().map(log).collect();
        said
    });
    let said = said.collect();
    Sample { sealed, transactions, receipts, block, said }
}

/// What an honest execution RPC says of a transaction, as far as nodes agree on it.
fn said_of(envelope: &Envelope, sealed: &Sealed) -> Value {
    let mut said = serde_json::to_value(envelope).unwrap();
    said["blockHash"] = json!(sealed.hash);
    said["from"] = json!(Address::ZERO);
    if said.get("gasPrice").is_none() {
        said["gasPrice"] = json!("0x1");
    }
    said
}

/// Who signs the samples.
pub(super) fn key() -> B256 {
    B256::repeat_byte(0x46)
}

/// Signs.
pub(super) fn sign<T: SignableTransaction<Signature>>(tx: T) -> alloy_consensus::Signed<T> {
    let signature = sign_message(key(), tx.signature_hash()).unwrap();
    tx.into_signed(signature)
}

/// A transaction of each type, legacy ones of each age, and some that deploy.
pub(super) fn every_type() -> Vec<Envelope> {
    let (to, input, value) = (TxKind::Call(Address::repeat_byte(9)), Bytes::from_static(&[1, 2, 3]), U256::from(77));
    let address = Address::repeat_byte(9);
    let legacy = TxLegacy { chain_id: None, nonce: 1, gas_price: 9_000_000_000, gas_limit: 21_000, to, value, input };
    let input = legacy.input.clone();
    let access_list = || {
        let entry = json!([{ "address": Address::repeat_byte(3), "storageKeys": [B256::repeat_byte(4), B256::ZERO] }]);
        serde_json::from_value(entry).unwrap()
    };
    let dynamic = TxEip1559 {
        chain_id: CHAIN,
        nonce: 5,
        gas_limit: 50_000,
        max_fee_per_gas: 20_000_000_000,
        max_priority_fee_per_gas: 1_500_000_000,
        to,
        value,
        access_list: access_list(),
        input: input.clone(),
    };
    let authorization = json!([{
        "chainId": "0x1", "address": Address::repeat_byte(8), "nonce": "0x7", "yParity": "0x1", "r": "0x11", "s": "0x12",
    }]);
    vec![
        Envelope::Legacy(sign(legacy.clone())),
        Envelope::Legacy(sign(TxLegacy { chain_id: Some(CHAIN), nonce: 2, ..legacy.clone() })),
        Envelope::Legacy(sign(TxLegacy { chain_id: Some(CHAIN), nonce: 3, to: TxKind::Create, ..legacy })),
        Envelope::Eip2930(sign(TxEip2930 {
            chain_id: CHAIN,
            nonce: 4,
            gas_price: 8_000_000_000,
            gas_limit: 30_000,
            to,
            value,
            access_list: access_list(),
            input: input.clone(),
        })),
        Envelope::Eip1559(sign(dynamic.clone())),
        Envelope::Eip1559(sign(TxEip1559 { nonce: 6, to: TxKind::Create, ..dynamic })),
        Envelope::Eip4844(sign(TxEip4844 {
            chain_id: CHAIN,
            nonce: 7,
            gas_limit: 60_000,
            max_fee_per_gas: 8_000_000_000,
            max_priority_fee_per_gas: 2_000_000_000,
            to: address,
            value,
            access_list: access_list(),
            blob_versioned_hashes: vec![B256::repeat_byte(1), B256::with_last_byte(2)],
            max_fee_per_blob_gas: 99,
            input: input.clone(),
        })),
        Envelope::Eip7702(sign(TxEip7702 {
            chain_id: CHAIN,
            nonce: 8,
            gas_limit: 70_000,
            max_fee_per_gas: 30_000_000_000,
            max_priority_fee_per_gas: 3_000_000_000,
            to: address,
            value,
            access_list: access_list(),
            authorization_list: serde_json::from_value(authorization).unwrap(),
            input,
        })),
    ]
}

/// A receipt for each, with as many logs as its place, of two topics each; the second one failed.
pub(super) fn receipts_of(transactions: &[Envelope], seed: u8) -> Vec<ReceiptEnvelope> {
    let receipt = |(index, transaction): (usize, &Envelope)| {
        let logs = (0..index as u8).map(|log| Log {
            address: Address::repeat_byte(seed.wrapping_add(log)),
            data: LogData::new_unchecked(
                vec![B256::repeat_byte(seed.wrapping_add(index as u8)), B256::repeat_byte(log)],
                Bytes::from(vec![log; usize::from(log) + 1]),
            ),
        });
        let status = (index != 1).into();
        let outcome = Receipt { status, cumulative_gas_used: 21_000 * (index as u64 + 1), logs: logs.collect() };
        ReceiptEnvelope::from_typed(transaction.tx_type(), outcome)
    };
    transactions.iter().enumerate().map(receipt).collect()
}

/// A block with a transaction of each type.
pub(super) fn usual() -> Sample {
    let transactions = every_type();
    let receipts = receipts_of(&transactions, 100);
    sample(transactions, receipts, None)
}

/// Every way to change one value a little, none of which is the value itself.
pub(super) fn changed(value: &Value) -> Vec<Value> {
    match value {
        Value::String(text) => {
            let mut other = text.clone();
            let last = other.pop();
            other.push(if last == Some('1') { '0' } else { '1' });
            vec![json!(other), Value::Null]
        }
        Value::Null => vec![json!(Address::repeat_byte(1))],
        Value::Bool(truth) => vec![json!(!truth)],
        Value::Array(list) if !list.is_empty() => {
            let mut lists = reordered(list);
            for (index, item) in list.iter().enumerate() {
                for item in changed(item) {
                    let mut list = list.clone();
                    list[index] = item;
                    lists.push(list);
                }
            }
            lists.into_iter().map(Value::Array).collect()
        }
        Value::Array(_) => vec![json!([Value::Null])],
        Value::Object(fields) => {
            let changes = fields.iter().flat_map(|(name, value)| {
                changed(value).into_iter().map(|value| {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), value);
                    Value::Object(fields)
                })
            });
            changes.collect()
        }
        Value::Number(_) => vec![json!(12_345_678)],
    }
}

/// Every list with one item dropped, twice there, or before the one it comes after.
pub(super) fn reordered(list: &[Value]) -> Vec<Vec<Value>> {
    let mut lists = Vec::new();
    for index in 0..list.len() {
        let (mut dropped, mut doubled, mut swapped) = (list.to_vec(), list.to_vec(), list.to_vec());
        dropped.remove(index);
        doubled.insert(index, list[index].clone());
        lists.extend([dropped, doubled]);
        if index > 0 && list[index] != list[index - 1] {
            swapped.swap(index, index - 1);
            lists.push(swapped);
        }
    }
    lists
}
