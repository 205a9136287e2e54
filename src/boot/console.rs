//! Standard output and error, into the log ring.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use crate::sys::stdio::redirect_output;

/// Where this process's output went before it was taken over.
#[derive(Debug)]
pub struct Console {
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Console {
    /// Takes over this process's standard output and error, and returns with it what reads them. odyn's own lines and the
    /// application's come through different pipes: an application that fills or breaks its own cannot silence odyn's.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn take_over() -> io::Result<(Self, OwnedFd)> {
        let console = Self {
            stdout: io::stdout().as_fd().try_clone_to_owned()?,
            stderr: io::stderr().as_fd().try_clone_to_owned()?,
        };
        let (reader, writer) = io::pipe()?;
        redirect_output(writer.as_fd(), writer.as_fd())?;
        Ok((console, reader.into()))
    }

    /// Writes `text`, which ends with a newline, where standard error went before: an enclave's debug console, or an operator's terminal.
    pub fn say(&self, text: &str) {
        if let Ok(stderr) = self.stderr.try_clone() {
            let _ = std::fs::File::from(stderr).write_all(format!("odyn: {text}").as_bytes());
        }
    }

    /// Puts everything back, which ends the pipe.
    pub fn give_back(&self) {
        let _ = io::stdout().flush();
        let _ = redirect_output(self.stdout.as_fd(), self.stderr.as_fd());
    }
}
