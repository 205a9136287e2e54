//! A chain made for tests: own keys, minimal committees, every kind of transaction, and proofs of all of it.
//!
//! Promises: what it says fits together as on a real network, and is the same in every run. Nothing in it comes from the
//! code under test but [`Spec`]: encodings and trees are written here once more.

pub mod beacon;
pub mod committee;
pub mod contracts;
pub mod execution;
pub mod json;
pub mod lies;
pub mod light;
pub mod mainnet;
pub mod ssz;
pub mod state;
pub mod transactions;

use std::sync::{Arc, LazyLock};

use odyn::helios::network::{Fork, Spec};

use beacon::BeaconChain;
use execution::{Block, Execution};
use ssz::Root;

/// The slot of the block that a test starts from, in period 10.
pub const CHECKPOINT: u64 = 648;

/// The newest slot a server knows of at first, in period 12; the finalized one is [`HEAD_FINALIZED`].
pub const HEAD: u64 = 823;

/// What is finalized at [`HEAD`].
pub const HEAD_FINALIZED: u64 = 800;

/// The last slot there is, in period 13: a server's head may be moved up to it.
pub const LAST: u64 = 856;

/// The attested slots of the updates of periods 10 to 13.
pub const UPDATES: [u64; 4] = [672, 736, 792, 856];

/// When blobs get a new price, as a slot.
pub const BLOB_SLOT: u64 = 810;

/// The beacon chain and the execution chain below it.
pub struct Chain {
    pub beacon: BeaconChain,
    pub execution: Execution,
}

static SHARED: LazyLock<Arc<Chain>> = LazyLock::new(|| Arc::new(Chain::generate()));

/// The generated network's constants.
pub fn spec() -> Spec {
    let fork = |number| Fork { epoch: 0, version: [number, 0, 0, 0x77] };
    let genesis_time = 1_750_000_000;
    Spec {
        name: "generated".into(),
        chain_id: 515_151,
        genesis_time,
        genesis_validators_root: ssz::sha256(&[b"generated validators"]),
        seconds_per_slot: 12,
        slots_per_epoch: 8,
        epochs_per_period: 8,
        committee_size: 32,
        genesis: [0, 0, 0, 0x77],
        altair: fork(1),
        bellatrix: fork(2),
        capella: fork(3),
        deneb: fork(4),
        electra: fork(5),
        fulu: fork(6),
        blob_schedule: vec![(genesis_time + BLOB_SLOT * 12, 8_346_193)],
    }
}

impl Chain {
    /// The chain, made once for all tests.
    pub fn shared() -> Arc<Self> {
        Arc::clone(&SHARED)
    }

    /// Few blocks up to slot 792, one in each slot from 800 on.
    fn generate() -> Self {
        let slots: Vec<u64> =
            [632, 640, CHECKPOINT, 656, 672, 720, 736, 776, 792].into_iter().chain(800..=LAST).collect();
        let spec = spec();
        let mut execution = Execution::new(spec.chain_id, spec.blob_schedule.clone());
        let mut beacon = BeaconChain::new(spec, &slots);
        for slot in slots {
            let block = execution.push(beacon.time(slot), beacon.tip().into());
            beacon.push(slot, block);
        }
        Self { beacon, execution }
    }

    /// The root a test trusts.
    pub fn checkpoint(&self) -> Root {
        self.beacon.at(CHECKPOINT).root
    }

    /// The execution block at a slot.
    pub fn block(&self, slot: u64) -> &Block {
        self.execution.hash(self.beacon.at(slot).header.execution.block_hash.into()).unwrap()
    }

    /// The execution block that is `latest` at the start.
    pub fn head(&self) -> &Block {
        self.block(HEAD)
    }

    /// The execution block that is `finalized` at the start.
    pub fn finalized(&self) -> &Block {
        self.block(HEAD_FINALIZED)
    }

    /// Unix time when the block at a slot has been signed for: five seconds into the slot after.
    pub fn now_at(&self, slot: u64) -> u64 {
        self.beacon.time(slot + 1) + 5
    }

    /// Unix time at the start.
    pub fn now(&self) -> u64 {
        self.now_at(HEAD)
    }
}

#[cfg(test)]
mod tests;
