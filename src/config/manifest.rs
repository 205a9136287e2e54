//! The manifest as checked types. Whoever holds a [`Manifest`] holds one whose fields fit together.
//!
//! [`Manifest::load`] and [`Manifest::parse`] are the only ways to one; both say what is wrong and where. Nothing is
//! corrected on the way except what the contract says is the same: an empty section and an absent one, a bucket prefix
//! with and without its slashes.

pub use super::error::ManifestError;

use super::check::Source;
use super::limits;
use super::port::Port;
use super::raw;
use super::services::Origins;
use super::structure;
use super::value::{Checkpoint, HttpUrl, Network, Region};
use crate::outbound::policy::Policy;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Linux's flag for opening without waiting: a FIFO has nobody at its other end.
const O_NONBLOCK: i32 = 0o4000;

/// A checked `enclaver.yaml`.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The enclave's name.
    pub name: String,
    /// The image the builder makes.
    pub target: String,
    /// The images it is made from.
    pub sources: Sources,
    /// What the builder signs with.
    pub signature: Option<Signature>,
    /// What the host gives the enclave.
    pub defaults: Defaults,
    /// What may be reached from outside, in the manifest's order; no port twice.
    pub ingress: Vec<Ingress>,
    /// What may be reached outside; `None` without an `allow` entry: no egress at all.
    pub egress: Option<Egress>,
    /// The internal API's port.
    pub api: Option<Port>,
    /// The auxiliary API's port; there exactly when `api` is.
    pub aux_api: Option<Port>,
    /// The KMS proxy. When it is there, so is egress, and it allows the metadata service.
    pub kms_proxy: Option<KmsProxy>,
    /// The S3 storage; `None` unless enabled. Needs egress as the KMS proxy does.
    pub storage: Option<S3>,
    /// The light client; `None` unless enabled. When it is there, so is egress, and it allows both RPCs.
    pub helios: Option<Helios>,
    /// Whether the application may use the Nitro Secure Module's device itself.
    pub nsm_exposed: bool,
    /// The ports between enclave and host.
    pub vsock_ports: VsockPorts,
    /// Private, so that no other module makes a manifest.
    pub(super) origins: Origins,
}

/// `sources`: image names, not looked at here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The application's image.
    pub app: String,
    /// The image odyn is taken from.
    pub odyn: Option<String>,
    /// The image of the host side.
    pub sleeve: Option<String>,
}

/// `signature`: file names for the builder, not looked at here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The certificate's file.
    pub certificate: String,
    /// The private key's file.
    pub key: String,
}

/// `defaults`: the enclave's size, for the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Virtual CPUs.
    pub cpu_count: Option<NonZeroU32>,
    /// Memory in MiB.
    pub memory_mb: Option<NonZeroU32>,
}

/// One entry of `ingress`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// The same number on the host, on vsock and on the application's 127.0.0.1.
    pub port: Port,
    /// TLS is terminated here when set.
    pub tls: Option<TlsFiles>,
}

/// File names as the manifest has them, or `cert.pem` and `key.pem`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain.
    pub cert_file: PathBuf,
    /// The private key.
    pub key_file: PathBuf,
}

impl TlsFiles {
    /// Where the two files of an ingress port are: certificate, then key. Relative names are below
    /// `<config_dir>/tls/server/<port>/`, absolute ones are taken as they are.
    pub fn paths(&self, config_dir: &Path, port: Port) -> (PathBuf, PathBuf) {
        let folder = config_dir.join("tls/server").join(port.to_string());
        (folder.join(&self.cert_file), folder.join(&self.key_file))
    }
}

/// The egress proxy and what it lets through.
#[derive(Clone, Debug)]
pub struct Egress {
    /// The proxy's port on the enclave's loopback.
    pub proxy_port: Port,
    /// The judge of every target.
    pub policy: Policy,
}

/// The KMS proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsProxy {
    /// Its port on the enclave's loopback.
    pub port: Port,
    /// Where a region's KMS is, for regions that are not at the usual place.
    pub endpoints: BTreeMap<Region, HttpUrl>,
}

/// The S3 storage behind the internal API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3 {
    /// The bucket.
    pub bucket: String,
    /// The folder all keys are in: empty, or ending in `/` and not starting with one.
    pub prefix: String,
    /// The bucket's region; the instance's own when `None`.
    pub region: Option<Region>,
    /// An S3-compatible store.
    pub endpoint: Option<HttpUrl>,
}

/// The light client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helios {
    /// Its JSON-RPC port on the enclave's loopback.
    pub port: Port,
    /// The network it follows.
    pub network: Network,
    /// The untrusted execution RPC it proves answers of.
    pub execution_rpc: HttpUrl,
    /// The untrusted consensus RPC.
    pub consensus_rpc: HttpUrl,
    /// What it trusts.
    pub checkpoint: Checkpoint,
    /// Whether it trusts a checkpoint beyond the weak-subjectivity age too.
    pub allow_old_checkpoint: bool,
}

/// The vsock ports between enclave and host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VsockPorts {
    /// The enclave serves its status here.
    pub status: Port,
    /// The enclave serves the log here.
    pub log: Port,
    /// The host accepts egress requests here.
    pub egress: Port,
}

/// The contract's ports, also for telling that the manifest cannot be read.
impl Default for VsockPorts {
    fn default() -> VsockPorts {
        VsockPorts { status: Port::STATUS, log: Port::LOG, egress: Port::HOST_EGRESS }
    }
}

impl Manifest {
    /// Reads and checks a manifest file of at most [`limits::MANIFEST_FILE`] bytes.
    pub fn load(path: &Path) -> Result<Manifest, ManifestError> {
        let file = path.display().to_string();
        let mut bytes = Vec::new();
        let limit = limits::MANIFEST_FILE as u64 + 1;
        // Anything but a file might never end, or never begin.
        let regular = |opened: File| match opened.metadata()?.is_file() {
            true => Ok(opened),
            false => Err(io::Error::other("not a regular file")),
        };
        let open = || std::fs::OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path);
        match open().and_then(regular).and_then(|opened| opened.take(limit).read_to_end(&mut bytes)) {
            Err(error) => return Err(ManifestError::Unreadable { file, error }),
            Ok(length) if length > limits::MANIFEST_FILE => return Err(ManifestError::TooLarge { file }),
            Ok(_) => {}
        }
        match str::from_utf8(&bytes) {
            Ok(text) => Manifest::parse(&file, text),
            Err(error) => {
                let good = bytes.iter().take(error.valid_up_to());
                Err(ManifestError::NotUtf8 { file, line: 1 + good.filter(|byte| **byte == b'\n').count() })
            }
        }
    }

    /// Checks the text of a manifest. `file_name` is what errors call it.
    pub fn parse(file_name: &str, text: &str) -> Result<Manifest, ManifestError> {
        if text.starts_with('\u{feff}') {
            return Err(ManifestError::ByteOrderMark { file: file_name.to_owned() });
        }
        structure::check(text).map_err(|flaw| ManifestError::flaw(file_name, &flaw))?;
        let raw: raw::Manifest = serde_yaml::from_str(text).map_err(|error| ManifestError::shape(file_name, &error))?;
        Source { file_name, text }.check(raw)
    }
}

#[cfg(test)]
mod tests;
