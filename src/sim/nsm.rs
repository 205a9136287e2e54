//! A SIMULATED Nitro Secure Module, for development. Its random bytes are the machine's own.
//!
//! Its documents have the form of real ones to the byte, those of an enclave in debug mode: 16 registers of zeroes. Only
//! their chain ends elsewhere, in a root that calls itself simulated, is made at each start and that nobody trusts unless
//! told to.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use aws_nitro_enclaves_nsm_api::api::{AttestationDoc, Digest as DocumentDigest};

use super::chain::Chain;
use crate::nsm::{AttestationRequest, Description, Digest, Nsm, NsmError};
use crate::wire::cose;

/// Marks everything the simulation says of itself, so that a search of the release binary proves its absence.
pub const MARK: &str = "SIMULATED";

/// What the simulated module calls itself.
const MODULE_ID: &str = "i-SIMULATED-enc0000000000000000";

/// Registers that a document shows: those that are locked at start.
const LOCKED: u16 = 16;

/// A register's size: SHA-384's.
const REGISTER: usize = 48;

/// Stands in for the device.
pub struct Simulated {
    random: File,
    chain: Chain,
}

impl Simulated {
    /// A simulated module with a new chain of certificates.
    ///
    /// # Errors
    /// [`NsmError::Simulation`] when the machine gives no random bytes.
    pub fn new() -> Result<Self, NsmError> {
        log::warn!("{MARK} Nitro Secure Module: for development only");
        let random = File::open("/dev/urandom").map_err(failed)?;
        Ok(Self { random, chain: Chain::new().map_err(failed)? })
    }

    /// Writes the root certificate in PEM, for `odyn-host verify --root`.
    ///
    /// # Errors
    /// [`NsmError::Simulation`] with the file's name.
    pub fn write_root(&self, path: &Path) -> Result<(), NsmError> {
        std::fs::write(path, self.chain.root_pem())
            .map_err(|e| NsmError::Simulation("cannot write --sim-root", format!("{}: {e}", path.display())))
    }

    /// The root certificate in PEM.
    #[must_use]
    pub fn root_pem(&self) -> &str {
        self.chain.root_pem()
    }
}

impl fmt::Debug for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Simulated")
    }
}

impl Nsm for Simulated {
    fn random(&self, out: &mut [u8]) -> Result<(), NsmError> {
        (&self.random).read_exact(out).map_err(failed)
    }

    fn attest(&self, request: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
        request.check()?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(failed)?;
        let payload = AttestationDoc::new(
            MODULE_ID.to_owned(),
            DocumentDigest::SHA384,
            u64::try_from(now.as_millis()).map_err(failed)?,
            (0..usize::from(LOCKED)).map(|index| (index, vec![0; REGISTER])).collect::<BTreeMap<_, _>>(),
            self.chain.leaf(),
            self.chain.above(),
            request.user_data.clone(),
            request.nonce.clone(),
            request.public_key.clone(),
        )
        .to_binary();
        let signature = self.chain.sign(&cose::to_be_signed(&payload)).map_err(failed)?;
        Ok(cose::sign1(&payload, &signature))
    }

    fn describe(&self) -> Result<Description, NsmError> {
        Ok(Description {
            version: (1, 0, 0),
            module_id: MODULE_ID.to_owned(),
            max_pcrs: 32,
            locked_pcrs: (0..LOCKED).collect(),
            digest: Digest::Sha384,
        })
    }
}

fn failed(e: impl ToString) -> NsmError {
    NsmError::Simulation("the SIMULATED Nitro Secure Module failed", e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_certificate_and_the_module_itself_say_that_they_are_simulated() {
        let nsm = Simulated::new().unwrap();
        let says = |bytes: &[u8]| bytes.windows(MARK.len()).filter(|part| *part == MARK.as_bytes()).count();
        assert_eq!(says(nsm.describe().unwrap().module_id.as_bytes()), 1);
        for certificate in nsm.chain.above().iter().chain([&nsm.chain.leaf()]) {
            // Issuer and subject.
            assert_eq!(says(certificate), 2);
        }
    }

    #[test]
    fn it_refuses_what_the_device_would_and_gives_no_byte_twice() {
        let nsm = Simulated::new().unwrap();
        let large = AttestationRequest { nonce: Some(vec![0; 513]), ..AttestationRequest::default() };
        assert!(matches!(nsm.attest(&large), Err(NsmError::Size { field: "nonce", length: 513, .. })));
        let (mut one, mut two) = ([0; 32], [0; 32]);
        nsm.random(&mut one).unwrap();
        nsm.random(&mut two).unwrap();
        assert_ne!(one, two);
    }
}
