//! What the operator is told about the command line: how to use it, and what is wrong with one.

use std::fmt;

/// What `--help` prints without a sub-command.
pub const USAGE: &str = "\
usage: odyn-host run    --vsock cid:N|uds:PATH [--config FILE] [-p HOSTPORT:PORT]... [--bind ADDR] [-v...]
       odyn-host run    --eif FILE [--cpu N] [--memory MB] [--vsock-file FILE] [--debug-mode] [as above]
       odyn-host local  [--config FILE] [-p HOSTPORT:PORT]... [-v...] -- APP [ARG...]
       odyn-host logs   --vsock cid:N|uds:PATH|file:FILE [--config FILE]
       odyn-host status --vsock cid:N|uds:PATH|file:FILE [--once] [--config FILE]
       odyn-host verify --doc FILE|- | --url URL [--pcr N=HEX]... [--nonce HEX] [--root FILE]
       odyn-host check  FILE

The host side of an enclave that runs odyn. Each sub-command explains itself with --help.
";

const RUN_USAGE: &str = "\
usage: odyn-host run --vsock cid:N|uds:PATH [--config FILE] [-p HOSTPORT:PORT]... [--bind ADDR] [-v...]
       odyn-host run --eif FILE [--cpu N] [--memory MB] [--vsock-file FILE] [--debug-mode] [--vsock cid:N] [as above]

Publishes the enclave's ingress ports, connects for its egress, prints its log, and exits as its application does.
With --eif it also starts the enclave, with nitro-cli, and terminates it however this ends.

  --vsock cid:N        the enclave's CID
  --vsock uds:PATH     its hybrid-vsock socket (Firecracker, Cloud Hypervisor, vhost-device-vsock)
  --config FILE        the manifest the image was built with (default: enclaver.yaml)
  -p HOSTPORT:PORT     publish ingress port PORT on HOSTPORT (default: the same number; 0: any free one)
  --bind ADDR          publish on this address (default: 127.0.0.1)
  -v                   log every connection, too
  --eif FILE           start this enclave image; nitro-cli must be on PATH
  --cpu N              its CPUs (default: defaults.cpu_count of the manifest)
  --memory MB          its memory in MiB (default: defaults.memory_mb of the manifest)
  --vsock-file FILE    write where the enclave is into FILE, for logs and status --vsock file:FILE; removed at the end
  --debug-mode         start it with a console and with PCRs that are zeroes: its attestation proves nothing
  --vsock cid:N        with --eif: the CID it is to have (default: nitro-cli chooses)
  --vsock uds:PATH     with --eif: reach it here, whatever its CID: for stand-ins of Nitro

A signal that asks to end (TERM, INT, QUIT, HUP) lets open connections end for up to 5 seconds; then, or at the next such
signal, an enclave of --eif is terminated. It gets no signal itself. If this command is killed (KILL), its enclave goes on:
nitro-cli describe-enclaves shows it, nitro-cli terminate-enclave --enclave-id ID ends it.

Exit status: the application's own, 128+N when it died of signal N, 128+N when this command was ended by signal N,
2 for usage or a bad manifest, 1 when the enclave failed to start or could not be reached.
";

const LOCAL_USAGE: &str = "\
usage: odyn-host local [--config FILE] [-p HOSTPORT:PORT]... [-v...] -- APP [ARG...]

Runs APP under odyn on this machine, without an enclave: UNIX sockets stand in for vsock, and the Nitro Secure Module
is simulated. Ctrl-C ends APP and everything it started; once more kills it.

  --config FILE        the manifest (default: enclaver.yaml)
  -p HOSTPORT:PORT     publish ingress port PORT on HOSTPORT of 127.0.0.1 (default: PORT+10000, for APP itself holds
                       PORT on this machine; 0: any free one)
  -v                   log every connection, too

Exit status: APP's own, 128+N when it died of signal N, 2 for usage or a bad manifest, 1 for any other failure to
start.
";

const LOGS_USAGE: &str = "\
usage: odyn-host logs --vsock cid:N|uds:PATH|file:FILE [--config FILE]

Prints the enclave's log from the oldest line it still holds until it ends. --config names a manifest, needed only when
it sets vsock_ports. FILE is the one of run --vsock-file.
";

const STATUS_USAGE: &str = "\
usage: odyn-host status --vsock cid:N|uds:PATH|file:FILE [--once] [--config FILE]

Prints the enclave's status, one JSON object a line, now and at every change until the last. --config names a manifest,
needed only when it sets vsock_ports. FILE is the one of run --vsock-file.

  --once               only now, within a few seconds. Exit status 0 when the application runs, 1 when it does not or the
                       enclave does not answer: for probes
";

const VERIFY_USAGE: &str = "\
usage: odyn-host verify --doc FILE|- | --url URL [--pcr N=HEX]... [--nonce HEX] [--root FILE]

Checks an attestation document and prints it as JSON. Trusts the root of AWS Nitro Enclaves and nothing else.

  --doc FILE|-         the document, raw or in base64; - is standard input
  --url URL            ask an enclave: POSTs a new random nonce to URL, e.g. http://127.0.0.1:8001/v1/attestation, and
                       insists on getting it back; https needs a certificate that browsers would accept
  --pcr N=HEX          register N (0 to 31) must have this value; repeatable
  --nonce HEX          the document of --doc must carry this nonce
  --root FILE          trust this root certificate (PEM) instead: for the simulated enclave of odyn --sim-root

Checks in this order: shape, digest, chain (when the document was made), validity (now), signature, pcr, nonce. Exit
status 0 when all pass, 1 with the first that fails, 2 for usage.
";

const CHECK_USAGE: &str = "\
usage: odyn-host check FILE

Validates a manifest and prints what would run. Exit status 2 when it is not valid.
";

/// The command line is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError {
    /// The sub-command, when there is one.
    pub(super) command: Option<Command>,
    pub(super) problem: Problem,
}

/// What is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    NoCommand,
    UnknownCommand(String),
    UnknownFlag(String),
    /// An argument that is no flag, where none belongs.
    StrayWord(String),
    /// This flag or argument must be there.
    Missing(&'static str),
    MissingValue(&'static str),
    /// This may be there once only.
    Twice(String),
    /// The first only makes sense with the second.
    Needs(&'static str, &'static str),
    /// These two exclude each other.
    Conflict(&'static str, &'static str),
    /// Flag, its value, what it takes.
    BadValue(&'static str, String, &'static str),
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::NoCommand => f.write_str("no sub-command")?,
            Problem::UnknownCommand(name) => write!(f, "no sub-command {name:?}")?,
            Problem::UnknownFlag(flag) => write!(f, "unknown flag {flag:?}")?,
            Problem::StrayWord(word) if self.command == Some(Command::Local) => {
                write!(f, "unexpected {word:?}: the application goes behind --")?;
            }
            Problem::StrayWord(word) => write!(f, "unexpected {word:?}")?,
            Problem::Missing(what) => write!(f, "{what} is missing")?,
            Problem::MissingValue(flag) => write!(f, "{flag} needs a value")?,
            Problem::Twice(flag) => write!(f, "{flag} given twice")?,
            Problem::Needs(flag, other) => write!(f, "{flag} is for {other} only")?,
            Problem::Conflict(flag, other) => write!(f, "{flag} and {other} exclude each other")?,
            Problem::BadValue(flag, value, wanted) => write!(f, "{flag} {value:?}: expected {wanted}")?,
        }
        match self.command {
            Some(command) => write!(f, "; see odyn-host {} --help", command.name()),
            None => f.write_str("; see odyn-host --help"),
        }
    }
}

impl std::error::Error for UsageError {}

/// A sub-command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Run,
    Local,
    Logs,
    Status,
    Verify,
    Check,
}

impl Command {
    pub(super) const ALL: [Self; 6] = [Self::Run, Self::Local, Self::Logs, Self::Status, Self::Verify, Self::Check];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Local => "local",
            Self::Logs => "logs",
            Self::Status => "status",
            Self::Verify => "verify",
            Self::Check => "check",
        }
    }

    pub(super) fn usage(self) -> &'static str {
        match self {
            Self::Run => RUN_USAGE,
            Self::Local => LOCAL_USAGE,
            Self::Logs => LOGS_USAGE,
            Self::Status => STATUS_USAGE,
            Self::Verify => VERIFY_USAGE,
            Self::Check => CHECK_USAGE,
        }
    }
}
