//! odyn-host's command line (contract section 1).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use super::address::{Address, enclave};
use super::nitro::Launch;
use super::publish::Choice;
use super::usage::{Command, Problem, USAGE, UsageError};
use super::verify::hex;
use crate::boot::options::split_flag;
use crate::config::limits;
use crate::transport::parent::Enclave;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Bridge an enclave.
    Run(Run),
    /// Play the enclave too.
    Local(Local),
    /// Print one of its streams.
    Follow(Follow),
    /// Check an attestation document.
    Verify(Verify),
    /// Validate this manifest.
    Check(PathBuf),
    /// Print this text.
    Help(&'static str),
    /// Print the version.
    Version,
}

/// `odyn-host run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which enclave.
    pub which: Which,
    /// The manifest.
    pub config: PathBuf,
    /// Where to publish which ingress port.
    pub publish: Vec<Choice>,
    /// The address to publish on.
    pub bind: IpAddr,
    /// How often `-v` was given.
    pub verbosity: u8,
}

/// The enclave that `run` is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// One that somebody else starts and ends.
    Existing(Enclave),
    /// One to start, and to end.
    New(Launch),
}

/// `odyn-host local`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The manifest.
    pub config: PathBuf,
    /// Where to publish which ingress port.
    pub publish: Vec<Choice>,
    /// How often `-v` was given.
    pub verbosity: u8,
    /// The application and its arguments; never empty.
    pub app: Vec<OsString>,
}

/// `odyn-host logs` and `odyn-host status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follow {
    /// Which of the two.
    pub stream: Stream,
    /// Which enclave.
    pub enclave: Address,
    /// Only what its status is now, and whether that is `running`.
    pub once: bool,
    /// The manifest, for ports other than the usual ones.
    pub config: Option<PathBuf>,
}

/// What an enclave tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Its log.
    Log,
    /// Its status.
    Status,
}

/// `odyn-host verify`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// Where the document comes from.
    pub origin: Origin,
    /// The registers that must have these values, 48 bytes each.
    pub pcrs: BTreeMap<u8, Vec<u8>>,
    /// The nonce it must carry; never with [`Origin::Url`], which makes its own.
    pub nonce: Option<Vec<u8>>,
    /// The root certificate to trust in place of AWS's.
    pub root: Option<PathBuf>,
}

/// Where a document comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It exists.
    Document(Source),
    /// The enclave behind this `http` or `https` URL makes it.
    Url(String),
}

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// This file.
    File(PathBuf),
}

/// Reads a command line, without the program's own name.
///
/// # Errors
/// See [`UsageError`].
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request, UsageError> {
    let mut args = args.into_iter();
    let first = args.next().ok_or(UsageError { command: None, problem: Problem::NoCommand })?;
    match first.to_str().unwrap_or_default() {
        "-h" | "--help" => Ok(Request::Help(USAGE)),
        "-V" | "--version" => Ok(Request::Version),
        name => match Command::ALL.into_iter().find(|command| command.name() == name) {
            Some(command) => {
                parse_command(command, args).map_err(|problem| UsageError { command: Some(command), problem })
            }
            None => {
                let problem = Problem::UnknownCommand(first.to_string_lossy().into_owned());
                Err(UsageError { command: None, problem })
            }
        },
    }
}

/// What was given, before it is known to be enough.
#[derive(Default)]
struct Given {
    enclave: Option<Enclave>,
    address: Option<Address>,
    once: bool,
    eif: Option<PathBuf>,
    cpu: Option<NonZeroU32>,
    memory: Option<NonZeroU32>,
    debug: bool,
    vsock_file: Option<PathBuf>,
    config: Option<PathBuf>,
    publish: Vec<Choice>,
    bind: Option<IpAddr>,
    verbosity: u8,
    file: Option<PathBuf>,
    app: Vec<OsString>,
    doc: Option<Source>,
    url: Option<String>,
    pcrs: BTreeMap<u8, Vec<u8>>,
    nonce: Option<Vec<u8>>,
    root: Option<PathBuf>,
}

fn parse_command(command: Command, mut args: impl Iterator<Item = OsString>) -> Result<Request, Problem> {
    use Command::{Check, Local, Logs, Run, Status, Verify};
    let mut given = Given::default();
    while let Some(arg) = args.next() {
        let (name, inline) = split_flag(&arg);
        // What is not UTF-8 cannot be a flag of ours.
        let name = name.to_str().unwrap_or_default();
        let mut value = |flag| inline.clone().or_else(|| args.next()).ok_or(Problem::MissingValue(flag));
        match (name, command) {
            ("-h" | "--help", _) => return Ok(Request::Help(command.usage())),
            ("--vsock", Run) => {
                given.enclave = Some(parsed("--vsock", &value("--vsock")?, "cid:N or uds:PATH", enclave)?);
            }
            ("--vsock", Logs | Status) => {
                let wanted = "cid:N, uds:PATH or file:FILE";
                given.address = Some(parsed("--vsock", &value("--vsock")?, wanted, Address::parse)?);
            }
            ("--once", Status) => given.once = true,
            ("--eif", Run) => given.eif = Some(value("--eif")?.into()),
            ("--cpu", Run) => given.cpu = Some(parsed("--cpu", &value("--cpu")?, "a number above 0", count)?),
            ("--memory", Run) => {
                given.memory = Some(parsed("--memory", &value("--memory")?, "a number of MiB above 0", count)?);
            }
            ("--debug-mode", Run) => given.debug = true,
            ("--vsock-file", Run) => given.vsock_file = Some(value("--vsock-file")?.into()),
            ("--config", Run | Local | Logs | Status) => given.config = Some(value("--config")?.into()),
            ("-p", Run | Local) => {
                let text = |v: &OsStr| v.to_str().and_then(Choice::parse);
                given.publish.push(parsed("-p", &value("-p")?, "HOSTPORT:PORT, two port numbers", text)?);
            }
            ("--bind", Run) => {
                let address = |v: &OsStr| v.to_str()?.parse().ok();
                given.bind = Some(parsed("--bind", &value("--bind")?, "an IP address", address)?);
            }
            ("--doc", Verify) => given.doc = Some(source(value("--doc")?)),
            ("--url", Verify) => given.url = Some(parsed("--url", &value("--url")?, "http://... or https://...", url)?),
            ("--pcr", Verify) => {
                let (index, digest) =
                    parsed("--pcr", &value("--pcr")?, "N=HEX, register 0 to 31 and its 48 bytes", pcr)?;
                if given.pcrs.insert(index, digest).is_some() {
                    return Err(Problem::Twice(format!("--pcr {index}=")));
                }
            }
            ("--nonce", Verify) => {
                given.nonce = Some(parsed("--nonce", &value("--nonce")?, "hexadecimal digits", nonce)?);
            }
            ("--root", Verify) => given.root = Some(value("--root")?.into()),
            ("--", Local) => given.app = args.by_ref().collect(),
            (short, Run | Local) if is_verbosity(short) => {
                given.verbosity = given.verbosity.saturating_add((short.len() - 1).try_into().unwrap_or(u8::MAX));
            }
            (flag, _) if flag.starts_with('-') && flag != "-" => return Err(Problem::UnknownFlag(flag.to_owned())),
            (_, Check) if given.file.is_none() => given.file = Some(arg.into()),
            _ => return Err(Problem::StrayWord(arg.to_string_lossy().into_owned())),
        }
    }
    given.complete(command)
}

impl Given {
    fn complete(self, command: Command) -> Result<Request, Problem> {
        let address = self.address.ok_or(Problem::Missing("--vsock"));
        let config = |given: Option<PathBuf>| given.unwrap_or_else(|| "enclaver.yaml".into());
        Ok(match command {
            Command::Run => Request::Run(Run {
                which: match (self.eif, self.enclave) {
                    (Some(eif), at) => Which::New(Launch {
                        eif,
                        cpu: self.cpu,
                        memory: self.memory,
                        debug: self.debug,
                        at,
                        vsock_file: self.vsock_file,
                    }),
                    (None, _) if self.cpu.is_some() => return Err(Problem::Needs("--cpu", "--eif")),
                    (None, _) if self.memory.is_some() => return Err(Problem::Needs("--memory", "--eif")),
                    (None, _) if self.debug => return Err(Problem::Needs("--debug-mode", "--eif")),
                    (None, _) if self.vsock_file.is_some() => return Err(Problem::Needs("--vsock-file", "--eif")),
                    (None, Some(enclave)) => Which::Existing(enclave),
                    (None, None) => return Err(Problem::Missing("--vsock or --eif")),
                },
                config: config(self.config),
                publish: self.publish,
                bind: self.bind.unwrap_or(Ipv4Addr::LOCALHOST.into()),
                verbosity: self.verbosity,
            }),
            Command::Local if self.app.is_empty() => return Err(Problem::Missing("-- APP")),
            Command::Local => Request::Local(Local {
                config: config(self.config),
                publish: self.publish,
                verbosity: self.verbosity,
                app: self.app,
            }),
            Command::Logs | Command::Status => Request::Follow(Follow {
                stream: if command == Command::Logs { Stream::Log } else { Stream::Status },
                enclave: address?,
                once: self.once,
                config: self.config,
            }),
            Command::Verify => {
                let origin = match (self.doc, self.url) {
                    (Some(source), None) => Origin::Document(source),
                    (None, Some(_)) if self.nonce.is_some() => return Err(Problem::Conflict("--nonce", "--url")),
                    (None, Some(url)) => Origin::Url(url),
                    (Some(_), Some(_)) => return Err(Problem::Conflict("--doc", "--url")),
                    (None, None) => return Err(Problem::Missing("--doc or --url")),
                };
                Request::Verify(Verify { origin, pcrs: self.pcrs, nonce: self.nonce, root: self.root })
            }
            Command::Check => Request::Check(self.file.ok_or(Problem::Missing("the manifest's name"))?),
        })
    }
}

fn parsed<T>(
    flag: &'static str,
    value: &OsStr,
    wanted: &'static str,
    parse: impl Fn(&OsStr) -> Option<T>,
) -> Result<T, Problem> {
    parse(value).ok_or_else(|| Problem::BadValue(flag, value.to_string_lossy().into_owned(), wanted))
}

fn count(text: &OsStr) -> Option<NonZeroU32> {
    text.to_str().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

fn source(name: OsString) -> Source {
    if name == "-" { Source::Stdin } else { Source::File(name.into()) }
}

fn url(text: &OsStr) -> Option<String> {
    let url = text.to_str()?;
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    (!rest.is_empty()).then(|| url.to_owned())
}

/// `N=HEX`. A register of SHA-384 has 48 bytes.
fn pcr(text: &OsStr) -> Option<(u8, Vec<u8>)> {
    let (index, digest) = text.to_str()?.split_once('=')?;
    let index = index.parse().ok().filter(|index| usize::from(*index) < limits::PCRS)?;
    Some((index, hex::decode(digest).filter(|digest| digest.len() == 48)?))
}

fn nonce(text: &OsStr) -> Option<Vec<u8>> {
    hex::decode(text.to_str()?).filter(|nonce| !nonce.is_empty())
}

fn is_verbosity(flag: &str) -> bool {
    flag.len() > 1 && flag.starts_with('-') && flag[1..].bytes().all(|b| b == b'v')
}

#[cfg(test)]
mod tests;
