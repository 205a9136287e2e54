//! Hashes of blocks by number, below a block that is known: its parent's, or what EIP-2935's contract holds in its state.

use alloy_primitives::{Address, B256, U256, address};

use super::error::{CallError, Check};
use super::header::Sealed;
use super::view::View;
use crate::helios::limits;

/// EIP-2935's contract: slot `n % 8191` holds the hash of block `n`.
const CONTRACT: Address = address!("0000F90827F1C53a10cb7A02335B175320002935");

/// The hash of block `number` in the chain that ends with `top`.
///
/// # Errors
/// [`CallError::OutOfReach`] where nothing in `top`'s state says it, and what [`View::proof`] says.
pub fn hash_below(view: &View<'_>, top: &Sealed, number: u64) -> Result<B256, CallError> {
    match top.header.number.checked_sub(number) {
        None => Err(out_of_reach(format!("block {number} is after block {}", top.header.number))),
        Some(0) => Ok(top.hash),
        Some(1) => Ok(top.header.parent_hash),
        Some(back) if back > limits::HISTORY => Err(out_of_reach(format!(
            "block {number} is {back} blocks back from {}; blocks are proven as far as {} back",
            top.header.number,
            limits::HISTORY
        ))),
        Some(_) => {
            let slot = U256::from(number % limits::HISTORY);
            let proven = view.proof(top, CONTRACT, &[slot])?;
            let [value] = proven.values[..] else {
                return Err(CallError::Unproven(Check::ProofSlots, format!("{CONTRACT}")));
            };
            if value.is_zero() {
                return Err(out_of_reach(format!("EIP-2935 has no hash of block {number} yet")));
            }
            Ok(value.into())
        }
    }
}

fn out_of_reach(text: String) -> CallError {
    CallError::OutOfReach(text)
}
