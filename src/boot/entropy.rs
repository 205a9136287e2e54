//! Seeding the kernel's random generator from the Nitro Secure Module.

use std::fmt;
use std::io;

use zeroize::Zeroizing;

use crate::config::limits;
use crate::nsm::{Nsm, NsmError};
use crate::sys::random;

/// The kernel could not be seeded. There is no fall-back: an enclave whose keys might be guessed must not start.
#[derive(Debug)]
pub enum EntropyError {
    /// The module gave no bytes.
    Nsm(NsmError),
    /// The kernel did not take them.
    Kernel(io::Error),
}

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nsm(e) => write!(f, "no entropy: {e}"),
            Self::Kernel(e) => write!(f, "the kernel did not accept entropy (RNDADDENTROPY): {e}"),
        }
    }
}

impl std::error::Error for EntropyError {}

/// Gives the kernel's pool [`limits::ENTROPY_SEED`] bytes, credited.
///
/// # Errors
/// See [`EntropyError`].
pub fn seed(nsm: &dyn Nsm) -> Result<(), EntropyError> {
    let mut bytes = Zeroizing::new([0; random::CHUNK]);
    for _ in 0..limits::ENTROPY_SEED / random::CHUNK {
        nsm.random(&mut *bytes).map_err(EntropyError::Nsm)?;
        random::add_credited(&*bytes).map_err(EntropyError::Kernel)?;
    }
    log::info!("seeded the kernel's random generator with {} bytes from the NSM", limits::ENTROPY_SEED);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nsm::{AttestationRequest, Description};

    struct Broken;
    impl Nsm for Broken {
        fn random(&self, _: &mut [u8]) -> Result<(), NsmError> {
            Err(NsmError::Dry)
        }

        fn attest(&self, _: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
            Err(NsmError::Dry)
        }

        fn describe(&self) -> Result<Description, NsmError> {
            Err(NsmError::Dry)
        }
    }

    #[test]
    fn a_module_without_entropy_is_an_error_and_nothing_is_tried_instead() {
        assert!(matches!(seed(&Broken), Err(EntropyError::Nsm(NsmError::Dry))));
    }
}
