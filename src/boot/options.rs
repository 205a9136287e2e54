//! odyn's command line (contract section 1).

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::app::user::User;
use crate::config::limits;
use crate::wire::ports;

/// What `--help` prints, and usage errors end with.
pub const USAGE: &str = concat!(
    "usage: odyn [--config-dir DIR] [--no-bootstrap] [--no-console] [-v...] [--user USER[:GROUP]]\n",
    "            [--host-cid N] [--log-bytes N] [--max-connections N]\n",
    sim_usage!(),
    "            [--] ENTRYPOINT [ARG...]\n",
    "\n",
    "Without ENTRYPOINT, /cmd and /env say what to run, one item a line.\n",
    "Exit status: the application's own; 128+N when it died of signal N; 2 for usage, a bad manifest or a bad TLS\n",
    "file; 1 for any other failure to start.\n",
);

#[cfg(feature = "sim")]
macro_rules! sim_usage {
    () => {
        "            [--vsock uds:PATH] [--nsm sim [--sim-root FILE]]\n"
    };
}
#[cfg(not(feature = "sim"))]
macro_rules! sim_usage {
    () => {
        ""
    };
}
use sim_usage;

/// A checked command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where `enclaver.yaml` and `tls/` are.
    pub config_dir: PathBuf,
    /// Do mounts, loopback and entropy.
    pub bootstrap: bool,
    /// Take over standard output and error.
    pub console: bool,
    /// How often `-v` was given.
    pub verbosity: u8,
    /// Who the application runs as; odyn's own identity if absent.
    pub user: Option<User>,
    /// The parent's CID.
    pub host_cid: u32,
    /// Size of the log ring.
    pub log_bytes: usize,
    /// Connections at once, each listener.
    pub max_connections: usize,
    /// UNIX sockets in place of vsock.
    #[cfg(feature = "sim")]
    pub vsock_path: Option<PathBuf>,
    /// The simulated module in place of the device.
    #[cfg(feature = "sim")]
    pub simulated_nsm: bool,
    /// Where the simulated module writes its root certificate.
    #[cfg(feature = "sim")]
    pub sim_root: Option<PathBuf>,
    /// The application and its arguments; empty: look in the image.
    pub entrypoint: Vec<OsString>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config_dir: "/etc/enclaver".into(),
            bootstrap: true,
            console: true,
            verbosity: 0,
            user: None,
            host_cid: ports::PARENT_CID,
            log_bytes: limits::LOG_RING,
            max_connections: limits::MAX_CONNECTIONS,
            #[cfg(feature = "sim")]
            vsock_path: None,
            #[cfg(feature = "sim")]
            simulated_nsm: false,
            #[cfg(feature = "sim")]
            sim_root: None,
            entrypoint: Vec::new(),
        }
    }
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Run.
    Run(Box<Options>),
    /// Print [`USAGE`].
    Help,
    /// Print the version.
    Version,
}

/// The command line is wrong; says which argument and what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageError {
    /// No such flag in this build.
    UnknownFlag(String),
    /// The flag needs a value and none follows.
    MissingValue(&'static str),
    /// The flag takes no value.
    UnexpectedValue(&'static str),
    /// The value is not one of those the flag takes: flag, value, what is wanted.
    BadValue(&'static str, String, &'static str),
    /// The first flag only makes sense with the second.
    Needs(&'static str, &'static str),
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFlag(flag) => write!(f, "unknown flag {flag:?}"),
            Self::MissingValue(flag) => write!(f, "{flag} needs a value"),
            Self::UnexpectedValue(flag) => write!(f, "{flag} takes no value"),
            Self::BadValue(flag, value, wanted) => write!(f, "{flag} {value:?}: expected {wanted}"),
            Self::Needs(flag, other) => write!(f, "{flag} needs {other}"),
        }
    }
}

impl std::error::Error for UsageError {}

/// Reads a command line, without the program's own name.
///
/// # Errors
/// See [`UsageError`].
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request, UsageError> {
    let mut options = Options::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            options.entrypoint = args.collect();
            break;
        }
        if !arg.as_bytes().starts_with(b"-") || arg == "-" {
            options.entrypoint = std::iter::once(arg).chain(args).collect();
            break;
        }
        let (name, inline) = split_flag(&arg);
        let mut flag = Flag { name: name.to_str().unwrap_or_default(), inline, args: &mut args };
        match flag.name {
            "-h" | "--help" => return Ok(Request::Help),
            "-V" | "--version" => return Ok(Request::Version),
            "--config-dir" => options.config_dir = flag.value("--config-dir")?.into(),
            "--no-bootstrap" => options.bootstrap = flag.switch("--no-bootstrap")?,
            "--no-console" => options.console = flag.switch("--no-console")?,
            "--user" => options.user = Some(flag.parsed("--user", USER, User::parse)?),
            "--host-cid" => options.host_cid = flag.parsed("--host-cid", "a CID", |v| v.parse().ok())?,
            "--log-bytes" => {
                let within = |v: &str| v.parse().ok().filter(|n| limits::LOG_RING_RANGE.contains(n));
                options.log_bytes = flag.parsed("--log-bytes", "a number of bytes from 4096 to 1073741824", within)?;
            }
            "--max-connections" => {
                let some = |v: &str| v.parse().ok().filter(|n| *n > 0);
                options.max_connections = flag.parsed("--max-connections", "a number from 1", some)?;
            }
            #[cfg(feature = "sim")]
            "--vsock" => {
                let path = |v: &str| v.strip_prefix("uds:").filter(|p| !p.is_empty()).map(PathBuf::from);
                options.vsock_path = Some(flag.parsed("--vsock", "uds:PATH", path)?);
            }
            #[cfg(feature = "sim")]
            "--nsm" => options.simulated_nsm = flag.parsed("--nsm", "sim", |v| (v == "sim").then_some(true))?,
            #[cfg(feature = "sim")]
            "--sim-root" => options.sim_root = Some(flag.value("--sim-root")?.into()),
            short if is_verbosity(short) => {
                options.verbosity = options.verbosity.saturating_add((short.len() - 1).try_into().unwrap_or(u8::MAX));
            }
            _ => return Err(UsageError::UnknownFlag(name.to_string_lossy().into_owned())),
        }
    }
    #[cfg(feature = "sim")]
    if options.sim_root.is_some() && !options.simulated_nsm {
        return Err(UsageError::Needs("--sim-root", "--nsm sim"));
    }
    Ok(Request::Run(Box::new(options)))
}

/// `--flag=value` in two parts, anything else in one. The value may be no UTF-8: it may be a file's name.
pub(crate) fn split_flag(arg: &OsStr) -> (&OsStr, Option<OsString>) {
    let bytes = arg.as_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) if bytes.starts_with(b"--") => {
            (OsStr::from_bytes(&bytes[..at]), Some(OsStr::from_bytes(&bytes[at + 1..]).to_owned()))
        }
        _ => (arg, None),
    }
}

/// A flag and where its value comes from: behind `=`, or the next argument.
struct Flag<'a, I> {
    name: &'a str,
    inline: Option<OsString>,
    args: &'a mut I,
}

impl<I: Iterator<Item = OsString>> Flag<'_, I> {
    fn switch(&self, name: &'static str) -> Result<bool, UsageError> {
        match self.inline {
            // Every switch says "no".
            None => Ok(false),
            Some(_) => Err(UsageError::UnexpectedValue(name)),
        }
    }

    fn value(&mut self, name: &'static str) -> Result<OsString, UsageError> {
        self.inline.take().or_else(|| self.args.next()).ok_or(UsageError::MissingValue(name))
    }

    fn parsed<T>(
        &mut self,
        name: &'static str,
        wanted: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, UsageError> {
        let value = self.value(name)?;
        let parsed = value.to_str().and_then(parse);
        parsed.ok_or_else(|| UsageError::BadValue(name, value.to_string_lossy().into_owned(), wanted))
    }
}

fn is_verbosity(flag: &str) -> bool {
    flag.len() > 1 && flag.starts_with('-') && flag[1..].bytes().all(|b| b == b'v')
}

/// What `--user` takes.
const USER: &str = "USER or USER:GROUP, each a number or a name";

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> Result<Options, UsageError> {
        match parse(args.iter().map(OsString::from))? {
            Request::Run(options) => Ok(*options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everything_from_the_entrypoint_on_is_the_applications() {
        let options = run(&["--no-console", "-vv", "-v", "app", "--no-bootstrap", "-v"]).unwrap();
        assert_eq!(options.entrypoint, ["app", "--no-bootstrap", "-v"]);
        assert!(options.bootstrap && !options.console);
        assert_eq!(options.verbosity, 3);
        assert_eq!(run(&["--", "-odd"]).unwrap().entrypoint, ["-odd"]);
    }

    #[test]
    fn a_value_may_follow_or_stand_behind_an_equals_sign() {
        for args in [&["--host-cid", "2"][..], &["--host-cid=2"]] {
            assert_eq!(run(args).unwrap().host_cid, 2);
        }
        for args in [&["--user", "app:8"][..], &["--user=app:8"]] {
            assert_eq!(run(args).unwrap().user, User::parse("app:8"));
        }
    }

    #[test]
    fn a_file_name_that_is_no_utf_8_is_taken_behind_an_equals_sign_too_and_no_flag_is_a_program() {
        let parse = |args: &[&[u8]]| parse(args.iter().map(|arg| OsStr::from_bytes(arg).to_owned()));
        for args in [&[&b"--config-dir=/\xff"[..], b"app"][..], &[b"--config-dir", b"/\xff", b"app"]] {
            let Ok(Request::Run(options)) = parse(args) else { panic!("{args:?}") };
            assert_eq!(options.config_dir.as_os_str().as_bytes(), b"/\xff");
            assert_eq!(options.entrypoint, ["app"]);
        }
        for flag in [&b"--\xff=x"[..], b"-\xff"] {
            assert!(matches!(parse(&[flag, b"app"]), Err(UsageError::UnknownFlag(_))), "{flag:?}");
        }
    }

    #[test]
    fn a_wrong_command_line_says_which_argument_and_why() {
        for (args, message) in [
            (&["--bogus"][..], "unknown flag \"--bogus\""),
            (&["--host-cid"], "--host-cid needs a value"),
            (&["--host-cid", "x"], "--host-cid \"x\": expected a CID"),
            (&["--no-console=yes"], "--no-console takes no value"),
            (&["--user", "a:b:c"], "--user \"a:b:c\": expected USER or USER:GROUP, each a number or a name"),
            (&["--user", "4294967295"], "--user \"4294967295\": expected USER or USER:GROUP, each a number or a name"),
            (&["--log-bytes", "12"], "--log-bytes \"12\": expected a number of bytes from 4096 to 1073741824"),
            (&["--max-connections", "0"], "--max-connections \"0\": expected a number from 1"),
            (&["-x"], "unknown flag \"-x\""),
        ] {
            assert_eq!(run(args).unwrap_err().to_string(), message);
        }
    }

    #[cfg(feature = "sim")]
    #[test]
    fn simulation_is_spelt_out_or_refused() {
        let options = run(&["--vsock", "uds:/tmp/v", "--nsm", "sim"]).unwrap();
        assert_eq!(options.vsock_path, Some("/tmp/v".into()));
        assert!(options.simulated_nsm);
        assert_eq!(run(&["--nsm", "real"]).unwrap_err().to_string(), "--nsm \"real\": expected sim");
        assert_eq!(run(&["--sim-root", "x"]).unwrap_err().to_string(), "--sim-root needs --nsm sim");
        assert!(run(&["--vsock", "cid:3"]).is_err());
    }
}
