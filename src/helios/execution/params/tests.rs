use alloy_primitives::{B256, U256};
use serde_json::{Value, json};

use super::*;

fn list(value: Value) -> Vec<Value> {
    vec![value]
}

fn refused<T: std::fmt::Debug>(result: Result<T, CallError>) -> String {
    match result {
        Err(CallError::Params(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn blocks_are_read_in_every_form_that_can_be_proven() {
    assert_eq!(block(&[], 0).unwrap(), BlockId::Latest);
    assert_eq!(block(&list(Value::Null), 0).unwrap(), BlockId::Latest);
    assert_eq!(block(&list(json!("latest")), 0).unwrap(), BlockId::Latest);
    assert_eq!(block(&list(json!("safe")), 0).unwrap(), BlockId::Finalized);
    assert_eq!(block(&list(json!("finalized")), 0).unwrap(), BlockId::Finalized);
    assert_eq!(block(&list(json!("0x0")), 0).unwrap(), BlockId::Number(0));
    assert_eq!(block(&list(json!("0x1f")), 0).unwrap(), BlockId::Number(31));
    assert_eq!(block(&list(json!({"blockNumber": "0x2"})), 0).unwrap(), BlockId::Number(2));
    let hash = B256::repeat_byte(7);
    assert_eq!(block(&list(json!(hash)), 0).unwrap(), BlockId::Hash(hash));
    assert_eq!(block_or_pending(&list(json!("pending")), 0).unwrap(), BlockId::Latest);
    assert_eq!(block_or_pending(&list(json!("0x2")), 0).unwrap(), BlockId::Number(2));
    let object = json!({"blockHash": hash, "requireCanonical": false});
    assert_eq!(block(&list(object), 0).unwrap(), BlockId::Hash(hash));
}

#[test]
fn blocks_that_cannot_be_proven_or_read_are_refused_by_position() {
    for tag in ["pending", "earliest"] {
        let text = refused(block(&[json!(1), json!(tag)], 1));
        assert!(text.starts_with("parameter 2 (block)") && text.contains("ask for latest"), "{text}");
    }
    for wrong in [
        json!("Latest"),
        json!("0x"),
        json!("0x01"),
        json!("12"),
        json!(12),
        json!("0x10000000000000000"),
        json!({}),
        json!({"blockNumber": "0x1", "blockHash": B256::ZERO}),
        json!({"blockNumber": "latest"}),
        json!({"blockHash": "0x12"}),
        json!({"blockNumber": "0x1", "other": 1}),
        json!({"blockNumber": "0x1", "requireCanonical": 1}),
        json!([]),
        json!("0x+1"),
        json!("0x1_0"),
    ] {
        refused(block(&list(wrong), 0));
    }
}

#[test]
fn slots_may_have_leading_zeros_and_quantities_may_not() {
    assert_eq!(slot(&list(json!("0x00")), 0).unwrap(), U256::ZERO);
    assert_eq!(slot(&list(json!(B256::with_last_byte(9))), 0).unwrap(), U256::from(9));
    refused(slot(&list(json!(format!("0x{}", "0".repeat(65)))), 0));
    refused(slot(&list(json!("0x")), 0));
    assert_eq!(quantity(&list(json!("0x10")), 0).unwrap(), 16);
    for wrong in [json!("0x010"), json!("0x"), json!("10"), json!(10), json!("0xg"), Value::Null] {
        assert!(refused(quantity(&list(wrong), 0)).starts_with("parameter 1 (quantity)"));
    }
}

#[test]
fn addresses_and_hashes_have_their_length_and_nothing_else() {
    let text = "0x95222290DD7278Aa3Ddd389Cc1E1d165CC4BAfe5";
    assert!(address(&list(json!(text)), 0).is_ok());
    for wrong in [&text[2..], &text[..41], &format!("{text}0"), "0x", "", &text.replace("9", "x")] {
        assert!(refused(address(&list(json!(wrong)), 0)).starts_with("parameter 1 (address)"));
    }
    refused(address(&[], 0));
    refused(hash(&list(json!(text)), 0));
    refused(hash(&list(json!([1, 2])), 0));
    assert!(!boolean(&[], 0).unwrap());
    assert!(boolean(&list(json!(true)), 0).unwrap());
    refused(boolean(&list(json!("true")), 0));
    refused(bytes(&list(json!("0x123")), 0));
    refused(at_most(&[Value::Null, Value::Null], 1));
    assert!(at_most(&[Value::Null], 1).is_ok());
}

#[test]
fn a_list_of_slots_has_a_cap() {
    assert_eq!(slots(&list(json!(["0x1", "0x01"])), 0, 2).unwrap(), [U256::from(1); 2]);
    assert!(matches!(slots(&list(json!(["0x1", "0x2"])), 0, 1), Err(CallError::Limit(_, 1))));
    refused(slots(&list(json!("0x1")), 0, 2));
    refused(slots(&list(json!([1])), 0, 2));
}
