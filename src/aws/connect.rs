//! Connections for the HTTP client: an egress decision, then the host.

use std::fmt;
use std::time::Instant;

use ureq::Error;
use ureq::unversioned::transport::{ConnectionDetails, Connector};

use crate::config::limits;
use crate::http::channel::{self, Channel};
use crate::outbound::dial::{DialError, Dialer};
use crate::outbound::policy::{Decision, Denied, Policy};

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
        let target = channel::target(details.uri)?;
        let allowed = match self.policy.decide(target) {
            Decision::Allowed(allowed) => allowed,
            Decision::Denied(denied) => return Err(Error::Other(Box::new(ConnectError::Denied(denied)))),
        };
        let deadline = channel::deadline(details.timeout).min(Instant::now() + limits::UPSTREAM_CONNECT);
        let socket = self.dialer.dial_until(&allowed, deadline);
        let socket = socket.map_err(|e| Error::Other(Box::new(ConnectError::Dial(e))))?;
        Ok(Some(Channel::new(socket, details.config)))
    }
}
