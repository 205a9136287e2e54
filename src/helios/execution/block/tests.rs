use serde_json::{Value, json};

use super::*;
use crate::helios::execution::sample::{Liar, changed, failed, recorded, reordered, sample, usual, view};

#[test]
fn a_recorded_block_is_proven_and_described() {
    let Some((block, said)) = recorded::block() else { return };
    let Some(child) = recorded::result("eth_getBlockByNumber_0x1564967_false.json") else { return };
    assert_eq!(json!(block.sealed.hash), child["parentHash"]);
    let liar = Liar::default();
    liar.say("eth_getBlockByHash", json!([block.sealed.hash, true]), said);
    let (node, head) =
        (crate::helios::execution::sample::node(&liar), crate::helios::execution::sample::head(&block.sealed));
    let proven = proven_block(&view(&node, &head), &block.sealed).unwrap();
    assert_eq!(proven.transactions.len(), 215);
    // The child has the same fields, of its own.
    let answer = proven.answer(false).unwrap();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&answer), names(&child));
    assert_eq!(names(&answer["withdrawals"][0]), names(&child["withdrawals"][0]));
    for name in ["difficulty", "nonce", "sha3Uncles", "uncles"] {
        assert_eq!(answer[name], child[name], "{name}");
    }
}

#[test]
fn the_size_is_that_of_the_whole_blocks_rlp() {
    let sample = usual();
    let (_, node, head) = sample.node();
    let block = proven_block(&view(&node, &head), &sample.sealed).unwrap();
    let whole = alloy_consensus::Block {
        header: sample.sealed.header.clone(),
        body: alloy_consensus::BlockBody {
            transactions: sample.transactions.clone(),
            ommers: vec![],
            withdrawals: Some(serde_json::from_value(sample.block["withdrawals"].clone()).unwrap()),
        },
    };
    assert_eq!(block.size(), alloy_rlp::encode(whole).len());
}

#[test]
fn a_block_is_described_by_its_header_and_its_proven_lists() {
    let sample = usual();
    let (_, node, head) = sample.node();
    let node_says = |method: &str, params: Value| {
        node.call(method, params.as_array().unwrap(), &head, view(&node, &head).deadline).unwrap()
    };
    let (hash, number) = (json!(sample.sealed.hash), hex(sample.sealed.header.number));
    let short = node_says("eth_getBlockByNumber", json!([number, false]));
    let hashes: Vec<Value> = sample.transactions.iter().map(|t| json!(t.tx_hash())).collect();
    assert_eq!(short["transactions"], Value::Array(hashes));
    assert_eq!(short["hash"], hash);
    assert_eq!(short["withdrawals"], sample.block["withdrawals"]);
    assert!(short.get("totalDifficulty").is_none());
    let long = node_says("eth_getBlockByHash", json!([hash, true]));
    assert_eq!(long, node_says("eth_getBlockByNumber", json!(["latest", true])));
    assert_eq!(long["transactions"][4], node_says("eth_getTransactionByBlockHashAndIndex", json!([hash, "0x4"])));
    assert_eq!(long["transactions"][7], node_says("eth_getTransactionByBlockNumberAndIndex", json!([number, "0x7"])));
    assert_eq!(node_says("eth_getTransactionByBlockNumberAndIndex", json!([number, "0x8"])), Value::Null);
    assert_eq!(node_says("eth_getBlockTransactionCountByHash", json!([hash])), json!("0x8"));
    assert_eq!(node_says("eth_getBlockTransactionCountByNumber", json!([number])), json!("0x8"));
}

#[test]
fn a_number_above_the_head_is_null_and_a_tag_is_no_hash() {
    let sample = usual();
    let (_, node, head) = sample.node();
    let view = view(&node, &head);
    let above = hex(sample.sealed.header.number + 1);
    assert_eq!(by_number(&view, &[above.clone(), json!(false)]).unwrap(), Value::Null);
    assert_eq!(count_by_number(&view, &[above]).unwrap(), Value::Null);
    let below = by_number(&view, &[hex(sample.sealed.header.number - 1), json!(false)]);
    assert!(below.is_err(), "{below:?}");
    assert!(matches!(by_number(&view, &[json!("0x12345678901234567"), json!(false)]), Err(CallError::Params(_))));
    assert!(matches!(by_hash(&view, &[json!("latest"), json!(false)]), Err(CallError::Params(_))));
}

#[test]
fn a_block_without_anything_in_it_is_proven_too() {
    let sample = sample(vec![], vec![], None);
    let (_, node, head) = sample.node();
    assert_eq!(proven_block(&view(&node, &head), &sample.sealed).unwrap().transactions.len(), 0);
}

/// What the execution RPC says of a transaction and nobody needs: its bytes do not have it, or have it twice.
fn idle(kind: &str, field: &str) -> bool {
    match field {
        "hash" | "from" | "blockHash" => true,
        // One of the two is enough.
        "yParity" => true,
        "gasPrice" | "v" => !matches!(kind, "0x0" | "0x1") || (kind, field) == ("0x1", "v"),
        // The signature names it; a legacy transaction is one where no type is said.
        "chainId" | "type" => kind == "0x0",
        _ => false,
    }
}

#[test]
fn no_lie_about_a_transaction_is_believed() {
    let sample = usual();
    let (liar, node, head) = sample.node();
    let view = view(&node, &head);
    let truth = proven_block(&view, &sample.sealed).unwrap().answer(true).unwrap();
    let (mut refused, mut harmless) = (0, 0);
    for (index, said) in sample.block["transactions"].as_array().unwrap().iter().enumerate() {
        let kind = said["type"].as_str().unwrap();
        for (field, value) in said.as_object().unwrap() {
            for lie in changed(value) {
                let mut block = sample.block.clone();
                block["transactions"][index][field] = lie.clone();
                liar.say("eth_getBlockByHash", json!([sample.sealed.hash, true]), block);
                match proven_block(&view, &sample.sealed) {
                    Ok(block) => {
                        assert!(idle(kind, field), "{kind} {field}: {lie}");
                        assert_eq!(block.answer(true).unwrap(), truth, "{kind} {field}: {lie}");
                        harmless += 1;
                    }
                    Err(CallError::Unproven(Check::TransactionsRoot | Check::Shape, _)) => refused += 1,
                    Err(e) => panic!("{kind} {field}: {lie}: {e}"),
                }
            }
        }
    }
    assert_eq!((refused, harmless), (268, 68));
}

#[test]
fn no_lie_about_a_blocks_lists_is_believed() {
    let sample = usual();
    let (liar, node, head) = sample.node();
    let view = view(&node, &head);
    let mut lies = Vec::new();
    let mut lie = |field: &str, value: Value, checks: &'static [Check]| {
        let mut block = sample.block.clone();
        block[field] = value;
        lies.push((block, checks));
    };
    let list = |field: &str| sample.block[field].as_array().unwrap().clone();
    for transactions in reordered(&list("transactions")) {
        lie("transactions", json!(transactions), &[Check::TransactionsRoot]);
    }
    lie("transactions", json!([]), &[Check::TransactionsRoot]);
    lie("transactions", Value::Null, &[Check::Shape]);
    let hashes: Vec<_> = sample.transactions.iter().map(|t| *t.tx_hash()).collect();
    lie("transactions", json!(hashes), &[Check::Shape]);
    for withdrawals in changed(&sample.block["withdrawals"]) {
        lie("withdrawals", withdrawals, &[Check::WithdrawalsRoot, Check::Shape]);
    }
    lie("withdrawals", json!([]), &[Check::WithdrawalsRoot]);
    lie("withdrawals", Value::Null, &[Check::WithdrawalsRoot]);
    lie("uncles", json!([sample.sealed.hash]), &[Check::Uncles]);
    lies.push((Value::Null, &[Check::Absence]));
    // Another block, however right it is.
    let other = crate::helios::execution::sample::sample(
        sample.transactions[1..].to_vec(),
        sample.receipts[1..].to_vec(),
        None,
    );
    lies.push((other.block, &[Check::TransactionsRoot]));
    for (lie, checks) in &lies {
        liar.say("eth_getBlockByHash", json!([sample.sealed.hash, true]), lie.clone());
        let check = failed(proven_block(&view, &sample.sealed));
        assert!(checks.contains(&check), "{check:?}: {lie}");
    }
    assert_eq!(lies.len(), 52);
}

#[test]
fn a_header_with_uncles_is_no_block_of_this_chain() {
    let sample = usual();
    let (_, node, head) = sample.node();
    let mut sealed = (*sample.sealed).clone();
    sealed.header.ommers_hash.0[0] ^= 1;
    assert_eq!(failed(proven_block(&view(&node, &head), &Arc::new(sealed))), Check::Uncles);
}
