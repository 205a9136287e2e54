use blst::BLST_ERROR;
use blst::min_pk::{PublicKey, Signature};

use crate::chain::committee::{self, Committee, SUITE};
use crate::chain::ssz::{Root, sha256};
use crate::chain::{CHECKPOINT, Chain, HEAD, HEAD_FINALIZED, LAST, UPDATES};

/// Whether a branch leads from a leaf to the root, by generalized index.
fn leads(leaf: Root, branch: &[Root], mut index: u64, root: Root) -> bool {
    let mut node = leaf;
    for sibling in branch {
        node = if index & 1 == 1 { sha256(&[sibling, &node]) } else { sha256(&[&node, sibling]) };
        index >>= 1;
    }
    index == 1 && node == root
}

fn signed(committee: &Committee, bits: &[bool], message: Root, signature: &[u8; 96]) -> bool {
    let chosen = committee.keys.iter().zip(bits).filter(|(_, bit)| **bit);
    let keys: Vec<PublicKey> = chosen.map(|(key, _)| PublicKey::key_validate(key).unwrap()).collect();
    let signature = Signature::from_bytes(signature).unwrap();
    let outcome = signature.fast_aggregate_verify(true, &message, SUITE, &keys.iter().collect::<Vec<_>>());
    outcome == BLST_ERROR::BLST_SUCCESS
}

#[test]
fn every_block_commits_to_its_payload_and_committees() {
    let chain = Chain::shared();
    for (slot, block) in &chain.beacon.blocks {
        let header = &block.header;
        assert_eq!(header.beacon.slot, *slot);
        assert!(leads(header.execution.root(), &header.execution_branch, 25, header.beacon.body_root));
        let bootstrap = chain.beacon.bootstrap(*slot);
        let committee = bootstrap.current_sync_committee.root();
        assert!(leads(committee, &bootstrap.current_sync_committee_branch, 86, header.beacon.state_root));
        assert_eq!(header.execution.timestamp, chain.beacon.time(*slot));
        let executed = chain.block(*slot);
        assert_eq!(executed.header.timestamp, header.execution.timestamp);
        assert_eq!(executed.header.parent_beacon_block_root.unwrap().0, header.beacon.parent_root);
    }
}

#[test]
fn updates_are_signed_and_have_their_branches() {
    let chain = Chain::shared();
    let spec = &chain.beacon.spec;
    for slot in UPDATES.into_iter().chain(HEAD..LAST) {
        let update = chain.beacon.update(slot);
        let (attested, finalized) = (&update.attested_header.beacon, &update.finalized_header.beacon);
        assert!(leads(finalized.root(), &update.finality_branch, 169, attested.state_root));
        let next = update.next_sync_committee.root();
        assert!(leads(next, &update.next_sync_committee_branch, 87, attested.state_root));
        assert!(update.signature_slot > attested.slot && attested.slot > finalized.slot);
        assert_eq!(finalized.slot, (slot / 8 - 2) * 8);
        let message = committee::signing_root(spec, attested.root(), update.signature_slot);
        let members = &chain.beacon.members(spec.period(update.signature_slot)).public;
        assert_eq!(update.bits.iter().filter(|bit| **bit).count(), 30);
        assert!(signed(members, &update.bits, message, &update.signature));
        let others = &chain.beacon.members(spec.period(slot) + 1).public;
        assert_eq!(signed(others, &update.bits, message, &update.signature), members == others);
    }
    assert_eq!(UPDATES.map(|slot| spec.period(slot)), [10, 11, 12, 13]);
    assert_eq!((spec.period(CHECKPOINT), spec.period(HEAD), spec.period(LAST)), (10, 12, 13));
    assert_eq!(chain.beacon.at(HEAD).finalized, Some(HEAD_FINALIZED));
}

#[test]
fn an_altered_update_can_be_signed_again() {
    let chain = Chain::shared();
    let mut update = chain.beacon.update(HEAD);
    update.attested_header.beacon.proposer_index += 1;
    chain.beacon.sign(&mut update, 12, 3);
    let root = update.attested_header.beacon.root();
    let message = committee::signing_root(&chain.beacon.spec, root, update.signature_slot);
    assert_eq!(update.bits.iter().filter(|bit| **bit).count(), 3);
    assert!(signed(&chain.beacon.members(12).public, &update.bits, message, &update.signature));
    chain.beacon.sign(&mut update, 12, 0);
    assert_eq!(update.signature[0], 0xc0);
}

#[test]
fn encodings_have_the_sizes_of_the_minimal_preset() {
    let chain = Chain::shared();
    let update = chain.beacon.update(HEAD);
    let header = update.attested_header.ssz().len();
    assert_eq!(header, 244 + 584 + update.attested_header.execution.extra_data.len());
    let committee = 33 * 48;
    assert_eq!(chain.beacon.bootstrap(HEAD).ssz().len(), 4 + committee + 6 * 32 + header);
    let finalized = update.finalized_header.ssz().len();
    let aggregate = 4 + 96 + 8;
    assert_eq!(update.ssz().len(), 8 + committee + 13 * 32 + aggregate + header + finalized);
    assert_eq!(update.finality_ssz().len(), 8 + 7 * 32 + aggregate + header + finalized);
    assert_eq!(update.optimistic_ssz().len(), 4 + aggregate + header);
}
