use super::*;
use crate::config::value::Network;
use crate::helios::clock::Clock;
use crate::helios::execution::upstream::{Upstream, UpstreamError};
use crate::helios::head::{Anchor, Snapshot};
use crate::helios::network::Spec;
use serde_json::value::RawValue;

/// Knows nothing.
struct Silent;

impl Upstream for Silent {
    fn request(&self, method: &'static str, _: Value, _: usize, _: Instant) -> Result<Box<RawValue>, UpstreamError> {
        Err(UpstreamError::Shape(method))
    }
}

fn rpc(synced: bool) -> Rpc {
    let heads = Arc::new(Heads::default());
    if synced {
        let anchor = Anchor { slot: 1, number: 7, hash: Default::default(), timestamp: 1_000 };
        heads.publish(Snapshot { latest: anchor, finalized: anchor });
    }
    let node = Node::new(Arc::new(Spec::of(Network::Mainnet)), Arc::new(Silent), Arc::new(Clock::fixed(1_010)));
    Rpc::new(node, heads)
}

fn answer(body: &str) -> Value {
    serde_json::from_str(&rpc(true).serve(body.as_bytes())).unwrap()
}

#[test]
fn what_needs_no_head_is_answered_without_one() {
    let unsynced = rpc(false);
    let ask = |method: &str| {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method }).to_string();
        serde_json::from_str::<Value>(&unsynced.serve(body.as_bytes())).unwrap()
    };
    assert_eq!(ask("eth_chainId"), json!({ "jsonrpc": "2.0", "id": 1, "result": "0x1" }));
    assert_eq!(ask("net_version")["result"], "1");
    assert_eq!(ask("eth_syncing")["result"]["currentBlock"], "0x0");
    assert_eq!(ask("eth_mining")["error"]["code"], -32601);
}

#[test]
fn a_synced_client_says_so_and_an_old_head_does_not_count() {
    assert_eq!(answer(r#"{"jsonrpc":"2.0","id":"a","method":"eth_syncing"}"#)["result"], false);
    let late = Rpc { node: Node { clock: Arc::new(Clock::fixed(1_061)), ..rpc(true).node }, ..rpc(true) };
    assert_eq!(late.syncing()["currentBlock"], "0x7");
}

#[test]
fn a_batch_is_answered_in_its_order_without_the_notifications() {
    let chain = r#"{"jsonrpc":"2.0","id":null,"method":"eth_chainId"}"#;
    let batch = format!(r#"[{chain}, {{"jsonrpc":"2.0","method":"eth_chainId"}}, 7, {chain}]"#);
    let answers = answer(&batch);
    let codes: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["error"]["code"].clone()).collect();
    assert_eq!(codes, [Value::Null, json!(-32600), Value::Null]);
    assert_eq!(rpc(true).serve(br#"[{"jsonrpc":"2.0","method":"eth_chainId"}]"#), "");
    assert_eq!(rpc(true).serve(br#"{"jsonrpc":"2.0","method":"eth_nonsense"}"#), "");
}

#[test]
fn what_is_no_call_is_refused_with_the_specifications_code() {
    for (body, code) in [
        ("{", -32700),
        ("[]", -32600),
        ("7", -32600),
        (r#"{"id":1,"method":"eth_chainId"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":[],"method":"eth_chainId"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{}}"#, -32602),
    ] {
        assert_eq!(answer(body)["error"]["code"], code, "{body}");
    }
    let many = format!("[{}]", vec!["1"; limits::BATCH + 1].join(","));
    assert_eq!(answer(&many)["error"]["code"], -32600);
    assert_eq!(answer(&"[".repeat(10_000))["error"]["code"], -32700, "no stack is that deep");
}
