//! Whatever an execution RPC answers to the questions of a call, the call ends, with a result or an error.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use alloy_consensus::Header;
use libfuzzer_sys::fuzz_target;
use odyn::config::value::Network;
use odyn::helios::clock::Clock;
use odyn::helios::execution::Node;
use odyn::helios::execution::upstream::{Upstream, UpstreamError};
use odyn::helios::head::{Anchor, Snapshot};
use odyn::helios::network::Spec;
use serde_json::value::RawValue;
use serde_json::{Value, json};

static SPEC: LazyLock<Arc<Spec>> = LazyLock::new(|| Arc::new(Spec::of(Network::Mainnet)));
static HEADER: LazyLock<Header> =
    LazyLock::new(|| Header { number: 9_000_000, base_fee_per_gas: Some(7), ..Header::default() });

/// Tells the head's header, and of everything else what the fuzzer says.
struct Fuzzed(Box<RawValue>);

impl Upstream for Fuzzed {
    fn request(
        &self,
        method: &'static str,
        params: Value,
        _: usize,
        _: Instant,
    ) -> Result<Box<RawValue>, UpstreamError> {
        let header = method == "eth_getBlockByHash" && params[1] == false && params[0] == json!(HEADER.hash_slow());
        Ok(if header { serde_json::value::to_raw_value(&*HEADER).unwrap() } else { self.0.clone() })
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, text)) = data.split_first() else { return };
    let Ok(answer) = serde_json::from_slice::<Box<RawValue>>(text) else { return };
    let nobody = "0x0000000000000000000000000000000000000001";
    let calls = [
        ("eth_getProof", json!([nobody, ["0x0"], "0x895440"])),
        ("eth_getCode", json!([nobody, "0x895440"])),
        ("eth_call", json!([{ "to": nobody }, "0x895440"])),
        ("eth_getBlockByNumber", json!(["0x895440", true])),
        ("eth_getBlockByNumber", json!(["0x89543f", false])),
        ("eth_getBlockReceipts", json!(["0x895440"])),
        ("eth_getTransactionByHash", json!([format!("0x{}", "11".repeat(32))])),
        ("eth_getLogs", json!([{ "fromBlock": "0x89543f", "toBlock": "0x895440" }])),
        ("eth_sendRawTransaction", json!([answer.get().trim_matches('"')])),
    ];
    let (method, params) = &calls[usize::from(*kind) % calls.len()];
    let anchor = Anchor { slot: 1, number: HEADER.number, hash: HEADER.hash_slow(), timestamp: 0 };
    let node = Node::new(Arc::clone(&SPEC), Arc::new(Fuzzed(answer)), Arc::new(Clock::default()));
    let head = Snapshot { latest: anchor, finalized: anchor };
    let _ = node.call(method, params.as_array().unwrap(), &head, Instant::now() + Duration::from_secs(5));
});
