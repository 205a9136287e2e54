//! Connections through odyn's egress proxy, which listens on a UNIX socket for a process that has no network.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Instant;

use ureq::Error;
use ureq::unversioned::transport::{ConnectionDetails, Connector};

use crate::config::limits;
use crate::http::channel::{self, Channel};
use crate::sys::socket::Socket;

/// Connects to the egress proxy by this name and has it connect to the target.
#[derive(Debug)]
pub(super) struct Tunnel(pub(super) String);

/// The proxy's status, which is not 200.
#[derive(Debug)]
pub(super) struct Refused(pub(super) u16);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the egress proxy says {}", self.0)
    }
}

impl std::error::Error for Refused {}

impl Connector for Tunnel {
    type Out = Channel;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Channel>, Error> {
        let target = channel::target(details.uri)?;
        let deadline = channel::deadline(details.timeout).min(Instant::now() + limits::UPSTREAM_CONNECT);
        let stream = SocketAddr::from_abstract_name(&self.0).and_then(|name| UnixStream::connect_addr(&name))?;
        let socket = Socket::from(OwnedFd::from(stream));
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        socket.write_all_until(request.as_bytes(), deadline)?;
        match status(&read_head(&socket, deadline)?) {
            Some(200) => Ok(Some(Channel::new(socket, details.config))),
            Some(status) => Err(Error::Other(Box::new(Refused(status)))),
            None => Err(io::Error::from(io::ErrorKind::InvalidData).into()),
        }
    }
}

/// The head of the proxy's answer, and not a byte of what follows it: that is the target's.
fn read_head(socket: &Socket, deadline: Instant) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact_until(&mut byte, deadline)?;
        head.extend(byte);
        if head.len() > limits::RESPONSE_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(head)
}

fn status(head: &[u8]) -> Option<u16> {
    let line = str::from_utf8(head).ok()?.lines().next()?;
    line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}
