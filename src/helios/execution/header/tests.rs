use alloy_primitives::B256;
use serde_json::json;

use super::*;
use crate::helios::execution::fixture;

fn check(result: Result<Sealed, CallError>) -> Check {
    match result {
        Err(CallError::Unproven(check, _)) => check,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_recorded_block_is_read_as_its_header() {
    let Some(block) = fixture::result("eth_getLogs_electra", "eth_getBlockByNumber") else { return };
    let hash: B256 = serde_json::from_value(block["hash"].clone()).unwrap();
    let header: Header = serde_json::from_value(block.clone()).unwrap();
    let sealed = seal(header, hash).unwrap();
    assert_eq!(sealed.hash, hash);
    assert_eq!(sealed.header.number, 0x156_4967);
    // Every field of the header is under its hash.
    let mut changed = 0;
    for (name, value) in block.as_object().unwrap() {
        let mut block = block.clone();
        block[name] = match value.as_str() {
            Some(text) if text.len() > 2 => {
                json!(format!("{}{}", &text[..text.len() - 1], if text.ends_with('1') { '2' } else { '1' }))
            }
            _ => continue,
        };
        let header: Header = serde_json::from_value(block).unwrap();
        match name.as_str() {
            "hash" | "size" => assert!(seal(header, hash).is_ok()),
            _ => {
                assert_eq!(check(seal(header, hash)), Check::HeaderHash, "{name}");
                changed += 1;
            }
        }
    }
    assert_eq!(changed, 21);
}

#[test]
fn a_field_in_anothers_place_is_refused_though_the_hash_is_right() {
    let right = Header {
        base_fee_per_gas: Some(7),
        withdrawals_root: Some(B256::repeat_byte(1)),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::repeat_byte(2)),
        requests_hash: Some(B256::repeat_byte(3)),
        ..Header::default()
    };
    let hash = right.hash_slow();
    let moved = Header { requests_hash: None, block_access_list_hash: Some(B256::repeat_byte(3)), ..right.clone() };
    assert_eq!(moved.hash_slow(), hash);
    assert_eq!(check(seal(moved, hash)), Check::HeaderHash);
    assert_eq!(seal(right.clone(), hash).unwrap().header, right);
}
