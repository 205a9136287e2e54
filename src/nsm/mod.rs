//! The Nitro Secure Module: the hypervisor's own device, and the only source of secrets in an enclave.
//!
//! Promises: everything odyn wants of it goes through [`Nsm`]; a request it could not take is refused before it is asked;
//! an answer that is short, empty or an error is an error, and no other source is ever used in its place.

#![forbid(unsafe_code)]

pub mod device;
mod turn;

use std::fmt;
use std::io;

use crate::config::limits;

/// What odyn asks of a Nitro Secure Module.
pub trait Nsm: Send + Sync {
    /// Fills `out` with random bytes.
    ///
    /// # Errors
    /// See [`NsmError`]; `out` is unusable then.
    fn random(&self, out: &mut [u8]) -> Result<(), NsmError>;

    /// An attestation document: the untagged COSE_Sign1 array, in CBOR, as the module signs it.
    ///
    /// # Errors
    /// See [`NsmError`]; [`NsmError::Size`] is the caller's fault and comes without the module being asked.
    fn attest(&self, request: &AttestationRequest) -> Result<Vec<u8>, NsmError>;

    /// What the module says of itself.
    ///
    /// # Errors
    /// See [`NsmError`].
    fn describe(&self) -> Result<Description, NsmError>;
}

/// What an attestation document is to contain beside the measurements. Nothing in it is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttestationRequest {
    /// Anything, 512 bytes at most.
    pub user_data: Option<Vec<u8>>,
    /// The verifier's own bytes, which prove that the document is fresh; 512 at most.
    pub nonce: Option<Vec<u8>>,
    /// A key to encrypt to, usually SPKI in DER; 1 to 1024 bytes.
    pub public_key: Option<Vec<u8>>,
}

impl AttestationRequest {
    /// Refuses what the module would refuse, with the field's name.
    ///
    /// # Errors
    /// [`NsmError::Size`].
    pub fn check(&self) -> Result<(), NsmError> {
        for (field, value, min, max) in [
            ("user_data", &self.user_data, 0, limits::ATTESTATION_USER_DATA),
            ("nonce", &self.nonce, 0, limits::ATTESTATION_NONCE),
            ("public_key", &self.public_key, 1, limits::ATTESTATION_PUBLIC_KEY),
        ] {
            let length = value.as_ref().map_or(min, Vec::len);
            if !(min..=max).contains(&length) {
                return Err(NsmError::Size { field, length, min, max });
            }
        }
        Ok(())
    }
}

/// What a module says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Major, minor, patch.
    pub version: (u16, u16, u16),
    /// The module's name: instance and enclave.
    pub module_id: String,
    /// How many platform configuration registers (PCRs) it has.
    pub max_pcrs: u16,
    /// The registers that cannot change any more, ascending; only these are in documents.
    pub locked_pcrs: Vec<u16>,
    /// What the registers are made with.
    pub digest: Digest,
}

/// A hash function of platform configuration registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256.
    Sha256,
    /// SHA-384: what every Nitro enclave has so far.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl fmt::Display for Digest {
    /// As documents spell it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        })
    }
}

/// Why the module did not do as asked.
#[derive(Debug)]
pub enum NsmError {
    /// The device cannot be opened: this is no enclave, or its driver is missing.
    Open(io::Error),
    /// The caller's: this field of an attestation request has a size that the module does not take.
    Size {
        /// Which.
        field: &'static str,
        /// Its size in bytes.
        length: usize,
        /// The smallest it may have.
        min: usize,
        /// The largest it may have.
        max: usize,
    },
    /// Others asked first, and were not done within [`limits::NSM_TURN`].
    Busy,
    /// The module answered with this error code.
    Refused(String),
    /// The module answered something else than was asked.
    Unexpected,
    /// The module keeps answering without giving any bytes.
    Dry,
    /// The module attested with an empty document.
    NoDocument,
    /// A simulated module could not do its part: what, and why. Never of the device.
    Simulation(&'static str, String),
}

impl fmt::Display for NsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(e) => {
                write!(f, "cannot open {}: {e}; outside an enclave use --no-bootstrap", device::PATH)
            }
            Self::Size { field, length, min, max } => {
                write!(f, "{field} has {length} bytes, but must have {min} to {max}")
            }
            Self::Busy => write!(
                f,
                "the Nitro Secure Module was busy with other requests for {} seconds",
                limits::NSM_TURN.as_secs()
            ),
            Self::Refused(code) => write!(f, "the Nitro Secure Module refused: {code}"),
            Self::Unexpected => f.write_str("the Nitro Secure Module answered something that was not asked"),
            Self::Dry => f.write_str("the Nitro Secure Module gives no random bytes"),
            Self::NoDocument => f.write_str("the Nitro Secure Module gave an empty attestation document"),
            Self::Simulation(what, why) => write!(f, "{what}: {why}"),
        }
    }
}

impl std::error::Error for NsmError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(request: &AttestationRequest) -> Option<String> {
        request.check().err().map(|e| e.to_string())
    }

    #[test]
    fn a_field_of_the_largest_size_is_taken_and_one_byte_more_is_not() {
        let with = |nonce: usize, user_data: usize, public_key: usize| AttestationRequest {
            nonce: Some(vec![0; nonce]),
            user_data: Some(vec![0; user_data]),
            public_key: Some(vec![0; public_key]),
        };
        assert_eq!(refused(&AttestationRequest::default()), None);
        assert_eq!(refused(&with(512, 512, 1024)), None);
        assert_eq!(refused(&with(0, 0, 1)), None);
        for (request, field) in
            [(with(513, 0, 1), "nonce"), (with(0, 513, 1), "user_data"), (with(0, 0, 1025), "public_key")]
        {
            assert!(refused(&request).unwrap().starts_with(&format!("{field} has ")));
        }
        assert_eq!(refused(&with(0, 0, 0)).unwrap(), "public_key has 0 bytes, but must have 1 to 1024");
    }
}
