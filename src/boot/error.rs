//! Why odyn could not start the application.

use std::fmt;
use std::io;
#[cfg(feature = "sim")]
use std::path::PathBuf;

use super::entropy::EntropyError;
use crate::app::command::CommandError;
use crate::app::light_client::LightClientError;
use crate::app::spawn::SpawnError;
use crate::app::user::UserError;
use crate::aws::credentials::EndpointError;
use crate::config::manifest::ManifestError;
use crate::inbound::tls::TlsError;
use crate::keys::KeyError;
use crate::nsm::NsmError;

/// A failure to start, told to the host as status `fatal`.
#[derive(Debug)]
pub enum BootError {
    /// The manifest's author's.
    Manifest(ManifestError),
    /// The image's or a port's: the light client does not start.
    LightClient(LightClientError),
    /// The operator's: where the metadata service is said to be.
    Metadata(EndpointError),
    /// A TLS file's.
    Tls(TlsError),
    /// The image's: nothing to run.
    Command(CommandError),
    /// The operator's or the image's: nobody is who `--user` names.
    User(UserError),
    /// The image's: it does not run.
    Spawn(SpawnError),
    /// A port is taken, or there is no vsock: service, port, reason.
    Listen(&'static str, u16, io::Error),
    /// The UNIX socket that stands for vsock cannot be made.
    #[cfg(feature = "sim")]
    Hybrid(PathBuf, io::Error),
    /// The loopback interface does not come up.
    Loopback(io::Error),
    /// The kernel is not seeded.
    Entropy(EntropyError),
    /// The Nitro Secure Module is not there.
    Nsm(NsmError),
    /// The Nitro Secure Module's device cannot be closed to the application, or given to it.
    CloseNsm(io::Error),
    /// The Nitro Secure Module gives no keys.
    Keys(KeyError),
    /// An API cannot be served: which, and why.
    Api(&'static str, io::Error),
    /// Other processes could read odyn's memory.
    Memory(io::Error),
    /// Orphans would not be ours.
    Subreaper(io::Error),
    /// Output cannot be captured.
    Console(io::Error),
    /// No thread or descriptor for a service.
    Thread(io::Error),
    /// A defect of odyn; the log has the place.
    Panic,
}

impl BootError {
    /// 2 when the operator's files or flags are at fault, 1 otherwise.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Manifest(_) | Self::Metadata(_) | Self::Tls(_) => 2,
            Self::Command(CommandError::Missing) | Self::User(UserError::Unknown(..)) => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(e) => write!(f, "{e}"),
            Self::LightClient(e) => write!(f, "{e}"),
            Self::Metadata(e) => write!(f, "{e}"),
            Self::Tls(e) => write!(f, "{e}"),
            Self::Command(e) => write!(f, "{e}"),
            Self::User(e) => write!(f, "{e}"),
            Self::Spawn(e) => write!(f, "{e}"),
            Self::Listen(what, port, e) => write!(f, "cannot listen on port {port} for {what}: {e}"),
            #[cfg(feature = "sim")]
            Self::Hybrid(path, e) => write!(f, "--vsock uds:{}: {e}", path.display()),
            Self::Loopback(e) => {
                write!(f, "cannot bring the loopback interface up: {e}; on an ordinary machine use --no-bootstrap")
            }
            Self::Entropy(e) => write!(f, "{e}"),
            Self::Nsm(e) => write!(f, "{e}"),
            Self::CloseNsm(e) => {
                let path = crate::nsm::device::PATH;
                write!(f, "cannot close {path} to the application, or give it away: {e}; is /dev read-only?")
            }
            Self::Keys(e) => write!(f, "{e}"),
            Self::Api(which, e) => write!(f, "cannot serve the {which}: {e}"),
            Self::Memory(e) => write!(f, "cannot close odyn's memory to other processes: {e}"),
            Self::Subreaper(e) => write!(f, "cannot become the reaper of orphans: {e}"),
            Self::Console(e) => write!(f, "cannot capture output: {e}"),
            Self::Thread(e) => write!(f, "out of threads or descriptors at start: {e}"),
            Self::Panic => f.write_str("a defect in odyn; its log names the place"),
        }
    }
}

impl std::error::Error for BootError {}

macro_rules! from {
    ($($error:ty => $variant:ident),* $(,)?) => {
        $(impl From<$error> for BootError {
            fn from(e: $error) -> Self {
                Self::$variant(e)
            }
        })*
    };
}
from!(
    ManifestError => Manifest,
    LightClientError => LightClient,
    EndpointError => Metadata,
    TlsError => Tls,
    CommandError => Command,
    UserError => User,
    SpawnError => Spawn,
    EntropyError => Entropy,
    NsmError => Nsm,
    KeyError => Keys,
);
