//! One run of `nitro-cli`, with bounds on its time and its output.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::answer::Said;
use super::error::NitroError;
use crate::config::limits;
use crate::host::inbox::Inbox;
use crate::serve::thread_builder;
use crate::sync::{Latch, lock};
use crate::sys::process::Pid;
use crate::sys::signal::Signal;

/// What a signal does to a call under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// Nothing.
    Ignored,
    /// It ends nitro-cli.
    Kill(Signal),
}

/// Runs `nitro-cli` with `args` until `deadline`. Signals that arrive meanwhile are put to `on_signal`.
///
/// # Errors
/// Those of [`NitroError`] about the program itself; a failure it reports is in what it [`Said`].
pub fn call(
    args: &[OsString],
    deadline: Instant,
    inbox: &Inbox,
    mut on_signal: impl FnMut(Signal) -> Interruption,
) -> Result<Said, NitroError> {
    let name = args.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut command = Command::new("nitro-cli");
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A terminal's Ctrl-C is for us; and what it started and left in its group can be killed with it.
    command.process_group(0);
    let child = command.spawn().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => NitroError::Missing,
        _ => NitroError::Start(e),
    })?;
    let mut running = Running { child, ended: false };
    let out = Output::collect(running.child.stdout.take()).map_err(NitroError::Start)?;
    let err = Output::collect(running.child.stderr.take()).map_err(NitroError::Start)?;
    loop {
        if let Some(status) = running.child.try_wait().map_err(NitroError::Start)? {
            running.ended = true;
            return Ok(Said { succeeded: status.success(), stdout: out.take(), stderr: err.take() });
        }
        if out.is_full() || err.is_full() {
            return Err(NitroError::TooMuch(name));
        }
        if Instant::now() >= deadline {
            return Err(NitroError::Hung(name));
        }
        let signal = inbox.wait(Some(deadline)).map_err(|e| NitroError::Start(io::Error::other(e)))?;
        if let Some(Interruption::Kill(signal)) = signal.map(&mut on_signal) {
            return Err(NitroError::Interrupted(name, signal));
        }
    }
}

/// Killed and reaped on drop, if it has not ended.
struct Running {
    child: Child,
    ended: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            let _ = Pid::from(&self.child).kill_group(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// What arrives through a pipe, up to [`limits::NITRO_OUTPUT`].
struct Output {
    held: Arc<Mutex<Vec<u8>>>,
    ended: Latch,
}

impl Output {
    /// Reads on a thread of its own, which a process that keeps the pipe open longer than nitro-cli lives keeps too.
    fn collect(mut pipe: Option<impl Read + Send + 'static>) -> io::Result<Self> {
        let output = Self { held: Arc::default(), ended: Latch::default() };
        let (held, ended) = (Arc::clone(&output.held), output.ended.clone());
        thread_builder("nitro-cli").spawn(move || {
            let mut chunk = [0; 4 << 10];
            while let Some(Ok(n @ 1..)) = pipe.as_mut().map(|pipe| pipe.read(&mut chunk)) {
                let mut held = lock(&held);
                let room = limits::NITRO_OUTPUT - held.len();
                held.extend_from_slice(&chunk[..n.min(room)]);
                if n > room {
                    break;
                }
            }
            ended.open();
            // Look: the output may be full.
            let _ = Pid::this().kill(Signal::CHLD);
        })?;
        Ok(output)
    }

    fn is_full(&self) -> bool {
        lock(&self.held).len() == limits::NITRO_OUTPUT
    }

    /// All of it once the pipe's end was read, else what came until a moment after the end of nitro-cli.
    fn take(self) -> Vec<u8> {
        let _ = self.ended.wait(Instant::now() + limits::CAPTURE_END);
        std::mem::take(&mut *lock(&self.held))
    }
}
