use alloy_primitives::Bytes;
use serde_json::json;

use super::*;

fn read(value: Value) -> Result<Filter, CallError> {
    Filter::read(&[value])
}

fn log(address: u8, topics: &[u8]) -> Log {
    let topics = topics.iter().map(|byte| B256::repeat_byte(*byte)).collect();
    Log::new_unchecked(Address::repeat_byte(address), topics, Bytes::new())
}

#[test]
fn blocks_are_a_range_or_one() {
    let latest = Blocks::Range(BlockId::Latest, BlockId::Latest);
    assert_eq!(read(json!({})).unwrap().blocks, latest);
    assert_eq!(read(json!({ "fromBlock": null, "toBlock": null, "blockHash": null })).unwrap().blocks, latest);
    let range = read(json!({ "fromBlock": "0x5", "toBlock": "finalized" })).unwrap();
    assert_eq!(range.blocks, Blocks::Range(BlockId::Number(5), BlockId::Finalized));
    let one = read(json!({ "blockHash": B256::repeat_byte(1) })).unwrap();
    assert_eq!(one.blocks, Blocks::One(B256::repeat_byte(1)));
}

#[test]
fn what_is_not_understood_is_refused() {
    let hash = B256::ZERO;
    let wrong = [
        json!({ "blockHash": hash, "fromBlock": "0x1" }),
        json!({ "blockHash": hash, "toBlock": "latest" }),
        json!({ "blockHash": "latest" }),
        json!({ "fromblock": "0x1" }),
        json!({ "limit": 5 }),
        json!({ "address": "0x12" }),
        json!({ "address": 5 }),
        json!({ "address": [null] }),
        json!({ "topics": hash }),
        json!({ "topics": {} }),
        json!({ "topics": ["0x12"] }),
        json!({ "topics": [[[hash]]] }),
        json!({ "topics": [[null]] }),
        json!({ "topics": [null, null, null, null, null] }),
        json!([]),
        json!("0x"),
        Value::Null,
    ];
    for value in wrong {
        assert!(matches!(read(value.clone()), Err(CallError::Params(_))), "{value}");
    }
    assert!(matches!(Filter::read(&[]), Err(CallError::Params(_))));
    assert!(matches!(Filter::read(&[json!({}), json!({})]), Err(CallError::Params(_))));
}

#[test]
fn more_alternatives_than_are_looked_up_are_an_error() {
    let list = |count| vec![B256::ZERO; count];
    assert!(read(json!({ "topics": [list(limits::LOG_ALTERNATIVES)] })).is_ok());
    let many = read(json!({ "topics": [list(limits::LOG_ALTERNATIVES + 1)] }));
    assert!(matches!(many, Err(CallError::Limit(..))));
}

#[test]
fn places_and_alternatives_are_all_looked_at() {
    let topic = B256::repeat_byte;
    let address = Address::repeat_byte;
    let logs = [log(1, &[]), log(1, &[1]), log(2, &[1, 2]), log(3, &[2, 2, 3]), log(1, &[1, 2, 3, 4])];
    let cases = [
        (json!({}), "11111"),
        (json!({ "address": address(1) }), "11001"),
        (json!({ "address": [address(1), address(3)] }), "11011"),
        (json!({ "address": [] }), "11111"),
        (json!({ "topics": [] }), "11111"),
        (json!({ "topics": [topic(1)] }), "01101"),
        (json!({ "topics": [null] }), "01111"),
        (json!({ "topics": [[]] }), "01111"),
        (json!({ "topics": [null, topic(2)] }), "00111"),
        (json!({ "topics": [[topic(1), topic(2)], topic(2)] }), "00111"),
        (json!({ "topics": [topic(2), topic(1)] }), "00000"),
        (json!({ "topics": [null, null, topic(3)] }), "00011"),
        (json!({ "topics": [null, null, null, topic(4)], "address": address(1) }), "00001"),
        (json!({ "topics": [topic(1), null], "address": address(2) }), "00100"),
    ];
    for (value, fitting) in cases {
        let filter = read(value.clone()).unwrap();
        let fits: String = logs.iter().map(|log| if filter.fits(log) { '1' } else { '0' }).collect();
        assert_eq!(fits, fitting, "{value}");
        // What fits is never ruled out by the bloom of its block.
        for log in logs.iter().filter(|log| filter.fits(log)) {
            let mut bloom = Bloom::ZERO;
            bloom.accrue_log(log);
            assert!(filter.may_be_in(&bloom), "{value}");
        }
    }
    assert!(!read(json!({ "topics": [topic(1)] })).unwrap().may_be_in(&Bloom::ZERO));
    assert!(!read(json!({ "address": address(1) })).unwrap().may_be_in(&Bloom::ZERO));
}
