//! `eth_feeHistory`.

use std::sync::Arc;

use alloy_consensus::Transaction as _;
use alloy_primitives::U256;
use serde_json::{Value, json};

use super::super::block::{found, proven_block};
use super::super::error::CallError;
use super::super::params;
use super::super::receipts::{Receipts, proven_receipts};
use super::super::transaction::hex;
use super::super::view::{BlockId, Sealed, View};
use super::{blob, next_base_fee};
use crate::helios::limits;

/// The prices in the blocks up to one, from their headers; with percentiles also what tips were paid, from their
/// transactions and receipts. Of more blocks than one call may cost the newest: the answer says which.
///
/// # Errors
/// See [`View::header`], [`proven_block`] and [`proven_receipts`].
pub(in super::super) fn get(view: &View, params: &[Value]) -> Result<Value, CallError> {
    let percentiles = percentiles(params.get(2))?;
    let most = if percentiles.is_some() { limits::FEE_REWARDS } else { limits::FEE_BLOCKS };
    let count = match params::quantity(params, 0)? {
        0 => return Err(CallError::Params("parameter 0: no blocks".into())),
        count => count.min(most),
    };
    let newest = found(view, params::block(params, 1)?)?
        .ok_or_else(|| CallError::OutOfReach(format!("the head is block {}", view.head.latest.number)))?;
    let mut headers = vec![Arc::clone(&newest)];
    for back in 1..count {
        let Some(number) = newest.header.number.checked_sub(back) else { break };
        match view.header(BlockId::Number(number)) {
            Ok(sealed) => headers.push(sealed),
            // Fewer than asked for, as the answer says, where nothing older can be proven.
            Err(CallError::OutOfReach(_)) => break,
            Err(e) => return Err(e),
        }
    }
    headers.reverse();
    answer(view, &headers, percentiles.as_deref())
}

/// Percentiles in rising order, each from 0 to 100; `None` where none are asked for.
fn percentiles(value: Option<&Value>) -> Result<Option<Vec<f64>>, CallError> {
    let list = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(list)) if list.is_empty() => return Ok(None),
        Some(Value::Array(list)) if list.len() > limits::FEE_PERCENTILES => {
            return Err(CallError::Limit("percentiles", limits::FEE_PERCENTILES as u64));
        }
        Some(Value::Array(list)) => list.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>(),
        Some(_) => None,
    };
    let list = list.filter(|list| list.iter().all(|p| (0.0..=100.0).contains(p)) && list.is_sorted());
    let wrong = || CallError::Params("parameter 2: not percentiles from 0 to 100 in rising order".into());
    list.map(Some).ok_or_else(wrong)
}

/// The answer about these blocks, which follow one another.
pub(super) fn answer(view: &View, headers: &[Arc<Sealed>], percentiles: Option<&[f64]>) -> Result<Value, CallError> {
    let spec = &view.node.spec;
    let (Some(oldest), Some(newest)) = (headers.first(), headers.last()) else {
        return Err(CallError::Params("no blocks".into()));
    };
    let own = headers.iter().map(|sealed| u128::from(sealed.header.base_fee_per_gas.unwrap_or_default()));
    let fees: Vec<Value> = own.chain([next_base_fee(&newest.header).unwrap_or(0)]).map(hex).collect();
    let used = |sealed: &Arc<Sealed>| sealed.header.gas_used as f64 / sealed.header.gas_limit.max(1) as f64;
    let mut answer = json!({
        "oldestBlock": hex(oldest.header.number),
        "baseFeePerGas": fees,
        "gasUsedRatio": headers.iter().map(used).collect::<Vec<_>>(),
    });
    let own = headers.iter().map(|sealed| blob::price(spec, &sealed.header));
    let prices: Option<Vec<U256>> = own.chain([blob::next_price(spec, &newest.header)]).collect();
    let ratios: Option<Vec<f64>> = headers.iter().map(|sealed| blob::used_ratio(spec, &sealed.header)).collect();
    if let (Some(fields), Some(prices), Some(ratios)) = (answer.as_object_mut(), prices, ratios) {
        fields.insert("baseFeePerBlobGas".into(), prices.into_iter().map(hex).collect());
        fields.insert("blobGasUsedRatio".into(), json!(ratios));
    }
    if let (Some(fields), Some(percentiles)) = (answer.as_object_mut(), percentiles) {
        let mut rewards = Vec::with_capacity(headers.len());
        for sealed in headers {
            let block = proven_block(view, sealed)?;
            let paid = rewards_of(&proven_receipts(view, &block)?, percentiles);
            rewards.push(paid.into_iter().map(hex).collect::<Vec<_>>());
        }
        fields.insert("reward".into(), json!(rewards));
    }
    Ok(answer)
}

/// The tip at each percentile of the gas that a block used, its transactions sorted by tip; zeros for an empty block.
pub(super) fn rewards_of(receipts: &Receipts, percentiles: &[f64]) -> Vec<u128> {
    let header = &receipts.block.sealed.header;
    let base = header.base_fee_per_gas.unwrap_or_default();
    let tips = receipts.block.transactions.iter().map(|t| t.envelope.effective_tip_per_gas(base).unwrap_or(0));
    let mut paid: Vec<(u128, u64)> = tips.zip(receipts.list.iter().map(|receipt| receipt.gas_used)).collect();
    paid.sort_unstable();
    let at = |percentile: &f64| {
        let threshold = header.gas_used as f64 * percentile / 100.0;
        let mut gas = 0_u64;
        let reached = paid.iter().find(|(_, used)| {
            gas = gas.saturating_add(*used);
            gas as f64 >= threshold
        });
        reached.or(paid.last()).map_or(0, |(tip, _)| *tip)
    };
    percentiles.iter().map(at).collect()
}
