use alloy_primitives::{Address, B256, Log};
use serde_json::json;

use super::*;
use crate::helios::execution::error::Check;
use crate::helios::execution::sample::{
    Liar, Sample, changed, every_type, failed, head, node, receipts_of, recorded, sample, usual, view,
};
use crate::helios::execution::transaction::hex;

#[test]
fn recorded_logs_are_found_and_are_the_same() {
    let Some((block, said)) = recorded::block() else { return };
    let Some(receipts) = recorded::result("eth_getBlockReceipts_0x1564966.json") else { return };
    let Some(mut test) = recorded::result("test.json") else { return };
    let liar = Liar::default();
    liar.say("eth_getBlockByHash", json!([block.sealed.hash, true]), said);
    liar.say("eth_getBlockReceipts", json!([block.sealed.hash]), receipts);
    let (node, head) = (node(&liar), head(&block.sealed));
    let filter = Filter::read(test["params"].as_array().unwrap()).unwrap();
    let found = search(&view(&node, &head), &filter, std::slice::from_ref(&block.sealed)).unwrap();
    assert_eq!(found, test["expected_result"].take());
    assert!(found.as_array().unwrap().len() > 10);
}

/// Blocks that follow one another: with logs, without anything, with other logs.
fn chain() -> Vec<Sample> {
    let block = |seed, before| sample(every_type(), receipts_of(&every_type(), seed), before);
    let first = block(100, None);
    let second = sample(vec![], vec![], Some(&first.sealed));
    let third = block(104, Some(&second.sealed));
    vec![first, second, third]
}

/// Every log of the blocks that fits, looked for without any bloom: address and topics as in a filter.
fn by_hand(chain: &[Sample], fits: impl Fn(&Log) -> bool) -> Vec<Value> {
    let mut found = Vec::new();
    for sample in chain {
        let mut place = 0;
        for (index, receipt) in sample.receipts.iter().enumerate() {
            for log in receipt.logs() {
                if fits(log) {
                    found.push(json!({
                        "address": log.address, "topics": log.topics(), "data": log.data.data, "removed": false,
                        "blockHash": sample.sealed.hash, "blockNumber": hex(sample.sealed.header.number),
                        "transactionHash": sample.transactions[index].tx_hash(), "transactionIndex": hex(index),
                        "logIndex": hex(place),
                    }));
                }
                place += 1;
            }
        }
    }
    found
}

#[test]
fn every_fitting_log_is_found_and_blocks_without_hits_cost_nothing() {
    let chain = chain();
    let headers: Vec<_> = chain.iter().map(|sample| Arc::clone(&sample.sealed)).collect();
    let head = head(&chain[2].sealed);
    let (mut nothing, mut logs) = (0, 0);
    let addresses = (98..116).map(|byte| Some(Address::repeat_byte(byte))).chain([None]);
    for address in addresses {
        for topic in (98..116).step_by(3).map(|byte| Some(B256::repeat_byte(byte))).chain([None]) {
            let fits =
                |log: &Log| address.is_none_or(|a| log.address == a) && topic.is_none_or(|t| log.topics()[0] == t);
            let expected = by_hand(&chain, fits);
            let liar = Liar::default();
            // Of a block whose bloom rules the filter out nothing is asked: there is no answer to it.
            let has = |sample: &&Sample| {
                let bloom = &sample.sealed.header.logs_bloom;
                let has = |bytes: &[u8]| bloom.contains_input(alloy_primitives::BloomInput::Raw(bytes));
                address.is_none_or(|a| has(a.as_slice())) && topic.is_none_or(|t| has(t.as_slice()))
            };
            chain.iter().filter(has).for_each(|sample| sample.tell(&liar));
            let node = node(&liar);
            let params = json!([{ "address": address, "topics": [topic] }]);
            let filter = Filter::read(params.as_array().unwrap()).unwrap();
            let found = search(&view(&node, &head), &filter, &headers).unwrap();
            assert_eq!(found, json!(expected), "{params}");
            logs += expected.len();
            nothing += usize::from(expected.is_empty());
        }
    }
    // By its address or any: each of the 56 logs with any topic, and the 21 that have one of the six topics with that.
    assert_eq!((logs, nothing > 50), (2 * (56 + 21), true));
}

#[test]
fn a_log_that_is_held_back_is_an_error() {
    let sample = usual();
    let (liar, node, head) = sample.node();
    let view = view(&node, &head);
    let filter = Filter::read(&[json!({ "address": Address::repeat_byte(100) })]).unwrap();
    let headers = [Arc::clone(&sample.sealed)];
    assert_eq!(search(&view, &filter, &headers).unwrap().as_array().unwrap().len(), 7);
    let mut lies = 0;
    for index in 1..8 {
        for logs in changed(&sample.said[index]["logs"]) {
            let mut said = sample.said.clone();
            said[index]["logs"] = logs;
            liar.say("eth_getBlockReceipts", json!([sample.sealed.hash]), said);
            let check = failed(search(&view, &filter, &headers));
            assert!(matches!(check, Check::ReceiptsRoot | Check::Shape), "{check:?}");
            lies += 1;
        }
    }
    assert!(lies > 300, "{lies}");
    liar.say("eth_getBlockReceipts", json!([sample.sealed.hash]), json!([]));
    assert_eq!(failed(search(&view, &filter, &headers)), Check::ReceiptCount);
    liar.say("eth_getBlockReceipts", json!([sample.sealed.hash]), Value::Null);
    assert_eq!(failed(search(&view, &filter, &headers)), Check::Absence);
}

#[test]
fn the_head_is_searched_by_name_by_number_and_by_hash() {
    let sample = usual();
    let (_, node, head) = sample.node();
    let view = view(&node, &head);
    let number = hex(sample.sealed.header.number);
    let all = get(&view, &[json!({})]).unwrap();
    assert_eq!(all, json!(by_hand(&[usual()], |_| true)));
    assert_eq!(get(&view, &[json!({ "fromBlock": number, "toBlock": "latest", "address": null })]).unwrap(), all);
    assert_eq!(get(&view, &[json!({ "blockHash": sample.sealed.hash, "topics": [] })]).unwrap(), all);
    let above = hex(sample.sealed.header.number + 1);
    let out = get(&view, &[json!({ "fromBlock": number, "toBlock": above })]);
    assert!(matches!(out, Err(CallError::OutOfReach(_))), "{out:?}");
}

#[test]
fn a_range_has_an_end_after_its_beginning_and_a_length_that_can_be_afforded() {
    assert_eq!(range(5, 5).unwrap(), 5..=5);
    assert_eq!(range(1, limits::LOG_BLOCKS).unwrap().count() as u64, limits::LOG_BLOCKS);
    assert!(matches!(range(0, limits::LOG_BLOCKS), Err(CallError::Limit(_, limits::LOG_BLOCKS))));
    assert!(matches!(range(0, u64::MAX), Err(CallError::Limit(..))));
    assert!(matches!(range(6, 5), Err(CallError::Params(_))));
}

#[test]
fn more_hits_than_one_call_may_cost_are_an_error_before_anything_is_fetched() {
    let sample = usual();
    let liar = Liar::default();
    let (node, head) = (node(&liar), head(&sample.sealed));
    let filter = Filter::read(&[json!({})]).unwrap();
    let headers = vec![Arc::clone(&sample.sealed); limits::LOG_RECEIPTS + 1];
    let result = search(&view(&node, &head), &filter, &headers);
    assert!(matches!(result, Err(CallError::Limit(..))), "{result:?}");
}

#[test]
fn more_logs_than_an_answer_may_have_are_an_error() {
    let log = Log::new_unchecked(Address::ZERO, vec![], alloy_primitives::Bytes::new());
    let receipt = |count: usize| {
        let logs = vec![log.clone(); count];
        let outcome = alloy_consensus::Receipt { status: true.into(), cumulative_gas_used: 1, logs };
        let envelope = every_type().remove(0);
        let receipt = alloy_consensus::ReceiptEnvelope::from_typed(envelope.tx_type(), outcome);
        sample(vec![envelope], vec![receipt], None)
    };
    let most = |count| {
        let sample = receipt(count);
        let (_, node, head) = sample.node();
        let view = view(&node, &head);
        search(&view, &Filter::read(&[json!({})]).unwrap(), &[Arc::clone(&sample.sealed)])
    };
    assert_eq!(most(limits::LOGS).unwrap().as_array().unwrap().len(), limits::LOGS);
    assert!(matches!(most(limits::LOGS + 1), Err(CallError::Limit("logs", _))));
}
