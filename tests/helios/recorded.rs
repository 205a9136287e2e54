//! `odyn-helios` itself against recordings of mainnet: Deneb's checkpoint, Electra's head, real signatures.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::fake::recorded::{CHECKPOINT, Recorded};
use crate::support::{Port, eventually};

/// The process.
struct Helios {
    child: Child,
    port: Port,
}

impl Helios {
    fn over(recorded: &Recorded) -> Self {
        let port = Port::reserve();
        let child = Command::new(env!("CARGO_BIN_EXE_odyn-helios"))
            .args(["--network", "mainnet", "--allow-old-checkpoint", "--checkpoint", &CHECKPOINT.to_string()])
            .args(["--execution-rpc", &recorded.execution_url(), "--consensus-rpc", &recorded.beacon_url()])
            .args(["--listen", &format!("127.0.0.1:{}", port.0), "--sim-now", &recorded.now().to_string()])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    fn ask(&self, method: &str, params: &Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let url = format!("http://127.0.0.1:{}", self.port.0);
        let mut answer = eventually("it answers", || ureq::post(&url).send(&body).ok());
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }
}

impl Drop for Helios {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks what the recording is about and expects what it expects.
fn answers(folder: &str) {
    let Some(recorded) = Recorded::start(folder) else { return };
    let helios = Helios::over(&recorded);
    let test = &recorded.shared.test;
    let answer = helios.ask(test["method"].as_str().unwrap(), &test["params"]);
    assert_eq!(answer["result"], test["expected_result"], "{answer}");
}

#[test]
fn mainnets_balance_is_proven() {
    answers("eth_getBalance_electra");
}

#[test]
fn mainnets_storage_is_proven() {
    answers("eth_getStorageAt_electra");
}

#[test]
fn a_call_of_usdc_is_run_over_mainnets_proofs() {
    let Some(recorded) = Recorded::start("eth_call_electra") else { return };
    let helios = Helios::over(&recorded);
    let test = &recorded.shared.test;
    let mut params = test["params"].clone();
    // Who calls is looked up too, and of those nobody asked for there is no recording: USDC's own code calls it.
    params[0]["from"] = json!("0x43506849d7c04f9138d1a2050bbf3a0c054402dd");
    let answer = helios.ask("eth_call", &params);
    assert_eq!(answer["result"], test["expected_result"], "{answer}");
}

#[test]
fn mainnets_logs_are_complete() {
    let Some(recorded) = Recorded::start("eth_getLogs_electra") else { return };
    let helios = Helios::over(&recorded);
    let test = &recorded.shared.test;
    let answer = helios.ask("eth_getLogs", &test["params"]);
    let without = |log: &Value| {
        let mut log = log.clone();
        // Not in what the recording expects.
        log.as_object_mut().unwrap().remove("blockTimestamp");
        log
    };
    let logs: Vec<Value> =
        answer["result"].as_array().unwrap_or_else(|| panic!("{answer}")).iter().map(without).collect();
    assert_eq!(json!(logs), test["expected_result"]);
}
