use alloy_consensus::TxLegacy;
use alloy_consensus::crypto::secp256k1::sign_message;
use alloy_primitives::{Signature, U256};

use super::*;
use crate::helios::execution::sample::{every_type, failed, key, recorded, usual, view};

#[test]
fn every_type_is_read_from_its_bytes_and_from_json() {
    let all = every_type();
    assert_eq!(all.iter().map(|t| t.tx_type() as u8).collect::<Vec<_>>(), [0, 0, 0, 1, 2, 2, 3, 4]);
    // Of the key, as alloy has it, and as this repository's own crate does.
    let own = k256::ecdsa::SigningKey::from_slice(key().as_slice()).unwrap();
    let point = own.verifying_key().to_sec1_point(false);
    let sender = Address::from_slice(&keccak256(&point.as_bytes()[1..])[12..]);
    for envelope in all {
        let read = Transaction::of_json(&serde_json::from_value(json!(envelope)).unwrap()).unwrap();
        assert_eq!((read.hash, &read.envelope), (*envelope.tx_hash(), &envelope));
        assert_eq!(read.sender().unwrap(), sender);
    }
}

#[test]
fn bytes_that_are_not_exactly_one_transaction_are_none() {
    let mut refused = 0;
    for envelope in every_type() {
        let bytes = encode(&envelope);
        for length in 0..bytes.len() {
            assert!(Transaction::read(bytes[..length].to_vec()).is_none());
            refused += 1;
        }
        let more = [bytes.as_slice(), &[0]].concat();
        assert!(Transaction::read(more).is_none());
        for kind in [0, 5, 0x7f, 0x80, 0xbf] {
            assert!(Transaction::read([&[kind], bytes.as_slice()].concat()).is_none());
        }
    }
    assert!(refused > 1000);
}

#[test]
fn an_answer_has_every_field_of_its_type() {
    let sample = usual();
    let (_, node, head) = sample.node();
    let block = proven_block(&view(&node, &head), &sample.sealed).unwrap();
    let common = [
        "blockHash",
        "blockNumber",
        "from",
        "gas",
        "gasPrice",
        "hash",
        "input",
        "nonce",
        "r",
        "s",
        "to",
        "transactionIndex",
        "type",
        "v",
        "value",
    ];
    let more: [&[&str]; 8] = [
        &[],
        &["chainId"],
        &["chainId"],
        &["accessList", "chainId", "yParity"],
        &["accessList", "chainId", "maxFeePerGas", "maxPriorityFeePerGas", "yParity"],
        &["accessList", "chainId", "maxFeePerGas", "maxPriorityFeePerGas", "yParity"],
        &[
            "accessList",
            "blobVersionedHashes",
            "chainId",
            "maxFeePerBlobGas",
            "maxFeePerGas",
            "maxPriorityFeePerGas",
            "yParity",
        ],
        &["accessList", "authorizationList", "chainId", "maxFeePerGas", "maxPriorityFeePerGas", "yParity"],
    ];
    // The base fee is 7 Gwei.
    let prices: [u64; 8] = [
        9_000_000_000,
        9_000_000_000,
        9_000_000_000,
        8_000_000_000,
        8_500_000_000,
        8_500_000_000,
        8_000_000_000,
        10_000_000_000,
    ];
    for index in 0..8 {
        let answer = block.transaction(index).unwrap();
        let mut expected: Vec<&str> = common.iter().chain(more[index]).copied().collect();
        expected.sort_unstable();
        assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), expected, "{index}");
        assert_eq!(answer["gasPrice"], hex(prices[index]), "{index}");
        assert_eq!(answer["transactionIndex"], hex(index));
        assert_eq!(answer["blockHash"], json!(sample.sealed.hash));
        assert_eq!(answer["hash"], json!(sample.transactions[index].tx_hash()));
    }
    assert_eq!(block.transaction(2).unwrap()["to"], Value::Null);
    assert_eq!(block.transaction(8).unwrap(), Value::Null);
}

#[test]
fn hashes_and_senders_of_a_recorded_block_are_those_recorded() {
    let Some((block, _)) = recorded::block() else { return };
    let Some(receipts) = recorded::result("eth_getBlockReceipts_0x1564966.json") else { return };
    let mut kinds = std::collections::BTreeSet::new();
    for (transaction, receipt) in block.transactions.iter().zip(receipts.as_array().unwrap()) {
        assert_eq!(json!(transaction.hash), receipt["transactionHash"]);
        assert_eq!(json!(transaction.sender().unwrap()), receipt["from"]);
        kinds.insert(receipt["type"].as_str().unwrap().to_owned());
    }
    assert!(kinds.len() >= 3, "{kinds:?}");
}

#[test]
fn a_signature_that_is_none_is_an_error() {
    let tx = TxLegacy { chain_id: Some(1), ..TxLegacy::default() };
    let good = sign_message(key(), alloy_consensus::SignableTransaction::signature_hash(&tx)).unwrap();
    // The other s of the same signature, which EIP-2 forbids.
    let order = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141".parse::<U256>().unwrap();
    let high = Signature::new(good.r(), order - good.s(), !good.v());
    for signature in [Signature::new(U256::ZERO, U256::ZERO, false), high] {
        let envelope = Envelope::Legacy(Signed::new_unhashed(tx.clone(), signature));
        let read = Transaction::read(encode(&envelope)).unwrap();
        assert_eq!(failed(read.sender()), Check::TransactionSignature);
    }
}

#[test]
fn a_transaction_is_found_by_its_hash_alone() {
    let sample = usual();
    let (liar, node, head) = sample.node();
    let view = view(&node, &head);
    let hash = *sample.transactions[3].tx_hash();
    let place = |number: Value| json!({ "blockNumber": number, "blockHash": B256::ZERO, "hash": B256::ZERO });
    let here = hex(sample.sealed.header.number);
    liar.say("eth_getTransactionByHash", json!([hash]), place(here.clone()));
    let found = by_hash(&view, &[json!(hash)]).unwrap();
    assert_eq!((&found["hash"], &found["transactionIndex"]), (&json!(hash), &json!("0x3")));
    // Said to be unknown, pending, or in a block that nobody has signed for yet.
    for said in [
        Value::Null,
        place(Value::Null),
        place(hex(sample.sealed.header.number + 1)),
        place(json!("0xffffffffffffffff")),
    ] {
        liar.say("eth_getTransactionByHash", json!([hash]), said);
        assert!(
            matches!(by_hash(&view, &[json!(hash)]), Err(CallError::UnknownTransaction(unknown)) if unknown == hash)
        );
    }
    let other = B256::repeat_byte(7);
    liar.say("eth_getTransactionByHash", json!([other]), place(here));
    assert_eq!(failed(by_hash(&view, &[json!(other)])), Check::TransactionInBlock);
    liar.say("eth_getTransactionByHash", json!([other]), place(json!("here")));
    assert_eq!(failed(by_hash(&view, &[json!(other)])), Check::Shape);
}
