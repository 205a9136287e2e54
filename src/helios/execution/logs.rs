//! `eth_getLogs`.
//!
//! Promises: every log that fits is in the answer. Each block of the range has its header proven; one is passed over
//! only where its bloom, which the header commits to, rules a fitting log out; of any other all receipts are fetched and
//! proven. A range that costs more than one call may is an error, never a shorter answer.

mod filter;

use std::sync::Arc;

use serde_json::Value;

use super::block::proven_block;
use super::error::CallError;
use super::receipts::{Receipts, proven_receipts};
use super::view::{BlockId, Sealed, View};
use crate::helios::limits;
use filter::{Blocks, Filter};

/// The logs that a filter lets through, in order.
///
/// # Errors
/// [`CallError::Limit`] for a range, a number of blocks with hits, or of logs, beyond what one call may cost;
/// [`CallError::OutOfReach`] for a range that ends above the head; see [`View::header`], [`proven_block`] and
/// [`proven_receipts`].
pub(super) fn get(view: &View, params: &[Value]) -> Result<Value, CallError> {
    let filter = Filter::read(params)?;
    let (from, to) = match filter.blocks {
        Blocks::One(hash) => {
            let sealed = view.header(BlockId::Hash(hash))?;
            return search(view, &filter, &[sealed]);
        }
        Blocks::Range(from, to) => (number(view, from)?, number(view, to)?),
    };
    // Newest first: each header names its parent, which spares a proof of its own.
    let mut headers = Vec::new();
    for number in range(from, to)?.rev() {
        headers.push(view.header(BlockId::Number(number))?);
    }
    headers.reverse();
    search(view, &filter, &headers)
}

/// The number that a block's name stands for.
fn number(view: &View, block: BlockId) -> Result<u64, CallError> {
    match block {
        BlockId::Number(number) if number > view.head.latest.number => {
            Err(CallError::OutOfReach(format!("block {number} is above the head, {}", view.head.latest.number)))
        }
        BlockId::Number(number) => Ok(number),
        named => Ok(view.header(named)?.header.number),
    }
}

/// The numbers from one block to another, both included.
fn range(from: u64, to: u64) -> Result<std::ops::RangeInclusive<u64>, CallError> {
    match to.checked_sub(from) {
        None => Err(CallError::Params(format!("the range ends at {to}, before it begins at {from}"))),
        Some(more) if more >= limits::LOG_BLOCKS => {
            Err(CallError::Limit("blocks in the range of one eth_getLogs", limits::LOG_BLOCKS))
        }
        Some(_) => Ok(from..=to),
    }
}

/// The logs that fit, of these blocks.
pub(super) fn search(view: &View, filter: &Filter, headers: &[Arc<Sealed>]) -> Result<Value, CallError> {
    let hits: Vec<_> = headers.iter().filter(|sealed| filter.may_be_in(&sealed.header.logs_bloom)).collect();
    if hits.len() > limits::LOG_RECEIPTS {
        return Err(CallError::Limit("blocks that may have fitting logs", limits::LOG_RECEIPTS as u64));
    }
    let mut found = Found::default();
    for sealed in hits {
        let block = proven_block(view, sealed)?;
        found.collect(filter, &proven_receipts(view, &block)?)?;
    }
    Ok(Value::Array(found.logs))
}

/// What an answer holds so far.
#[derive(Default)]
struct Found {
    logs: Vec<Value>,
    /// About what they take as JSON.
    bytes: usize,
}

/// What a log takes as JSON beside its data.
const LOG: usize = 600;

impl Found {
    fn collect(&mut self, filter: &Filter, receipts: &Receipts) -> Result<(), CallError> {
        for (index, receipt) in receipts.list.iter().enumerate() {
            for (place, log) in receipt.envelope.logs().iter().enumerate() {
                if filter.fits(log) {
                    self.bytes = self.bytes.saturating_add(2 * log.data.data.len() + LOG);
                    self.logs.extend(receipts.log(index, place));
                }
            }
        }
        if self.logs.len() > limits::LOGS {
            return Err(CallError::Limit("logs", limits::LOGS as u64));
        }
        if self.bytes > limits::ANSWER {
            return Err(CallError::Limit("bytes of logs", limits::ANSWER as u64));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
