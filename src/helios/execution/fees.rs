//! Prices of gas, all from proven blocks.
//!
//! Promises: the base fee of the next block is EIP-1559's, computed from the proven latest header. The tip is what
//! proven transactions paid, so the execution RPC cannot make a caller overpay.

pub(super) mod blob;
mod history;

use alloy_consensus::{Header, Transaction as _};
use serde_json::Value;

use super::block::{Block, proven_block};
use super::error::CallError;
use super::transaction::hex;
use super::view::{BlockId, View};
use crate::helios::limits;

pub(super) use history::get as history;

/// Of a block's transactions by rising tip, the share after which the suggested one comes. Below the half, because the
/// upper tips are paid for a place in the block; above the lowest third, which often pays none: builders' own.
const PERCENT: usize = 40;

/// The smallest suggested tip, in wei: without any, most nodes pass no transaction on.
const SMALLEST_TIP: u128 = 1;

/// The base fee of the block after this one, in wei (EIP-1559). `None` for a header that has none itself.
pub(super) fn next_base_fee(header: &Header) -> Option<u128> {
    let base = u128::from(header.base_fee_per_gas?);
    let (used, target) = (u128::from(header.gas_used), u128::from(header.gas_limit / 2));
    // The products are of two 64-bit numbers. A target of nothing is no block's.
    let change = |gas: u128| (base * gas).checked_div(target).unwrap_or(0) / 8;
    Some(match used.checked_sub(target) {
        Some(0) => base,
        Some(above) => base.saturating_add(change(above).max(1)),
        None => base.saturating_sub(change(target - used)),
    })
}

/// The suggested tip from a block, in wei: see [`PERCENT`].
fn tip(block: &Block) -> u128 {
    let base = block.sealed.header.base_fee_per_gas.unwrap_or_default();
    let tips =
        block.transactions.iter().map(|transaction| transaction.envelope.effective_tip_per_gas(base).unwrap_or(0));
    let mut tips: Vec<u128> = tips.collect();
    tips.sort_unstable();
    let place = tips.len() * PERCENT / 100;
    // A block without transactions says that the smallest is enough.
    tips.get(place).copied().unwrap_or(0).clamp(SMALLEST_TIP, limits::TIP)
}

/// `eth_maxPriorityFeePerGas`: the 40th percentile, by number, of the tips that the latest block's transactions paid; at
/// least 1 wei, at most [`limits::TIP`].
///
/// # Errors
/// See [`View::header`] and [`proven_block`].
pub(super) fn max_priority_fee(view: &View, _: &[Value]) -> Result<Value, CallError> {
    Ok(hex(tip(&proven_block(view, &view.header(BlockId::Latest)?)?)))
}

/// `eth_gasPrice`: the next block's base fee and the tip of [`max_priority_fee`].
///
/// # Errors
/// See [`View::header`] and [`proven_block`].
pub(super) fn gas_price(view: &View, _: &[Value]) -> Result<Value, CallError> {
    let block = proven_block(view, &view.header(BlockId::Latest)?)?;
    Ok(hex(price(&block)))
}

fn price(block: &Block) -> u128 {
    next_base_fee(&block.sealed.header).unwrap_or(0).saturating_add(tip(block))
}

#[cfg(test)]
mod tests;
