//! The Nitro Secure Module: the hypervisor's own device, and the only source of secrets in an enclave.
//!
//! Promises: everything odyn wants of it goes through [`Nsm`]; an answer that is short, empty or an error is an error,
//! and no other source is ever used in its place.

#![forbid(unsafe_code)]

pub mod device;

use std::fmt;
use std::io;

/// What odyn asks of a Nitro Secure Module.
pub trait Nsm: Send + Sync {
    /// Fills `out` with random bytes.
    ///
    /// # Errors
    /// See [`NsmError`]; `out` is unusable then.
    fn random(&self, out: &mut [u8]) -> Result<(), NsmError>;
}

/// Why the module did not do as asked.
#[derive(Debug)]
pub enum NsmError {
    /// The device cannot be opened: this is no enclave, or its driver is missing.
    Open(io::Error),
    /// The module answered with this error code.
    Refused(String),
    /// The module answered something else than was asked.
    Unexpected,
    /// The module keeps answering without giving any bytes.
    Dry,
}

impl fmt::Display for NsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(e) => {
                write!(f, "cannot open {}: {e}; outside an enclave use --no-bootstrap", device::PATH)
            }
            Self::Refused(code) => write!(f, "the Nitro Secure Module refused: {code}"),
            Self::Unexpected => f.write_str("the Nitro Secure Module answered something that was not asked"),
            Self::Dry => f.write_str("the Nitro Secure Module gives no random bytes"),
        }
    }
}

impl std::error::Error for NsmError {}
