//! An execution block's header, as the execution RPC writes it.
//!
//! Promises: a [`Sealed`] has the hash that was computed here from its own fields. Whether that hash is of the chain is
//! for [`super::view`] and [`super::history`] to say.

use alloy_consensus::Header;
use alloy_primitives::{B256, keccak256};
use alloy_rlp::{Decodable, Encodable};

use super::error::{CallError, Check};

/// A header and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its hash, which was computed here.
    pub hash: B256,
    /// Its fields.
    pub header: Header,
}

/// `header`, whose hash must be `expected`.
///
/// # Errors
/// [`Check::HeaderHash`].
pub fn seal(header: Header, expected: B256) -> Result<Sealed, CallError> {
    let mut rlp = Vec::new();
    header.encode(&mut rlp);
    let hash = keccak256(&rlp);
    if hash != expected {
        return Err(CallError::Unproven(Check::HeaderHash, format!("{hash} instead of {expected}")));
    }
    // The last fields are optional and some are of one type: what is missing moves the next into its place, with the same
    // hash. The bytes have one reading only.
    if Header::decode(&mut rlp.as_slice()).ok().as_ref() != Some(&header) {
        return Err(CallError::Unproven(Check::HeaderHash, format!("{expected}: a field is missing or misplaced")));
    }
    Ok(Sealed { hash, header })
}

#[cfg(test)]
mod tests;
