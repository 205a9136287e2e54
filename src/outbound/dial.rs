//! Through the host to an allowed target.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::policy::Allowed;
use crate::config::limits;
use crate::sys::connect::is_out_of_descriptors;
use crate::sys::socket::Socket;
use crate::transport::Transport;
use crate::wire::frame::{self, ConnectFailure, ConnectReply, ConnectRequest, FrameError};

/// Asks the host to connect.
#[derive(Clone, Debug)]
pub struct Dialer {
    transport: Arc<Transport>,
    port: u32,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum DialError {
    /// The host side does not answer, or not as it should.
    Host(FrameError),
    /// The host could not connect to the target.
    Target(ConnectFailure),
    /// No answer from the host for as long as the caller could wait.
    Timeout(Duration),
}

impl DialError {
    /// True when waiting longer might have helped.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Timeout(_) => true,
            Self::Target(failure) => {
                let kind = failure.os_code.map(|code| io::Error::from_raw_os_error(code).kind());
                kind == Some(io::ErrorKind::TimedOut)
            }
            // The kernel's verdict: there is nobody at the host's CID.
            Self::Host(e) => matches!(e, FrameError::Io(e) if e.kind() == io::ErrorKind::TimedOut),
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(FrameError::Io(e)) if is_out_of_descriptors(e) => {
                write!(f, "odyn is out of descriptors: {e}")
            }
            Self::Host(e) => write!(f, "the host side does not answer ({e}): is odyn-host running?"),
            Self::Target(failure) => {
                let text = &failure.message;
                write!(f, "cannot connect: {}", &text[..text.floor_char_boundary(limits::HOST_MESSAGE)])
            }
            Self::Timeout(patience) => write!(f, "no connection within {patience:.0?}"),
        }
    }
}

impl std::error::Error for DialError {}

impl Dialer {
    /// Asks at `port` of the host.
    #[must_use]
    pub fn new(transport: Arc<Transport>, port: u32) -> Self {
        Self { transport, port }
    }

    /// Connects to what was allowed.
    ///
    /// # Errors
    /// See [`DialError`].
    pub fn dial(&self, allowed: &Allowed) -> Result<Socket, DialError> {
        self.dial_until(allowed, Instant::now() + limits::UPSTREAM_CONNECT)
    }

    /// [`Dialer::dial`] with a deadline of the caller's.
    ///
    /// # Errors
    /// See [`DialError`].
    pub fn dial_until(&self, allowed: &Allowed, deadline: Instant) -> Result<Socket, DialError> {
        let patience = deadline.saturating_duration_since(Instant::now());
        let target = allowed.target();
        let request = ConnectRequest { host: target.host().to_string(), port: target.port() };
        let ask = || -> Result<(Socket, ConnectReply), FrameError> {
            let socket = self.transport.dial_host(self.port, patience)?;
            frame::send(&socket, &request, deadline)?;
            let reply = frame::receive(&socket, deadline)?;
            Ok((socket, reply))
        };
        match ask() {
            Ok((socket, ConnectReply::Ok)) => Ok(socket),
            Ok((_, ConnectReply::Err(failure))) => Err(DialError::Target(failure)),
            // With a number it is the kernel's, which gives a vsock connection up by itself.
            Err(FrameError::Io(e)) if e.kind() == io::ErrorKind::TimedOut && e.raw_os_error().is_none() => {
                Err(DialError::Timeout(patience))
            }
            Err(e) => Err(DialError::Host(e)),
        }
    }
}
