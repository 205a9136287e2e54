use serde_json::json;

use super::*;
use fixture::{LAST, TIME, World};

#[test]
fn the_newest_number_needs_no_server() {
    let world = World::new(fixture::State::new());
    world.fake.lie(|method, _, _| panic!("{method}"));
    assert_eq!(world.call("eth_blockNumber", json!([])).unwrap(), json!(format!("{LAST:#x}")));
    assert!(matches!(world.call("eth_blockNumber", json!([1])), Err(CallError::Params(_))));
}

#[test]
fn a_stale_head_has_no_number_and_no_latest_state() {
    let mut world = World::new(fixture::State::new());
    world.node.clock = Arc::new(Clock::fixed(TIME + 100));
    assert!(matches!(world.call("eth_blockNumber", json!([])), Err(CallError::Stale("latest", 100))));
    let address = alloy_primitives::Address::ZERO;
    assert!(matches!(world.call("eth_getBalance", json!([address])), Err(CallError::Stale("latest", 100))));
    assert!(world.call("eth_getBalance", json!([address, "finalized"])).is_ok());
}

#[test]
fn a_method_that_cannot_be_proven_is_no_method() {
    let world = World::new(fixture::State::new());
    for method in ["eth_getUncleByBlockNumberAndIndex", "debug_traceCall", "eth_getbalance", ""] {
        assert!(matches!(world.call(method, json!([])), Err(CallError::NoMethod(name)) if name == method));
    }
}

#[test]
fn parameters_beyond_a_methods_own_are_refused() {
    let world = World::new(fixture::State::new());
    let address = alloy_primitives::Address::ZERO;
    for (method, params) in [
        ("eth_getBalance", json!([address, "latest", 1])),
        ("eth_getCode", json!([address, "latest", null])),
        ("eth_getStorageAt", json!([address, "0x0", "latest", 1])),
        ("eth_getProof", json!([address, [], "latest", 1])),
        ("eth_call", json!([{}, "latest", null, null])),
    ] {
        assert!(matches!(world.call(method, params), Err(CallError::Params(_))), "{method}");
    }
}
