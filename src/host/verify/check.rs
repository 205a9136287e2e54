//! Every check of an attestation document, in order; the first that fails is the answer.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::chain::{self, ChainError, Root};
use super::document::{Document, ShapeError};
use super::hex;

/// What a document is held against.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Where its certificates must lead.
    pub root: Root,
    /// The registers that must have these values.
    pub pcrs: BTreeMap<u8, Vec<u8>>,
    /// The nonce it must carry.
    pub nonce: Option<Vec<u8>>,
    /// The time by which its certificates must be valid still, since 1970.
    pub now: Duration,
}

/// The first check that failed. Its text begins with the check's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It has not the form of a document.
    Shape(ShapeError),
    /// Its registers are made with this digest, not SHA384.
    Digest(String),
    /// This register has so many bytes, not SHA-384's.
    DigestSize(u8, usize),
    /// Its certificates did not lead to the root when it was made.
    Chain(ChainError),
    /// They do not now.
    Validity(ChainError),
    /// It is not signed by its own certificate's key.
    Signature(webpki::Error),
    /// This register is expected to have a value, and is not in the document.
    NoPcr(u8),
    /// This register has another value than expected: found, expected.
    Pcr(u8, Vec<u8>, Vec<u8>),
    /// There is another nonce than expected, or none.
    Nonce(Option<Vec<u8>>),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(e) => write!(f, "shape failed: {e}"),
            Self::Digest(digest) => write!(f, "digest failed: it is {digest:?}, not SHA384"),
            Self::DigestSize(index, size) => write!(f, "digest failed: PCR{index} has {size} bytes, SHA384 has 48"),
            Self::Chain(e @ ChainError::Path(_)) => write!(f, "chain failed: at the document's time, {e}"),
            Self::Chain(e) => write!(f, "chain failed: {e}"),
            Self::Validity(e) => write!(
                f,
                "validity failed: now, {e}; a document verifies for about three hours, until its certificate expires: \
                 fetch a new one"
            ),
            Self::Signature(e) => {
                write!(f, "signature failed: the document was not signed as it is by its certificate's key: {e}")
            }
            Self::NoPcr(index) => write!(f, "pcr failed: PCR{index} is not in the document"),
            Self::Pcr(index, found, expected) => {
                write!(f, "pcr failed: PCR{index} is {}, not {}", hex::encode(found), hex::encode(expected))
            }
            Self::Nonce(None) => f.write_str("nonce failed: the document has none"),
            Self::Nonce(Some(found)) => {
                write!(f, "nonce failed: it is another, {}: this document may be an old one", hex::encode(found))
            }
        }
    }
}

impl std::error::Error for Failure {}

/// Checks the bytes of a document: shape, digest, chain, validity, signature, PCRs, nonce. What comes back is true as far
/// as the root is trusted.
///
/// # Errors
/// The first [`Failure`].
pub fn verify(bytes: &[u8], expected: &Expected) -> Result<Document, Failure> {
    let document = Document::parse(bytes).map_err(Failure::Shape)?;
    check_digest(&document)?;
    let made = Duration::from_millis(document.timestamp);
    chain::check(&document, &expected.root, made).map_err(Failure::Chain)?;
    chain::check(&document, &expected.root, expected.now).map_err(Failure::Validity)?;
    chain::check_signature(&document).map_err(Failure::Signature)?;
    for (index, value) in &expected.pcrs {
        let found = document.pcrs.get(index).ok_or(Failure::NoPcr(*index))?;
        if found != value {
            return Err(Failure::Pcr(*index, found.clone(), value.clone()));
        }
    }
    if expected.nonce.is_some() && document.nonce != expected.nonce {
        return Err(Failure::Nonce(document.nonce));
    }
    Ok(document)
}

fn check_digest(document: &Document) -> Result<(), Failure> {
    if document.digest != "SHA384" {
        return Err(Failure::Digest(document.digest.clone()));
    }
    match document.pcrs.iter().find(|(_, value)| value.len() != 48) {
        Some((index, value)) => Err(Failure::DigestSize(*index, value.len())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
