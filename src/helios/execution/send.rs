//! `eth_sendRawTransaction`.
//!
//! The one method that changes something, and the one whose effect nothing can prove: whether the execution RPC passes
//! the transaction on shows when it is in a block. What is proven is which transaction was handed over.

use alloy_consensus::Transaction as _;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{EMPTY_LIST_CODE, Header};
use serde_json::{Value, json};

use super::error::{CallError, Check};
use super::transaction::Transaction;
use super::view::View;
use crate::helios::limits;

/// Hands a signed transaction to the execution RPC and answers its hash, which is computed here.
///
/// # Errors
/// [`CallError::Params`] for what is no transaction of this network, before anything is sent;
/// [`Check::TransactionHash`] where the execution RPC speaks of another one.
pub(super) fn raw(view: &View, params: &[Value]) -> Result<Value, CallError> {
    let text = params.first().and_then(Value::as_str).filter(|text| text.starts_with("0x"));
    let bytes: Option<Bytes> = text.and_then(|text| text.parse().ok());
    let bytes = bytes.ok_or_else(|| CallError::Params("parameter 0: not bytes in hexadecimal digits".into()))?;
    let transaction =
        read(&bytes).ok_or_else(|| CallError::Params("parameter 0: not one signed transaction".into()))?;
    // Transactions from before EIP-155 name no network: some contracts can only be deployed by such.
    if let Some(id) = transaction.envelope.chain_id().filter(|id| *id != view.node.spec.chain_id) {
        return Err(CallError::Params(format!("parameter 0: a transaction for the network with chain id {id}")));
    }
    if transaction.sender().is_err() {
        return Err(CallError::Params("parameter 0: the transaction's signature is none".into()));
    }
    let said: Option<B256> = view.ask("eth_sendRawTransaction", json!([bytes]), limits::SMALL_ANSWER)?;
    if said != Some(transaction.hash) {
        let what = format!("the execution RPC was given transaction {} and names another", transaction.hash);
        return Err(CallError::Unproven(Check::TransactionHash, what));
    }
    Ok(json!(transaction.hash))
}

/// Reads a transaction as it is sent: one with blobs has them in a sidecar, which its hash does not cover.
fn read(bytes: &Bytes) -> Option<Transaction> {
    if bytes.first() != Some(&3) {
        return Transaction::read(bytes.to_vec());
    }
    let mut rest = bytes.get(1..)?;
    Header::decode(&mut rest).ok().filter(|header| header.list && header.payload_length == rest.len())?;
    // A list in the list: the transaction, in front of its sidecar, at which nobody looks here.
    let inner = if rest.first()? >= &EMPTY_LIST_CODE { rest } else { bytes.get(1..)? };
    let mut behind = inner;
    let inner = Header::decode_bytes(&mut behind, true).ok()?;
    let mut list = vec![3];
    Header { list: true, payload_length: inner.len() }.encode(&mut list);
    list.extend_from_slice(inner);
    Transaction::read(list)
}

#[cfg(test)]
mod tests;
