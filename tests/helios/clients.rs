//! Unmodified clients against the light client.

use std::path::Path;
use std::process::Command;

use alloy_consensus::private::alloy_eips::eip2718::Encodable2718;
use alloy_primitives::hex;
use serde_json::{Value, json};

use crate::chain::{HEAD, LAST, contracts, state};
use crate::fake::Fake;
use crate::stack::Client;
use crate::support::tools::{installed, program};

/// What is true of the generated chain, as the clients' scripts read it.
fn truth(fake: &Fake) -> Value {
    let chain = &fake.chain;
    let (head, holder) = (chain.head(), state::person(1));
    let account = head.state.accounts.get(&holder).expect("an account");
    let recent = (head.header.number - 20..=head.header.number).filter_map(|number| chain.execution.number(number));
    let transfers = recent.flat_map(|block| block.logs_json()).filter(|log| {
        let topics = log["topics"].as_array().unwrap();
        log["address"] == json!(contracts::token())
            && topics.len() == 3
            && topics[0] == json!(contracts::transfer_topic())
    });
    let mut later = (HEAD + 1..=LAST).flat_map(|slot| &chain.block(slot).transactions);
    let sent = later.find(|sent| !sent.envelope.is_eip4844()).expect("a transaction of a later block");
    json!({
        "chainId": chain.execution.chain_id,
        "number": head.header.number,
        "hash": head.hash,
        "token": contracts::token(),
        "reverter": contracts::reverter(),
        "reason": contracts::REASON,
        "holder": holder,
        "balance": head.state.tokens(contracts::token(), holder).to_string(),
        "ether": account.balance.to_string(),
        "nonce": account.nonce,
        "transfers": transfers.count(),
        "raw": hex::encode_prefixed(sent.envelope.encoded_2718()),
        "rawHash": sent.envelope.tx_hash(),
    })
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

fn clients() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// The only block of code in this language below the README's heading.
fn snippet(language: &str) -> String {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let section = readme.split("\n### Trustless Ethereum RPC\n").nth(1).expect("the heading");
    let section = section.split("\n## ").next().unwrap();
    let blocks: Vec<&str> = section.split(&format!("\n```{language}\n")).skip(1).collect();
    let [block] = blocks[..] else { panic!("{} blocks of {language}", blocks.len()) };
    format!("{}\n", block.split_once("\n```\n").unwrap().0)
}

#[test]
fn web3_py_gets_what_is_true_of_the_chain() {
    let Some(python) = installed("bin/python3") else { return };
    let fake = Fake::start();
    let client = Client::start(&fake).synced();
    let script = clients().join("web3_client.py");
    let told = run(Command::new(&python).arg(script).args([&client.url, &truth(&fake).to_string()]));
    assert_eq!(told, "web3.py: all as expected\n");
    assert_eq!(fake.execution.sent().len(), 1, "the transaction was passed on");
    let told = run(Command::new(&python).args(["-c", &snippet("python")]).env("RPC", &client.url));
    assert!(told.starts_with(&fake.chain.head().header.number.to_string()), "{told}");
}

#[test]
fn ethers_gets_what_is_true_of_the_chain() {
    let Some(node) = program("node") else { return };
    let Some(modules) = installed("node_modules/ethers") else { return };
    let tools = modules.ancestors().nth(2).unwrap().to_owned();
    let fake = Fake::start();
    let client = Client::start(&fake).synced();
    let script = clients().join("ethers_rpc_client.mjs");
    let told = run(Command::new(node).arg(script).arg(&client.url).arg(&tools).arg(truth(&fake).to_string()));
    assert_eq!(told, "ethers: all as expected\n");
    // An import finds packages from the script's own place only.
    let page = tools.join(format!("readme-{}.mjs", std::process::id()));
    std::fs::write(&page, snippet("js")).unwrap();
    let told = run(Command::new(node).arg(&page).env("RPC", &client.url));
    std::fs::remove_file(page).unwrap();
    assert!(told.starts_with(&fake.chain.finalized().header.number.to_string()), "{told}");
}
