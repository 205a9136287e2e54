//! The generated beacon chain: which block is at which slot, what its state commits to, and the light-client objects made
//! of that.

use std::collections::BTreeMap;

use odyn::helios::network::Spec;

use super::committee::{self, Members};
use super::execution::Block;
use super::light::{BeaconHeader, Bootstrap, LightHeader, Payload, Update};
use super::ssz::{self, Root, sha256};

/// The leaves of a beacon state's tree that light clients know: the finalized checkpoint, the current committee, the next.
const FINALIZED: usize = 20;
const CURRENT: usize = 22;
const NEXT: usize = 23;

/// Depth of a beacon state's tree since Electra.
const STATE_DEPTH: usize = 6;

/// What a beacon state commits to; all but three leaves are made up.
#[derive(Clone, Debug)]
pub struct BeaconState {
    leaves: Vec<Root>,
    finalized_epoch: u64,
    finalized_root: Root,
}

impl BeaconState {
    /// The state at a slot.
    pub fn new(slot: u64, finalized: (u64, Root), current: Root, next: Root) -> Self {
        let mut leaves: Vec<Root> =
            (0..38_u64).map(|leaf| sha256(&[b"state", &slot.to_le_bytes(), &leaf.to_le_bytes()])).collect();
        let (finalized_epoch, finalized_root) = finalized;
        leaves[FINALIZED] = ssz::merkle(&[ssz::number(finalized_epoch), finalized_root], 1);
        leaves[CURRENT] = current;
        leaves[NEXT] = next;
        Self { leaves, finalized_epoch, finalized_root }
    }

    pub fn root(&self) -> Root {
        ssz::merkle(&self.leaves, STATE_DEPTH)
    }

    /// Of the finalized checkpoint's root: generalized index 169.
    pub fn finality_branch(&self) -> Vec<Root> {
        let mut branch = vec![ssz::number(self.finalized_epoch)];
        branch.extend(ssz::branch(&self.leaves, STATE_DEPTH, FINALIZED));
        branch
    }

    /// Generalized index 86.
    pub fn current_branch(&self) -> Vec<Root> {
        ssz::branch(&self.leaves, STATE_DEPTH, CURRENT)
    }

    /// Generalized index 87.
    pub fn next_branch(&self) -> Vec<Root> {
        ssz::branch(&self.leaves, STATE_DEPTH, NEXT)
    }
}

/// One beacon block.
#[derive(Clone, Debug)]
pub struct BeaconBlock {
    pub header: LightHeader,
    pub root: Root,
    pub state: BeaconState,
    /// The slot of the block that its state calls finalized; `None` before there was one.
    pub finalized: Option<u64>,
}

/// All beacon blocks by slot, and the committees.
pub struct BeaconChain {
    pub spec: Spec,
    pub blocks: BTreeMap<u64, BeaconBlock>,
    members: BTreeMap<u64, Members>,
}

/// How many members sign, where nothing else is said.
pub const SIGNERS: usize = 30;

impl BeaconChain {
    /// A chain without blocks, whose committees are known for the periods of these slots, and the one after.
    pub fn new(spec: Spec, slots: &[u64]) -> Self {
        let (first, last) = (spec.period(slots[0]), spec.period(slots[slots.len() - 1]));
        let members = (first - 1..=last + 2).map(|period| (period, Members::of(period, spec.committee_size))).collect();
        Self { spec, blocks: BTreeMap::new(), members }
    }

    /// The execution layer's time at a slot.
    pub fn time(&self, slot: u64) -> u64 {
        self.spec.genesis_time + slot * self.spec.seconds_per_slot
    }

    /// The committee of a period.
    pub fn members(&self, period: u64) -> &Members {
        &self.members[&period]
    }

    /// The root that the next block has as its parent.
    pub fn tip(&self) -> Root {
        self.blocks.last_key_value().map_or_else(|| sha256(&[b"before"]), |(_, block)| block.root)
    }

    /// Adds a block.
    pub fn push(&mut self, slot: u64, block: &Block) {
        let (epoch, period) = (slot / self.spec.slots_per_epoch, self.spec.period(slot));
        let finalized_epoch = epoch - 2;
        let finalized = self.blocks.range(..=finalized_epoch * self.spec.slots_per_epoch).next_back();
        let checkpoint = finalized.map_or((0, Root::default()), |(_, block)| (finalized_epoch, block.root));
        let finalized = finalized.map(|(slot, _)| *slot);
        let committee = |period| self.members(period).public.root();
        let state = BeaconState::new(slot, checkpoint, committee(period), committee(period + 1));
        let header = BeaconHeader {
            slot,
            proposer_index: slot % 97,
            parent_root: self.tip(),
            state_root: state.root(),
            body_root: Root::default(),
        };
        let header = LightHeader::new(header, Payload::of(block));
        let root = header.beacon.root();
        self.blocks.insert(slot, BeaconBlock { header, root, state, finalized });
    }

    /// The block at a slot.
    pub fn at(&self, slot: u64) -> &BeaconBlock {
        &self.blocks[&slot]
    }

    /// The block with a root.
    pub fn by_root(&self, root: Root) -> Option<&BeaconBlock> {
        self.blocks.values().find(|block| block.root == root)
    }

    /// The bootstrap from the block at a slot.
    pub fn bootstrap(&self, slot: u64) -> Bootstrap {
        let block = self.at(slot);
        Bootstrap {
            header: block.header.clone(),
            current_sync_committee: self.members(self.spec.period(slot)).public.clone(),
            current_sync_committee_branch: block.state.current_branch(),
        }
    }

    /// The update whose attested header is the block at a slot, signed in the slot after by [`SIGNERS`] members.
    pub fn update(&self, slot: u64) -> Update {
        let block = self.at(slot);
        let mut update = Update {
            attested_header: block.header.clone(),
            next_sync_committee: self.members(self.spec.period(slot) + 1).public.clone(),
            next_sync_committee_branch: block.state.next_branch(),
            finalized_header: self.at(block.finalized.unwrap()).header.clone(),
            finality_branch: block.state.finality_branch(),
            bits: Vec::new(),
            signature: [0; 96],
            signature_slot: slot + 1,
        };
        self.sign(&mut update, self.spec.period(slot + 1), SIGNERS);
        update
    }

    /// Signs an update again, for instance after its attested header was altered: by that many members of that period's
    /// committee.
    pub fn sign(&self, update: &mut Update, period: u64, signers: usize) {
        let message = committee::signing_root(&self.spec, update.attested_header.beacon.root(), update.signature_slot);
        update.bits = committee::bits(signers, self.spec.committee_size);
        update.signature = self.members(period).sign(message, &update.bits);
    }

    /// The first four bytes of a fork's digest, as updates are framed with it: with EIP-7892's mask, for nine blobs.
    pub fn digest(&self) -> [u8; 4] {
        let fork = sha256(&[&ssz::padded(&self.spec.fulu.version), &self.spec.genesis_validators_root]);
        let blobs = sha256(&[&self.spec.electra.epoch.to_le_bytes(), &9_u64.to_le_bytes()]);
        std::array::from_fn(|place| fork[place] ^ blobs[place])
    }
}
