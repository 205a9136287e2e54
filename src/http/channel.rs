//! A socket of ours as the HTTP client's transport: it never waits without a deadline.

use std::io;
use std::time::Instant;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};
use ureq::{Error, Timeout};

use crate::config::limits;
use crate::config::port::Port;
use crate::outbound::hostname::Target;
use crate::sys::socket::Socket;

/// A connection.
#[derive(Debug)]
pub struct Channel {
    socket: Socket,
    buffers: LazyBuffers,
}

impl Channel {
    /// A connection that was just made.
    #[must_use]
    pub fn new(socket: Socket, config: &Config) -> Self {
        Self { socket, buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()) }
    }
}

impl Transport for Channel {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = in_time(timeout.for_write())?;
        let bytes = self.buffers.output().get(..amount).unwrap_or_default();
        self.socket.write_all_until(bytes, deadline(timeout)).map_err(|e| timed(e, timeout.reason))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = in_time(timeout.for_read())?;
        let buffer = self.buffers.input_append_buf();
        let read = self.socket.read_until(buffer, deadline(timeout)).map_err(|e| timed(e, timeout.reason))?;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    /// Quiet: neither ended nor with bytes that nobody asked for.
    fn is_open(&mut self) -> bool {
        matches!(self.socket.read(&mut [0]), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }
}

/// The target of a URI, in canonical form.
///
/// # Errors
/// [`Error::Other`] with a [`TargetError`](crate::outbound::hostname::TargetError).
pub fn target(uri: &Uri) -> Result<Target, Error> {
    let usual = if uri.scheme_str() == Some("https") { Port::HTTPS } else { Port::HTTP };
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    Target::parse(authority, Some(usual)).map_err(|e| Error::Other(Box::new(e)))
}

/// When a wait has to end. Every call sets a timeout; one that did not would still end.
#[must_use]
pub fn deadline(timeout: NextTimeout) -> Instant {
    let now = Instant::now();
    now.checked_add(*timeout.after).unwrap_or(now + limits::AWS_IDLE)
}

/// Sockets look at a deadline only when they have to wait, and a peer that always sends never has one wait.
fn in_time(timeout: NextTimeout) -> Result<NextTimeout, Error> {
    if timeout.after.is_zero() { Err(Error::Timeout(timeout.reason)) } else { Ok(timeout) }
}

fn timed(e: io::Error, reason: Timeout) -> Error {
    if e.kind() == io::ErrorKind::TimedOut { Error::Timeout(reason) } else { Error::Io(e) }
}

/// Resolves nothing: the host does that.
#[derive(Debug)]
pub struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}
