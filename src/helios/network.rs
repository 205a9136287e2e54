//! What is fixed for a network.

use crate::config::value::Network;

/// One fork of the consensus layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// Its first epoch.
    pub epoch: u64,
    /// Its version, mixed into every signature.
    pub version: [u8; 4],
}

/// A network's constants. The forks are those this program knows how to follow; an epoch beyond them is not told apart
/// from the last one, which is why an object of an unknown fork is refused by its own version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// What people call it.
    pub name: String,
    /// EIP-155's.
    pub chain_id: u64,
    /// Seconds since 1970.
    pub genesis_time: u64,
    /// Mixed into every signature.
    pub genesis_validators_root: [u8; 32],
    /// 12, but in tests.
    pub seconds_per_slot: u64,
    /// 32; the minimal preset has 8.
    pub slots_per_epoch: u64,
    /// 256; the minimal preset has 8.
    pub epochs_per_period: u64,
    /// Members of a sync committee: 512; the minimal preset has 32.
    pub committee_size: usize,
    /// The genesis version.
    pub genesis: [u8; 4],
    /// First epochs and versions.
    pub altair: Fork,
    /// See [`Spec::altair`].
    pub bellatrix: Fork,
    /// See [`Spec::altair`].
    pub capella: Fork,
    /// See [`Spec::altair`].
    pub deneb: Fork,
    /// See [`Spec::altair`].
    pub electra: Fork,
    /// See [`Spec::altair`].
    pub fulu: Fork,
    /// When blobs got a new price after Prague's (EIP-7892): timestamp, update fraction of the base fee.
    pub blob_schedule: Vec<(u64, u64)>,
}

impl Spec {
    /// A public network's.
    #[must_use]
    pub fn of(network: Network) -> Self {
        todo!("{network:?}")
    }

    /// The execution layer's time at the start of an epoch.
    #[must_use]
    pub fn epoch_time(&self, epoch: u64) -> u64 {
        let seconds = epoch.saturating_mul(self.slots_per_epoch).saturating_mul(self.seconds_per_slot);
        self.genesis_time.saturating_add(seconds)
    }

    /// The slot at a moment; 0 before genesis.
    #[must_use]
    pub fn slot_at(&self, seconds: u64) -> u64 {
        seconds.saturating_sub(self.genesis_time) / self.seconds_per_slot.max(1)
    }

    /// The sync-committee period of a slot.
    #[must_use]
    pub fn period(&self, slot: u64) -> u64 {
        slot / self.slots_per_epoch.max(1) / self.epochs_per_period.max(1)
    }
}
