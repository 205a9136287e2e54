use super::*;
use crate::helios::execution::sample::{Liar, changed, failed, head, node, recorded, reordered, usual, view};

#[test]
fn recorded_receipts_are_built_anew_and_are_the_same() {
    let Some((block, said)) = recorded::block() else { return };
    let Some(receipts) = recorded::result("eth_getBlockReceipts_0x1564966.json") else { return };
    let liar = Liar::default();
    liar.say("eth_getBlockByHash", json!([block.sealed.hash, true]), said);
    liar.say("eth_getBlockReceipts", json!([block.sealed.hash]), receipts.clone());
    let (node, head) = (node(&liar), head(&block.sealed));
    let view = view(&node, &head);
    let proven = proven_receipts(&view, &block).unwrap();
    assert_eq!(proven.list.len(), 215);
    for (index, recorded) in receipts.as_array().unwrap().iter().enumerate() {
        assert_eq!(&proven.answer(&view, index).unwrap(), recorded, "{index}");
    }
}

#[test]
fn a_receipt_has_what_its_block_and_transaction_say() {
    let sample = usual();
    let (liar, node, head) = sample.node();
    let view = view(&node, &head);
    let all = of_block(&view, &[hex(sample.sealed.header.number)]).unwrap();
    assert_eq!(of_block(&view, &[json!(sample.sealed.hash)]).unwrap(), all);
    let list = all.as_array().unwrap();
    assert_eq!(list.len(), 8);
    for (index, receipt) in list.iter().enumerate() {
        let hash = sample.transactions[index].tx_hash();
        assert_eq!(receipt["transactionHash"], json!(hash));
        assert_eq!(receipt["gasUsed"], hex(21_000));
        assert_eq!(receipt["cumulativeGasUsed"], hex(21_000 * (index + 1)));
        assert_eq!(receipt["status"], json!(if index == 1 { "0x0" } else { "0x1" }));
        assert_eq!(receipt["logs"].as_array().unwrap().len(), index);
        for (log, content) in receipt["logs"].as_array().unwrap().iter().enumerate() {
            assert_eq!(content["logIndex"], hex((0..index).sum::<usize>() + log));
        }
        let created = matches!(index, 2 | 5);
        assert_eq!((receipt["to"].is_null(), receipt["contractAddress"].is_null()), (created, !created));
        assert_eq!(receipt.get("blobGasUsed").is_some(), index == 6);
        liar.say("eth_getTransactionByHash", json!([hash]), json!({ "blockNumber": hex(sample.sealed.header.number) }));
        assert_eq!(&of_transaction(&view, &[json!(hash)]).unwrap(), receipt);
    }
    assert_eq!((&list[6]["blobGasUsed"], &list[6]["blobGasPrice"]), (&hex(2 << 17), &hex(13)));
    let above = [hex(sample.sealed.header.number + 1)];
    assert_eq!(of_block(&view, &above).unwrap(), Value::Null);
}

#[test]
fn no_lie_about_a_receipt_is_believed() {
    let sample = usual();
    let (liar, node, head) = sample.node();
    let view = view(&node, &head);
    let block = proven_block(&view, &sample.sealed).unwrap();
    let answers = |receipts: &Receipts| -> Vec<Value> {
        (0..receipts.list.len()).map(|index| receipts.answer(&view, index).unwrap()).collect()
    };
    let truth = answers(&proven_receipts(&view, &block).unwrap());
    let (mut refused, mut harmless) = (0, 0);
    for (index, said) in sample.said.as_array().unwrap().iter().enumerate() {
        for (field, value) in said.as_object().unwrap() {
            for lie in changed(value) {
                let mut receipts = sample.said.clone();
                receipts[index][field] = lie.clone();
                liar.say("eth_getBlockReceipts", json!([sample.sealed.hash]), receipts);
                match proven_receipts(&view, &block) {
                    Ok(receipts) => {
                        // What is worked out here, whatever is said.
                        let idle = ["type", "gasUsed", "logsBloom", "transactionHash"];
                        assert!(idle.contains(&field.as_str()), "{index} {field}: {lie}");
                        assert_eq!(answers(&receipts), truth);
                        harmless += 1;
                    }
                    Err(CallError::Unproven(Check::ReceiptsRoot | Check::Shape, _)) => refused += 1,
                    Err(e) => panic!("{index} {field}: {lie}: {e}"),
                }
            }
        }
    }
    assert_eq!((refused, harmless), (474, 64));
}

#[test]
fn no_lie_about_a_list_of_receipts_is_believed() {
    let sample = usual();
    let (liar, node, head) = sample.node();
    let view = view(&node, &head);
    let block = proven_block(&view, &sample.sealed).unwrap();
    let list = sample.said.as_array().unwrap();
    let mut lies: Vec<Value> = reordered(list).into_iter().map(Value::Array).collect();
    lies.extend([json!([]), Value::Null, json!({}), json!([null, null, null, null, null, null, null, null])]);
    let mut five = sample.said.clone();
    five[3]["logs"][0]["topics"] = json!([B256::ZERO, B256::ZERO, B256::ZERO, B256::ZERO, B256::ZERO]);
    let mut two = sample.said.clone();
    two[3]["status"] = json!("0x2");
    lies.extend([five, two]);
    let mut checks = std::collections::BTreeMap::new();
    for lie in &lies {
        liar.say("eth_getBlockReceipts", json!([sample.sealed.hash]), lie.clone());
        *checks.entry(failed(proven_receipts(&view, &block)).name()).or_insert(0) += 1;
    }
    let expected = [("absence", 1), ("receipt count", 17), ("receipts root", 7), ("shape", 4)];
    assert_eq!(checks.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn without_receipts_there_is_no_answer() {
    let sample = usual();
    let (_, _, head) = sample.node();
    let liar = Liar::default();
    liar.say("eth_getBlockByHash", json!([sample.sealed.hash, true]), sample.block.clone());
    let node = node(&liar);
    let view = view(&node, &head);
    let block = proven_block(&view, &sample.sealed).unwrap();
    assert!(matches!(proven_receipts(&view, &block), Err(CallError::Upstream(_))));
}
