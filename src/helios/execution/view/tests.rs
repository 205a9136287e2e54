use std::sync::Arc;
use std::time::Instant;

use alloy_primitives::{B256, U256};
use serde_json::{Value, json};

use super::*;
use crate::helios::clock::Clock;
use crate::helios::execution::fixture::{self, FIRST, HISTORY, LAST, State, TIME, World};

fn check<T: std::fmt::Debug>(result: Result<T, CallError>) -> Check {
    match result {
        Err(CallError::Unproven(check, _)) => check,
        other => panic!("{other:?}"),
    }
}

fn out_of_reach<T: std::fmt::Debug>(result: Result<T, CallError>) -> String {
    match result {
        Err(CallError::OutOfReach(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn world() -> World {
    World::new(State::new())
}

#[test]
fn every_block_below_the_head_is_proven_by_number_and_by_hash() {
    for by_hash in [false, true] {
        let world = world();
        for number in FIRST..=LAST {
            let hash = world.hashes[&number];
            let block = if by_hash { BlockId::Hash(hash) } else { BlockId::Number(number) };
            let sealed = world.view().header(block).unwrap();
            assert_eq!((sealed.hash, sealed.header.number), (hash, number));
        }
    }
    let world = world();
    assert_eq!(world.view().header(BlockId::Latest).unwrap().hash, world.hashes[&LAST]);
    assert_eq!(world.view().header(BlockId::Finalized).unwrap().hash, world.hashes[&(LAST - 6)]);
}

#[test]
fn going_down_needs_no_state_and_a_known_block_no_request() {
    let world = world();
    for number in (FIRST..=LAST).rev() {
        world.view().header(BlockId::Number(number)).unwrap();
    }
    assert_eq!(world.fake.asked("eth_getProof"), 0);
    for number in FIRST..=LAST {
        world.view().header(BlockId::Number(number)).unwrap();
    }
    assert_eq!(world.fake.asked("eth_getBlockByHash"), 0);
    let world = self::world();
    world.view().header(BlockId::Number(FIRST + 1)).unwrap();
    assert_eq!(world.fake.asked("eth_getProof"), 1);
}

#[test]
fn blocks_after_the_head_and_too_far_below_it_are_out_of_reach() {
    let world = world();
    let text = out_of_reach(world.view().header(BlockId::Number(LAST + 1)));
    assert!(text.contains(&LAST.to_string()), "{text}");
    out_of_reach(world.view().header(BlockId::Number(u64::MAX)));
    let text = out_of_reach(world.view().header(BlockId::Number(LAST - limits::HISTORY - 1)));
    assert!(text.contains("8191 back"), "{text}");
    assert_eq!(world.fake.asked("eth_getProof"), 0);
    // In reach, but the contract has nothing there.
    let text = out_of_reach(world.view().header(BlockId::Number(FIRST - 2)));
    assert!(text.contains("EIP-2935"), "{text}");
    // The contract knows it, the server does not.
    assert_eq!(check(world.view().header(BlockId::Number(FIRST - 1))), Check::Absence);
}

#[test]
fn another_block_in_place_of_the_one_asked_for_is_refused() {
    let world = world();
    let other = json!(world.fake.headers[&world.hashes[&(LAST - 2)]]);
    world.fake.lie(move |method, _, answer| {
        if method == "eth_getBlockByHash" {
            *answer = other.clone();
        }
    });
    for block in [BlockId::Latest, BlockId::Finalized, BlockId::Number(LAST), BlockId::Hash(world.hashes[&FIRST])] {
        assert_eq!(check(world.view().header(block)), Check::HeaderHash);
    }
}

#[test]
fn null_is_no_answer_to_a_block_that_exists() {
    let world = world();
    world.fake.lie(|_, _, answer| *answer = Value::Null);
    for block in [BlockId::Latest, BlockId::Finalized, BlockId::Number(LAST - 1), BlockId::Hash(B256::ZERO)] {
        assert_eq!(check(world.view().header(block)), Check::Absence);
    }
}

#[test]
fn a_head_whose_number_is_not_its_blocks_is_refused() {
    let mut world = world();
    world.head.latest.number += 1;
    assert_eq!(check(world.view().header(BlockId::Latest)), Check::HeaderNumber);
}

#[test]
fn history_that_names_a_block_of_another_number_is_refused() {
    // A chain whose contract, against its own rules, holds in one slot the hash of another slot's block.
    let mut world = world();
    let mut state = world.fake.states[&LAST].clone();
    let history = state.get_mut(&HISTORY).unwrap();
    history.slots.insert(U256::from((FIRST + 1) % 8191), world.hashes[&(FIRST + 3)].into());
    let mut header = world.fake.headers[&world.hashes[&LAST]].clone();
    header.state_root = fixture::prove(&state, HISTORY, &[]).0;
    let hash = header.hash_slow();
    let fake = fixture::Fake {
        states: [(LAST, state)].into(),
        headers: world
            .fake
            .headers
            .iter()
            .map(|(hash, header)| (*hash, header.clone()))
            .chain([(hash, header)])
            .collect(),
        ..fixture::Fake::default()
    };
    world.node.upstream = Arc::new(fake);
    world.head.latest.hash = hash;
    assert_eq!(check(world.view().header(BlockId::Number(FIRST + 1))), Check::HeaderNumber);
    assert_eq!(world.view().header(BlockId::Number(FIRST + 2)).unwrap().hash, world.hashes[&(FIRST + 2)]);
}

#[test]
fn history_is_read_from_its_own_contract_and_slot() {
    let world = world();
    let state = world.fake.states[&LAST].clone();
    world.fake.lie(move |method, _, answer| {
        if method == "eth_getProof" {
            let slot = B256::from(U256::from((FIRST + 2) % 8191));
            *answer = fixture::prove(&state, HISTORY, &[slot]).1;
        }
    });
    assert_eq!(check(world.view().header(BlockId::Number(FIRST + 1))), Check::ProofSlots);
}

#[test]
fn a_block_of_another_chain_is_not_in_the_chain_of_the_head() {
    let mut world = world();
    let mut sibling = world.fake.headers[&world.hashes[&(LAST - 3)]].clone();
    sibling.extra_data = vec![1].into();
    let hash = sibling.hash_slow();
    let mut headers = world.fake.headers.clone();
    headers.insert(hash, sibling);
    world.node.upstream = Arc::new(fixture::Fake { headers, states: world.fake.states.clone(), ..Default::default() });
    let text = out_of_reach(world.view().header(BlockId::Hash(hash)));
    assert!(text.contains("not in the chain of the head"), "{text}");
    // Not even after its header is kept.
    out_of_reach(world.view().header(BlockId::Hash(hash)));
}

#[test]
fn after_a_reorganisation_numbers_lead_to_the_new_chain() {
    let old = world();
    for number in (FIRST..=LAST).rev() {
        old.view().header(BlockId::Number(number)).unwrap();
    }
    let new = World::with(State::new(), |header| {
        if header.number >= FIRST + 5 {
            header.extra_data = vec![1].into();
        }
    });
    let mut node = old.node;
    node.upstream = Arc::clone(&new.fake) as _;
    for number in (FIRST..=LAST).chain((FIRST..=LAST).rev()) {
        let view = View { node: &node, head: &new.head, deadline: fixture::soon() };
        assert_eq!(view.header(BlockId::Number(number)).unwrap().hash, new.hashes[&number]);
    }
    let view = View { node: &node, head: &new.head, deadline: fixture::soon() };
    assert_ne!(old.hashes[&LAST], new.hashes[&LAST]);
    out_of_reach(view.header(BlockId::Hash(old.hashes[&(LAST - 1)])));
}

#[test]
fn tags_have_an_age_and_numbers_have_none() {
    let mut world = world();
    let mut at = |seconds: u64| {
        world.node.clock = Arc::new(Clock::fixed(seconds));
        let view = world.view();
        let latest = view.header(BlockId::Latest).map(|_| ());
        let finalized = view.header(BlockId::Finalized).map(|_| ());
        assert!(view.header(BlockId::Number(LAST)).is_ok());
        assert_eq!(view.latest().is_ok(), latest.is_ok());
        (latest, finalized)
    };
    assert!(matches!(at(0), (Ok(()), Ok(()))));
    assert!(matches!(at(TIME + 60), (Ok(()), Ok(()))));
    assert!(matches!(at(TIME + 61), (Err(CallError::Stale("latest", 61)), Ok(()))));
    assert!(matches!(at(TIME - 72 + 1800), (Err(_), Ok(()))));
    assert!(matches!(at(TIME - 72 + 1801), (Err(_), Err(CallError::Stale("finalized", 1801)))));
}

#[test]
fn nothing_is_asked_after_the_deadline() {
    let world = world();
    let view = View { deadline: Instant::now(), ..world.view() };
    assert!(matches!(view.header(BlockId::Latest), Err(CallError::Deadline)));
    assert_eq!(world.fake.asked("eth_getBlockByHash"), 0);
}
