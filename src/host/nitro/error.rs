//! What can go wrong with `nitro-cli`.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::config::limits;
use crate::sys::signal::Signal;

/// How to find and end an enclave whose ID is not known here.
const BY_HAND: &str = "it may have started an enclave: `nitro-cli describe-enclaves` lists them, and `nitro-cli \
                       terminate-enclave --enclave-id ID` ends one";

/// Why an enclave cannot be started or ended; each is one sentence for the operator.
#[derive(Debug)]
pub enum NitroError {
    /// How many of what is not known; the flag and the field of the manifest that tell.
    NoSize(&'static str, &'static str, &'static str),
    /// The image cannot be read.
    Eif(PathBuf, io::Error),
    /// There is no `nitro-cli`.
    Missing,
    /// `nitro-cli` cannot be started or waited for.
    Start(io::Error),
    /// This sub-command was not through in its time.
    Hung(String),
    /// This sub-command printed more than it can have to say.
    TooMuch(String),
    /// This sub-command was killed because of a second signal.
    Interrupted(String, Signal),
    /// This sub-command failed; why.
    Failed(&'static str, String),
    /// This sub-command succeeded and answered with something else than an enclave's ID.
    Rubbish(&'static str, String),
    /// The answer named this enclave and no CID to reach it by. It has been ended.
    NoCid(String),
    /// This enclave could not be ended; why.
    NotEnded(String, String),
}

impl NitroError {
    /// The status to exit with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoSize(..) => 2,
            Self::Interrupted(_, signal) => u8::try_from(128 + signal.number()).unwrap_or(1),
            _ => 1,
        }
    }
}

impl fmt::Display for NitroError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSize(what, flag, field) => {
                write!(f, "how many {what} the enclave gets is not known: give {flag}, or {field} in the manifest")
            }
            Self::Eif(path, e) => write!(f, "cannot read the enclave image {}: {e}", path.display()),
            Self::Missing => f.write_str(
                "there is no nitro-cli on PATH: install the package aws-nitro-enclaves-cli, or start the enclave \
                 elsewhere and give --vsock cid:N without --eif",
            ),
            Self::Start(e) => write!(f, "cannot run nitro-cli: {e}"),
            Self::Hung(name) if name == "run-enclave" => write!(
                f,
                "nitro-cli run-enclave was not through in {} minutes and was killed; {BY_HAND}",
                limits::NITRO_START.as_secs() / 60
            ),
            Self::Hung(name) => {
                write!(f, "nitro-cli {name} was not through in {} seconds and was killed", limits::NITRO_END.as_secs())
            }
            Self::TooMuch(name) => {
                let most = limits::NITRO_OUTPUT >> 10;
                write!(f, "nitro-cli {name} printed more than {most} KiB and was killed; {BY_HAND}")
            }
            Self::Interrupted(name, signal) => write!(f, "{signal}: killed nitro-cli {name}; {BY_HAND}"),
            Self::Failed(name, reason) => write!(f, "nitro-cli {name} failed: {reason}"),
            Self::Rubbish(name, text) if text.is_empty() => {
                write!(f, "nitro-cli {name} succeeded without naming its enclave; {BY_HAND}")
            }
            Self::Rubbish(name, text) => {
                write!(f, "nitro-cli {name} succeeded without naming its enclave: {text:?}; {BY_HAND}")
            }
            Self::NoCid(id) => write!(f, "nitro-cli named no usable CID for its enclave {id}, which was terminated"),
            Self::NotEnded(id, reason) => write!(
                f,
                "the enclave {id} could not be terminated: {reason}; do it by hand: nitro-cli terminate-enclave \
                 --enclave-id {id}"
            ),
        }
    }
}

impl std::error::Error for NitroError {}
