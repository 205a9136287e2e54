//! What accounts and slots hold: `eth_getBalance`, `eth_getTransactionCount`, `eth_getCode`, `eth_getStorageAt` and
//! `eth_getProof`, each proven by the state root of the block's header.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_trie::{KECCAK_EMPTY, TrieAccount};
use serde_json::{Value, json};

use super::error::{CallError, Check};
use super::header::Sealed;
use super::params;
use super::view::View;
use crate::helios::limits;

/// `eth_getBalance`: the balance in the account's proof.
///
/// # Errors
/// See [`CallError`].
pub fn balance(view: &View<'_>, params: &[Value]) -> Result<Value, CallError> {
    Ok(json!(account(view, params)?.balance))
}

/// `eth_getTransactionCount`: the nonce in the account's proof. `pending` is the newest block's.
///
/// # Errors
/// See [`CallError`].
pub fn nonce(view: &View<'_>, params: &[Value]) -> Result<Value, CallError> {
    params::at_most(params, 2)?;
    let block = view.header(params::block_or_pending(params, 1)?)?;
    let account = view.proof(&block, params::address(params, 0)?, &[])?.account.unwrap_or_default();
    Ok(json!(format!("{:#x}", account.nonce)))
}

/// `eth_getCode`: code with the hash in the account's proof.
///
/// # Errors
/// See [`CallError`].
pub fn code(view: &View<'_>, params: &[Value]) -> Result<Value, CallError> {
    params::at_most(params, 2)?;
    let address = params::address(params, 0)?;
    let block = view.header(params::block(params, 1)?)?;
    let account = view.proof(&block, address, &[])?.account.unwrap_or_default();
    Ok(json!(view.code(&block, address, account.code_hash)?))
}

/// `eth_getStorageAt`: the value in the slot's proof, as 32 bytes.
///
/// # Errors
/// See [`CallError`].
pub fn storage(view: &View<'_>, params: &[Value]) -> Result<Value, CallError> {
    params::at_most(params, 3)?;
    let address = params::address(params, 0)?;
    let slot = params::slot(params, 1)?;
    let block = view.header(params::block(params, 2)?)?;
    let proven = view.proof(&block, address, &[slot])?;
    let value = proven.values.first().copied().unwrap_or_default();
    Ok(json!(B256::from(value)))
}

/// `eth_getProof`: written anew from what was proven, with the nodes that proved it.
///
/// # Errors
/// See [`CallError`].
pub fn proof(view: &View<'_>, params: &[Value]) -> Result<Value, CallError> {
    params::at_most(params, 3)?;
    let address = params::address(params, 0)?;
    let slots = params::slots(params, 1, limits::PROOF_SLOTS)?;
    let block = view.header(params::block(params, 2)?)?;
    let proven = view.proof(&block, address, &slots)?;
    let account = proven.account.unwrap_or_default();
    let values = slots.iter().zip(&proven.values).zip(&proven.storage_proofs);
    let values: Vec<_> = values
        .map(|((slot, value), nodes)| json!({ "key": B256::from(*slot), "value": value, "proof": nodes }))
        .collect();
    Ok(json!({
        "address": address,
        "accountProof": proven.account_proof,
        "balance": account.balance,
        "codeHash": account.code_hash,
        "nonce": format!("{:#x}", account.nonce),
        "storageHash": account.storage_root,
        "storageProof": values,
    }))
}

/// The account that the parameters address and block name; an empty one where there is none.
fn account(view: &View<'_>, params: &[Value]) -> Result<TrieAccount, CallError> {
    params::at_most(params, 2)?;
    let address = params::address(params, 0)?;
    let block = view.header(params::block(params, 1)?)?;
    Ok(view.proof(&block, address, &[])?.account.unwrap_or_default())
}

impl View<'_> {
    /// The code with `hash`, which a proof says is at `address` in the state after `block`. Costs a request at most.
    ///
    /// # Errors
    /// [`Check::CodeHash`], and what [`View::ask`] says.
    pub fn code(&self, block: &Sealed, address: Address, hash: B256) -> Result<Bytes, CallError> {
        if hash == KECCAK_EMPTY {
            return Ok(Bytes::new());
        }
        if let Some(code) = self.node.caches.code(&hash) {
            return Ok(code);
        }
        let params = json!([address, format!("{:#x}", block.header.number)]);
        let code = self.ask::<Bytes>("eth_getCode", params, limits::CODE_ANSWER)?;
        let code = code.ok_or_else(|| CallError::Unproven(Check::Absence, format!("code of {address}")))?;
        if code.len() > limits::CODE || keccak256(&code) != hash {
            return Err(CallError::Unproven(Check::CodeHash, address.to_string()));
        }
        self.node.caches.keep_code(hash, &code);
        Ok(code)
    }
}

#[cfg(test)]
mod tests;
