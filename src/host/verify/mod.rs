//! `odyn-host verify`: is this attestation document what it says?
//!
//! Promises: a document is printed only when every check has passed, and the first that failed is named. What comes from
//! outside is read with caps and deadlines. Never trusts a clock, a name or a certificate that came with the document
//! for more than the pinned root says.

pub mod cbor;
pub mod chain;
pub mod check;
pub mod document;
pub mod fetch;
pub mod hex;
pub mod print;

use std::time::SystemTime;

use super::cli::{Origin, Verify};
use super::error::Error;
use super::say;
use chain::Root;
use check::Expected;

/// Gets the document, checks it, prints it.
///
/// # Errors
/// [`Error::Verify`] with the check that failed, or why there was nothing to check.
pub fn run(options: &Verify) -> Result<u8, Error> {
    let root = match &options.root {
        Some(path) => Root::chosen(&fetch::root(path)?),
        None => Root::aws(),
    };
    let (bytes, nonce) = match &options.origin {
        Origin::Document(source) => (fetch::read(source)?, options.nonce.clone()),
        Origin::Url(url) => {
            let nonce = fetch::nonce()?;
            (fetch::post(url, &nonce)?, Some(nonce.to_vec()))
        }
    };
    // Before 1970 no certificate was valid: a broken clock fails that check and nothing else.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let expected = Expected { root, pcrs: options.pcrs.clone(), nonce, now };
    let document = check::verify(&bytes, &expected).map_err(Error::Verify)?;
    if document.is_debug() && !options.pcrs.contains_key(&0) {
        say(format_args!(
            "verify: warning: PCR0 is all zeroes: this enclave runs in debug mode, its host reads its console and memory"
        ));
    }
    if options.pcrs.is_empty() {
        say(format_args!(
            "verify: warning: no --pcr given: an enclave made this document, but it may run any code; compare its PCRs"
        ));
    }
    super::print(&print::json(&document))
}
