//! Amounts of gas, access lists and hints.

use super::*;

fn estimate(world: &World, object: &Value) -> u64 {
    let answer = world.call("eth_estimateGas", json!([object, "latest"])).unwrap();
    u64::from_str_radix(&answer.as_str().unwrap()[2..], 16).unwrap()
}

fn suffices(world: &World, object: &Value, gas: u64) -> bool {
    let mut object = object.clone();
    object["gas"] = json!(format!("{gas:#x}"));
    call(world, object).is_ok()
}

#[test]
fn a_transfer_takes_what_it_always_takes() {
    let world = world(LOAD);
    assert_eq!(estimate(&world, &json!({"from": CALLER, "to": SECOND, "value": "0x1"})), 21_000);
}

#[test]
fn an_estimate_suffices_and_is_no_luxury() {
    // Stores, then clears: the refund comes after the end.
    let clearing = hex!("5f5f55600160015500");
    // Demands that a callee finds 100,000 gas, of which a caller passes on 63 parts of 64.
    let mut state = state(&[&hex!("5f5f5f5f5f73")[..], SECOND.as_slice(), &hex!("5af1602057fe5b00")].concat());
    state.insert(SECOND, entry(&hex!("5a620186a010600a57fe5b00"), &[]));
    let demanding = World::new(state);
    for (world, object) in [
        (&world(&clearing), json!({"from": CALLER, "to": CONTRACT})),
        (&world(LOAD), json!({"to": CONTRACT, "data": "0x0102030405"})),
        (&demanding, json!({"from": CALLER, "to": CONTRACT})),
    ] {
        let gas = estimate(world, &object);
        assert!(suffices(world, &object, gas), "{gas}");
        assert!(!suffices(world, &object, gas - gas / 32), "{gas}");
    }
    assert!(estimate(&demanding, &json!({"from": CALLER, "to": CONTRACT})) > 120_000);
}

#[test]
fn what_fails_with_all_gas_has_no_estimate() {
    let fails = |code: &[u8], object: Value| world(code).call("eth_estimateGas", json!([object])).unwrap_err();
    assert!(
        matches!(fails(REVERT, json!({"to": CONTRACT, "data": "0x11"})), CallError::Reverted(data) if data[..] == [0x11])
    );
    assert!(matches!(fails(LOOP, json!({"to": CONTRACT})), CallError::Halted(_)));
    assert!(matches!(fails(LOAD, json!({"to": CONTRACT, "gas": "0x5208"})), CallError::Halted(_)));
    assert!(matches!(
        fails(LOAD, json!({"from": CALLER, "to": CONTRACT, "value": "0x3b9aca01"})),
        CallError::Halted(_)
    ));
}

#[test]
fn an_access_list_has_what_is_read_and_not_warm_anyway() {
    // Loads slots 0 and 7, asks for the balances of SECOND, of the sender and of a precompile.
    let code = [&hex!("5f54506007545073")[..], SECOND.as_slice(), &hex!("31503331506004315000")].concat();
    let world = world(&code);
    let answer = world.call("eth_createAccessList", json!([{"from": CALLER, "to": CONTRACT}, "latest"])).unwrap();
    let expected = json!([
        { "address": CONTRACT, "storageKeys": [B256::ZERO, B256::with_last_byte(7)] },
        { "address": SECOND, "storageKeys": [] },
    ]);
    assert_eq!(answer["accessList"], expected);
    assert_eq!(answer.get("error"), None);
    let object = json!({"from": CALLER, "to": CONTRACT, "accessList": expected, "gas": answer["gasUsed"]});
    assert!(call(&world, object.clone()).is_ok());
    let used = u64::from_str_radix(&answer["gasUsed"].as_str().unwrap()[2..], 16).unwrap();
    assert!(!suffices(&world, &object, used - 1));

    let answer = self::world(REVERT).call("eth_createAccessList", json!([{"to": CONTRACT}])).unwrap();
    assert_eq!((&answer["error"], &answer["accessList"]), (&json!("execution reverted"), &json!([])));
}

#[test]
fn a_hint_saves_requests_and_a_lie_in_it_changes_nothing_else() {
    // Loads slots 0 to 31 and returns the sum.
    let code = hex!("5f5f5b80549190910190600101806020146017576002565b505f5260205ff3");
    let mut state = state(&code);
    state.insert(CONTRACT, entry(&code, &(0..32).map(|slot| (slot, slot + 1)).collect::<Vec<_>>()));
    let ask = |list: Value| {
        let world = World::new(state.clone());
        world.fake.lie(move |method, _, answer| {
            if method == "eth_createAccessList" {
                *answer = list.clone();
            }
        });
        let result = call(&world, json!({"from": CALLER, "to": CONTRACT})).unwrap();
        (result, world.fake.asked("eth_getProof"))
    };
    let keys: Vec<B256> = (0..32u64).map(|slot| U256::from(slot).into()).collect();
    let (expected, without) = ask(Value::Null);
    assert_eq!(expected, word(32 * 33 / 2));
    assert!(without > 32, "{without}");
    let (result, with) = ask(json!({"accessList": [{"address": CONTRACT, "storageKeys": keys}], "gasUsed": "0x0"}));
    assert_eq!(result, expected);
    assert!(with < 12, "{with}");
    for list in [
        json!(7),
        json!({"accessList": "0x"}),
        json!({"accessList": []}),
        json!({"accessList": [{"address": SECOND, "storageKeys": [B256::repeat_byte(9)]}]}),
        json!({"accessList": vec![json!({"address": CONTRACT, "storageKeys": [B256::repeat_byte(9)]}); 300]}),
    ] {
        assert_eq!(ask(list).0, expected);
    }
}
