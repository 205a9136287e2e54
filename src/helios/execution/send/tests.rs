use alloy_consensus::{Signed, TxLegacy};

use super::*;
use crate::helios::execution::sample::{Liar, every_type, failed, head, node, sign, usual, view};
use crate::helios::execution::transaction::{Envelope, encode};
use crate::helios::execution::upstream::UpstreamError;

/// What comes of sending these bytes, where the execution RPC says this.
fn send(bytes: &[u8], said: Value) -> Result<Value, CallError> {
    let liar = Liar::default();
    let bytes = Bytes::copy_from_slice(bytes);
    liar.say("eth_sendRawTransaction", json!([bytes]), said);
    let (node, head) = (node(&liar), head(&usual().sealed));
    raw(&view(&node, &head), &[json!(bytes)])
}

#[test]
fn the_answer_is_the_hash_that_is_computed_here() {
    for envelope in every_type() {
        let (bytes, hash) = (encode(&envelope), *envelope.tx_hash());
        assert_eq!(send(&bytes, json!(hash)).unwrap(), json!(hash));
        for lie in [json!(B256::ZERO), Value::Null] {
            assert_eq!(failed(send(&bytes, lie)), Check::TransactionHash);
        }
        assert_eq!(failed(send(&bytes, json!("0x12"))), Check::Shape);
    }
}

#[test]
fn blobs_are_passed_on_and_not_part_of_the_hash() {
    let envelope = every_type().into_iter().find(|t| t.as_eip4844().is_some()).unwrap();
    let (inner, hash) = (encode(&envelope)[1..].to_vec(), *envelope.tx_hash());
    // As EIP-4844 and EIP-7594 write it: the transaction, then blobs and what belongs to them, here one long text.
    let mut payload = inner;
    alloy_rlp::Encodable::encode(&vec![1_u8; 1 << 17].as_slice(), &mut payload);
    let mut bytes = vec![3];
    Header { list: true, payload_length: payload.len() }.encode(&mut bytes);
    bytes.extend(payload);
    assert!(bytes.len() > 1 << 17);
    assert_eq!(send(&bytes, json!(hash)).unwrap(), json!(hash));
    bytes.push(0);
    assert!(matches!(send(&bytes, json!(hash)), Err(CallError::Params(_))));
}

#[test]
fn what_is_no_transaction_of_this_network_is_not_sent() {
    let foreign = encode(&Envelope::Legacy(sign(TxLegacy { chain_id: Some(5), ..TxLegacy::default() })));
    let unsigned = TxLegacy { chain_id: Some(1), ..TxLegacy::default() };
    let zero = alloy_primitives::Signature::new(Default::default(), Default::default(), false);
    let unsigned = encode(&Envelope::Legacy(Signed::new_unhashed(unsigned, zero)));
    let cut = encode(&every_type()[4]);
    for bytes in [foreign.as_slice(), &unsigned, &cut[..cut.len() - 1], &[], &[3], &[0x7f; 100], &[0xc0]] {
        // The execution RPC would say yes.
        assert!(matches!(send(bytes, json!(B256::ZERO)), Err(CallError::Params(_))), "{bytes:?}");
    }
    let liar = Liar::default();
    let (node, head) = (node(&liar), head(&usual().sealed));
    let view = view(&node, &head);
    for params in [vec![], vec![json!(5)], vec![json!("00")], vec![json!("0x0")], vec![json!("0xzz")]] {
        assert!(matches!(raw(&view, &params), Err(CallError::Params(_))), "{params:?}");
    }
}

#[test]
fn a_refusal_is_passed_on() {
    let liar = Liar::default();
    let (node, head) = (node(&liar), head(&usual().sealed));
    let params = [json!(Bytes::from(encode(&every_type()[4])))];
    let refused = raw(&view(&node, &head), &params);
    assert!(matches!(refused, Err(CallError::Upstream(UpstreamError::Refused("eth_sendRawTransaction", ..)))));
}
