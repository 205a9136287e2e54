//! An execution RPC that lies: everything it says is changed, one thing at a time, before a client that has proven nothing
//! earlier. Whatever comes out is the truth or an error that names what does not fit.
//!
//! The thousands of single changes are told to the node directly, the rest over real HTTP.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use odyn::helios::execution::METHODS;
use odyn::helios::execution::error::{CallError, Check};
use odyn::helios::execution::upstream::{Upstream, UpstreamError};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::chain::lies::lies;
use crate::chain::{Chain, HEAD, contracts, state};
use crate::fake::Fake;
use crate::stack::{call, head, node, over_http};

/// The calls whose answers are changed: every method, and for some several ways to its answer.
fn calls(chain: &Chain) -> Vec<(&'static str, Value)> {
    let (block, parent) = (chain.head(), chain.block(HEAD - 1));
    let old = chain.execution.number(block.header.number - 6).unwrap();
    let (number, hash) = (format!("{:#x}", block.header.number), block.hash);
    let old_number = format!("{:#x}", old.header.number);
    let person = state::person(1);
    let slot = format!("{:#066x}", contracts::balance_slot(person));
    let transaction = parent.transactions.first().expect("a transaction").envelope.tx_hash().to_string();
    let balance = json!({ "to": contracts::proxy(), "data": alloy_primitives::hex::encode_prefixed(contracts::balance_of(person)) });
    vec![
        ("eth_getBalance", json!([person, "latest"])),
        ("eth_getBalance", json!([contracts::named("nobody at all"), "latest"])),
        ("eth_getBalance", json!([person, old_number])),
        ("eth_getTransactionCount", json!([person, "finalized"])),
        ("eth_getCode", json!([contracts::token(), "latest"])),
        ("eth_getStorageAt", json!([contracts::token(), slot, "latest"])),
        ("eth_getStorageAt", json!([contracts::token(), "0x7", "latest"])),
        ("eth_getProof", json!([contracts::token(), [slot, "0x7"], "latest"])),
        ("eth_call", json!([balance, "latest"])),
        ("eth_estimateGas", json!([balance])),
        ("eth_createAccessList", json!([balance, "latest"])),
        ("eth_getBlockByNumber", json!([number, false])),
        ("eth_getBlockByNumber", json!([old_number, false])),
        ("eth_getBlockByHash", json!([hash, true])),
        ("eth_getBlockTransactionCountByNumber", json!([number])),
        ("eth_getBlockTransactionCountByHash", json!([parent.hash])),
        ("eth_getTransactionByHash", json!([transaction])),
        ("eth_getTransactionByBlockNumberAndIndex", json!([number, "0x0"])),
        ("eth_getTransactionByBlockHashAndIndex", json!([hash, "0x0"])),
        ("eth_getTransactionReceipt", json!([transaction])),
        ("eth_getBlockReceipts", json!([number])),
        (
            "eth_getLogs",
            json!([{ "fromBlock": old_number, "toBlock": "latest", "topics": [contracts::transfer_topic()] }]),
        ),
        ("eth_gasPrice", json!([])),
        ("eth_maxPriorityFeePerGas", json!([])),
        ("eth_feeHistory", json!(["0x2", "latest", [25, 75]])),
    ]
}

/// Stands between the node and the truth: remembers what it was asked, and changes one answer.
#[derive(Default)]
struct Liar {
    /// Every question and its true answer.
    known: Mutex<BTreeMap<String, Question>>,
    /// The question that is answered otherwise.
    lie: Mutex<Option<(String, Value)>>,
}

#[derive(Clone)]
struct Question {
    method: String,
    truth: Value,
}

struct Teller {
    fake: Arc<Fake>,
    liar: Arc<Liar>,
}

impl Upstream for Teller {
    fn request(
        &self,
        method: &'static str,
        params: Value,
        _: usize,
        _: Instant,
    ) -> Result<Box<RawValue>, UpstreamError> {
        let name = format!("{method} {params}");
        if let Some((about, lie)) = &*self.liar.lie.lock().unwrap()
            && *about == name
        {
            return Ok(to_raw_value(lie).unwrap());
        }
        let mut known = self.liar.known.lock().unwrap();
        let question = known.entry(name).or_insert_with(|| {
            let truth = self.fake.execution.truth(method, &params);
            Question { method: method.to_owned(), truth }
        });
        Ok(to_raw_value(&question.truth).unwrap())
    }
}

#[test]
fn no_lie_of_the_execution_rpc_is_passed_on() {
    let fake = Arc::new(Fake::start());
    let head = head(&fake.chain);
    let (mut refused, mut harmless) = (BTreeMap::<&str, usize>::new(), 0);
    for (method, params) in calls(&fake.chain) {
        let liar = Arc::new(Liar::default());
        let teller = || Arc::new(Teller { fake: Arc::clone(&fake), liar: Arc::clone(&liar) });
        let truth = call(&node(&fake, teller()), &head, method, &params);
        let truth = truth.unwrap_or_else(|e| panic!("{method} {params}: {e}"));
        let questions = liar.known.lock().unwrap().clone();
        assert!(!questions.is_empty(), "{method} asks nobody");
        for (question, Question { method: upstream, truth: honest, .. }) in questions {
            // Of long answers a part, spread over all of it: each kind of change in each kind of place is still there.
            let all: Vec<_> = lies("result", &honest).collect();
            let step = all.len().div_ceil(LIES_PER_ANSWER).max(1);
            for (name, lie) in all.into_iter().step_by(step) {
                *liar.lie.lock().unwrap() = Some((question.clone(), lie));
                match call(&node(&fake, teller()), &head, method, &params) {
                    Ok(answer) => {
                        assert_eq!(answer, truth, "{method} {params} believes {question}: {name}");
                        harmless += 1;
                    }
                    Err(CallError::Unproven(check, _)) => *refused.entry(check.name()).or_default() += 1,
                    Err(CallError::UnknownTransaction(_)) => *refused.entry("unknown transaction").or_default() += 1,
                    Err(CallError::OutOfReach(_)) => *refused.entry("out of reach").or_default() += 1,
                    Err(e) => panic!("{method} {params}: {upstream}: {name}: no check is named: {e}"),
                }
            }
        }
    }
    let lies: usize = refused.values().sum();
    println!("{lies} lies refused, {harmless} without effect: {refused:#?}");
    assert!(lies >= 1000, "{lies} lies refused");
    // Each of these is a lie that only its own check can tell.
    for check in [
        Check::HeaderHash,
        Check::TransactionsRoot,
        Check::WithdrawalsRoot,
        Check::ReceiptsRoot,
        Check::ReceiptCount,
        Check::TransactionInBlock,
        Check::ProofAddress,
        Check::ProofSlots,
        Check::AccountProof,
        Check::AccountFields,
        Check::StorageProof,
        Check::StorageValue,
        Check::CodeHash,
        Check::Absence,
        Check::Shape,
    ] {
        assert!(refused.contains_key(check.name()), "no lie failed the check of the {}", check.name());
    }
}

/// Distinct changes tried of one answer.
const LIES_PER_ANSWER: usize = 60;

/// Right answers to other questions: each is true of something, and only what was asked tells it apart.
#[test]
fn the_truth_about_something_else_is_no_answer() {
    let fake = Fake::start();
    let chain = Arc::clone(&fake.chain);
    let head = head(&chain);
    let (person, other) = (state::person(1), state::person(2));
    let slot = |person| format!("{:#066x}", contracts::balance_slot(person));
    let (latest, older) = (chain.head(), chain.block(HEAD - 3));
    let at = |block: &crate::chain::execution::Block| json!(block.hash);
    let truth = |method: &str, params: Value| fake.execution.truth(method, &params);
    let proof = |who, slots: &[String], block| truth("eth_getProof", json!([who, slots, block]));
    let transaction = |block: &crate::chain::execution::Block, index: usize| {
        json!([block.transactions[index].envelope.tx_hash().to_string()])
    };
    let full = |block| truth("eth_getBlockByHash", json!([at(block), true]));
    let swaps: Vec<(&str, Value, &str, Value)> = vec![
        ("eth_getBalance", json!([person, "latest"]), "eth_getProof", proof(other, &[], at(latest))),
        ("eth_getBalance", json!([person, "latest"]), "eth_getProof", proof(person, &[], at(older))),
        (
            "eth_getStorageAt",
            json!([contracts::token(), slot(person), "latest"]),
            "eth_getProof",
            proof(contracts::token(), &[slot(other)], at(latest)),
        ),
        (
            "eth_getStorageAt",
            json!([contracts::token(), slot(person), "latest"]),
            "eth_getProof",
            proof(contracts::proxy(), &[slot(person)], at(latest)),
        ),
        (
            "eth_getCode",
            json!([contracts::token(), "latest"]),
            "eth_getCode",
            truth("eth_getCode", json!([contracts::proxy(), at(latest)])),
        ),
        ("eth_getBlockByNumber", json!(["latest", true]), "eth_getBlockByHash", full(older)),
        ("eth_getBlockByHash", json!([latest.hash, true]), "eth_getBlockByHash", full(older)),
        (
            "eth_getBlockReceipts",
            json!(["latest"]),
            "eth_getBlockReceipts",
            truth("eth_getBlockReceipts", json!([at(older)])),
        ),
        (
            "eth_getTransactionReceipt",
            transaction(latest, 0),
            "eth_getTransactionByHash",
            truth("eth_getTransactionByHash", transaction(older, 0)),
        ),
        (
            "eth_getTransactionByHash",
            transaction(latest, 0),
            "eth_getTransactionByHash",
            truth("eth_getTransactionByHash", transaction(older, 0)),
        ),
    ];
    for (method, params, upstream, instead) in swaps {
        fake.execution.tamper(move |asked, _, result| if asked == upstream { instead.clone() } else { result });
        let outcome = call(&node(&fake, over_http(&fake)), &head, method, &params);
        assert!(matches!(outcome, Err(CallError::Unproven(..))), "{method} {params}: {outcome:?}");
    }
}

#[test]
fn every_method_is_among_those_that_lies_were_tried_on() {
    let chain = Chain::shared();
    let tried = calls(&chain);
    // These ask nobody, or pass something on whose hash is computed here.
    let asks_nobody = ["eth_blockNumber", "eth_sendRawTransaction"];
    for method in METHODS.iter().filter(|method| !asks_nobody.contains(method)) {
        assert!(tried.iter().any(|(name, _)| name == method), "{method}");
    }
}
