//! The light client's process: `odyn-helios`, beside the application and strictly apart from odyn.
//!
//! Promises: it runs as nobody with nothing of odyn's in its environment; it has UNIX sockets only and can make no others
//! (see [`crate::sys::seccomp`]): odyn accepts on its port and passes connections on to a UNIX socket made for this one
//! process, and its own way out is the egress proxy, whose policy holds for it as for the application. When it ends, for
//! whatever reason, it is started again after a pause that doubles up to a minute; connections wait meanwhile. Its end
//! never concerns the application.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::limits;
use crate::config::manifest::Helios;
use crate::pump::{self, Early};
use crate::serve::{Gate, thread_builder};
use crate::sys::connect::connect_abstract;
use crate::sys::process::{self, Allowance, Exit, Identity, Pid};
use crate::sys::signal::Signal;
use crate::sys::socket::Socket;
use crate::transport::Listener;

/// The executable's name; it is looked for beside odyn's own.
pub const EXECUTABLE: &str = "odyn-helios";

/// "nobody" everywhere: the kernel's own overflow user.
const NOBODY: Identity = Identity { uid: 65534, gid: 65534 };

/// What it starts the lines of its log with, behind the time.
const MARK: &str = " odyn-helios ";

/// The light client cannot be had.
#[derive(Debug)]
pub enum LightClientError {
    /// The image's: there is no such file.
    Missing(PathBuf),
    /// odyn does not know where it is itself.
    Place(io::Error),
    /// It does not start: file, reason.
    Start(PathBuf, io::Error),
    /// Its port or its way to the egress proxy cannot be opened.
    Listen(u16, io::Error),
}

impl fmt::Display for LightClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(
                f,
                "helios_rpc is enabled, and {} is missing: add {EXECUTABLE} to the image or disable the section",
                path.display()
            ),
            Self::Place(e) => write!(f, "cannot tell where odyn is, to look for {EXECUTABLE} beside it: {e}"),
            Self::Start(path, e) => write!(f, "the light client {} cannot be started: {e}", path.display()),
            Self::Listen(port, e) => write!(f, "cannot listen on port {port} for the light client: {e}"),
        }
    }
}

impl std::error::Error for LightClientError {}

/// The light client, running or about to.
#[derive(Debug)]
pub struct LightClient {
    program: PathBuf,
    args: Vec<OsString>,
    /// How often it was started: each process listens on a name of its own.
    starts: Arc<AtomicU64>,
    identity: Option<Identity>,
    state: State,
    /// Before the next start.
    pause: Duration,
}

#[derive(Debug)]
enum State {
    Running(Pid, Instant),
    /// To be started then.
    Waiting(Instant),
}

impl LightClient {
    /// Starts it and serves its port until `gate` is closed: `helios` says what to follow, `egress` is the name the egress
    /// proxy listens on.
    ///
    /// # Errors
    /// See [`LightClientError`].
    pub fn start(helios: &Helios, egress: &str, gate: &Arc<Gate>, verbosity: u8) -> Result<Self, LightClientError> {
        let program = find(&std::env::current_exe().map_err(LightClientError::Place)?)?;
        let port = helios.port.number();
        let starts = Arc::new(AtomicU64::new(0));
        let relayed = Arc::clone(&starts);
        let listener = Listener::loopback(port);
        listener
            .and_then(|listener| crate::serve::spawn("light client", listener, gate, move |s| relay(s, &relayed)))
            .map_err(|e| LightClientError::Listen(port, e))?;
        let identity = process::is_superuser().then_some(NOBODY);
        if identity.is_none() {
            log::warn!("the light client runs as odyn's own user, because odyn does not run as root");
        }
        let mut light_client = Self {
            program,
            args: arguments(helios, egress, verbosity),
            starts,
            identity,
            state: State::Waiting(Instant::now()),
            pause: limits::LIGHT_CLIENT_PAUSE,
        };
        light_client.spawn().map_err(|e| LightClientError::Start(light_client.program.clone(), e))?;
        Ok(light_client)
    }

    /// How long until [`LightClient::restart_if_due`] has something to do; `None` while it runs.
    #[must_use]
    pub fn due_in(&self) -> Option<Duration> {
        match self.state {
            State::Running(..) => None,
            State::Waiting(until) => Some(until.saturating_duration_since(Instant::now())),
        }
    }

    /// Takes note of the end of a process. True when it was this one.
    pub fn ended(&mut self, pid: Pid, exit: Exit) -> bool {
        let State::Running(own, since) = self.state else { return false };
        if own != pid {
            return false;
        }
        if since.elapsed() >= limits::LIGHT_CLIENT_STEADY {
            self.pause = limits::LIGHT_CLIENT_PAUSE;
        }
        match exit {
            Exit::Code(code) => log::error!("the light client ended with status {code}; {}", self.again()),
            Exit::Signal(signal) => log::error!("the light client was killed by {signal}; {}", self.again()),
        }
        self.wait();
        true
    }

    /// Starts it again when its pause is over.
    pub fn restart_if_due(&mut self) {
        if self.due_in().is_some_and(|left| left.is_zero())
            && let Err(e) = self.spawn()
        {
            log::error!("the light client cannot be started: {e}; {}", self.again());
            self.wait();
        }
    }

    /// Ends it for good: the application has ended.
    pub fn end(&self) {
        if let State::Running(pid, _) = self.state {
            // It has nothing to save. Whoever reaps the rest reaps it too.
            let _ = pid.kill(Signal::KILL);
        }
    }

    fn again(&self) -> String {
        format!("it is started again in {:?}", self.pause)
    }

    fn wait(&mut self) {
        self.state = State::Waiting(Instant::now() + self.pause);
        self.pause = (2 * self.pause).min(limits::LIGHT_CLIENT_PAUSE_CAP);
    }

    fn spawn(&mut self) -> io::Result<()> {
        let start = self.starts.load(Ordering::Relaxed) + 1;
        // Not kept: when the process ends, so does its listener, and nobody waits there in vain.
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name(start))?)?;
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().current_dir("/");
        command.stdin(OwnedFd::from(listener)).stdout(Stdio::null()).stderr(writer);
        let allowance =
            Allowance { memory: limits::LIGHT_CLIENT_MEMORY, descriptors: limits::LIGHT_CLIENT_DESCRIPTORS };
        process::imprison(&mut command, self.identity, allowance);
        thread_builder("light client").spawn(move || copy_log(reader))?;
        // Dropping std's Child neither waits nor kills: its end is learnt with everyone else's, in `supervise`.
        let pid = Pid::from(&command.spawn()?);
        log::info!("started the light client as process {pid}");
        // The first to go when memory runs out. From here: until its exec, its files in /proc are closed as odyn's are.
        let _ = std::fs::write(format!("/proc/{pid}/oom_score_adj"), "1000");
        self.starts.store(start, Ordering::Relaxed);
        self.state = State::Running(pid, Instant::now());
        Ok(())
    }
}

/// Where a process of the light client listens: a name that is no file, and goes with it.
fn name(start: u64) -> String {
    format!("odyn-helios-{}-{start}", Pid::this())
}

/// Passes a connection on to whichever process there is, or will be soon.
fn relay(client: Socket, starts: &AtomicU64) {
    let deadline = Instant::now() + limits::LIGHT_CLIENT_WAIT;
    let helios = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match connect_abstract(name(starts.load(Ordering::Relaxed)).as_bytes(), left) {
            Ok(socket) => break socket,
            Err(_) if Instant::now() < deadline => std::thread::sleep(limits::APP_RETRY_PAUSE),
            Err(_) => return client.reset_on_drop(),
        }
    };
    pump::run(client, helios, Early::default(), limits::IDLE_TUNNEL).log(format_args!("light client"));
}

fn find(odyn: &Path) -> Result<PathBuf, LightClientError> {
    let program = odyn.with_file_name(EXECUTABLE);
    if program.is_file() { Ok(program) } else { Err(LightClientError::Missing(program)) }
}

/// Other processes can read these, as they can the manifest.
fn arguments(helios: &Helios, egress: &str, verbosity: u8) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["--listen".into(), "stdin".into(), "--egress".into(), egress.into()];
    let checkpoint = helios.checkpoint.to_string();
    for (flag, value) in [
        ("--network", helios.network.name()),
        ("--execution-rpc", helios.execution_rpc.as_str()),
        ("--consensus-rpc", helios.consensus_rpc.as_str()),
        ("--checkpoint", &checkpoint),
    ] {
        args.extend([flag.into(), value.into()]);
    }
    args.extend(helios.allow_old_checkpoint.then(|| "--allow-old-checkpoint".into()));
    args.extend((0..verbosity).map(|_| "-v".into()));
    args
}

/// Logs what the process writes, line by line, marked: nothing it writes can pass for a line of odyn's own.
fn copy_log(pipe: impl Read) {
    let mut lines = BufReader::new(pipe);
    loop {
        let mut line = Vec::new();
        match lines.by_ref().take(limits::LIGHT_CLIENT_LINE).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => log_line(String::from_utf8_lossy(&line).trim_end()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// A line of its logger has a level, anything else is unexpected.
fn log_line(line: &str) {
    let own = line.split_once(MARK).and_then(|(_, rest)| rest.split_once(' '));
    let level = own.and_then(|(level, _)| level.parse().ok());
    match (level, own) {
        (Some(level), Some((_, text))) => log::log!(level, "light client: {text}"),
        _ => log::warn!("light client: {line}"),
    }
}
