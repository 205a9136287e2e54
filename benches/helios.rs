//! What the light client costs: `cargo bench --features helios --bench helios`.
//!
//! Committees have mainnet's 512 members. What is recorded of mainnet comes from the folder of test data; without it those
//! lines are left out, and the output says so. One thread does the work; medians, with the least and the most.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

#[path = "../tests/helios"]
#[allow(dead_code, unused_imports, reason = "the tests need more of it")]
mod tests {
    pub mod chain;
    pub mod fake;
    pub mod support;
}

use std::hint::black_box;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U256, keccak256};
use odyn::helios::consensus::ssz;
use odyn::helios::consensus::store::Store;
use odyn::helios::execution::proof;
use odyn::helios::network::Spec;
use serde_json::{Value, json};

use tests::{chain, fake, support};

use chain::beacon::BeaconChain;
use chain::light::Update;
use fake::recorded::{CHECKPOINT, Recorded};
use support::{Port, eventually, proc};

/// The periods between an old checkpoint and its head: about as many as 14 months have.
const PERIODS: u64 = 46;

/// The period of the generated checkpoint.
const FIRST: u64 = 10;

fn main() {
    // `cargo test --benches` builds it, and has nothing to measure.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    consensus();
    account_proof();
    whole_calls();
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let (least, median, most) = (times[0], times[times.len() / 2], times[times.len() - 1]);
    println!("{what:<58} {median:>10.1?}  ({least:.1?} to {most:.1?}, {} runs)", times.len());
}

fn time<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let done = run();
    (done, begun.elapsed())
}

fn repeat<T>(times: usize, mut run: impl FnMut() -> T) -> Vec<Duration> {
    (0..times).map(|_| time(|| black_box(run())).1).collect()
}

/// The generated network with committees and periods of mainnet's size.
fn spec() -> Spec {
    Spec { slots_per_epoch: 32, epochs_per_period: 256, committee_size: 512, ..chain::spec() }
}

/// Two blocks a period, the one finalized in the eyes of the other; their execution payload is always the same.
fn generate(spec: &Spec) -> (BeaconChain, Vec<u64>) {
    let block = chain::Chain::shared().head().clone();
    let attested: Vec<u64> = (FIRST..FIRST + PERIODS).map(|period| period * 8192 + 4096).collect();
    let mut beacon = BeaconChain::new(spec.clone(), &attested);
    for slot in &attested {
        beacon.push(slot - 64, &block);
        beacon.push(*slot, &block);
    }
    (beacon, attested)
}

/// The update of a slot, signed by the whole committee.
fn update(beacon: &BeaconChain, slot: u64) -> Update {
    let mut update = beacon.update(slot);
    beacon.sign(&mut update, slot / 8192, 512);
    update
}

fn consensus() {
    let spec = Arc::new(spec());
    let (beacon, attested) = generate(&spec);
    let checkpoint = attested[0] - 64;
    let root = B256::new(beacon.at(checkpoint).root);
    let bootstrap = beacon.bootstrap(checkpoint).ssz();
    let updates: Vec<Vec<u8>> = attested.iter().map(|slot| update(&beacon, *slot).ssz()).collect();
    let last = attested[attested.len() - 1];
    let finality = update(&beacon, last).finality_ssz();
    let begin = || Store::bootstrap(&spec, root, &ssz::bootstrap(&spec, &bootstrap).unwrap()).unwrap();

    report("bootstrap: SSZ, branch, 512 keys", repeat(15, begin));
    let follow = || {
        let mut store = begin();
        for update in &updates {
            store.apply(&ssz::update(&spec, update).unwrap(), last + 1).unwrap();
        }
        store
    };
    report(&format!("{PERIODS} periods from the bootstrap on, 512 signers each"), repeat(5, follow));
    let mut store = follow();
    assert_eq!(store.finalized().beacon.slot, last - 64);
    let again = || store.apply(&ssz::finality_update(&spec, &finality).unwrap(), last + 1).unwrap();
    report("one finality update, committee's keys known, 512 signers", repeat(101, again));
}

/// Whoever has a recorded answer of `eth_getProof`.
fn account_proof() {
    let Some(recorded) = Recorded::start("eth_call_electra") else { return };
    let holder = recorded.proofs().into_iter().max_by_key(|proof| proof["accountProof"].as_array().map_or(0, Vec::len));
    let recorded = holder.unwrap();
    let address: Address = recorded["address"].as_str().unwrap().parse().unwrap();
    let nodes = recorded["accountProof"].as_array().unwrap();
    let root = keccak256(nodes[0].as_str().unwrap().parse::<alloy_primitives::Bytes>().unwrap());
    let slots: Vec<U256> = recorded["storageProof"].as_array().unwrap().iter().map(slot).collect();
    let text = recorded.to_string();
    let check = || proof::verify(serde_json::from_str(&text).unwrap(), root, address, &slots).unwrap();
    report(&format!("account of {} nodes and {} slots, JSON and proofs", nodes.len(), slots.len()), repeat(301, check));
}

fn slot(proof: &Value) -> U256 {
    proof["key"].as_str().unwrap().parse().unwrap()
}

/// The process, ended with this value.
struct Helios(Child);

impl Drop for Helios {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The process over a server on this machine, from its start on.
fn whole_calls() {
    let Some(recorded) = Recorded::start("eth_call_electra") else { return };
    let test = &recorded.shared.test;
    let mut params = test["params"].clone();
    // Who calls is proven too, and of the caller nobody names there is no recording: USDC's own code calls it.
    params[0]["from"] = json!("0x43506849d7c04f9138d1a2050bbf3a0c054402dd");
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": params }).to_string();
    let agent = ureq::Agent::new_with_defaults();
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let port = Port::reserve();
        let url = format!("http://127.0.0.1:{}", port.0);
        let child = Command::new(env!("CARGO_BIN_EXE_odyn-helios"))
            .args(["--network", "mainnet", "--allow-old-checkpoint", "--checkpoint", &CHECKPOINT.to_string()])
            .args(["--execution-rpc", &recorded.execution_url(), "--consensus-rpc", &recorded.beacon_url()])
            .args(["--listen", &format!("127.0.0.1:{}", port.0), "--sim-now", &recorded.now().to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let helios = Helios(child);
        let ask = |body: &str| -> Option<Value> {
            let mut answer = agent.post(&url).send(body).ok()?;
            serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()
        };
        let number = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": [] }).to_string();
        eventually("it is synced", || ask(&number).filter(|answer| answer.get("result").is_some()));
        let ask_call = || assert_eq!(ask(&call).unwrap()["result"], test["expected_result"]);
        first.push(time(ask_call).1);
        again.push(repeat(51, ask_call)[25]);
        if first.len() == 5 {
            let pid = helios.0.id().cast_signed();
            println!(
                "odyn-helios: VmRSS {}, VmHWM {}",
                proc::status_field(pid, "VmRSS"),
                proc::status_field(pid, "VmHWM")
            );
        }
    }
    report("eth_call of USDC's balanceOf, nothing known", first);
    report("the same again, proofs known", again);
}
