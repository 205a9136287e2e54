//! What the host needs to know of a manifest.

use std::num::NonZeroU32;
use std::path::Path;

use super::error::Error;
use crate::config::manifest::Manifest;

pub use crate::config::manifest::ManifestError;

/// One ingress port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// Its number.
    pub port: u16,
    /// odyn speaks TLS on it.
    pub tls: bool,
}

/// The ports and the size of one enclave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it serves.
    pub ingress: Vec<Ingress>,
    /// Where it dials for egress; `None` when it may not, and then nobody listens.
    pub egress: Option<u32>,
    /// It makes attestation documents for the application.
    pub attests: bool,
    /// Where it tells its status.
    pub status: u32,
    /// Where it serves its log.
    pub log: u32,
    /// How many CPUs it gets unless the operator says.
    pub cpu_count: Option<NonZeroU32>,
    /// How much memory, in MiB, unless the operator says.
    pub memory_mb: Option<NonZeroU32>,
}

impl Plan {
    /// Reads the manifest at `path`.
    ///
    /// # Errors
    /// [`Error::Manifest`] with the file, the line and the field.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let manifest = Manifest::load(path).map_err(Error::Manifest)?;
        let ingress = manifest.ingress.iter();
        Ok(Self {
            ingress: ingress.map(|port| Ingress { port: port.port.number(), tls: port.tls.is_some() }).collect(),
            egress: manifest.egress.is_some().then_some(manifest.vsock_ports.egress.number().into()),
            attests: manifest.api.is_some(),
            status: manifest.vsock_ports.status.number().into(),
            log: manifest.vsock_ports.log.number().into(),
            cpu_count: manifest.defaults.cpu_count,
            memory_mb: manifest.defaults.memory_mb,
        })
    }
}
