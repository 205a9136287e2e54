//! odyn-host's command line (contract section 1).

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::publish::Choice;
use super::usage::{Command, Problem, USAGE, UsageError};
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
    pub enclave: Enclave,
    /// The manifest.
    pub config: PathBuf,
    /// Where to publish which ingress port.
    pub publish: Vec<Choice>,
    /// The address to publish on.
    pub bind: IpAddr,
    /// How often `-v` was given.
    pub verbosity: u8,
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
    pub enclave: Enclave,
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
    config: Option<PathBuf>,
    publish: Vec<Choice>,
    bind: Option<IpAddr>,
    verbosity: u8,
    file: Option<PathBuf>,
    app: Vec<OsString>,
}

fn parse_command(command: Command, mut args: impl Iterator<Item = OsString>) -> Result<Request, Problem> {
    use Command::{Check, Local, Logs, Run, Status};
    let mut given = Given::default();
    while let Some(arg) = args.next() {
        let (name, inline) = split_flag(&arg);
        let mut value = |flag| inline.clone().or_else(|| args.next()).ok_or(Problem::MissingValue(flag));
        match (name, command) {
            ("-h" | "--help", _) => return Ok(Request::Help(command.usage())),
            ("--vsock", Run | Logs | Status) => {
                given.enclave = Some(parsed("--vsock", &value("--vsock")?, "cid:N or uds:PATH", enclave)?);
            }
            ("--config", Run | Local | Logs | Status) => given.config = Some(value("--config")?.into()),
            ("-p", Run | Local) => {
                let text = |v: &OsStr| v.to_str().and_then(Choice::parse);
                given.publish.push(parsed("-p", &value("-p")?, "HOSTPORT:PORT, two port numbers", text)?);
            }
            ("--bind", Run) => {
                let address = |v: &OsStr| v.to_str()?.parse().ok();
                given.bind = Some(parsed("--bind", &value("--bind")?, "an IP address", address)?);
            }
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
        let enclave = self.enclave.ok_or(Problem::Missing("--vsock"));
        let config = |given: Option<PathBuf>| given.unwrap_or_else(|| "enclaver.yaml".into());
        Ok(match command {
            Command::Run => Request::Run(Run {
                enclave: enclave?,
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
            Command::Logs => Request::Follow(Follow { stream: Stream::Log, enclave: enclave?, config: self.config }),
            Command::Status => {
                Request::Follow(Follow { stream: Stream::Status, enclave: enclave?, config: self.config })
            }
            Command::Check => Request::Check(self.file.ok_or(Problem::Missing("the manifest's name"))?),
        })
    }
}

/// `--flag=value` in two parts, anything else in one. What is not UTF-8 cannot be a flag of ours.
fn split_flag(arg: &OsStr) -> (&str, Option<OsString>) {
    if let Some(at) = arg.as_bytes().iter().position(|b| *b == b'=').filter(|_| arg.as_bytes().starts_with(b"--")) {
        let (flag, value) = arg.as_bytes().split_at(at);
        return (std::str::from_utf8(flag).unwrap_or_default(), Some(OsStr::from_bytes(&value[1..]).to_owned()));
    }
    (arg.to_str().unwrap_or_default(), None)
}

fn parsed<T>(
    flag: &'static str,
    value: &OsStr,
    wanted: &'static str,
    parse: impl Fn(&OsStr) -> Option<T>,
) -> Result<T, Problem> {
    parse(value).ok_or_else(|| Problem::BadValue(flag, value.to_string_lossy().into_owned(), wanted))
}

/// `cid:N` or `uds:PATH`. The largest CID means "any", which cannot be connected to.
fn enclave(text: &OsStr) -> Option<Enclave> {
    if let Some(path) = text.as_bytes().strip_prefix(b"uds:").filter(|path| !path.is_empty()) {
        return Some(Enclave::Uds(OsStr::from_bytes(path).into()));
    }
    let cid = text.to_str()?.strip_prefix("cid:")?.parse().ok()?;
    (cid != u32::MAX).then_some(Enclave::Cid(cid))
}

fn is_verbosity(flag: &str) -> bool {
    flag.len() > 1 && flag.starts_with('-') && flag[1..].bytes().all(|b| b == b'v')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Result<Request, String> {
        parse(args.iter().map(OsString::from)).map_err(|e| e.to_string())
    }

    #[test]
    fn run_takes_an_enclave_and_has_a_default_for_everything_else() {
        let Ok(Request::Run(run)) = read(&["run", "--vsock", "cid:16"]) else { panic!() };
        assert_eq!(run.enclave, Enclave::Cid(16));
        assert_eq!((run.config, run.bind, run.verbosity), ("enclaver.yaml".into(), Ipv4Addr::LOCALHOST.into(), 0));
        let args = ["run", "--vsock=uds:/v=1", "-p", "80:8080", "-p", "0:9", "--bind", "::1", "--config=x.yaml", "-vv"];
        let Ok(Request::Run(run)) = read(&args) else { panic!() };
        assert_eq!(run.enclave, Enclave::Uds("/v=1".into()));
        assert_eq!(run.publish, [Choice { host: 80, port: 8080 }, Choice { host: 0, port: 9 }]);
        assert_eq!((run.config, run.bind, run.verbosity), ("x.yaml".into(), "::1".parse().unwrap(), 2));
    }

    #[test]
    fn everything_behind_two_dashes_is_the_applications() {
        let Ok(Request::Local(local)) = read(&["local", "-p", "1:2", "--", "app", "--help", "--", "-v"]) else {
            panic!()
        };
        assert_eq!(local.app, ["app", "--help", "--", "-v"]);
        assert_eq!(local.verbosity, 0);
    }

    #[test]
    fn streams_take_a_manifest_only_when_told() {
        let stream = |name: &str| match read(&[name, "--vsock", "cid:1"]) {
            Ok(Request::Follow(follow)) => (follow.stream, follow.config),
            other => panic!("{other:?}"),
        };
        assert_eq!(stream("logs"), (Stream::Log, None));
        assert_eq!(stream("status"), (Stream::Status, None));
        assert_eq!(read(&["check", "a.yaml"]), Ok(Request::Check("a.yaml".into())));
    }

    #[test]
    fn every_sub_command_explains_itself_whatever_else_is_missing() {
        for command in Command::ALL {
            let Ok(Request::Help(text)) = read(&[command.name(), "--help"]) else { panic!("{command:?}") };
            assert!(text.starts_with(&format!("usage: odyn-host {} ", command.name())));
            assert!(USAGE.contains(&format!("odyn-host {} ", command.name())));
        }
        assert_eq!(read(&["--help"]), Ok(Request::Help(USAGE)));
        assert_eq!(read(&["--version"]), Ok(Request::Version));
    }

    #[test]
    fn a_wrong_command_line_says_which_argument_and_why() {
        for (args, message) in [
            (&[][..], "no sub-command; see odyn-host --help"),
            (&["verify"], "no sub-command \"verify\"; see odyn-host --help"),
            (&["run"], "--vsock is missing; see odyn-host run --help"),
            (&["run", "--vsock"], "--vsock needs a value; see odyn-host run --help"),
            (&["run", "--vsock", "16"], "--vsock \"16\": expected cid:N or uds:PATH; see odyn-host run --help"),
            (&["run", "--vsock", "uds:"], "--vsock \"uds:\": expected cid:N or uds:PATH; see odyn-host run --help"),
            (
                &["run", "--vsock", "cid:4294967295"],
                "--vsock \"cid:4294967295\": expected cid:N or uds:PATH; see odyn-host run --help",
            ),
            (&["run", "--bind", "x"], "--bind \"x\": expected an IP address; see odyn-host run --help"),
            (&["run", "app"], "unexpected \"app\"; see odyn-host run --help"),
            (&["local", "app"], "unexpected \"app\": the application goes behind --; see odyn-host local --help"),
            (&["local", "--"], "-- APP is missing; see odyn-host local --help"),
            (&["local", "--vsock", "cid:3"], "unknown flag \"--vsock\"; see odyn-host local --help"),
            (&["local", "-p", "80"], "-p \"80\": expected HOSTPORT:PORT, two port numbers; see odyn-host local --help"),
            (&["logs", "-p", "1:2"], "unknown flag \"-p\"; see odyn-host logs --help"),
            (&["check"], "the manifest's name is missing; see odyn-host check --help"),
            (&["check", "a", "b"], "unexpected \"b\"; see odyn-host check --help"),
        ] {
            assert_eq!(read(args).unwrap_err(), message);
        }
    }
}
