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
    /// A public network's, as `../design/light-client.md` lists them with their sources.
    #[must_use]
    pub fn of(network: Network) -> Self {
        match network {
            Network::Mainnet => Self::public(Public {
                name: network.name(),
                chain_id: 1,
                genesis_time: 1_606_824_023,
                genesis_validators_root: [
                    0x4b, 0x36, 0x3d, 0xb9, 0x4e, 0x28, 0x61, 0x20, 0xd7, 0x6e, 0xb9, 0x05, 0x34, 0x0f, 0xdd, 0x4e,
                    0x54, 0xbf, 0xe9, 0xf0, 0x6b, 0xf3, 0x3f, 0xf6, 0xcf, 0x5a, 0xd2, 0x7f, 0x51, 0x1b, 0xfe, 0x95,
                ],
                version: |fork| [fork, 0, 0, 0],
                epochs: [74_240, 144_896, 194_048, 269_568, 364_032, 411_392],
                blobs: [1_765_290_071, 1_767_747_671],
            }),
            Network::Sepolia => Self::public(Public {
                name: network.name(),
                chain_id: 11_155_111,
                genesis_time: 1_655_733_600,
                genesis_validators_root: [
                    0xd8, 0xea, 0x17, 0x1f, 0x3c, 0x94, 0xae, 0xa2, 0x1e, 0xbc, 0x42, 0xa1, 0xed, 0x61, 0x05, 0x2a,
                    0xcf, 0x3f, 0x92, 0x09, 0xc0, 0x0e, 0x4e, 0xfb, 0xaa, 0xdd, 0xac, 0x09, 0xed, 0x9b, 0x80, 0x78,
                ],
                // Digits that look decimal: 69, then 70.
                version: |fork| [0x90, 0, 0, if fork == 0 { 0x69 } else { 0x6f + fork }],
                epochs: [50, 100, 56_832, 132_608, 222_464, 272_640],
                blobs: [1_761_017_184, 1_761_607_008],
            }),
            Network::Holesky => Self::public(Public {
                name: network.name(),
                chain_id: 17_000,
                genesis_time: 1_695_902_400,
                genesis_validators_root: [
                    0x91, 0x43, 0xaa, 0x7c, 0x61, 0x5a, 0x7f, 0x71, 0x15, 0xe2, 0xb6, 0xaa, 0xc3, 0x19, 0xc0, 0x35,
                    0x29, 0xdf, 0x82, 0x42, 0xae, 0x70, 0x5f, 0xba, 0x9d, 0xf3, 0x9b, 0x79, 0xc5, 0x9f, 0xa8, 0xb1,
                ],
                version: |fork| [fork + 1, 1, 0x70, 0],
                epochs: [0, 0, 256, 29_696, 115_968, 165_120],
                blobs: [1_759_800_000, 1_760_389_824],
            }),
            Network::Hoodi => Self::public(Public {
                name: network.name(),
                chain_id: 560_048,
                genesis_time: 1_742_213_400,
                genesis_validators_root: [
                    0x21, 0x2f, 0x13, 0xfc, 0x4d, 0xf0, 0x78, 0xb6, 0xcb, 0x7d, 0xb2, 0x28, 0xf1, 0xc8, 0x30, 0x75,
                    0x66, 0xdc, 0xec, 0xf9, 0x00, 0x86, 0x74, 0x01, 0xa9, 0x20, 0x23, 0xd7, 0xba, 0x99, 0xcb, 0x5f,
                ],
                version: |fork| [(fork + 1) << 4, 0, 9, 0x10],
                epochs: [0, 0, 0, 0, 2_048, 50_688],
                blobs: [1_762_365_720, 1_762_955_544],
            }),
        }
    }

    fn public(of: Public) -> Self {
        let [altair, bellatrix, capella, deneb, electra, fulu] = of.epochs;
        let fork = |number, epoch| Fork { epoch, version: (of.version)(number) };
        let [first, second] = of.blobs;
        Self {
            name: of.name.to_owned(),
            chain_id: of.chain_id,
            genesis_time: of.genesis_time,
            genesis_validators_root: of.genesis_validators_root,
            seconds_per_slot: 12,
            slots_per_epoch: 32,
            epochs_per_period: 256,
            committee_size: 512,
            genesis: (of.version)(0),
            altair: fork(1, altair),
            bellatrix: fork(2, bellatrix),
            capella: fork(3, capella),
            deneb: fork(4, deneb),
            electra: fork(5, electra),
            fulu: fork(6, fulu),
            blob_schedule: vec![(first, 8_346_193), (second, 11_684_671)],
        }
    }

    /// The fork of an epoch: the last that has begun.
    #[must_use]
    pub fn fork_at(&self, epoch: u64) -> Fork {
        [self.fulu, self.electra, self.deneb, self.capella, self.bellatrix, self.altair]
            .into_iter()
            .find(|fork| fork.epoch <= epoch)
            .unwrap_or(Fork { epoch: 0, version: self.genesis })
    }

    /// The epoch of a slot.
    #[must_use]
    pub fn epoch(&self, slot: u64) -> u64 {
        slot / self.slots_per_epoch.max(1)
    }

    /// When a slot begins, in seconds since 1970.
    #[must_use]
    pub fn slot_time(&self, slot: u64) -> u64 {
        self.genesis_time.saturating_add(slot.saturating_mul(self.seconds_per_slot))
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
        self.epoch(slot) / self.epochs_per_period.max(1)
    }
}

/// In what the public networks differ.
struct Public {
    name: &'static str,
    chain_id: u64,
    genesis_time: u64,
    genesis_validators_root: [u8; 32],
    /// Version of the fork of that number; genesis is 0, Fulu 6.
    version: fn(u8) -> [u8; 4],
    /// First epochs, from Altair to Fulu.
    epochs: [u64; 6],
    /// Timestamps of the first two changes of blob parameters.
    blobs: [u64; 2],
}

#[cfg(test)]
mod tests;
