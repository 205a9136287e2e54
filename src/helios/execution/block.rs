//! Blocks: a proven header, and the transactions and withdrawals that have its roots.
//!
//! Promises: the lists are complete and in order, since a root covers both; everything in an answer is the header's, of
//! these lists, or computed from them.

use std::sync::Arc;

use alloy_consensus::EMPTY_OMMER_ROOT_HASH;
use alloy_primitives::{Address, U64};
use alloy_rlp::{BufMut, Encodable};
use alloy_trie::root::{ordered_trie_root, ordered_trie_root_encoded};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{CallError, Check};
use super::params;
use super::transaction::{Envelope, Transaction, hex};
use super::view::{BlockId, Sealed, View};
use crate::helios::limits;

/// A block whose lists have the roots of its proven header.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// The header.
    pub(super) sealed: Arc<Sealed>,
    /// All transactions, in order.
    pub(super) transactions: Vec<Transaction>,
    /// All withdrawals, in order; `None` before there were any.
    pub(super) withdrawals: Option<Vec<Withdrawal>>,
}

/// A withdrawal from the consensus layer (EIP-4895).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Withdrawal {
    index: U64,
    validator_index: U64,
    address: Address,
    /// In Gwei.
    amount: U64,
}

impl Withdrawal {
    fn payload(&self) -> usize {
        self.index.length() + self.validator_index.length() + self.address.length() + self.amount.length()
    }
}

impl Encodable for Withdrawal {
    fn encode(&self, out: &mut dyn BufMut) {
        alloy_rlp::Header { list: true, payload_length: self.payload() }.encode(out);
        self.index.encode(out);
        self.validator_index.encode(out);
        self.address.encode(out);
        self.amount.encode(out);
    }

    fn length(&self) -> usize {
        listed(self.payload())
    }
}

/// Bytes of an RLP list whose items have `payload` bytes.
fn listed(payload: usize) -> usize {
    payload + alloy_rlp::length_of_length(payload)
}

/// What is read of the execution RPC's answer: what the header does not say itself.
#[derive(Deserialize)]
struct Body {
    transactions: Vec<Envelope>,
    withdrawals: Option<Vec<Withdrawal>>,
    #[serde(default)]
    uncles: Vec<IgnoredAny>,
}

/// The transactions and withdrawals of a proven header, fetched and compared with its roots.
///
/// # Errors
/// [`Check::Absence`], [`Check::Uncles`], [`Check::TransactionsRoot`], [`Check::WithdrawalsRoot`], or the execution RPC's.
pub(super) fn proven_block(view: &View, sealed: &Arc<Sealed>) -> Result<Block, CallError> {
    let body: Option<Body> = view.ask("eth_getBlockByHash", json!([sealed.hash, true]), limits::BLOCK_ANSWER)?;
    let unproven = |check| CallError::Unproven(check, format!("block {}", sealed.header.number));
    let body = body.ok_or_else(|| unproven(Check::Absence))?;
    if !body.uncles.is_empty() || sealed.header.ommers_hash != EMPTY_OMMER_ROOT_HASH {
        return Err(unproven(Check::Uncles));
    }
    let transactions: Option<Vec<_>> = body.transactions.iter().map(Transaction::of_json).collect();
    let transactions = transactions.ok_or_else(|| unproven(Check::Shape))?;
    let bytes: Vec<&[u8]> = transactions.iter().map(|transaction| transaction.bytes.as_slice()).collect();
    if ordered_trie_root_encoded(&bytes) != sealed.header.transactions_root {
        return Err(unproven(Check::TransactionsRoot));
    }
    if body.withdrawals.as_deref().map(ordered_trie_root) != sealed.header.withdrawals_root {
        return Err(unproven(Check::WithdrawalsRoot));
    }
    Ok(Block { sealed: Arc::clone(sealed), transactions, withdrawals: body.withdrawals })
}

impl Block {
    /// Bytes of the whole block's RLP: header, transactions, no uncles, withdrawals.
    fn size(&self) -> usize {
        let transactions = listed(self.transactions.iter().map(Transaction::rlp_length).sum());
        let withdrawals = self.withdrawals.as_ref().map_or(0, |all| listed(all.iter().map(Encodable::length).sum()));
        listed(self.sealed.header.length() + transactions + listed(0) + withdrawals)
    }

    /// The answer that describes it, with its transactions or only their hashes.
    ///
    /// # Errors
    /// [`Check::TransactionSignature`].
    pub(super) fn answer(&self, full: bool) -> Result<Value, CallError> {
        let transactions: Vec<Value> = match full {
            true => (0..self.transactions.len()).map(|index| self.transaction(index)).collect::<Result<_, _>>()?,
            false => self.transactions.iter().map(|transaction| json!(transaction.hash)).collect(),
        };
        let mut answer = serde_json::to_value(&self.sealed.header).unwrap_or_default();
        // It is an object; were it not, there is no answer rather than half of one.
        let fields = answer
            .as_object_mut()
            .ok_or_else(|| CallError::Unproven(Check::Shape, format!("block {}", self.sealed.header.number)))?;
        fields.insert("hash".into(), json!(self.sealed.hash));
        fields.insert("size".into(), hex(self.size()));
        fields.insert("uncles".into(), json!([]));
        fields.insert("transactions".into(), Value::Array(transactions));
        if let Some(withdrawals) = &self.withdrawals {
            fields.insert("withdrawals".into(), json!(withdrawals));
        }
        Ok(answer)
    }
}

/// The header of a block; `None` for a number above the head, where nothing is yet as far as this node is concerned.
/// Wallets ask for the next block until it is there.
///
/// # Errors
/// See [`View::header`]: an old head is one too, since the next block may be there.
pub(super) fn found(view: &View, block: BlockId) -> Result<Option<Arc<Sealed>>, CallError> {
    if matches!(block, BlockId::Number(number) if number > view.head.latest.number) {
        view.header(BlockId::Latest)?;
        return Ok(None);
    }
    view.header(block).map(Some)
}

/// A block's number or tag, for the methods whose name says so.
///
/// # Errors
/// [`CallError::Params`].
pub(super) fn numbered(params: &[Value]) -> Result<BlockId, CallError> {
    match params::block(params, 0)? {
        BlockId::Hash(_) => Err(CallError::Params("parameter 0: a hash instead of a block's number".into())),
        block => Ok(block),
    }
}

/// A block's hash, for the methods whose name says so.
///
/// # Errors
/// [`CallError::Params`].
pub(super) fn hashed(params: &[Value]) -> Result<BlockId, CallError> {
    params::hash(params, 0).map(BlockId::Hash)
}

/// `eth_getBlockByNumber`. `null` for a number above the head alone.
///
/// # Errors
/// See [`View::header`] and [`proven_block`].
pub(super) fn by_number(view: &View, params: &[Value]) -> Result<Value, CallError> {
    describe(view, numbered(params)?, params)
}

/// `eth_getBlockByHash`. Never `null`: that there is no such block cannot be proven.
///
/// # Errors
/// See [`View::header`] and [`proven_block`].
pub(super) fn by_hash(view: &View, params: &[Value]) -> Result<Value, CallError> {
    describe(view, hashed(params)?, params)
}

fn describe(view: &View, block: BlockId, params: &[Value]) -> Result<Value, CallError> {
    let full = params::boolean(params, 1)?;
    match found(view, block)? {
        Some(sealed) => proven_block(view, &sealed)?.answer(full),
        None => Ok(Value::Null),
    }
}

/// `eth_getBlockTransactionCountByNumber`. `null` for a number above the head alone.
///
/// # Errors
/// See [`View::header`] and [`proven_block`].
pub(super) fn count_by_number(view: &View, params: &[Value]) -> Result<Value, CallError> {
    count(view, numbered(params)?)
}

/// `eth_getBlockTransactionCountByHash`.
///
/// # Errors
/// See [`View::header`] and [`proven_block`].
pub(super) fn count_by_hash(view: &View, params: &[Value]) -> Result<Value, CallError> {
    count(view, hashed(params)?)
}

fn count(view: &View, block: BlockId) -> Result<Value, CallError> {
    match found(view, block)? {
        Some(sealed) => Ok(hex(proven_block(view, &sealed)?.transactions.len())),
        None => Ok(Value::Null),
    }
}

#[cfg(test)]
mod tests;
