//! One stream of an enclave, to standard output until it ends.

use std::io::{self, Write};
use std::time::Instant;

use super::cli::{Follow, Stream};
use super::error::Error;
use super::plan::Plan;
use crate::config::limits;
use crate::config::port::Port;
use crate::sys::socket::Socket;

/// `odyn-host logs` and `odyn-host status`.
///
/// # Errors
/// When the manifest is wrong, or the enclave does not answer: these commands do not wait for one to start.
pub fn run(options: &Follow) -> Result<u8, Error> {
    let plan = options.config.as_deref().map(Plan::load).transpose()?;
    let port = match options.stream {
        Stream::Log => plan.map_or(Port::LOG.number().into(), |plan| plan.log),
        Stream::Status => plan.map_or(Port::STATUS.number().into(), |plan| plan.status),
    };
    let failed = |e| Error::Connect(options.enclave.clone(), port, e);
    let socket = options.enclave.connect(port).map_err(failed)?;
    let mut out = io::stdout();
    match copy(&socket, |bytes| out.write_all(bytes).and_then(|()| out.flush())) {
        Copied::Ended => Ok(0),
        // Whoever read our output has read what they wanted.
        Copied::Unwritable(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        Copied::Unwritable(e) => Err(Error::Stdout(e)),
        Copied::Broken(e) => Err(failed(e)),
    }
}

/// Why [`copy`] ended.
#[derive(Debug)]
pub enum Copied {
    /// The stream ended.
    Ended,
    /// The connection broke.
    Broken(io::Error),
    /// The sink takes no more.
    Unwritable(io::Error),
}

/// Hands what arrives to `sink`, as it comes, until the stream ends or the sink fails.
pub fn copy(socket: &Socket, mut sink: impl FnMut(&[u8]) -> io::Result<()>) -> Copied {
    let mut chunk = vec![0; limits::LOG_CHUNK];
    loop {
        match read(socket, &mut chunk) {
            Ok(0) => return Copied::Ended,
            Ok(n) => {
                if let Err(e) = sink(&chunk[..n]) {
                    return Copied::Unwritable(e);
                }
            }
            Err(e) => return Copied::Broken(e),
        }
    }
}

/// Reads what is there, waiting as long as the enclave keeps the stream open: it may be silent for days.
///
/// # Errors
/// What `recv(2)` reports.
pub fn read(socket: &Socket, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read_until(buf, Instant::now() + limits::READER_CHECK) {
            // Our own deadline, not the kernel's verdict on the connection.
            Err(e) if e.kind() == io::ErrorKind::TimedOut && e.raw_os_error().is_none() => {}
            other => return other,
        }
    }
}
