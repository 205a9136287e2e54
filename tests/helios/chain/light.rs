//! The light-client objects, in the form they have from Electra on. Plain structs: a test may alter any field before it
//! encodes them.

use serde_json::{Value, json};

use super::committee::Committee;
use super::execution::Block;
use super::ssz::{self, Container, Root, sha256};
use alloy_primitives::hex;

/// `BeaconBlockHeader`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BeaconHeader {
    pub slot: u64,
    pub proposer_index: u64,
    pub parent_root: Root,
    pub state_root: Root,
    pub body_root: Root,
}

/// `ExecutionPayloadHeader`, as it is since Deneb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    pub parent_hash: Root,
    pub fee_recipient: [u8; 20],
    pub state_root: Root,
    pub receipts_root: Root,
    pub logs_bloom: Vec<u8>,
    pub prev_randao: Root,
    pub block_number: u64,
    pub gas_limit: u64,
    pub gas_used: u64,
    pub timestamp: u64,
    pub extra_data: Vec<u8>,
    pub base_fee_per_gas: u64,
    pub block_hash: Root,
    pub transactions_root: Root,
    pub withdrawals_root: Root,
    pub blob_gas_used: u64,
    pub excess_blob_gas: u64,
}

/// `LightClientHeader`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LightHeader {
    pub beacon: BeaconHeader,
    pub execution: Payload,
    pub execution_branch: Vec<Root>,
}

/// `LightClientBootstrap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    pub header: LightHeader,
    pub current_sync_committee: Committee,
    pub current_sync_committee_branch: Vec<Root>,
}

/// `LightClientUpdate`; what it holds also makes a finality update and an optimistic one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub attested_header: LightHeader,
    pub next_sync_committee: Committee,
    pub next_sync_committee_branch: Vec<Root>,
    pub finalized_header: LightHeader,
    pub finality_branch: Vec<Root>,
    pub bits: Vec<bool>,
    pub signature: [u8; 96],
    pub signature_slot: u64,
}

fn text(bytes: impl AsRef<[u8]>) -> String {
    hex::encode_prefixed(bytes)
}

fn texts(roots: &[Root]) -> Vec<String> {
    roots.iter().map(text).collect()
}

impl BeaconHeader {
    pub fn root(&self) -> Root {
        let leaves = [
            ssz::number(self.slot),
            ssz::number(self.proposer_index),
            self.parent_root,
            self.state_root,
            self.body_root,
        ];
        ssz::merkle(&leaves, 3)
    }

    pub fn ssz(&self) -> Vec<u8> {
        let container = Container::default().fixed(self.slot.to_le_bytes()).fixed(self.proposer_index.to_le_bytes());
        container.roots(&[self.parent_root, self.state_root, self.body_root]).finish()
    }

    pub fn json(&self) -> Value {
        json!({
            "slot": self.slot.to_string(),
            "proposer_index": self.proposer_index.to_string(),
            "parent_root": text(self.parent_root),
            "state_root": text(self.state_root),
            "body_root": text(self.body_root),
        })
    }
}

impl Payload {
    /// The header of an execution block. The two roots over its body are SSZ's, which nothing here can compute with:
    /// anything will do.
    pub fn of(block: &Block) -> Self {
        let header = &block.header;
        Self {
            parent_hash: header.parent_hash.0,
            fee_recipient: header.beneficiary.0.0,
            state_root: header.state_root.0,
            receipts_root: header.receipts_root.0,
            logs_bloom: header.logs_bloom.to_vec(),
            prev_randao: header.mix_hash.0,
            block_number: header.number,
            gas_limit: header.gas_limit,
            gas_used: header.gas_used,
            timestamp: header.timestamp,
            extra_data: header.extra_data.to_vec(),
            base_fee_per_gas: header.base_fee_per_gas.unwrap(),
            block_hash: block.hash.0,
            transactions_root: sha256(&[b"transactions", header.transactions_root.as_slice()]),
            withdrawals_root: sha256(&[b"withdrawals", header.withdrawals_root.unwrap().as_slice()]),
            blob_gas_used: header.blob_gas_used.unwrap(),
            excess_blob_gas: header.excess_blob_gas.unwrap(),
        }
    }

    pub fn root(&self) -> Root {
        let extra = sha256(&[&ssz::padded(&self.extra_data), &ssz::number(self.extra_data.len() as u64)]);
        let leaves = [
            self.parent_hash,
            ssz::padded(&self.fee_recipient),
            self.state_root,
            self.receipts_root,
            ssz::bytes(&self.logs_bloom, 3),
            self.prev_randao,
            ssz::number(self.block_number),
            ssz::number(self.gas_limit),
            ssz::number(self.gas_used),
            ssz::number(self.timestamp),
            extra,
            ssz::number(self.base_fee_per_gas),
            self.block_hash,
            self.transactions_root,
            self.withdrawals_root,
            ssz::number(self.blob_gas_used),
            ssz::number(self.excess_blob_gas),
        ];
        ssz::merkle(&leaves, 5)
    }

    pub fn ssz(&self) -> Vec<u8> {
        Container::default()
            .fixed(self.parent_hash)
            .fixed(self.fee_recipient)
            .roots(&[self.state_root, self.receipts_root])
            .fixed(&self.logs_bloom)
            .fixed(self.prev_randao)
            .fixed(self.block_number.to_le_bytes())
            .fixed(self.gas_limit.to_le_bytes())
            .fixed(self.gas_used.to_le_bytes())
            .fixed(self.timestamp.to_le_bytes())
            .variable(self.extra_data.clone())
            .fixed(ssz::number(self.base_fee_per_gas))
            .roots(&[self.block_hash, self.transactions_root, self.withdrawals_root])
            .fixed(self.blob_gas_used.to_le_bytes())
            .fixed(self.excess_blob_gas.to_le_bytes())
            .finish()
    }

    pub fn json(&self) -> Value {
        json!({
            "parent_hash": text(self.parent_hash),
            "fee_recipient": text(self.fee_recipient),
            "state_root": text(self.state_root),
            "receipts_root": text(self.receipts_root),
            "logs_bloom": text(&self.logs_bloom),
            "prev_randao": text(self.prev_randao),
            "block_number": self.block_number.to_string(),
            "gas_limit": self.gas_limit.to_string(),
            "gas_used": self.gas_used.to_string(),
            "timestamp": self.timestamp.to_string(),
            "extra_data": text(&self.extra_data),
            "base_fee_per_gas": self.base_fee_per_gas.to_string(),
            "block_hash": text(self.block_hash),
            "transactions_root": text(self.transactions_root),
            "withdrawals_root": text(self.withdrawals_root),
            "blob_gas_used": self.blob_gas_used.to_string(),
            "excess_blob_gas": self.excess_blob_gas.to_string(),
        })
    }
}

/// Where a block's body has its execution payload, as a leaf of the tree below the body's root.
const PAYLOAD_LEAF: usize = 9;

impl LightHeader {
    /// A header whose body commits to that payload: branch and body root fit. What else is in the body is made up.
    pub fn new(mut beacon: BeaconHeader, execution: Payload) -> Self {
        let mut leaves: Vec<Root> =
            (0..13_u64).map(|leaf| sha256(&[b"body", &beacon.slot.to_le_bytes(), &leaf.to_le_bytes()])).collect();
        leaves[PAYLOAD_LEAF] = execution.root();
        beacon.body_root = ssz::merkle(&leaves, 4);
        Self { beacon, execution, execution_branch: ssz::branch(&leaves, 4, PAYLOAD_LEAF) }
    }

    pub fn ssz(&self) -> Vec<u8> {
        let container = Container::default().fixed(self.beacon.ssz());
        container.variable(self.execution.ssz()).roots(&self.execution_branch).finish()
    }

    pub fn json(&self) -> Value {
        json!({
            "beacon": self.beacon.json(),
            "execution": self.execution.json(),
            "execution_branch": texts(&self.execution_branch),
        })
    }
}

impl Committee {
    pub fn json(&self) -> Value {
        let keys: Vec<String> = self.keys.iter().map(text).collect();
        json!({ "pubkeys": keys, "aggregate_pubkey": text(self.aggregate) })
    }
}

impl Bootstrap {
    pub fn ssz(&self) -> Vec<u8> {
        Container::default()
            .variable(self.header.ssz())
            .fixed(self.current_sync_committee.ssz())
            .roots(&self.current_sync_committee_branch)
            .finish()
    }

    /// The answer's `data`.
    pub fn json(&self) -> Value {
        json!({
            "header": self.header.json(),
            "current_sync_committee": self.current_sync_committee.json(),
            "current_sync_committee_branch": texts(&self.current_sync_committee_branch),
        })
    }
}

impl Update {
    fn bit_bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| bits.iter().enumerate().fold(0, |byte, (place, bit)| byte | u8::from(*bit) << place);
        self.bits.chunks(8).map(byte).collect()
    }

    fn aggregate_json(&self) -> Value {
        json!({
            "sync_committee_bits": text(self.bit_bytes()),
            "sync_committee_signature": text(self.signature),
        })
    }

    /// `LightClientUpdate`.
    pub fn ssz(&self) -> Vec<u8> {
        Container::default()
            .variable(self.attested_header.ssz())
            .fixed(self.next_sync_committee.ssz())
            .roots(&self.next_sync_committee_branch)
            .variable(self.finalized_header.ssz())
            .roots(&self.finality_branch)
            .fixed(self.bit_bytes())
            .fixed(self.signature)
            .fixed(self.signature_slot.to_le_bytes())
            .finish()
    }

    /// `LightClientFinalityUpdate`.
    pub fn finality_ssz(&self) -> Vec<u8> {
        Container::default()
            .variable(self.attested_header.ssz())
            .variable(self.finalized_header.ssz())
            .roots(&self.finality_branch)
            .fixed(self.bit_bytes())
            .fixed(self.signature)
            .fixed(self.signature_slot.to_le_bytes())
            .finish()
    }

    /// `LightClientOptimisticUpdate`.
    pub fn optimistic_ssz(&self) -> Vec<u8> {
        Container::default()
            .variable(self.attested_header.ssz())
            .fixed(self.bit_bytes())
            .fixed(self.signature)
            .fixed(self.signature_slot.to_le_bytes())
            .finish()
    }

    /// The `data` of an optimistic update.
    pub fn optimistic_json(&self) -> Value {
        json!({
            "attested_header": self.attested_header.json(),
            "sync_aggregate": self.aggregate_json(),
            "signature_slot": self.signature_slot.to_string(),
        })
    }

    /// The `data` of a finality update.
    pub fn finality_json(&self) -> Value {
        let mut data = self.optimistic_json();
        data["finalized_header"] = self.finalized_header.json();
        data["finality_branch"] = json!(texts(&self.finality_branch));
        data
    }

    /// The `data` of an update.
    pub fn json(&self) -> Value {
        let mut data = self.finality_json();
        data["next_sync_committee"] = self.next_sync_committee.json();
        data["next_sync_committee_branch"] = json!(texts(&self.next_sync_committee_branch));
        data
    }
}
