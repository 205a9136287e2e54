//! The objects of the light-client protocol, whichever way they arrived.
//!
//! [`Update`] stands for all three kinds of update. What a kind does not have is `None`; the specification's "all zero
//! if absent" ends where objects are read.

use alloy_primitives::{Address, B256, Bloom, FixedBytes};

use super::error::Malformed;
use super::merkle;
use crate::helios::head::Anchor;
use crate::helios::network::Spec;

/// The shape of an object, which the slot of its attested header decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Execution headers without blob gas.
    Capella,
    /// With it.
    Deneb,
    /// And the beacon state one level deeper. Fulu's too.
    Electra,
}

impl Form {
    /// The form of what is attested in `slot`.
    ///
    /// # Errors
    /// [`Malformed::BeforeCapella`].
    pub fn at(spec: &Spec, slot: u64) -> Result<Self, Malformed> {
        match spec.epoch(slot) {
            epoch if epoch >= spec.electra.epoch => Ok(Self::Electra),
            epoch if epoch >= spec.deneb.epoch => Ok(Self::Deneb),
            epoch if epoch >= spec.capella.epoch => Ok(Self::Capella),
            _ => Err(Malformed::BeforeCapella(slot)),
        }
    }

    /// Nodes in the branch of a committee.
    #[must_use]
    pub fn committee_depth(self) -> usize {
        if self == Self::Electra { 6 } else { 5 }
    }

    /// Nodes in the branch of the finalized root.
    #[must_use]
    pub fn finality_depth(self) -> usize {
        if self == Self::Electra { 7 } else { 6 }
    }

    /// Generalized index of `current_sync_committee` in the state.
    #[must_use]
    pub fn current_index(self) -> u64 {
        if self == Self::Electra { 86 } else { 54 }
    }

    /// Generalized index of `next_sync_committee` in the state.
    #[must_use]
    pub fn next_index(self) -> u64 {
        if self == Self::Electra { 87 } else { 55 }
    }

    /// Generalized index of `finalized_checkpoint.root` in the state.
    #[must_use]
    pub fn finality_index(self) -> u64 {
        if self == Self::Electra { 169 } else { 105 }
    }
}

/// Generalized index of `execution_payload` in a block's body.
pub const EXECUTION_INDEX: u64 = 25;

/// Nodes in its branch.
pub const EXECUTION_DEPTH: usize = 4;

/// Most bytes of a header's `extra_data`.
pub const EXTRA_DATA: usize = 32;

/// `BeaconBlockHeader`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct BeaconHeader {
    pub slot: u64,
    pub proposer_index: u64,
    pub parent_root: B256,
    pub state_root: B256,
    pub body_root: B256,
}

impl BeaconHeader {
    /// Its `hash_tree_root`: what checkpoints and signatures mean.
    #[must_use]
    pub fn root(&self) -> B256 {
        let numbers = [merkle::number(self.slot), merkle::number(self.proposer_index)];
        merkle::root([numbers.as_slice(), &[self.parent_root, self.state_root, self.body_root]].concat())
    }
}

/// `ExecutionPayloadHeader`, up to Fulu.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ExecutionHeader {
    pub parent_hash: B256,
    pub fee_recipient: Address,
    pub state_root: B256,
    pub receipts_root: B256,
    pub logs_bloom: Bloom,
    pub prev_randao: B256,
    pub block_number: u64,
    pub gas_limit: u64,
    pub gas_used: u64,
    pub timestamp: u64,
    /// At most [`EXTRA_DATA`] bytes.
    pub extra_data: Vec<u8>,
    /// 256 bits, the lowest byte first.
    pub base_fee_per_gas: B256,
    pub block_hash: B256,
    pub transactions_root: B256,
    pub withdrawals_root: B256,
    /// 0 before Deneb.
    pub blob_gas_used: u64,
    /// 0 before Deneb.
    pub excess_blob_gas: u64,
}

impl ExecutionHeader {
    /// Its `hash_tree_root` in the form of its own block; `None` if it has blob gas before Deneb.
    pub(super) fn root(&self, form: Form) -> Option<B256> {
        let extra = merkle::pair(
            B256::right_padding_from(self.extra_data.get(..EXTRA_DATA.min(self.extra_data.len()))?),
            merkle::number(self.extra_data.len() as u64),
        );
        let mut leaves = vec![
            self.parent_hash,
            B256::right_padding_from(self.fee_recipient.as_slice()),
            self.state_root,
            self.receipts_root,
            merkle::root(merkle::bytes(self.logs_bloom.as_slice())),
            self.prev_randao,
            merkle::number(self.block_number),
            merkle::number(self.gas_limit),
            merkle::number(self.gas_used),
            merkle::number(self.timestamp),
            extra,
            self.base_fee_per_gas,
            self.block_hash,
            self.transactions_root,
            self.withdrawals_root,
        ];
        if form >= Form::Deneb {
            leaves.extend([merkle::number(self.blob_gas_used), merkle::number(self.excess_blob_gas)]);
        } else if self.blob_gas_used != 0 || self.excess_blob_gas != 0 {
            return None;
        }
        Some(merkle::root(leaves))
    }
}

/// `LightClientHeader`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// What is signed.
    pub beacon: BeaconHeader,
    /// The execution layer's block in it.
    pub execution: ExecutionHeader,
    /// Proves the second in the first; empty only where there is no header at all.
    pub execution_branch: Vec<B256>,
}

impl Header {
    /// Whether the execution header is the one of the block's body: `is_valid_light_client_header`.
    #[must_use]
    pub fn is_whole(&self, spec: &Spec) -> bool {
        let Ok(form) = Form::at(spec, self.beacon.slot) else { return false };
        let Some(leaf) = self.execution.root(form) else { return false };
        merkle::is_proven(leaf, &self.execution_branch, EXECUTION_INDEX, self.beacon.body_root)
    }

    /// The execution block.
    #[must_use]
    pub fn anchor(&self) -> Anchor {
        Anchor {
            slot: self.beacon.slot,
            number: self.execution.block_number,
            hash: self.execution.block_hash,
            timestamp: self.execution.timestamp,
        }
    }

    /// True for what stands where no header is.
    pub(super) fn is_empty(&self) -> bool {
        let branch_is_zero = is_zero(&self.execution_branch);
        branch_is_zero && self.beacon == BeaconHeader::default() && self.execution == ExecutionHeader::default()
    }
}

/// A compressed public key.
pub type Key = FixedBytes<48>;

/// `SyncCommittee`: whatever keys somebody claims.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SyncCommittee {
    pub pubkeys: Vec<Key>,
    pub aggregate_pubkey: Key,
}

impl SyncCommittee {
    /// Its `hash_tree_root`.
    #[must_use]
    pub fn root(&self) -> B256 {
        let keys = self.pubkeys.iter().map(|key| merkle::key(key)).collect();
        merkle::pair(merkle::root(keys), merkle::key(&self.aggregate_pubkey))
    }

    fn is_empty(&self) -> bool {
        self.aggregate_pubkey.is_zero() && self.pubkeys.iter().all(|key| key.is_zero())
    }
}

/// `SyncAggregate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncAggregate {
    /// One bit per member, the lowest of the first byte first.
    pub bits: Vec<u8>,
    /// The sum of their signatures.
    pub signature: FixedBytes<96>,
}

impl SyncAggregate {
    /// How many signed.
    #[must_use]
    pub fn participants(&self) -> u64 {
        self.bits.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }
}

/// `LightClientBootstrap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// The checkpoint's header.
    pub header: Header,
    /// The committee of its period.
    pub current: SyncCommittee,
    /// Proves it in the header's state.
    pub current_branch: Vec<B256>,
}

/// A committee, or a header, and the branch that proves it in the attested state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branched<T> {
    /// What is claimed.
    pub value: T,
    /// Its proof.
    pub branch: Vec<B256>,
}

/// `LightClientUpdate`, `LightClientFinalityUpdate` or `LightClientOptimisticUpdate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The header that is signed.
    pub attested: Header,
    /// The committee after the attested header's period.
    pub next: Option<Branched<SyncCommittee>>,
    /// What the attested state takes for final. Before anything was, that is the empty header.
    pub finalized: Option<Branched<Header>>,
    /// The signature.
    pub aggregate: SyncAggregate,
    /// The slot of the block that holds the signature.
    pub signature_slot: u64,
}

/// A next committee, unless branch and committee are zero.
///
/// # Errors
/// [`Malformed::WithoutBranch`].
pub(super) fn next(value: SyncCommittee, branch: Vec<B256>) -> Result<Option<Branched<SyncCommittee>>, Malformed> {
    match (is_zero(&branch), value.is_empty()) {
        (false, _) => Ok(Some(Branched { value, branch })),
        (true, true) => Ok(None),
        (true, false) => Err(Malformed::WithoutBranch("a next committee")),
    }
}

/// A finalized header, unless branch and header are zero.
///
/// # Errors
/// [`Malformed::WithoutBranch`].
pub(super) fn finalized(value: Header, branch: Vec<B256>) -> Result<Option<Branched<Header>>, Malformed> {
    match (is_zero(&branch), value.is_empty()) {
        (false, _) => Ok(Some(Branched { value, branch })),
        (true, true) => Ok(None),
        (true, false) => Err(Malformed::WithoutBranch("a finalized header")),
    }
}

fn is_zero(branch: &[B256]) -> bool {
    branch.iter().all(|node| node.is_zero())
}
