//! A SIMULATED Nitro Secure Module, for development. Its random bytes are the machine's own.

use std::fs::File;
use std::io::Read;

use crate::nsm::{Nsm, NsmError};

/// Marks everything the simulation says of itself, so that a search of the release binary proves its absence.
pub const MARK: &str = "SIMULATED";

/// Stands in for the device.
#[derive(Debug)]
pub struct Simulated(File);

impl Simulated {
    /// A simulated module.
    ///
    /// # Errors
    /// When `/dev/urandom` cannot be opened.
    pub fn new() -> Result<Self, NsmError> {
        log::warn!("{MARK} Nitro Secure Module: for development only");
        File::open("/dev/urandom").map(Self).map_err(NsmError::Open)
    }
}

impl Nsm for Simulated {
    fn random(&self, out: &mut [u8]) -> Result<(), NsmError> {
        (&self.0).read_exact(out).map_err(NsmError::Open)
    }
}
