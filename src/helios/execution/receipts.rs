//! Receipts: what became of a block's transactions, compared with the root in its header.
//!
//! Promises: a receipt's type, hash and place are those of the proven transaction in the same place, never what the
//! execution RPC says they are; gas, prices, addresses and indices are computed here; the list is complete.

use alloy_consensus::{Eip658Value, Receipt as Outcome, ReceiptEnvelope, Transaction as _};
use alloy_primitives::{Address, B256, Bytes, Log, LogData, U64};
use alloy_rlp::BufMut;
use alloy_trie::root::ordered_trie_root_with_encoder;
use serde::Deserialize;
use serde_json::{Value, json};

use super::block::{Block, found, proven_block};
use super::error::{CallError, Check};
use super::fees::blob;
use super::params;
use super::transaction::{hex, locate};
use super::view::{BlockId, View};
use crate::helios::limits;

/// The receipts of a block, proven, one for each transaction.
#[derive(Debug)]
pub(super) struct Receipts<'a> {
    /// The block.
    pub(super) block: &'a Block,
    /// In the order of its transactions.
    pub(super) list: Vec<Receipt>,
}

/// A receipt.
#[derive(Debug)]
pub(super) struct Receipt {
    /// Type, status, gas, logs and their bloom: what the root covers.
    pub(super) envelope: ReceiptEnvelope,
    /// The gas of this transaction alone.
    pub(super) gas_used: u64,
    /// How many logs the block has before its own.
    pub(super) first_log: usize,
}

/// What is read of the execution RPC's receipts: what the root covers, but the type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    status: U64,
    cumulative_gas_used: U64,
    logs: Vec<SaidLog>,
}

#[derive(Deserialize)]
struct SaidLog {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
}

impl Said {
    /// `None` where it could not be a receipt.
    fn outcome(self) -> Option<Outcome> {
        let status = match self.status.to::<u64>() {
            0 => false,
            1 => true,
            _ => return None,
        };
        let logs = self.logs.into_iter().map(|log| {
            // None for more than four topics.
            Some(Log { address: log.address, data: LogData::new(log.topics, log.data)? })
        });
        Some(Outcome {
            status: Eip658Value::Eip658(status),
            cumulative_gas_used: self.cumulative_gas_used.to(),
            logs: logs.collect::<Option<_>>()?,
        })
    }
}

/// A proven block's receipts, fetched and compared with the root in its header.
///
/// # Errors
/// [`Check::Absence`], [`Check::ReceiptCount`], [`Check::ReceiptsRoot`], or the execution RPC's.
pub(super) fn proven_receipts<'a>(view: &View, block: &'a Block) -> Result<Receipts<'a>, CallError> {
    let header = &block.sealed.header;
    let unproven = |check| CallError::Unproven(check, format!("block {}", header.number));
    let said: Option<Vec<Said>> = view.ask("eth_getBlockReceipts", json!([block.sealed.hash]), limits::BLOCK_ANSWER)?;
    let said = said.ok_or_else(|| unproven(Check::Absence))?;
    if said.len() != block.transactions.len() {
        return Err(unproven(Check::ReceiptCount));
    }
    let (mut list, mut gas, mut logs) = (Vec::with_capacity(said.len()), 0, 0);
    for (said, transaction) in said.into_iter().zip(&block.transactions) {
        let outcome = said.outcome().ok_or_else(|| unproven(Check::Shape))?;
        let envelope = ReceiptEnvelope::from_typed(transaction.envelope.tx_type(), outcome);
        let used = envelope.cumulative_gas_used().checked_sub(gas).ok_or_else(|| unproven(Check::ReceiptsRoot))?;
        let first_log = logs;
        (gas, logs) = (envelope.cumulative_gas_used(), logs + envelope.logs().len());
        list.push(Receipt { envelope, gas_used: used, first_log });
    }
    if ordered_trie_root_with_encoder(&list, |receipt, out| encode(&receipt.envelope, out)) != header.receipts_root {
        return Err(unproven(Check::ReceiptsRoot));
    }
    Ok(Receipts { block, list })
}

/// EIP-2718's bytes of a receipt.
pub(super) fn encode(envelope: &ReceiptEnvelope, out: &mut Vec<u8>) {
    use alloy_rlp::Encodable;
    let body = match envelope {
        ReceiptEnvelope::Legacy(body) => return body.encode(out),
        ReceiptEnvelope::Eip2930(body)
        | ReceiptEnvelope::Eip1559(body)
        | ReceiptEnvelope::Eip4844(body)
        | ReceiptEnvelope::Eip7702(body) => body,
    };
    out.put_u8(envelope.tx_type() as u8);
    body.encode(out);
}

impl Receipts<'_> {
    /// The answer that describes the receipt of transaction number `index`.
    ///
    /// # Errors
    /// [`Check::TransactionSignature`], or [`Check::TransactionInBlock`] for an index beyond the last.
    pub(super) fn answer(&self, view: &View, index: usize) -> Result<Value, CallError> {
        let (sealed, header) = (&self.block.sealed, &self.block.sealed.header);
        let (Some(transaction), Some(receipt)) = (self.block.transactions.get(index), self.list.get(index)) else {
            let what = format!("block {} has no transaction {index}", header.number);
            return Err(CallError::Unproven(Check::TransactionInBlock, what));
        };
        let envelope = &transaction.envelope;
        let from = transaction.sender()?;
        let created = envelope.is_create().then(|| from.create(envelope.nonce()));
        let logs: Vec<Value> = (0..receipt.envelope.logs().len()).filter_map(|log| self.log(index, log)).collect();
        let mut answer = json!({
            "type": hex(receipt.envelope.tx_type() as u8),
            "status": hex(u8::from(receipt.envelope.status())),
            "transactionHash": transaction.hash,
            "transactionIndex": hex(index),
            "blockHash": sealed.hash,
            "blockNumber": hex(header.number),
            "from": from,
            "to": envelope.to(),
            "contractAddress": created,
            "cumulativeGasUsed": hex(receipt.envelope.cumulative_gas_used()),
            "gasUsed": hex(receipt.gas_used),
            "effectiveGasPrice": hex(envelope.effective_gas_price(header.base_fee_per_gas)),
            "logs": logs,
            "logsBloom": receipt.envelope.logs_bloom(),
        });
        if let (Some(fields), Some(hashes)) = (answer.as_object_mut(), envelope.blob_versioned_hashes()) {
            fields.insert("blobGasUsed".into(), hex(blob::GAS.saturating_mul(hashes.len() as u64)));
            if let Some(price) = blob::price(&view.node.spec, header) {
                fields.insert("blobGasPrice".into(), hex(price));
            }
        }
        Ok(answer)
    }

    /// The answer that describes log number `log` of transaction number `index`; `None` where there is none.
    pub(super) fn log(&self, index: usize, log: usize) -> Option<Value> {
        let (transaction, receipt) = (self.block.transactions.get(index)?, self.list.get(index)?);
        let content = receipt.envelope.logs().get(log)?;
        Some(json!({
            "address": content.address,
            "topics": content.data.topics(),
            "data": content.data.data,
            "blockHash": self.block.sealed.hash,
            "blockNumber": hex(self.block.sealed.header.number),
            "transactionHash": transaction.hash,
            "transactionIndex": hex(index),
            "logIndex": hex(receipt.first_log + log),
            "removed": false,
        }))
    }
}

/// `eth_getBlockReceipts`, of a number, a tag or a hash. `null` for a number above the head alone.
///
/// # Errors
/// See [`View::header`], [`proven_block`] and [`proven_receipts`].
pub(super) fn of_block(view: &View, params: &[Value]) -> Result<Value, CallError> {
    let Some(sealed) = found(view, params::block(params, 0)?)? else { return Ok(Value::Null) };
    let block = proven_block(view, &sealed)?;
    let receipts = proven_receipts(view, &block)?;
    (0..receipts.list.len()).map(|index| receipts.answer(view, index)).collect()
}

/// `eth_getTransactionReceipt`: the execution RPC says in which block, the block's transactions and receipts prove it.
///
/// # Errors
/// [`CallError::UnknownTransaction`] where it knows none or has it in no block yet; see [`proven_block`] and
/// [`proven_receipts`].
pub(super) fn of_transaction(view: &View, params: &[Value]) -> Result<Value, CallError> {
    let hash = params::hash(params, 0)?;
    let number = locate(view, hash)?;
    let block = proven_block(view, &view.header(BlockId::Number(number))?)?;
    // Before the receipts are fetched: a wrong place costs one request.
    let index = block.place(hash)?;
    proven_receipts(view, &block)?.answer(view, index)
}

#[cfg(test)]
mod tests;
