//! A call's parameters, read into types that cannot be wrong.

use alloy_primitives::{Address, B256};
use serde_json::Value;

use super::error::CallError;
use super::view::BlockId;

/// A block: a tag, a number or a hash.
///
/// # Errors
/// [`CallError::Params`].
pub(super) fn block(params: &[Value], index: usize) -> Result<BlockId, CallError> {
    let text = text(params, index)?;
    Ok(match text {
        "latest" => BlockId::Latest,
        "finalized" | "safe" => BlockId::Finalized,
        _ => BlockId::Number(quantity(params, index)?),
    })
}

/// An address.
///
/// # Errors
/// [`CallError::Params`].
pub(super) fn address(params: &[Value], index: usize) -> Result<Address, CallError> {
    text(params, index)?.parse().map_err(|_| wrong(index))
}

/// A hash.
///
/// # Errors
/// [`CallError::Params`].
pub(super) fn hash(params: &[Value], index: usize) -> Result<B256, CallError> {
    text(params, index)?.parse().map_err(|_| wrong(index))
}

/// A quantity.
///
/// # Errors
/// [`CallError::Params`].
pub(super) fn quantity(params: &[Value], index: usize) -> Result<u64, CallError> {
    let digits = text(params, index)?.strip_prefix("0x").ok_or_else(|| wrong(index))?;
    u64::from_str_radix(digits, 16).map_err(|_| wrong(index))
}

/// A truth value.
///
/// # Errors
/// [`CallError::Params`].
pub(super) fn boolean(params: &[Value], index: usize) -> Result<bool, CallError> {
    params.get(index).and_then(Value::as_bool).ok_or_else(|| wrong(index))
}

fn text(params: &[Value], index: usize) -> Result<&str, CallError> {
    params.get(index).and_then(Value::as_str).ok_or_else(|| wrong(index))
}

fn wrong(index: usize) -> CallError {
    CallError::Params(format!("parameter {index}"))
}
