//! Connections for the HTTP client: an egress decision, the host, a socket that never waits without a deadline.

use std::fmt;
use std::io;
use std::time::Instant;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};
use ureq::{Error, Timeout};

use crate::config::limits;
use crate::config::port::Port;
use crate::outbound::dial::{DialError, Dialer};
use crate::outbound::hostname::Target;
use crate::outbound::policy::{Decision, Denied, Policy};
use crate::sys::socket::Socket;

/// The way out: what may be reached, and through whom.
#[derive(Clone, Debug)]
pub struct Way {
    /// The judge.
    pub policy: Policy,
    /// Asks the host.
    pub dialer: Dialer,
}

/// Why there is no connection; travels through the HTTP client's own error.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// The manifest's: see the policy.
    Denied(Denied),
    /// The host's or the target's.
    Dial(DialError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => write!(f, "egress to {} denied: {}", denied.target, denied.reason),
            Self::Dial(e) => write!(f, "{e}"),
        }
    }
}

impl std::error::Error for ConnectError {}

impl Connector for Way {
    type Out = Channel;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Channel>, Error> {
        let target = target(details.uri)?;
        let allowed = match self.policy.decide(target) {
            Decision::Allowed(allowed) => allowed,
            Decision::Denied(denied) => return Err(Error::Other(Box::new(ConnectError::Denied(denied)))),
        };
        let deadline = deadline(details.timeout).min(Instant::now() + limits::UPSTREAM_CONNECT);
        let socket = self.dialer.dial_until(&allowed, deadline);
        let socket = socket.map_err(|e| Error::Other(Box::new(ConnectError::Dial(e))))?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Channel { socket, buffers }))
    }
}

/// The target of a URI, in canonical form.
fn target(uri: &Uri) -> Result<Target, Error> {
    let usual = if uri.scheme_str() == Some("https") { Port::HTTPS } else { Port::HTTP };
    let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
    Target::parse(authority, Some(usual)).map_err(|e| Error::Other(Box::new(e)))
}

/// A connection through the host.
#[derive(Debug)]
pub struct Channel {
    socket: Socket,
    buffers: LazyBuffers,
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

/// Every call sets a timeout; one that did not would still end.
fn deadline(timeout: NextTimeout) -> Instant {
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
pub(super) struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}
