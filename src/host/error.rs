//! Everything that ends `odyn-host`, and whose fault it is.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::nitro::error::NitroError;
use super::plan::ManifestError;
use super::usage::UsageError;
use super::verify::check::Failure;
use crate::config::limits;
use crate::sys::process::Exit;
use crate::sys::signal::Signal;
use crate::transport::parent::Enclave;

/// Why `odyn-host` gives up; each is one sentence for the operator.
#[derive(Debug)]
pub enum Error {
    /// The command line is wrong.
    Usage(UsageError),
    /// The manifest cannot be read or is not valid.
    Manifest(ManifestError),
    /// `-p` names a port that is not one of the manifest's ingress ports, which follow.
    NotIngress(u16, Vec<u16>),
    /// `-p` was given twice for this ingress port.
    ChosenTwice(u16),
    /// The default place of this ingress port, which is so much higher, does not exist.
    NoDefaultPort(u16, u16),
    /// On this port, two ingress ports would be published: these.
    SamePlace(u16, u16, u16),
    /// Cannot listen here for clients of this ingress port.
    Publish(SocketAddr, u16, io::Error),
    /// Cannot listen on this vsock port for the enclave's egress requests.
    Egress(u32, io::Error),
    /// The machine has no descriptors, threads or memory left.
    Resources(io::Error),
    /// This enclave's port did not answer.
    Connect(Enclave, u32, io::Error),
    /// This enclave was not there for as long as enclaves take to start.
    Unreached(Enclave, u32, io::Error),
    /// This enclave was there, and is not any more; how it ended is unknown.
    Gone(Enclave),
    /// The enclave reported that its application could not be started, with exit status 2 where the fault is in the
    /// manifest or a file it names.
    Fatal(String, u8),
    /// The enclave cannot be started.
    Nitro(NitroError),
    /// The file with an enclave's address cannot be written, or read, or has none in it.
    VsockFile(PathBuf, io::Error),
    /// This enclave was asked for its status and did not tell it in time, or only half of it.
    Silent(Enclave, io::Error),
    /// Standard output cannot be written.
    Stdout(io::Error),
    /// A file or folder `local` needs cannot be made.
    Prepare(PathBuf, io::Error),
    /// The folder for temporary files has a name too long for a socket's.
    TempTooLong(PathBuf),
    /// There is no `odyn` to start.
    NoOdyn(PathBuf),
    /// This `odyn` cannot be started.
    StartOdyn(PathBuf, io::Error),
    /// `odyn` itself ended before it told how the application did.
    OdynEnded(Exit),
    /// The attestation document failed this check.
    Verify(Failure),
    /// The attestation document cannot be read from here.
    Document(String, io::Error),
    /// What came from here is larger than this many bytes, and no attestation document.
    DocumentSize(String, usize),
    /// What came from here is neither CBOR nor base64.
    DocumentText(String),
    /// This URL did not answer.
    Fetch(String, Box<ureq::Error>),
    /// This URL's server has a certificate that no authority browsers trust vouches for.
    FetchCertificate(String, rustls::CertificateError),
    /// This URL answered with this status and reason.
    FetchStatus(String, u16, String),
    /// The machine gives no random bytes for a nonce.
    Random(io::Error),
    /// The file of `--root` cannot be read.
    RootFile(PathBuf, io::Error),
    /// The file of `--root` does not hold one certificate in PEM.
    RootPem(PathBuf),
    /// The application was asked to end by this signal, did not, and was killed.
    Killed(Signal),
}

impl Error {
    /// The status to exit with (contract section 1).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_)
            | Self::Manifest(_)
            | Self::NotIngress(..)
            | Self::ChosenTwice(_)
            | Self::NoDefaultPort(..)
            | Self::SamePlace(..) => 2,
            Self::Fatal(_, code) => *code,
            Self::Nitro(e) => e.exit_code(),
            Self::Killed(_) => 128 + 9,
            _ => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(e) => write!(f, "{e}"),
            Self::Manifest(e) => write!(f, "{e}"),
            Self::NotIngress(port, known) if known.is_empty() => {
                write!(f, "-p for port {port}: the manifest has no ingress port")
            }
            Self::NotIngress(port, known) => {
                let known: Vec<String> = known.iter().map(u16::to_string).collect();
                write!(f, "-p for port {port}: the manifest has no such ingress port, only {}", known.join(", "))
            }
            Self::ChosenTwice(port) => write!(f, "-p given twice for port {port}"),
            Self::NoDefaultPort(port, offset) => write!(
                f,
                "ingress port {port} has no default here, {port}+{offset} is above 65535: choose one with \
                 -p HOSTPORT:{port}"
            ),
            Self::SamePlace(host, first, second) => write!(
                f,
                "ingress ports {first} and {second} would both be published on port {host}: choose another with \
                 -p HOSTPORT:{second}"
            ),
            Self::Publish(address, port, e) => write!(
                f,
                "cannot publish ingress port {port} on {address}: {e}; choose another port with -p HOSTPORT:{port}"
            ),
            Self::Egress(port, e) if e.kind() == io::ErrorKind::AddrInUse => write!(
                f,
                "cannot serve the enclave's egress: vsock port {port} is in use, by another odyn-host perhaps; each \
                 enclave of a machine needs its own vsock_ports.http_egress_port in its manifest"
            ),
            Self::Egress(port, e) => {
                write!(f, "cannot serve the enclave's egress on vsock port {port}: {e}")
            }
            Self::Resources(e) => write!(f, "this machine is out of resources: {e}"),
            Self::Connect(enclave, port, e) => {
                write!(f, "{enclave} does not answer on vsock port {port}: {e}; is the enclave running?")
            }
            Self::Unreached(enclave, port, e) => write!(
                f,
                "{enclave} did not answer on vsock port {port} (status) for {} minutes: {e}; is the enclave running, \
                 and is vsock_ports the same in its image's manifest?",
                limits::ENCLAVE_START.as_secs() / 60
            ),
            Self::Gone(enclave) => write!(
                f,
                "{enclave} went away without telling how its application ended, and was not back after {} seconds",
                limits::ENCLAVE_GONE.as_secs()
            ),
            Self::Fatal(reason, _) => write!(f, "the enclave failed: {reason}"),
            Self::Nitro(e) => write!(f, "{e}"),
            Self::VsockFile(path, e) => write!(
                f,
                "no enclave's address in {}: {e}; odyn-host run --vsock-file writes it there once nitro-cli has started \
                 the enclave",
                path.display()
            ),
            Self::Silent(enclave, e) => write!(f, "{enclave} did not tell its status: {e}"),
            Self::Stdout(e) => write!(f, "cannot write to standard output: {e}"),
            Self::Prepare(path, e) => write!(f, "cannot make {}: {e}", path.display()),
            Self::TempTooLong(path) => write!(
                f,
                "{} is too long a name for a socket: set TMPDIR to a folder with a shorter one",
                path.display()
            ),
            Self::NoOdyn(beside) => write!(
                f,
                "there is no odyn, neither {} nor on PATH: `cargo build --bin odyn` makes one",
                beside.display()
            ),
            Self::StartOdyn(path, e) => write!(f, "cannot start {}: {e}", path.display()),
            Self::OdynEnded(Exit::Code(code)) => {
                write!(f, "odyn ended with status {code} without telling how the application did")
            }
            Self::OdynEnded(Exit::Signal(signal)) => {
                write!(f, "odyn died of {signal} without telling how the application did")
            }
            Self::Verify(failure) => write!(f, "verify: {failure}"),
            Self::Document(name, e) => write!(f, "verify: cannot read {name}: {e}"),
            Self::DocumentSize(name, limit) => {
                write!(f, "verify: {name} gave more than {limit} bytes: no attestation document is that large")
            }
            Self::DocumentText(name) => write!(f, "verify: {name} holds neither CBOR nor base64"),
            Self::Fetch(url, e) => write!(f, "verify: {url} did not answer: {e}"),
            Self::FetchCertificate(url, reason) => write!(
                f,
                "verify: {url}: its TLS certificate is not one that browsers trust: {reason}; fetch the document by other \
                 means and check it with --doc and --nonce"
            ),
            Self::FetchStatus(url, status, reason) => {
                write!(f, "verify: {url} answered with status {status}: {reason}")
            }
            Self::Random(e) => write!(f, "verify: cannot read /dev/urandom: {e}"),
            Self::RootFile(path, e) => write!(f, "verify: cannot read {}: {e}", path.display()),
            Self::RootPem(path) => write!(f, "verify: {} does not hold one certificate in PEM", path.display()),
            Self::Killed(signal) => write!(f, "the application did not end on {signal} and was killed"),
        }
    }
}

impl std::error::Error for Error {}
