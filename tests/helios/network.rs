//! Following the network: servers that lie about it, fall silent or are late.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use odyn::config::value::Checkpoint;
use odyn::helios::clock::Clock;
use odyn::helios::execution::Node;
use odyn::helios::execution::error::CallError;
use serde_json::{Value, json};

use crate::chain::lies::lies;
use crate::chain::{self, CHECKPOINT, HEAD};
use crate::fake::Fake;
use crate::stack::{Client, call, follow_once, follow_once_at, head, over_http};
use crate::support::eventually;

/// What `eth_blockNumber` says, or the error's words.
fn newest(client: &Client) -> Result<u64, String> {
    let answer = client.ask("eth_blockNumber", json!([]));
    match answer["result"].as_str() {
        Some(number) => Ok(u64::from_str_radix(number.trim_start_matches("0x"), 16).unwrap()),
        None => Err(answer["error"]["message"].as_str().unwrap().to_owned()),
    }
}

#[test]
fn it_follows_the_network_from_the_checkpoint_to_its_head() {
    for json_only in [false, true] {
        let fake = Fake::start();
        fake.beacon.json_only(json_only);
        let client = Client::start(&fake).synced();
        assert_eq!(newest(&client), Ok(fake.chain.head().header.number), "JSON only: {json_only}");
        let finalized = client.ok("eth_getBlockByNumber", json!(["finalized", false]));
        assert_eq!(finalized["hash"], json!(fake.chain.finalized().hash));
        assert_eq!(client.ok("eth_getBlockByNumber", json!(["safe", false])), finalized);
        assert_eq!(client.ok("eth_syncing", json!([])), json!(false));
        assert_eq!(fake.beacon.counter().of("bootstrap"), 1);
    }
}

#[test]
fn unsafe_latest_starts_from_what_the_server_calls_finalized() {
    let fake = Fake::start();
    let client = Client::following(&fake, Checkpoint::UnsafeLatest, fake.chain.now(), false).synced();
    assert_eq!(newest(&client), Ok(fake.chain.head().header.number));
}

#[test]
fn an_old_checkpoint_is_refused_and_calls_say_so() {
    let fake = Fake::start();
    let (chain, days) = (&fake.chain, 24 * 60 * 60);
    let checkpoint = Checkpoint::Root(chain.checkpoint());
    let made = chain.beacon.time(CHECKPOINT);
    let client = Client::following(&fake, checkpoint, made + 14 * days + 60, false);
    let trouble = eventually("the reason is known", || client.heads.trouble());
    assert!(trouble.contains("checkpoint") && trouble.contains("14 days"), "{trouble}");
    let answer = client.ask("eth_blockNumber", json!([]));
    assert_eq!((&answer["error"]["code"], &answer["error"]["message"]), (&json!(-32000), &json!("not synced")));
    assert_eq!(answer["error"]["data"], json!(trouble));
    assert_eq!(fake.beacon.counter().of("updates"), 0, "it goes no further");
}

#[test]
fn an_old_head_is_an_error_for_latest_and_not_for_numbers() {
    let fake = Fake::start();
    let chain = &fake.chain;
    let late = chain.beacon.time(HEAD) + 61;
    let client = Client::following(&fake, Checkpoint::Root(chain.checkpoint()), late, true).synced();
    let error = newest(&client).unwrap_err();
    assert!(error.contains("latest block that is signed for is 61 s old"), "{error}");
    assert!(client.ok("eth_syncing", json!([])).is_object());
    let number = format!("{:#x}", chain.head().header.number);
    assert_eq!(client.ok("eth_getBlockByNumber", json!([number, false]))["number"], json!(number));
    // Nothing is published of a chain that old; a head from before is held to its age all the same.
    let later = chain.finalized().header.timestamp + 30 * 60;
    for (now, fresh) in [(later, true), (later + 1, false)] {
        let node = Node::new(Arc::new(chain::spec()), over_http(&fake), Arc::new(Clock::fixed(now)));
        let outcome = call(&node, &head(chain), "eth_getBlockByNumber", &json!(["finalized", false]));
        assert_eq!(outcome.is_ok(), fresh, "{outcome:?}");
        assert!(fresh || matches!(outcome, Err(CallError::Stale("finalized", _))), "{outcome:?}");
    }
}

#[test]
fn a_fork_that_is_not_known_is_refused_by_its_name() {
    let fake = Fake::start();
    fake.beacon.set_version("gloas");
    let client = Client::start(&fake);
    let trouble = eventually("the reason is known", || client.heads.trouble());
    assert!(trouble.contains("gloas"), "{trouble}");
}

/// The specification's own rule takes one signature for enough right after a checkpoint: whoever is one of a committee's
/// members could then make a head.
#[test]
fn a_head_that_half_of_its_committee_signed_is_none() {
    const SLOT: u64 = 672;
    let fake = Fake::start();
    fake.set_head(SLOT);
    for (signers, enough) in [(1, false), (16, false), (17, true)] {
        let chain = Arc::clone(&fake.chain);
        fake.beacon.tamper_update(move |_, mut update| {
            let period = chain.beacon.spec.period(update.signature_slot);
            chain.beacon.sign(&mut update, period, signers);
            update
        });
        let head = follow_once_at(&fake, fake.chain.now_at(SLOT));
        assert_eq!(head.as_ref().is_ok_and(|head| head.latest.slot == SLOT), enough, "{signers}: {head:?}");
        assert!(enough || head.is_err() || head.is_ok_and(|head| head.latest.slot == CHECKPOINT), "{signers}");
    }
}

/// Every field of every object is changed in turn: the head is a true one, or none.
#[test]
fn no_lie_of_the_consensus_rpc_makes_a_head() {
    let fake = Fake::start();
    fake.beacon.json_only(true);
    let heard = Arc::new(Mutex::new(BTreeMap::new()));
    let hearing = Arc::clone(&heard);
    fake.beacon.tamper(move |path, body| {
        hearing.lock().unwrap().insert(path.to_owned(), body.clone());
        body
    });
    assert_eq!(follow_once(&fake).map(|head| head.latest.number), Ok(fake.chain.head().header.number));
    let heard = heard.lock().unwrap().clone();
    assert_eq!(heard.len(), 4, "{:?}", heard.keys());
    let known = |hash| fake.chain.execution.hash(hash).is_some();
    let (mut refused, mut older) = (0, 0);
    for (about, body) in heard {
        let honest: Value = serde_json::from_slice(&body).unwrap();
        let all: Vec<_> = lies("", &honest).collect();
        let step = all.len().div_ceil(20).max(1);
        for (name, lie) in all.into_iter().step_by(step) {
            let path = about.clone();
            fake.beacon.tamper(move |asked, body| if asked == path { lie.to_string().into_bytes() } else { body });
            match follow_once(&fake) {
                Ok(head) => {
                    assert!(known(head.latest.hash) && known(head.finalized.hash), "{about}{name}: {head:?}");
                    older += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    println!("{refused} lies refused, {older} led to a true head all the same");
    assert!(refused >= 30, "{refused}");
}
