//! The command line of `odyn-helios`, and the start of its threads.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::process::ExitCode;
use std::sync::Arc;

use super::clock::Clock;
use super::consensus::{self, Start};
use super::execution::Node;
use super::execution::upstream::JsonRpc;
use super::head::Heads;
use super::http::{Server, Way};
use super::network::Spec;
use super::rpc::{self, Rpc};
use crate::config::value::{Checkpoint, HttpUrl, Network};
use crate::report::logger;
use crate::transport::Listener;

/// What `--help` prints, and usage errors end with.
pub const USAGE: &str = concat!(
    "usage: odyn-helios --network mainnet|sepolia|holesky|hoodi --execution-rpc URL [--consensus-rpc URL]\n",
    "                   --checkpoint ROOT|unsafe-latest [--allow-old-checkpoint] [--listen ADDRESS:PORT|stdin]\n",
    "                   [--egress NAME] [-v...]\n",
    sim_usage!(),
    "\n",
    "Serves Ethereum JSON-RPC on ADDRESS:PORT (127.0.0.1:8545) and proves every answer. ROOT is a recent finalized\n",
    "beacon block's; it may be 14 days old unless --allow-old-checkpoint trusts an older one. odyn starts this by itself\n",
    "when enclaver.yaml has helios_rpc.\n",
);

#[cfg(feature = "sim")]
macro_rules! sim_usage {
    () => {
        "                   [--sim-now SECONDS]\n"
    };
}
#[cfg(not(feature = "sim"))]
macro_rules! sim_usage {
    () => {
        ""
    };
}
use sim_usage;

/// Where calls come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Here.
    On(SocketAddr),
    /// On the listening UNIX socket that standard input is: odyn's way.
    Stdin,
}

/// A checked command line.
#[derive(Clone, Debug)]
pub struct Options {
    network: Network,
    execution_rpc: HttpUrl,
    consensus_rpc: HttpUrl,
    checkpoint: Checkpoint,
    allow_old_checkpoint: bool,
    listen: Listen,
    way: Way,
    verbosity: u8,
    #[cfg(feature = "sim")]
    now: Option<u64>,
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub enum Request {
    /// Run.
    Run(Box<Options>),
    /// Print [`USAGE`].
    Help,
    /// Print the version.
    Version,
}

/// The command line is wrong. Never repeats a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UsageError {
    /// No such flag, or not a flag.
    Unknown(String),
    /// The flag is missing.
    Missing(&'static str),
    /// The flag needs a value and none follows.
    MissingValue(&'static str),
    /// The value is not what the flag takes: flag, what is wanted.
    BadValue(&'static str, &'static str),
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(arg) => write!(f, "unknown argument {arg:?}"),
            Self::Missing(flag) => write!(f, "{flag} is missing"),
            Self::MissingValue(flag) => write!(f, "{flag} needs a value"),
            Self::BadValue(flag, wanted) => write!(f, "{flag}: expected {wanted}"),
        }
    }
}

impl std::error::Error for UsageError {}

/// Reads a command line, without the program's own name.
///
/// # Errors
/// See [`UsageError`].
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request, UsageError> {
    let (mut network, mut execution_rpc, mut consensus_rpc, mut checkpoint) = (None, None, None, None);
    let (mut allow_old_checkpoint, mut verbosity) = (false, 0_u8);
    let mut listen = Listen::On(SocketAddr::from(([127, 0, 0, 1], 8545)));
    let mut way = Way::Network;
    #[cfg(feature = "sim")]
    let mut now = None;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let text = arg.to_str().unwrap_or_default();
        let (name, mut inline) = match text.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(OsString::from(value))),
            _ => (text, None),
        };
        let mut value = |flag| inline.take().or_else(|| args.next()).ok_or(UsageError::MissingValue(flag));
        match name {
            "-h" | "--help" => return Ok(Request::Help),
            "-V" | "--version" => return Ok(Request::Version),
            "--network" => {
                let named = |text: &str| Network::ALL.into_iter().find(|network| network.name() == text);
                network = Some(read("--network", "mainnet, sepolia, holesky or hoodi", &value("--network")?, named)?);
            }
            "--execution-rpc" => execution_rpc = Some(url("--execution-rpc", &value("--execution-rpc")?)?),
            "--consensus-rpc" => consensus_rpc = Some(url("--consensus-rpc", &value("--consensus-rpc")?)?),
            "--checkpoint" => {
                let wanted = "a block root of 32 bytes in hexadecimal or unsafe-latest";
                checkpoint = Some(read("--checkpoint", wanted, &value("--checkpoint")?, Checkpoint::parse)?);
            }
            "--allow-old-checkpoint" => allow_old_checkpoint = true,
            "--listen" => {
                let place = |text: &str| match text {
                    "stdin" => Some(Listen::Stdin),
                    _ => text.parse().ok().map(Listen::On),
                };
                listen = read("--listen", "ADDRESS:PORT or stdin", &value("--listen")?, place)?;
            }
            "--egress" => {
                way = Way::Egress(read("--egress", "a name", &value("--egress")?, |text| Some(text.to_owned()))?);
            }
            #[cfg(feature = "sim")]
            "--sim-now" => {
                now = Some(read("--sim-now", "seconds since 1970", &value("--sim-now")?, |v| v.parse().ok())?)
            }
            short if short.len() > 1 && short.starts_with('-') && short.bytes().skip(1).all(|b| b == b'v') => {
                verbosity = verbosity.saturating_add(u8::try_from(short.len() - 1).unwrap_or(u8::MAX));
            }
            // Of a URL without its flag the scheme alone: what follows may hold a key.
            unknown => return Err(UsageError::Unknown(unknown.split(':').next().unwrap_or_default().to_owned())),
        }
    }
    let network = network.ok_or(UsageError::Missing("--network"))?;
    let checkpoint = checkpoint.ok_or(UsageError::Missing("--checkpoint"))?;
    let usual = || if checkpoint == Checkpoint::UnsafeLatest { None } else { network.usual_consensus_rpc() };
    Ok(Request::Run(Box::new(Options {
        network,
        execution_rpc: execution_rpc.ok_or(UsageError::Missing("--execution-rpc"))?,
        consensus_rpc: consensus_rpc.or_else(usual).ok_or(UsageError::Missing("--consensus-rpc"))?,
        checkpoint,
        allow_old_checkpoint,
        listen,
        way,
        verbosity,
        #[cfg(feature = "sim")]
        now,
    })))
}

fn read<T>(
    flag: &'static str,
    wanted: &'static str,
    value: &OsString,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, UsageError> {
    value.to_str().and_then(parse).ok_or(UsageError::BadValue(flag, wanted))
}

fn url(flag: &'static str, value: &OsString) -> Result<HttpUrl, UsageError> {
    read(flag, "a URL that starts with http:// or https://", value, |text| HttpUrl::parse(text).ok())
}

/// odyn-helios, from `main` to the end.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    match parse(args) {
        Ok(Request::Run(options)) => run(*options),
        Ok(Request::Help) => print(io::stdout(), format_args!("{USAGE}"), 0),
        Ok(Request::Version) => print(io::stdout(), format_args!("odyn-helios {}\n", env!("CARGO_PKG_VERSION")), 0),
        Err(e) => print(io::stderr(), format_args!("odyn-helios: {e}\n{USAGE}"), 2),
    }
}

fn print(mut to: impl Write, text: fmt::Arguments<'_>, code: u8) -> ExitCode {
    let _ = to.write_fmt(text);
    ExitCode::from(code)
}

fn run(options: Options) -> ExitCode {
    logger::install("odyn-helios", options.verbosity);
    #[cfg(feature = "sim")]
    let clock = options.now.map_or_else(Clock::default, Clock::fixed);
    #[cfg(not(feature = "sim"))]
    let clock = Clock::default();
    let clock = Arc::new(clock);
    let spec = Arc::new(Spec::of(options.network));
    let heads = Arc::new(Heads::default());
    let upstream = Arc::new(JsonRpc(Server::new(options.execution_rpc, &options.way)));
    let node = Node::new(Arc::clone(&spec), upstream, Arc::clone(&clock));
    let served = listen(options.listen).and_then(|listener| rpc::spawn(Rpc::new(node, Arc::clone(&heads)), listener));
    if let Err(e) = served {
        log::error!("cannot serve: {e}");
        return ExitCode::from(1);
    }
    consensus::follow(&Start {
        spec,
        checkpoint: options.checkpoint,
        allow_old_checkpoint: options.allow_old_checkpoint,
        server: Server::new(options.consensus_rpc, &options.way),
        clock,
        heads,
    });
    // Calls go on being answered with the reason; a new start would find the same.
    loop {
        std::thread::park();
    }
}

fn listen(place: Listen) -> io::Result<Listener> {
    match place {
        Listen::On(address) => Listener::tcp(address.ip(), address.port()),
        Listen::Stdin => {
            let listener = UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
            listener.set_nonblocking(true)?;
            Ok(Listener::Unix(listener))
        }
    }
}

#[cfg(test)]
mod tests;
