//! `eth_getProof`: what an account or a slot holds in the state of a block.
//!
//! Promises: the keys are those that were asked for, never what the answer says; the proof leads from the block's state
//! root to each value or to its absence, without a node more than that takes; and what the answer says beside its proofs
//! is what they prove.

use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use alloy_rlp::{Decodable, EMPTY_STRING_CODE};
use alloy_trie::proof::{ProofVerificationError, verify_proof};
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY, Nibbles, TrieAccount};
use serde::Deserialize;
use serde_json::json;

use super::error::{CallError, Check};
use super::header::Sealed;
use super::view::View;
use crate::helios::limits;

/// What the execution RPC says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    address: Address,
    account_proof: Vec<Bytes>,
    balance: U256,
    code_hash: B256,
    nonce: U64,
    storage_hash: B256,
    storage_proof: Vec<SlotAnswer>,
}

#[derive(Clone, Debug, Deserialize)]
struct SlotAnswer {
    key: U256,
    value: U256,
    proof: Vec<Bytes>,
}

/// An account and some of its slots, proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The account; `None` when there is none.
    pub account: Option<TrieAccount>,
    /// The values of the slots asked for, in that order; 0 where there is none.
    pub values: Vec<U256>,
    /// The nodes that lead to the account.
    pub account_proof: Vec<Bytes>,
    /// The nodes that lead to each slot.
    pub storage_proofs: Vec<Vec<Bytes>>,
}

impl View<'_> {
    /// The account at `address` and its `slots` in the state after `block`. Costs one request. At most
    /// [`limits::PROOF_SLOTS`] slots.
    ///
    /// # Errors
    /// [`CallError::Unproven`], and what [`View::ask`] says.
    pub fn proof(&self, block: &Sealed, address: Address, slots: &[U256]) -> Result<Proven, CallError> {
        if slots.len() > limits::PROOF_SLOTS {
            return Err(CallError::Limit("slots in one proof", limits::PROOF_SLOTS as u64));
        }
        let keys: Vec<B256> = slots.iter().map(|slot| B256::from(*slot)).collect();
        let params = json!([address, keys, format!("{:#x}", block.header.number)]);
        let answer = self.ask::<Answer>("eth_getProof", params, limits::PROOF_ANSWER)?;
        let answer = answer.ok_or_else(|| CallError::Unproven(Check::Absence, format!("proof of {address}")))?;
        verify(answer, block.header.state_root, address, slots)
    }
}

/// Compares `answer` with `state_root`.
///
/// # Errors
/// [`CallError::Unproven`] with the first check it fails.
pub fn verify(answer: Answer, state_root: B256, address: Address, slots: &[U256]) -> Result<Proven, CallError> {
    let failed = |check| CallError::Unproven(check, address.to_string());
    if answer.address != address {
        return Err(failed(Check::ProofAddress));
    }
    if !answer.storage_proof.iter().map(|slot| &slot.key).eq(slots) {
        return Err(failed(Check::ProofSlots));
    }

    let leaf = lookup(state_root, keccak256(address), &answer.account_proof).ok_or(failed(Check::AccountProof))?;
    let account = match leaf {
        Some(leaf) => Some(whole::<TrieAccount>(&leaf).ok_or(failed(Check::AccountProof))?),
        None => None,
    };
    if !says(&answer, account.as_ref()) {
        return Err(failed(Check::AccountFields));
    }

    let storage_root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
    let mut values = Vec::with_capacity(slots.len());
    let mut storage_proofs = Vec::with_capacity(slots.len());
    for (slot, said) in slots.iter().zip(answer.storage_proof) {
        let failed = |check| CallError::Unproven(check, format!("{address} slot {slot:#x}"));
        let key = keccak256(B256::from(*slot));
        let leaf = lookup(storage_root, key, &said.proof).ok_or(failed(Check::StorageProof))?;
        let value = match leaf {
            Some(leaf) => whole::<U256>(&leaf).ok_or(failed(Check::StorageProof))?,
            None => U256::ZERO,
        };
        if value != said.value {
            return Err(failed(Check::StorageValue));
        }
        values.push(value);
        storage_proofs.push(said.proof);
    }
    Ok(Proven { account, values, account_proof: answer.account_proof, storage_proofs })
}

/// Whether the fields beside the proof are the account's. Of an account that is not there, nodes say either nothing or
/// what an empty one would have.
fn says(answer: &Answer, account: Option<&TrieAccount>) -> bool {
    let nonce = answer.nonce.to::<u64>();
    match account {
        Some(account) => {
            answer.balance == account.balance
                && nonce == account.nonce
                && answer.code_hash == account.code_hash
                && answer.storage_hash == account.storage_root
        }
        None => {
            answer.balance.is_zero()
                && nonce == 0
                && (answer.code_hash.is_zero() || answer.code_hash == KECCAK_EMPTY)
                && (answer.storage_hash.is_zero() || answer.storage_hash == EMPTY_ROOT_HASH)
        }
    }
}

/// The leaf that `proof` leads to from `root` along `key`, `Some(None)` if it leads to where there is none, and `None` if
/// it is no proof of either.
fn lookup(root: B256, key: B256, proof: &[Bytes]) -> Option<Option<Vec<u8>>> {
    if proof.len() > limits::PROOF_DEPTH || proof.iter().any(|node| node.len() > limits::PROOF_NODE) {
        return None;
    }
    if root == EMPTY_ROOT_HASH {
        let empty = proof.is_empty() || (proof.len() == 1 && proof.iter().all(|node| node[..] == [EMPTY_STRING_CODE]));
        return empty.then_some(None);
    }
    let key = Nibbles::unpack(key);
    // Past an extension that leads elsewhere the verifier takes further nodes; none are needed there.
    let (_, shorter) = proof.split_last()?;
    if verify_proof(root, key, None, shorter).is_ok() {
        return None;
    }
    match verify_proof(root, key, None, proof) {
        Ok(()) => Some(None),
        // What was found instead of nothing may be the leaf, or where a proof broke off: asked for, only the leaf passes.
        Err(ProofVerificationError::ValueMismatch { got: Some(leaf), .. }) => {
            let leaf = leaf.to_vec();
            verify_proof(root, key, Some(leaf.clone()), proof).is_ok().then_some(Some(leaf))
        }
        Err(_) => None,
    }
}

/// `rlp` as one `T` and nothing after it.
fn whole<T: Decodable>(mut rlp: &[u8]) -> Option<T> {
    let value = T::decode(&mut rlp).ok()?;
    rlp.is_empty().then_some(value)
}

#[cfg(test)]
mod tests;
