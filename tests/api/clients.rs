//! The API as others' software sees it: eth_account, ethers, Python's cryptography, WebCrypto. `tests/clients/` has the
//! programs; each prints a JSON line a case, and is counted, so that a part left out cannot hide.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Apis;
use crate::support::tools::{installed, program};

/// Runs a client to its end and returns what it printed, which a failure shows.
pub fn run(command: &mut Command) -> String {
    // Loopback is what is tested, not the proxy of whoever runs the tests.
    let output = command.env_remove("http_proxy").env_remove("HTTP_PROXY").env_remove("all_proxy").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}{errors}", output.status);
    text
}

fn assert_passed(output: &str, cases: usize) {
    let passed = output.matches("\"ok\": true").count() + output.matches("\"ok\":true").count();
    // The closing line is one more.
    assert_eq!(passed, cases + 1, "{output}");
}

fn client(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script)
}

pub fn url(apis: &Apis) -> String {
    format!("http://127.0.0.1:{}", apis.port.0)
}

/// The folder that has `node_modules`, and `package` in it.
pub fn node_tools(package: &str) -> Option<PathBuf> {
    program("node")?;
    let package = installed(&format!("node_modules/{package}"))?;
    Some(package.ancestors().nth(2).unwrap().to_owned())
}

#[test]
fn eth_account_recovers_the_signer_of_everything_and_encodes_it_alike() {
    let Some(python) = installed("bin/python3") else { return };
    let apis = Apis::start();
    let output = run(Command::new(python).arg("-B").arg(client("eth_account_client.py")).arg(url(&apis)));
    assert_passed(&output, 9);
}

#[test]
fn ethers_decodes_what_was_signed_and_names_the_signer() {
    let Some(tools) = node_tools("ethers") else { return };
    let apis = Apis::start();
    let output = run(Command::new("node").arg(client("ethers_client.mjs")).arg(url(&apis)).arg(tools));
    assert_passed(&output, 6);
}

#[test]
fn pythons_cryptography_and_the_enclave_read_each_other() {
    let Some(python) = installed("bin/python3") else { return };
    let apis = Apis::start();
    let output = run(Command::new(python).arg("-B").arg(client("encryption_client.py")).arg(url(&apis)));
    assert_passed(&output, 5);
}

#[test]
fn webcrypto_and_the_enclave_read_each_other() {
    let Some(node) = program("node") else { return };
    let apis = Apis::start();
    let output = run(Command::new(node).arg(client("webcrypto_client.mjs")).arg(url(&apis)));
    assert_passed(&output, 2);
}
