use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, address};
use serde_json::{Value, json};

use super::*;
use crate::helios::execution::fixture::{self, Entry, State};

const ALICE: Address = address!("00000000000000000000000000000000000000a1");
const BOB: Address = address!("00000000000000000000000000000000000000b0");
const NOBODY: Address = address!("00000000000000000000000000000000000000c0");

/// Enough accounts and slots for tries of a few levels.
fn state() -> State {
    let mut state: State = (0..200u64)
        .map(|n| {
            let entry = Entry { nonce: n, balance: U256::from(n * n + 1), ..Entry::default() };
            (Address::left_padding_from(&(n + 0x1000).to_be_bytes()), entry)
        })
        .collect();
    let slots: BTreeMap<U256, U256> = (0..60u64).map(|n| (U256::from(n), U256::from(n + 7))).collect();
    state.insert(ALICE, Entry { nonce: 3, balance: U256::from(99), code: vec![1, 2].into(), slots });
    state.insert(BOB, Entry { nonce: 4, balance: U256::from(98), ..Entry::default() });
    state
}

fn keys(slots: &[u64]) -> Vec<B256> {
    slots.iter().map(|slot| U256::from(*slot).into()).collect()
}

fn check(value: &Value, root: B256, address: Address, slots: &[u64]) -> Result<Proven, Check> {
    let answer = serde_json::from_value(value.clone()).map_err(|_| Check::Shape)?;
    let slots: Vec<U256> = slots.iter().copied().map(U256::from).collect();
    verify(answer, root, address, &slots).map_err(|e| match e {
        CallError::Unproven(check, _) => check,
        other => panic!("{other:?}"),
    })
}

#[test]
fn accounts_slots_and_their_absence_are_proven() {
    let state = state();
    let (root, answer) = fixture::prove(&state, ALICE, &keys(&[0, 59, 60, 1000]));
    let proven = check(&answer, root, ALICE, &[0, 59, 60, 1000]).unwrap();
    assert_eq!(proven.account.unwrap().balance, U256::from(99));
    assert_eq!(proven.values, [7, 66, 0, 0].map(U256::from));
    assert!(proven.account_proof.len() > 1 && proven.storage_proofs[0].len() > 1);

    let (root, answer) = fixture::prove(&state, NOBODY, &keys(&[5]));
    let proven = check(&answer, root, NOBODY, &[5]).unwrap();
    assert_eq!((proven.account, proven.values), (None, vec![U256::ZERO]));
}

#[test]
fn an_absent_account_may_be_described_as_nothing_or_as_empty() {
    let (root, mut answer) = fixture::prove(&state(), NOBODY, &keys(&[5]));
    answer["codeHash"] = json!(B256::ZERO);
    answer["storageHash"] = json!(B256::ZERO);
    answer["storageProof"][0]["proof"] = json!(["0x80"]);
    check(&answer, root, NOBODY, &[5]).unwrap();
    for field in ["codeHash", "storageHash"] {
        let mut answer = answer.clone();
        answer[field] = json!(B256::repeat_byte(1));
        assert_eq!(check(&answer, root, NOBODY, &[5]), Err(Check::AccountFields));
    }
    for proof in [json!(["0x80", "0x80"]), json!(["0xc0"]), json!([""]), json!(["0x"])] {
        let mut answer = answer.clone();
        answer["storageProof"][0]["proof"] = proof;
        assert_eq!(check(&answer, root, NOBODY, &[5]), Err(Check::StorageProof));
    }
}

#[test]
fn an_empty_state_holds_nobody() {
    let (root, answer) = fixture::prove(&State::new(), ALICE, &[]);
    assert_eq!(root, EMPTY_ROOT_HASH);
    assert_eq!(check(&answer, root, ALICE, &[]).unwrap().account, None);
    // An empty proof says nothing about a state that has something in it.
    let (root, full) = fixture::prove(&state(), ALICE, &[]);
    assert_eq!(check(&answer, root, ALICE, &[]), Err(Check::AccountProof));
    assert_eq!(check(&full, EMPTY_ROOT_HASH, ALICE, &[]), Err(Check::AccountProof));
}

#[test]
fn a_right_proof_for_another_account_is_refused() {
    let state = state();
    let (root, answer) = fixture::prove(&state, BOB, &[]);
    check(&answer, root, BOB, &[]).unwrap();
    assert_eq!(check(&answer, root, ALICE, &[]), Err(Check::ProofAddress));
    let mut renamed = answer;
    renamed["address"] = json!(ALICE);
    assert_eq!(check(&renamed, root, ALICE, &[]), Err(Check::AccountProof));
    renamed["address"] = json!(NOBODY);
    assert_eq!(check(&renamed, root, NOBODY, &[]), Err(Check::AccountProof));
}

#[test]
fn a_proof_against_another_state_is_refused() {
    let mut other = state();
    other.get_mut(&BOB).unwrap().nonce = 5;
    let (root, _) = fixture::prove(&other, ALICE, &[]);
    let (_, answer) = fixture::prove(&state(), ALICE, &[]);
    assert_eq!(check(&answer, root, ALICE, &[]), Err(Check::AccountProof));
}

#[test]
fn an_account_that_exists_cannot_be_denied() {
    let state = state();
    let (root, _) = fixture::prove(&state, ALICE, &[]);
    let (_, absent) = fixture::prove(&state, NOBODY, &[]);
    let mut denied = absent.clone();
    denied["address"] = json!(ALICE);
    assert_eq!(check(&denied, root, ALICE, &[]), Err(Check::AccountProof));
    // Its own proof, cut off at each length, beside the fields of nothing.
    let (_, own) = fixture::prove(&state, ALICE, &[]);
    let nodes = own["accountProof"].as_array().unwrap().len();
    for length in 0..nodes {
        denied["accountProof"] = json!(own["accountProof"].as_array().unwrap()[..length]);
        assert_eq!(check(&denied, root, ALICE, &[]), Err(Check::AccountProof));
    }
    denied["accountProof"] = own["accountProof"].clone();
    assert_eq!(check(&denied, root, ALICE, &[]), Err(Check::AccountFields));
}

#[test]
fn slots_are_the_ones_asked_for_each_once_and_in_order() {
    let state = state();
    let (root, answer) = fixture::prove(&state, ALICE, &keys(&[1, 2]));
    check(&answer, root, ALICE, &[1, 2]).unwrap();
    for asked in [&[1][..], &[2, 1], &[1, 2, 3], &[1, 3], &[], &[1, 1]] {
        assert_eq!(check(&answer, root, ALICE, asked), Err(Check::ProofSlots), "{asked:?}");
    }
    let mut doubled = answer.clone();
    let first = answer["storageProof"][0].clone();
    doubled["storageProof"].as_array_mut().unwrap().push(first);
    assert_eq!(check(&doubled, root, ALICE, &[1, 2]), Err(Check::ProofSlots));
    let mut swapped = answer.clone();
    swapped["storageProof"][0]["key"] = answer["storageProof"][1]["key"].clone();
    swapped["storageProof"][1]["key"] = answer["storageProof"][0]["key"].clone();
    assert_eq!(check(&swapped, root, ALICE, &[1, 2]), Err(Check::ProofSlots));
    assert_eq!(check(&swapped, root, ALICE, &[2, 1]), Err(Check::StorageProof));
}

#[test]
fn a_slot_that_is_set_cannot_be_denied() {
    let state = state();
    let (root, mut answer) = fixture::prove(&state, ALICE, &keys(&[1]));
    let (_, absent) = fixture::prove(&state, ALICE, &keys(&[777]));
    answer["storageProof"][0]["value"] = json!("0x0");
    assert_eq!(check(&answer, root, ALICE, &[1]), Err(Check::StorageValue));
    answer["storageProof"][0]["proof"] = absent["storageProof"][0]["proof"].clone();
    assert_eq!(check(&answer, root, ALICE, &[1]), Err(Check::StorageProof));
    for empty in [json!([]), json!(["0x80"])] {
        answer["storageProof"][0]["proof"] = empty;
        assert_eq!(check(&answer, root, ALICE, &[1]), Err(Check::StorageProof));
    }
}

#[test]
fn every_field_beside_a_proof_is_compared_with_it() {
    let (root, answer) = fixture::prove(&state(), ALICE, &keys(&[1]));
    for (field, other) in [
        ("balance", json!("0x64")),
        ("nonce", json!("0x4")),
        ("codeHash", json!(KECCAK_EMPTY)),
        ("storageHash", json!(EMPTY_ROOT_HASH)),
    ] {
        let mut answer = answer.clone();
        assert_ne!(answer[field], other);
        answer[field] = other;
        assert_eq!(check(&answer, root, ALICE, &[1]), Err(Check::AccountFields), "{field}");
    }
    let mut answer = answer;
    answer["storageProof"][0]["value"] = json!("0x9");
    assert_eq!(check(&answer, root, ALICE, &[1]), Err(Check::StorageValue));
}

/// All ways of leaving out, doubling, adding and swapping a node.
fn spoiled(nodes: &[Value], stranger: &Value) -> Vec<Vec<Value>> {
    let mut all = Vec::new();
    for at in 0..nodes.len() {
        let mut missing = nodes.to_vec();
        missing.remove(at);
        all.push(missing);
        for extra in [&nodes[at], stranger, &json!("0x80"), &json!("0x")] {
            for place in 0..=nodes.len() {
                let mut more = nodes.to_vec();
                more.insert(place, extra.clone());
                all.push(more);
            }
        }
        for other in at + 1..nodes.len() {
            let mut swapped = nodes.to_vec();
            swapped.swap(at, other);
            all.push(swapped);
        }
    }
    all
}

#[test]
fn no_node_may_be_missing_added_doubled_or_moved() {
    let state = state();
    let (_, stranger) = fixture::prove(&state, BOB, &[]);
    let stranger = stranger["accountProof"].as_array().unwrap().last().unwrap().clone();
    for (address, slot) in [(ALICE, 1), (ALICE, 500), (NOBODY, 1)] {
        let (root, answer) = fixture::prove(&state, address, &keys(&[slot]));
        check(&answer, root, address, &[slot]).unwrap();
        let nodes = answer["accountProof"].as_array().unwrap();
        assert!(nodes.len() >= 2);
        for spoiled in spoiled(nodes, &stranger) {
            let mut answer = answer.clone();
            answer["accountProof"] = json!(spoiled);
            assert_eq!(check(&answer, root, address, &[slot]), Err(Check::AccountProof));
        }
        let nodes = answer["storageProof"][0]["proof"].as_array().unwrap();
        for spoiled in spoiled(nodes, &stranger) {
            let mut answer = answer.clone();
            answer["storageProof"][0]["proof"] = json!(spoiled);
            assert_eq!(check(&answer, root, address, &[slot]), Err(Check::StorageProof));
        }
    }
}

#[test]
fn past_an_extension_that_leads_elsewhere_no_node_is_taken() {
    // Two keys that share 63 nibbles: an extension at the root, then a branch.
    let mut other = B256::repeat_byte(0x11);
    other.0[31] = 0x12;
    let leaves = [(B256::repeat_byte(0x11), vec![1; 40]), (other, vec![2; 40])];
    let key = B256::repeat_byte(0x22);
    let (root, all) = fixture::trie(leaves.clone(), other);
    let (same, absent) = fixture::trie(leaves, key);
    assert_eq!(root, same);
    assert_eq!((absent.len(), all.len()), (1, 3));
    assert_eq!(lookup(root, key, &absent), Some(None));
    assert_eq!(lookup(root, other, &all), Some(Some(vec![2; 40])));
    assert_eq!(lookup(root, key, &all[..2]), None);
    assert_eq!(lookup(root, key, &all), None);
    assert_eq!(lookup(root, other, &absent), None);
    // Values so short that leaves are inside their branch, and even that inside the extension.
    for (value, hashed) in [(vec![2; 10], 2), (vec![2], 1)] {
        let leaves = [(B256::repeat_byte(0x11), value.clone()), (other, value.clone())];
        let (root, mut nodes) = fixture::trie(leaves, other);
        nodes.retain(|node| node.len() >= 32);
        assert_eq!(nodes.len(), hashed);
        assert_eq!(lookup(root, other, &nodes), Some(Some(value)));
        assert_eq!(lookup(root, key, &nodes[..1]), Some(None));
        assert_eq!(lookup(root, other, &nodes[..hashed - 1]), None);
        nodes.push(nodes[0].clone());
        assert_eq!(lookup(root, other, &nodes), None);
    }
}

#[test]
fn proofs_have_caps() {
    let (root, answer) = fixture::prove(&state(), ALICE, &[]);
    let mut deep = answer.clone();
    deep["accountProof"] = json!(vec!["0x80"; limits::PROOF_DEPTH + 1]);
    assert_eq!(check(&deep, root, ALICE, &[]), Err(Check::AccountProof));
    let mut wide = answer;
    wide["accountProof"] = json!([format!("0x{}", "00".repeat(limits::PROOF_NODE + 1))]);
    assert_eq!(check(&wide, root, ALICE, &[]), Err(Check::AccountProof));
}

#[test]
fn a_broken_answer_is_an_error_or_means_the_same() {
    let slots = [1, 500];
    // Few accounts, so that it does not take minutes; still a branch above the account's leaf.
    let small: State = state().into_iter().filter(|(address, _)| *address == ALICE || address.0[19] < 4).collect();
    let (root, answer) = fixture::prove(&small, ALICE, &keys(&slots));
    let right = check(&answer, root, ALICE, &slots).unwrap();
    let text = answer.to_string().into_bytes();
    let asked: Vec<U256> = slots.iter().copied().map(U256::from).collect();
    let try_it = |bytes: &[u8]| {
        let answer = serde_json::from_slice::<Answer>(bytes).ok()?;
        verify(answer, root, ALICE, &asked).ok()
    };
    assert_eq!(try_it(&text), Some(right.clone()));
    let mut refused = 0;
    for at in 0..text.len() {
        assert_eq!(try_it(&text[..at]), None);
        // Every third byte also in the bit that makes letters small or large.
        let flip = if at % 3 == 0 { 0x20 } else { 1 << (at % 8) };
        let mut broken = text.clone();
        broken[at] ^= flip;
        match try_it(&broken) {
            None => refused += 1,
            Some(proven) => assert_eq!(proven, right, "byte {at}, bits {flip:#x}"),
        }
    }
    assert!(refused > text.len() / 2, "{refused} of {}", text.len());
}
