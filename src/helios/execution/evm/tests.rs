use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, Bytes, U256, address, hex};
use serde_json::{Value, json};

use super::*;
use crate::helios::execution::error::Check;
use crate::helios::execution::fixture::{self, Entry, FIRST, LAST, State, TIME, World};

mod gas;

const CALLER: Address = address!("00000000000000000000000000000000000ca11e");
const CONTRACT: Address = address!("0000000000000000000000000000000000c0de00");
const SECOND: Address = address!("0000000000000000000000000000000000c0de01");

/// `SLOAD(0)`, returned.
const LOAD: &[u8] = &hex!("5f545f5260205ff3");
/// `BLOCKHASH(word 0 of the data)`, returned.
const HASH: &[u8] = &hex!("5f35405f5260205ff3");
/// Reverts with the data.
const REVERT: &[u8] = &hex!("365f5f37365ffd");
/// Jumps to itself for ever.
const LOOP: &[u8] = &hex!("5b5f56");

fn entry(code: &[u8], slots: &[(u64, u64)]) -> Entry {
    let slots = slots.iter().map(|(slot, value)| (U256::from(*slot), U256::from(*value))).collect();
    Entry { nonce: 1, balance: U256::ZERO, code: Bytes::copy_from_slice(code), slots }
}

fn world(code: &[u8]) -> World {
    World::new(state(code))
}

fn state(code: &[u8]) -> State {
    let caller = Entry { nonce: 9, balance: U256::from(1_000_000_000), ..Entry::default() };
    [(CONTRACT, entry(code, &[(0, 42), (7, 3)])), (CALLER, caller)].into()
}

fn call(world: &World, object: Value) -> Result<Value, CallError> {
    world.call("eth_call", json!([object, "latest"]))
}

fn word(number: u64) -> Value {
    json!(B256::from(U256::from(number)))
}

/// Code that returns what one instruction without operands gives.
fn returning(opcode: u8) -> Vec<u8> {
    [&[opcode][..], &hex!("5f5260205ff3")].concat()
}

#[test]
fn a_call_reads_proven_storage() {
    let world = world(LOAD);
    assert_eq!(call(&world, json!({"to": CONTRACT})).unwrap(), word(42));
    let at = format!("{:#x}", FIRST + 3);
    assert_eq!(world.call("eth_call", json!([{"to": CONTRACT, "from": CALLER}, at])).unwrap(), word(42));
    // Nobody there: a call succeeds with nothing, as everywhere.
    assert_eq!(call(&world, json!({"to": SECOND})).unwrap(), json!("0x"));
}

#[test]
fn what_one_call_proved_another_need_not_ask_for() {
    let world = world(LOAD);
    assert_eq!(call(&world, json!({"to": CONTRACT})).unwrap(), word(42));
    assert!(world.fake.asked("eth_getProof") >= 3);
    assert_eq!(call(&world, json!({"to": CONTRACT})).unwrap(), word(42));
    assert_eq!(world.fake.asked("eth_getProof"), 0);
    // Another block has another state root; its contract may have the same storage.
    world.call("eth_call", json!([{"to": CONTRACT}, format!("{:#x}", LAST - 6)])).unwrap();
    let accounts = world.fake.asked("eth_getProof");
    assert_eq!(accounts, 3);
}

#[test]
fn a_read_that_cannot_be_proven_ends_the_call_with_its_check() {
    let world = world(LOAD);
    for (spoil, expected) in [("accountProof", Check::AccountProof), ("storageProof", Check::StorageProof)] {
        world.fake.lie(move |method, params, answer| {
            if method == "eth_getProof" && params[0] == json!(CONTRACT) {
                match spoil {
                    "accountProof" => answer["accountProof"] = json!([]),
                    _ => {
                        if let Some(slot) = answer["storageProof"].get_mut(0) {
                            slot["proof"] = json!([]);
                        }
                    }
                }
            }
        });
        let Err(CallError::Unproven(check, _)) = call(&world, json!({"to": CONTRACT})) else { panic!("{spoil}") };
        assert_eq!(check, expected);
    }
    let world = self::world(LOAD);
    world.fake.lie(|method, _, answer| {
        if method == "eth_getCode" {
            *answer = json!(Bytes::from_static(REVERT));
        }
    });
    let result = call(&world, json!({"to": CONTRACT}));
    assert!(matches!(result, Err(CallError::Unproven(Check::CodeHash, _))), "{result:?}");
}

#[test]
fn block_hashes_come_from_the_chain_below_the_calls_block() {
    let world = world(HASH);
    let hash =
        |number: u64, block: Value| world.call("eth_call", json!([{"to": CONTRACT, "data": word(number)}, block]));
    for number in FIRST..LAST {
        assert_eq!(hash(number, json!("latest")).unwrap(), json!(world.hashes[&number]));
    }
    assert_eq!(hash(LAST, json!("latest")).unwrap(), json!(B256::ZERO));
    assert_eq!(hash(LAST + 1, json!("latest")).unwrap(), json!(B256::ZERO));
    assert_eq!(hash(LAST - 257, json!("latest")).unwrap(), json!(B256::ZERO));
    let before = format!("{:#x}", LAST - 2);
    assert_eq!(hash(LAST - 2, json!(before)).unwrap(), json!(B256::ZERO));
    assert_eq!(hash(LAST - 3, json!(before)).unwrap(), json!(world.hashes[&(LAST - 3)]));
    // In the range of the instruction, but not in the contract of this short chain: an error, not a zero.
    let result = hash(FIRST - 5, json!("latest"));
    assert!(matches!(result, Err(CallError::OutOfReach(_))), "{result:?}");
}

#[test]
fn a_forged_block_hash_never_reaches_a_contract() {
    let world = world(HASH);
    world.fake.lie(|method, params, answer| {
        if method == "eth_getProof" && params[0] == json!(fixture::HISTORY) {
            answer["storageProof"][0]["value"] = json!("0x1");
        }
    });
    let result = call(&world, json!({"to": CONTRACT, "data": word(FIRST)}));
    assert!(matches!(result, Err(CallError::Unproven(Check::StorageValue, _))), "{result:?}");
}

#[test]
fn a_revert_carries_its_output_and_a_halt_its_reason() {
    let world = world(REVERT);
    match call(&world, json!({"to": CONTRACT, "data": "0x08c379a0"})) {
        Err(e @ CallError::Reverted(_)) => {
            assert_eq!((e.code(), e.data().as_deref()), (3, Some("0x08c379a0")));
        }
        other => panic!("{other:?}"),
    }
    let world = self::world(LOOP);
    let started = Instant::now();
    let Err(CallError::Halted(why)) = call(&world, json!({"to": CONTRACT, "gas": "0x100000"})) else { panic!() };
    assert_eq!(why, "out of gas");
    let Err(CallError::Halted(why)) = call(&self::world(&[0xfe]), json!({"to": CONTRACT})) else { panic!() };
    assert_eq!(why, "invalid opcode");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn an_endless_loop_ends_at_the_gas_limit_whatever_gas_is_asked_for() {
    let Err(CallError::Halted(why)) = call(&world(LOOP), json!({"to": CONTRACT, "gas": "0xffffffffffffffff"})) else {
        panic!()
    };
    assert_eq!(why, "out of gas");
}

#[test]
fn the_blocks_fields_are_the_headers() {
    let value = |opcode: u8, object: Value| {
        let mut object = object;
        object["to"] = json!(CONTRACT);
        call(&world(&returning(opcode)), object).unwrap()
    };
    assert_eq!(value(0x41, json!({})), json!(Address::repeat_byte(0xcb).into_word()));
    assert_eq!(value(0x42, json!({})), word(TIME));
    assert_eq!(value(0x43, json!({})), word(LAST));
    assert_eq!(value(0x44, json!({})), json!(B256::repeat_byte(0x77)));
    assert_eq!(value(0x45, json!({})), word(45_000_000));
    assert_eq!(value(0x46, json!({})), word(1));
    // Free gas has no base fee, as other nodes have it; paid gas has the block's.
    assert_eq!(value(0x48, json!({})), word(0));
    assert_eq!(value(0x48, json!({"from": CALLER, "gasPrice": "0x8", "gas": "0x10000"})), word(7));
    assert_eq!(value(0x3a, json!({"from": CALLER, "gasPrice": "0x8", "gas": "0x10000"})), word(8));
    // Price of blobs: e^(20,000,000 / 11,684,671), rounded down.
    assert_eq!(value(0x4a, json!({})), word(5));
}

#[test]
fn forks_and_blob_prices_change_at_their_times() {
    let spec = fixture::mainnet();
    for (fork_is, epoch) in [
        (SpecId::SHANGHAI, spec.capella.epoch),
        (SpecId::CANCUN, spec.deneb.epoch),
        (SpecId::PRAGUE, spec.electra.epoch),
        (SpecId::OSAKA, spec.fulu.epoch),
    ] {
        let time = spec.epoch_time(epoch);
        assert_eq!(fork(&spec, time), fork_is);
        assert_ne!(fork(&spec, time - 1), fork_is);
    }
    assert_eq!(fork(&spec, spec.epoch_time(spec.capella.epoch) - 1), SpecId::MERGE);
    // Mainnet's Prague and Osaka, in the execution layer's own constants.
    assert_eq!(spec.epoch_time(spec.electra.epoch), 1_746_612_311);
    assert_eq!(spec.epoch_time(spec.fulu.epoch), 1_764_798_551);
    let fraction = |time| blob::fraction(&spec, time);
    assert_eq!(fraction(1_746_612_310), Some(3_338_477));
    assert_eq!(fraction(1_746_612_311), Some(5_007_716));
    assert_eq!(fraction(1_765_290_070), Some(5_007_716));
    assert_eq!(fraction(1_765_290_071), Some(8_346_193));
    assert_eq!(fraction(1_767_747_671), Some(11_684_671));
}

#[test]
fn value_and_fees_must_be_in_the_senders_balance() {
    let world = world(&[0x00]);
    let sent = |value: &str| call(&world, json!({"from": CALLER, "to": CONTRACT, "value": value}));
    assert!(sent("0x3b9aca00").is_ok());
    assert!(matches!(sent("0x3b9aca01"), Err(CallError::Halted(_))));
    let most = format!("{:#x}", U256::MAX);
    assert!(matches!(sent(&most), Err(CallError::Halted(_))));
    let object =
        json!({"from": CALLER, "to": CONTRACT, "value": most, "maxFeePerGas": "0xff", "maxPriorityFeePerGas": "0x1"});
    assert!(matches!(call(&world, object), Err(CallError::Halted(_))));
    // Without gas of its own a call has what its sender can pay for.
    assert!(call(&world, json!({"from": CALLER, "to": CONTRACT, "gasPrice": "0x64"})).is_ok());
    assert!(matches!(
        call(&world, json!({"from": CALLER, "to": CONTRACT, "gasPrice": "0x6"})),
        Err(CallError::Halted(_))
    ));
}

#[test]
fn a_contract_may_be_the_sender_and_a_call_may_make_a_contract() {
    let world = world(LOAD);
    assert_eq!(call(&world, json!({"from": CONTRACT, "to": CONTRACT})).unwrap(), word(42));
    // Init code that returns one byte of code.
    assert_eq!(call(&world, json!({"from": CALLER, "data": "0x60fe5f5360015ff3"})).unwrap(), json!("0xfe"));
}

#[test]
fn accounts_and_slots_of_one_call_have_limits() {
    // Reads slots from 0 up for ever: counter on the stack.
    let slots = hex!("5f5b805450600101600156");
    let started = Instant::now();
    let result = call(&world(&slots), json!({"to": CONTRACT}));
    assert!(matches!(result, Err(CallError::Limit(_, most)) if most == limits::CALL_SLOTS as u64), "{result:?}");
    // Balances of accounts from 1 up for ever.
    let accounts = hex!("60015b803150600101600256");
    let result = call(&world(&accounts), json!({"to": CONTRACT}));
    assert!(matches!(result, Err(CallError::Limit(_, most)) if most == limits::CALL_ACCOUNTS as u64), "{result:?}");
    assert!(started.elapsed() < Duration::from_secs(120));
}

#[test]
fn call_objects_are_read_strictly() {
    let world = world(LOAD);
    for (object, word) in [
        (json!(null), "no object"),
        (json!("0x"), "no object"),
        (json!({"to": "0x12"}), "to: "),
        (json!({"to": CONTRACT, "gas": "0x01"}), "gas: leading zeros"),
        (json!({"to": CONTRACT, "gas": 5}), "gas: no text"),
        (json!({"to": CONTRACT, "data": "0x1"}), "data: "),
        (json!({"to": CONTRACT, "data": "0x12", "input": "0x13"}), "differ"),
        (json!({"to": CONTRACT, "chainId": "0x2"}), "chainId"),
        (json!({"to": CONTRACT, "gasPrice": "0x1", "maxFeePerGas": "0x1"}), "gasPrice beside"),
        (json!({"to": CONTRACT, "maxPriorityFeePerGas": "0x1"}), "more than"),
        (json!({"to": CONTRACT, "type": "0x3"}), "type"),
        (json!({"to": CONTRACT, "type": "0x0", "maxFeePerGas": "0x1"}), "type"),
        (json!({"to": CONTRACT, "type": "0x2", "gasPrice": "0x1"}), "type"),
        (json!({"to": CONTRACT, "blobVersionedHashes": []}), "not served"),
        (json!({"to": CONTRACT, "authorizationList": []}), "not served"),
        (json!({"to": CONTRACT, "gasLimit": "0x1"}), "called gas"),
        (json!({"to": CONTRACT, "recipient": 1}), "unknown field recipient"),
        (json!({"to": CONTRACT, "accessList": [{"address": CONTRACT}]}), "accessList"),
    ] {
        match call(&world, object.clone()) {
            Err(CallError::Params(text)) => assert!(text.contains(word), "{object}: {text}"),
            other => panic!("{object}: {other:?}"),
        }
    }
    let result = world.call("eth_call", json!([{"to": CONTRACT}, "latest", {}]));
    assert!(matches!(&result, Err(CallError::Params(text)) if text.contains("overrides")), "{result:?}");
    let object = json!({
        "to": CONTRACT, "from": CALLER, "gas": "0x20000", "maxFeePerGas": "0x8", "maxPriorityFeePerGas": "0x1",
        "value": "0x0", "data": "0x12", "input": "0x12", "nonce": "0x0", "chainId": "0x1", "type": "0x2",
        "accessList": [{"address": CONTRACT, "storageKeys": [B256::ZERO]}], "gasPrice": null, "blobs": null,
    });
    assert_eq!(call(&world, object).unwrap(), word(42));
}

#[test]
fn a_recorded_call_through_a_proxy_has_the_recorded_result() {
    let folder = "eth_call_electra";
    let Some(proof) = fixture::result(folder, "eth_getProof_0xa0b8") else { return };
    let test = fixture::result(folder, "test").unwrap();
    let block = "0x5ffcd747195840a9dd5f2670a71e82f47872931df47b31c2f6eda2bc030494d0";
    let root = fixture::root_in(folder, block, 0x156_4a06, &proof);
    let (proxy, behind) = ("0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", "0x43506849d7c04f9138d1a2050bbf3a0c054402dd");
    let key = |method: &str, address: &str| (method.to_owned(), address.to_owned());
    let answers = BTreeMap::from([
        (key("eth_getProof", proxy), proof),
        (key("eth_getProof", behind), fixture::result(folder, "eth_getProof_0x4350").unwrap()),
        (key("eth_getCode", proxy), fixture::result(folder, "eth_getCode_0xa0b8").unwrap()),
        (key("eth_getCode", behind), fixture::result(folder, "eth_getCode_0x4350").unwrap()),
    ]);
    // The recording has no proof of the sender or the beneficiary: an account that it has stands in for both.
    let world = fixture::recorded(0x156_4a06, root, behind.parse().unwrap(), answers);
    let mut params = test["params"].clone();
    params[0]["from"] = json!(behind);
    assert_eq!(world.call("eth_call", params).unwrap(), test["expected_result"]);
    assert_eq!(world.fake.asked("eth_createAccessList"), 0);
    let code = world.call("eth_getCode", json!([behind, "latest"])).unwrap();
    assert_eq!(code.as_str().unwrap().len(), 2 + 2 * 23_464);
}
