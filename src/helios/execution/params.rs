//! A caller's parameters, read strictly.
//!
//! Promises: one reading for each text, and an error that names the parameter by position and kind. Positions in
//! functions count from 0, in errors from 1. Never guesses: what is not exactly the type asked for is refused.

use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::Value;

use super::error::CallError;
use super::view::BlockId;

/// A parameter is wrong: where, what kind it is, what is the matter.
fn wrong(index: usize, kind: &str, what: &str) -> CallError {
    CallError::Params(format!("parameter {} ({kind}): {what}", index.saturating_add(1)))
}

/// Refuses more than `most` parameters.
///
/// # Errors
/// [`CallError::Params`].
pub fn at_most(params: &[Value], most: usize) -> Result<(), CallError> {
    if params.len() > most {
        return Err(CallError::Params(format!("{} parameters, where at most {most} are taken", params.len())));
    }
    Ok(())
}

/// A parameter that is there: neither missing nor `null`.
fn given<'a>(params: &'a [Value], index: usize, kind: &str) -> Result<&'a Value, CallError> {
    params.get(index).filter(|value| !value.is_null()).ok_or_else(|| wrong(index, kind, "missing"))
}

/// An address: 20 bytes in hexadecimal digits, any case.
///
/// # Errors
/// [`CallError::Params`].
pub fn address(params: &[Value], index: usize) -> Result<Address, CallError> {
    address_of(given(params, index, "address")?).map_err(|what| wrong(index, "address", what))
}

/// A hash: 32 bytes in hexadecimal digits.
///
/// # Errors
/// [`CallError::Params`].
pub fn hash(params: &[Value], index: usize) -> Result<B256, CallError> {
    hash_of(given(params, index, "hash")?).map_err(|what| wrong(index, "hash", what))
}

/// A quantity below 2^64: `0x` and hexadecimal digits without leading zeros.
///
/// # Errors
/// [`CallError::Params`].
pub fn quantity(params: &[Value], index: usize) -> Result<u64, CallError> {
    u64_of(given(params, index, "quantity")?).map_err(|what| wrong(index, "quantity", what))
}

/// `true` or `false`; missing means `false`.
///
/// # Errors
/// [`CallError::Params`].
pub fn boolean(params: &[Value], index: usize) -> Result<bool, CallError> {
    match params.get(index) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(wrong(index, "boolean", "neither true nor false")),
    }
}

/// Bytes: `0x` and an even number of hexadecimal digits.
///
/// # Errors
/// [`CallError::Params`].
pub fn bytes(params: &[Value], index: usize) -> Result<Bytes, CallError> {
    bytes_of(given(params, index, "data")?).map_err(|what| wrong(index, "data", what))
}

/// A storage slot: up to 32 bytes in hexadecimal digits; leading zeros are usual here.
///
/// # Errors
/// [`CallError::Params`].
pub fn slot(params: &[Value], index: usize) -> Result<U256, CallError> {
    slot_of(given(params, index, "slot")?).map_err(|what| wrong(index, "slot", what))
}

/// A list of at most `most` storage slots.
///
/// # Errors
/// [`CallError::Params`], [`CallError::Limit`].
pub fn slots(params: &[Value], index: usize, most: usize) -> Result<Vec<U256>, CallError> {
    let Value::Array(list) = given(params, index, "slots")? else {
        return Err(wrong(index, "slots", "no list"));
    };
    if list.len() > most {
        return Err(CallError::Limit("slots in one proof", most as u64));
    }
    list.iter().map(|value| slot_of(value).map_err(|what| wrong(index, "slots", what))).collect()
}

/// A block: `latest`, `finalized`, `safe`, a number, or EIP-1898's object; missing means `latest`.
///
/// # Errors
/// [`CallError::Params`], also for `pending` and `earliest`, which nothing signed commits to.
pub fn block(params: &[Value], index: usize) -> Result<BlockId, CallError> {
    match params.get(index) {
        None | Some(Value::Null) => Ok(BlockId::Latest),
        Some(value) => block_of(value).map_err(|what| wrong(index, "block", &what)),
    }
}

/// [`block`], but that `pending` is the newest block there is: of an account's next transaction or a call, the last that
/// can be known. Wallets ask for nothing else.
///
/// # Errors
/// [`CallError::Params`].
pub fn block_or_pending(params: &[Value], index: usize) -> Result<BlockId, CallError> {
    match params.get(index) {
        Some(Value::String(tag)) if tag == "pending" => Ok(BlockId::Latest),
        _ => block(params, index),
    }
}

fn block_of(value: &Value) -> Result<BlockId, String> {
    match value {
        Value::String(text) => match text.as_str() {
            "latest" => Ok(BlockId::Latest),
            "finalized" | "safe" => Ok(BlockId::Finalized),
            "pending" | "earliest" => Err(format!("{text} cannot be proven; ask for latest")),
            // As other nodes have it, beside EIP-1898's object.
            hash if hash.len() == 2 + 64 => hash_of(value).map(BlockId::Hash).map_err(str::to_owned),
            _ => u64_of(value).map(BlockId::Number).map_err(|what| format!("neither a tag nor a number: {what}")),
        },
        Value::Object(fields) => {
            let known = ["blockNumber", "blockHash", "requireCanonical"];
            if fields.keys().any(|name| !known.contains(&name.as_str())) {
                return Err("a field that EIP-1898 does not have".to_owned());
            }
            // Every block that can be proven is canonical, so both values ask for the same.
            if fields.get("requireCanonical").is_some_and(|value| !value.is_boolean()) {
                return Err("requireCanonical is neither true nor false".to_owned());
            }
            match (fields.get("blockNumber"), fields.get("blockHash")) {
                (Some(number), None) => u64_of(number).map(BlockId::Number).map_err(|w| format!("blockNumber: {w}")),
                (None, Some(hash)) => hash_of(hash).map(BlockId::Hash).map_err(|w| format!("blockHash: {w}")),
                _ => Err("needs either blockNumber or blockHash".to_owned()),
            }
        }
        _ => Err("neither a tag, a number nor an object".to_owned()),
    }
}

/// The digits after `0x`.
fn digits(value: &Value) -> Result<&str, &'static str> {
    let text = value.as_str().ok_or("no text")?;
    let digits = text.strip_prefix("0x").ok_or("does not begin with 0x")?;
    if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) { Ok(digits) } else { Err("not hexadecimal") }
}

/// See [`address`].
pub(super) fn address_of(value: &Value) -> Result<Address, &'static str> {
    digits(value)?.parse().map_err(|_| "not 20 bytes")
}

/// See [`hash`].
pub(super) fn hash_of(value: &Value) -> Result<B256, &'static str> {
    digits(value)?.parse().map_err(|_| "not 32 bytes")
}

/// See [`bytes`].
pub(super) fn bytes_of(value: &Value) -> Result<Bytes, &'static str> {
    digits(value)?.parse().map_err(|_| "an odd number of digits")
}

/// See [`slot`].
pub(super) fn slot_of(value: &Value) -> Result<U256, &'static str> {
    match digits(value)? {
        "" => Err("no digits"),
        digits if digits.len() > 64 => Err("more than 32 bytes"),
        digits => U256::from_str_radix(digits, 16).map_err(|_| "not a number"),
    }
}

/// A quantity below 2^256.
pub(super) fn u256_of(value: &Value) -> Result<U256, &'static str> {
    let digits = digits(value)?;
    if digits.len() > 1 && digits.starts_with('0') { Err("leading zeros") } else { slot_of(value) }
}

/// A quantity below 2^128.
pub(super) fn u128_of(value: &Value) -> Result<u128, &'static str> {
    u128::try_from(u256_of(value)?).map_err(|_| "too large")
}

/// See [`quantity`].
pub(super) fn u64_of(value: &Value) -> Result<u64, &'static str> {
    u64::try_from(u256_of(value)?).map_err(|_| "too large")
}

#[cfg(test)]
mod tests;
