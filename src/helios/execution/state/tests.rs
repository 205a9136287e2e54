use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, address, keccak256};
use serde_json::{Value, json};

use crate::helios::execution::error::{CallError, Check};
use crate::helios::execution::fixture::{self, Entry, FIRST, LAST, State, World};

const RICH: Address = address!("1111111111111111111111111111111111111111");
const OTHER: Address = address!("2222222222222222222222222222222222222222");
const NOBODY: Address = address!("3333333333333333333333333333333333333333");

fn state() -> State {
    let slots = BTreeMap::from([(U256::ZERO, U256::from(42)), (U256::from(1), U256::MAX)]);
    let contract = Entry { nonce: 1, balance: U256::from(5), code: Bytes::from_static(&[0x60, 0]), slots };
    let mut state = BTreeMap::from([(RICH, contract)]);
    state.insert(OTHER, Entry { nonce: 258, balance: U256::from(1_000), ..Entry::default() });
    state
}

fn failed(result: Result<Value, CallError>) -> Check {
    match result {
        Err(CallError::Unproven(check, _)) => check,
        other => panic!("{other:?}"),
    }
}

#[test]
fn accounts_are_answered_from_their_proofs() {
    let world = World::new(state());
    assert_eq!(world.call("eth_getBalance", json!([RICH, "latest"])).unwrap(), json!("0x5"));
    assert_eq!(world.call("eth_getBalance", json!([OTHER])).unwrap(), json!("0x3e8"));
    assert_eq!(world.call("eth_getBalance", json!([NOBODY, "finalized"])).unwrap(), json!("0x0"));
    assert_eq!(world.call("eth_getTransactionCount", json!([OTHER, "latest"])).unwrap(), json!("0x102"));
    assert_eq!(world.call("eth_getTransactionCount", json!([NOBODY, "latest"])).unwrap(), json!("0x0"));
    assert_eq!(world.call("eth_getCode", json!([RICH, "latest"])).unwrap(), json!("0x6000"));
    assert_eq!(world.call("eth_getCode", json!([OTHER, "latest"])).unwrap(), json!("0x"));
    let slot = |slot: &str| world.call("eth_getStorageAt", json!([RICH, slot, "latest"])).unwrap();
    assert_eq!(slot("0x0"), json!(B256::with_last_byte(42)));
    assert_eq!(
        slot("0x0000000000000000000000000000000000000000000000000000000000000001"),
        json!(B256::repeat_byte(0xff))
    );
    assert_eq!(slot("0x7"), json!(B256::ZERO));
    assert_eq!(world.call("eth_getStorageAt", json!([NOBODY, "0x0", "latest"])).unwrap(), json!(B256::ZERO));
}

#[test]
fn a_proof_is_handed_on_as_it_was_proven() {
    let world = World::new(state());
    let answer = world.call("eth_getProof", json!([RICH, ["0x1", "0x9"], "latest"])).unwrap();
    let keys = [B256::with_last_byte(1), B256::with_last_byte(9)];
    let (_, expected) = fixture::prove(&world.fake.states[&LAST], RICH, &keys);
    assert_eq!(answer, expected);
}

#[test]
fn an_old_state_is_that_of_its_own_block() {
    let world = World::new(state());
    let at = format!("{:#x}", FIRST + 2);
    assert_eq!(world.call("eth_getBalance", json!([RICH, at])).unwrap(), json!("0x5"));
    // The same question answered with the state of another block.
    let mut newer = world.fake.states[&LAST].clone();
    newer.get_mut(&RICH).unwrap().balance = U256::from(6);
    world.fake.lie(move |method, params, answer| {
        if method == "eth_getProof" && params[0] == json!(RICH) {
            *answer = fixture::prove(&newer, RICH, &[]).1;
        }
    });
    assert_eq!(failed(world.call("eth_getBalance", json!([RICH, at]))), Check::AccountProof);
}

#[test]
fn swapped_code_is_noticed_and_right_code_is_fetched_once() {
    let world = World::new(state());
    world.fake.lie(|method, _, answer| {
        if method == "eth_getCode" {
            *answer = json!("0x6001");
        }
    });
    assert_eq!(failed(world.call("eth_getCode", json!([RICH, "latest"]))), Check::CodeHash);
    world.fake.lie(|method, _, answer| {
        if method == "eth_getCode" {
            *answer = Value::Null;
        }
    });
    assert_eq!(failed(world.call("eth_getCode", json!([RICH, "latest"]))), Check::Absence);
    world.fake.lie(|_, _, _| {});
    world.fake.asked("");
    for _ in 0..3 {
        world.call("eth_getCode", json!([RICH, "latest"])).unwrap();
    }
    assert_eq!(world.fake.asked("eth_getCode"), 1);
}

#[test]
fn code_longer_than_any_contract_is_refused_whatever_its_hash() {
    let long = Bytes::from(vec![0; crate::helios::limits::CODE + 1]);
    let mut state = state();
    state.get_mut(&RICH).unwrap().code = long;
    assert_eq!(failed(World::new(state).call("eth_getCode", json!([RICH, "latest"]))), Check::CodeHash);
}

#[test]
fn a_null_proof_is_not_an_empty_account() {
    let world = World::new(state());
    world.fake.lie(|method, _, answer| {
        if method == "eth_getProof" {
            *answer = Value::Null;
        }
    });
    assert_eq!(failed(world.call("eth_getBalance", json!([RICH, "latest"]))), Check::Absence);
}

#[test]
fn a_recorded_balance_is_proven() {
    let folder = "eth_getBalance_electra";
    let Some(proof) = fixture::result(folder, "eth_getProof") else { return };
    let block = "0xf5c64c8b76fc11d44094c275ff3cd3c46e2361cd55c753741196c88b61b269ac";
    let root = fixture::root_in(folder, block, 0x156_4a16, &proof);
    let test = fixture::result(folder, "test").unwrap();
    let address = test["params"][0].as_str().unwrap().to_lowercase();
    let answers = BTreeMap::from([(("eth_getProof".to_owned(), address), proof)]);
    let world = fixture::recorded(0x156_4a16, root, Address::ZERO, answers);
    assert_eq!(world.call("eth_getBalance", test["params"].clone()).unwrap(), test["expected_result"]);
    let count = world.call("eth_getTransactionCount", test["params"].clone()).unwrap();
    assert_eq!(count, json!("0x25b53b"));
}

#[test]
fn a_recorded_slot_is_proven() {
    let folder = "eth_getStorageAt_electra";
    let Some(proof) = fixture::result(folder, "eth_getProof") else { return };
    let test = fixture::result(folder, "test").unwrap();
    let block = "0xa07ffae5b1adb6c0cf89fd2fa47981d3da12364919453ca6f5e010905d5d77fa";
    let path = fixture::recordings().unwrap().join(folder).join(format!("eth_v2_beacon_blocks_{block}.ssz"));
    let node: Bytes = serde_json::from_value(proof["accountProof"][0].clone()).unwrap();
    let root = keccak256(node);
    let ssz = std::fs::read(path).unwrap();
    assert!(ssz.windows(32).any(|bytes| bytes == root.as_slice()));
    let answers =
        BTreeMap::from([(("eth_getProof".to_owned(), test["params"][0].as_str().unwrap().to_owned()), proof)]);
    let world = fixture::recorded(22_432_000, root, Address::ZERO, answers);
    assert_eq!(world.call("eth_getStorageAt", test["params"].clone()).unwrap(), test["expected_result"]);
}
