use super::*;
use crate::keys::tests::{hex, keys};
use serde_json::{Value, json};

fn parse(payload: &Value) -> Result<Transaction, ApiError> {
    Transaction::from_payload(Object::nested("payload".to_owned(), payload.clone()).unwrap())
}

fn error(payload: &Value) -> String {
    let error = parse(payload).unwrap_err();
    assert_eq!(error.status(), 400);
    error.to_string()
}

fn structured() -> Value {
    json!({
        "kind": "structured", "chain_id": "0x1", "nonce": "0x0", "max_priority_fee_per_gas": "0x3b9aca00",
        "max_fee_per_gas": "0x77359400", "gas_limit": "0x5208", "to": format!("0x{}", "35".repeat(20)),
        "value": "0xde0b6b3a7640000"
    })
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut payload = structured();
    payload[name] = value.into();
    payload
}

fn raw(bytes: &[u8]) -> Value {
    json!({ "kind": "raw_rlp", "raw_payload": base16ct::lower::encode_string(bytes) })
}

#[test]
fn fields_become_the_one_encoding_there_is() {
    let transaction = parse(&structured()).unwrap();
    let expected = hex(&format!("02ef0180843b9aca00847735940082520894{}880de0b6b3a764000080c0", "35".repeat(20)));
    assert_eq!(transaction.encode(None), expected);
    assert_eq!(parse(&raw(&expected)).unwrap(), transaction);
}

#[test]
fn what_is_left_out_is_empty_and_null_is_left_out() {
    let mut payload = structured();
    for name in ["to", "value", "data", "access_list"] {
        payload[name] = Value::Null;
    }
    let transaction = parse(&payload).unwrap();
    assert!(transaction.encode(None).ends_with(&hex("825208808080c0")));
}

#[test]
fn an_access_list_and_a_large_body_come_back_from_their_encoding() {
    let mut payload = with("data", format!("0x{}", "ab".repeat(100_000)));
    let keys = json!([format!("0x{}", "00".repeat(32)), "11".repeat(32)]);
    let spelled = json!({ "address": "22".repeat(20), "storageKeys": [] });
    payload["access_list"] = json!([{ "address": "35".repeat(20), "storage_keys": keys }, spelled]);
    let transaction = parse(&payload).unwrap();
    assert_eq!(transaction.access_list[0].storage_keys.len(), 2);
    assert_eq!(parse(&raw(&transaction.encode(None))).unwrap(), transaction);
}

#[test]
fn the_signature_recovers_to_the_signer_and_its_numbers_have_no_leading_zeroes() {
    let keys = keys(&"46".repeat(32), &[1; 48]);
    let transaction = parse(&structured()).unwrap();
    let signature = keys.sign(&transaction.signing_hash());
    let signed = transaction.signed(&signature);
    let list = Rlp::new(&signed[1..]);
    assert_eq!((signed[0], list.item_count().unwrap()), (2, 12));
    assert_eq!(list.at(10).unwrap().data().unwrap(), signature.r.as_slice());
    assert_eq!(list.at(11).unwrap().data().unwrap(), signature.s.as_slice());
    let small = Signature { r: [[0; 31].as_slice(), &[7]].concat().try_into().unwrap(), s: [9; 32], y_parity: 0 };
    let signed = transaction.signed(&small);
    assert!(signed.ends_with(&[&[0xc0, 0x80, 7, 0xa0][..], &[9; 32]].concat()));
}

#[test]
fn bad_fields_are_named() {
    for (payload, told) in [
        (json!({}), "payload.kind: missing"),
        (json!({ "kind": "raw" }), "payload.kind: must be \"structured\" or \"raw_rlp\""),
        (json!({ "kind": "raw_rlp" }), "payload.raw_payload: missing"),
        (with("chain_id", 1), "payload.chain_id: must be text"),
        (with("chain_id", Value::Null), "payload.chain_id: missing"),
        (with("nonce", "0x"), "payload.nonce: not a hexadecimal number such as \"0x1f\""),
        (with("nonce", "-1"), "payload.nonce: not a hexadecimal number such as \"0x1f\""),
        (with("nonce", "0x01"), "payload.nonce: a number must not start with zeroes"),
        (with("nonce", "0x00"), "payload.nonce: a number must not start with zeroes"),
        (with("nonce", format!("0x1{}", "0".repeat(16))), "payload.nonce: a number of more than 8 bytes"),
        (with("value", format!("0x1{}", "0".repeat(64))), "payload.value: a number of more than 32 bytes"),
        (with("to", "0x1234"), "payload.to: must be 20 bytes"),
        (with("to", ""), "payload.to: must be 20 bytes"),
        (with("data", "0x123"), "payload.data: not hexadecimal with two digits a byte"),
        (with("dada", "0x"), "payload.dada: no such field"),
        (with("access_list", json!({})), "payload.access_list: must be a list"),
        (with("access_list", json!([5])), "payload.access_list[0]: must be an object"),
        (with("access_list", json!([{ "address": "00" }])), "payload.access_list[0].address: must be 20 bytes"),
        (
            with("access_list", json!([{ "address": "35".repeat(20), "storage_keys": ["00"] }])),
            "payload.access_list[0].storage_keys[0]: must be 32 bytes",
        ),
    ] {
        assert_eq!(error(&payload), told);
    }
    assert!(parse(&with("nonce", format!("0x{}", "f".repeat(16)))).is_ok());
    assert!(parse(&with("value", format!("0x{}", "f".repeat(64)))).is_ok());
}

#[test]
fn raw_payloads_that_are_not_this_type_or_not_canonical_are_refused() {
    let good = parse(&structured()).unwrap().encode(None);
    let signed = parse(&structured()).unwrap().signed(&keys(&"46".repeat(32), &[1; 48]).sign(&[1; 32]));
    let list = |items: &[&[u8]]| {
        let mut stream = RlpStream::new_list(items.len());
        for item in items {
            stream.append_raw(item, 1);
        }
        [&[2][..], &stream.out()].concat()
    };
    // The legacy transaction of EIP-155's example.
    let legacy = hex("ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080");
    let long_form = [&[2, 0xf8, 0x2f][..], &good[2..]].concat();
    for (bytes, told) in [
        (Vec::new(), "must not be empty"),
        (legacy, "a legacy transaction; only type 0x02"),
        (hex("01c0"), "unknown type 0x01; only type 0x02"),
        (hex("7f"), "unknown type 0x7f"),
        (hex("02"), "not canonical RLP"),
        (hex("0280"), "not canonical RLP"),
        (hex("02c0"), "must be a list of 9 items"),
        (signed, "is signed already"),
        ([&good[..], &[0]].concat(), "not canonical RLP"),
        (good[..good.len() - 1].to_vec(), "not canonical RLP"),
        (long_form, "not canonical RLP"),
        (
            list(&[&[0], &[1], &[1], &[1], &[1], &[0x80], &[0x80], &[0x80], &[0xc0]]),
            "chain_id: a number must not start",
        ),
        (
            list(&[&[1], &hex("820001"), &[1], &[1], &[1], &[0x80], &[0x80], &[0x80], &[0xc0]]),
            "nonce: a number must not",
        ),
        (list(&[&[1], &[0xc0], &[1], &[1], &[1], &[0x80], &[0x80], &[0x80], &[0xc0]]), "nonce: not canonical RLP"),
        (list(&[&[1], &[1], &[1], &[1], &[1], &[1], &[0x80], &[0x80], &[0xc0]]), "to: must be 20 bytes"),
        (list(&[&[1], &[1], &[1], &[1], &[1], &[0x80], &[0x80], &[0x80], &[0x80]]), "access_list: not canonical RLP"),
        (
            list(&[&[1], &[1], &[1], &[1], &[1], &[0x80], &[0x80], &[0x80], &hex("c1c0")]),
            "access_list: must be a list of 2",
        ),
        (list(&[&[1], &hex("8101"), &[1], &[1], &[1], &[0x80], &[0x80], &[0x80], &[0xc0]]), "not canonical RLP"),
        (vec![2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "not canonical RLP"),
    ] {
        let error = error(&raw(&bytes));
        assert!(error.contains(told), "{bytes:02x?}: {error:?} lacks {told:?}");
    }
}
