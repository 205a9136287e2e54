//! One stream of an enclave, to standard output until it ends.

use std::io::{self, Write};
use std::time::Instant;

use super::cli::{Follow, Stream};
use super::error::Error;
use super::plan::Plan;
use crate::config::limits;
use crate::config::port::Port;
use crate::sys::socket::Socket;
use crate::transport::parent::Enclave;
use crate::wire::status::Status;

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
    let enclave = options.enclave.resolve()?;
    let failed = |e| Error::Connect(enclave.clone(), port, e);
    let socket = enclave.connect(port).map_err(failed)?;
    if options.once {
        return once(&enclave, &socket);
    }
    let mut out = io::stdout();
    match copy(&socket, |bytes| out.write_all(bytes).and_then(|()| out.flush())) {
        Copied::Ended => Ok(0),
        // Whoever read our output has read what they wanted.
        Copied::Unwritable(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        Copied::Unwritable(e) => Err(Error::Stdout(e)),
        Copied::Broken(e) => Err(failed(e)),
    }
}

/// Prints the current status; 0 if the application runs, else 1. A final status is held on to as long as this command
/// may take: odyn takes whoever has read it and closes for the host it waits for, and a probe must not come before that
/// one.
///
/// # Errors
/// [`Error::Silent`] after [`limits::STATUS_ONCE`], or when it is no status.
fn once(enclave: &Enclave, socket: &Socket) -> Result<u8, Error> {
    let deadline = Instant::now() + limits::STATUS_ONCE;
    let line = read_line(socket, deadline).map_err(|e| Error::Silent(enclave.clone(), e))?;
    let status = std::str::from_utf8(&line).ok().and_then(Status::from_line);
    let status = status.ok_or_else(|| Error::Silent(enclave.clone(), io::ErrorKind::InvalidData.into()))?;
    super::print(&String::from_utf8_lossy(&line))?;
    if status.is_final() {
        std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
    }
    Ok(u8::from(status != Status::Running))
}

/// One line with its newline, at most [`limits::STATUS_LINE`] bytes of it.
fn read_line(socket: &Socket, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') && line.len() < limits::STATUS_LINE {
        let mut byte = [0];
        socket.read_exact_until(&mut byte, deadline)?;
        line.push(byte[0]);
    }
    Ok(line)
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
