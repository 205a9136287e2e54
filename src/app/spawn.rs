//! Starting the application.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use super::command::Entrypoint;
use super::user::Account;
use crate::sys::capability::Capabilities;
use crate::sys::process::{self, DescriptorLimit, Identity, Pid};

/// The application could not be started.
#[derive(Debug)]
pub struct SpawnError {
    program: OsString,
    identity: Option<Identity>,
    cause: io::Error,
}

/// Linux's "operation not permitted", which changing identity gives; a file that may not be executed gives EACCES.
const EPERM: i32 = 1;

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.program.to_string_lossy();
        match (self.cause.kind(), self.identity) {
            (io::ErrorKind::NotFound, _) if program.contains('/') => {
                write!(
                    f,
                    "entrypoint {program:?} not found in the image, or the interpreter or loader it names is not there"
                )
            }
            (io::ErrorKind::NotFound, _) => write!(
                f,
                "entrypoint {program:?} not found on the application's PATH, or the interpreter or loader it names is not there"
            ),
            (io::ErrorKind::PermissionDenied, Some(Identity { uid, gid }))
                if self.cause.raw_os_error() == Some(EPERM) =>
            {
                write!(f, "odyn may not become user {uid}:{gid} for the application: it does not run as root")
            }
            (io::ErrorKind::PermissionDenied, Some(Identity { uid, gid })) => {
                write!(f, "entrypoint {program:?} is not executable, or not for user {uid}:{gid}")
            }
            (io::ErrorKind::PermissionDenied, None) => write!(f, "entrypoint {program:?} is not executable"),
            _ => write!(f, "entrypoint {program:?} cannot be started: {}", self.cause),
        }
    }
}

impl std::error::Error for SpawnError {}

/// What an application that is root keeps of root's power: what programs use that start as root to become others, such as
/// web servers. It is what Docker leaves a container, without devices (`MKNOD`), packets (`NET_RAW`), the kernel's audit
/// log (`AUDIT_WRITE`), and `SETFCAP`, which `no_new_privs` makes useless. Nothing in it reaches odyn's memory, the
/// kernel, its devices or the network's interfaces.
const ROOTS: Capabilities = Capabilities::CHOWN
    .with(Capabilities::DAC_OVERRIDE)
    .with(Capabilities::FOWNER)
    .with(Capabilities::FSETID)
    .with(Capabilities::KILL)
    .with(Capabilities::SETGID)
    .with(Capabilities::SETUID)
    .with(Capabilities::SETPCAP)
    .with(Capabilities::NET_BIND_SERVICE)
    .with(Capabilities::SYS_CHROOT);

/// Where the application's output goes.
#[derive(Debug)]
pub enum Output {
    /// To wherever odyn's own goes, and its input comes from there too (`--no-console`).
    Inherited,
    /// Standard output and error to this pipe; standard input is empty.
    Pipe(OwnedFd),
}

/// Starts `entrypoint` as `account` (odyn's own user if `None`) with `variables` added to its environment, as the leader of
/// its own session, with `descriptors` as its limit of them. An account's home folder becomes `HOME` where the environment
/// has none.
///
/// # Errors
/// When the program cannot be executed, or the account's identity cannot be assumed.
pub fn spawn(
    entrypoint: &Entrypoint,
    variables: &[(&'static str, String)],
    account: Option<&Account>,
    descriptors: DescriptorLimit,
    output: Output,
) -> Result<Pid, SpawnError> {
    let identity = account.map(|account| account.identity);
    let failed = |cause| SpawnError { program: entrypoint.program.clone(), identity, cause };
    let mut command = Command::new(&entrypoint.program);
    command.args(&entrypoint.args);
    if let Some(env) = &entrypoint.env {
        command.env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    }
    if let Some(home) = account.and_then(|account| account.home.as_ref()).filter(|_| !has_home(entrypoint)) {
        command.env(HOME, home);
    }
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    if let Output::Pipe(pipe) = output {
        if let Some(Identity { uid, gid }) = identity {
            // So that opening /dev/stdout by name works for it too.
            std::os::unix::fs::fchown(&pipe, Some(uid), Some(gid)).map_err(failed)?;
        }
        let error = pipe.try_clone().map_err(failed)?;
        command.stdin(Stdio::null()).stdout(pipe).stderr(error);
    }
    process::confine(&mut command, identity, descriptors, ROOTS);
    // Dropping std's Child neither waits nor kills: its end is learnt with everyone else's, in `supervise`.
    command.spawn().map(|child| Pid::from(&child)).map_err(failed)
}

const HOME: &str = "HOME";

/// Whether the environment says what the home folder is. The kernel starts PID 1 with `HOME=/`, which is nobody's word.
fn has_home(entrypoint: &Entrypoint) -> bool {
    match &entrypoint.env {
        Some(env) => env.iter().any(|(name, _)| name == HOME),
        None => std::env::var_os(HOME).is_some_and(|home| !(Pid::this().is_init() && home == "/")),
    }
}
