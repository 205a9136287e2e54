//! The host's end: connecting to an enclave's ports, and listening for what it dials.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use super::{Listener, bind_unix, port_path};
use crate::config::limits;
use crate::sys::connect::connect_unix;
use crate::sys::socket::Socket;
use crate::sys::vsock;

/// Longest answer to `CONNECT`: `OK 4294967295\n` is 14 bytes; some monitors pad.
const LONGEST_ANSWER: usize = 32;

/// Which enclave, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enclave {
    /// By AF_VSOCK, at this CID.
    Cid(u32),
    /// By hybrid vsock, at this path.
    Uds(PathBuf),
}

impl Enclave {
    /// Connects to `port` of the enclave.
    ///
    /// # Errors
    /// What the kernel reports when it is not there or nobody listens; `ConnectionRefused` when a monitor says so by
    /// closing.
    pub fn connect(&self, port: u32) -> io::Result<Socket> {
        match self {
            Self::Cid(cid) => vsock::connect(*cid, port),
            Self::Uds(path) => {
                let deadline = Instant::now() + limits::FRAME;
                let socket = connect_unix(path, limits::FRAME)?;
                socket.write_all_until(format!("CONNECT {port}\n").as_bytes(), deadline)?;
                read_answer(&socket, deadline)?;
                Ok(socket)
            }
        }
    }

    /// Listens for connections from the enclave to `port` of this host.
    ///
    /// # Errors
    /// `AddrInUse` when another host side runs.
    pub fn listen(&self, port: u32) -> io::Result<PortGuard> {
        match self {
            Self::Cid(_) => Ok(PortGuard { listener: Listener::Vsock(vsock::Listener::bind(port)?), file: None }),
            Self::Uds(path) => {
                let file = port_path(path, port);
                Ok(PortGuard { listener: Listener::Unix(bind_unix(&file)?), file: Some(SocketFile(file)) })
            }
        }
    }
}

impl fmt::Display for Enclave {
    /// As `--vsock` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cid(cid) => write!(f, "cid:{cid}"),
            Self::Uds(path) => write!(f, "uds:{}", path.display()),
        }
    }
}

/// A listener, and the socket file that stands for it.
#[derive(Debug)]
pub struct PortGuard {
    /// Accepts the enclave's connections.
    pub listener: Listener,
    /// Keep it until the listener is no longer wanted: dropping it removes the file.
    pub file: Option<SocketFile>,
}

/// A socket's file, removed on drop.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn read_answer(socket: &Socket, deadline: Instant) -> io::Result<()> {
    let mut line = Vec::with_capacity(LONGEST_ANSWER);
    while line.len() < LONGEST_ANSWER {
        let mut byte = [0];
        match socket.read_until(&mut byte, deadline)? {
            // A monitor closes when nobody in the guest listens on the port.
            0 => return Err(io::ErrorKind::ConnectionRefused.into()),
            _ if byte == *b"\n" => break,
            _ => line.push(byte[0]),
        }
    }
    if line.starts_with(b"OK ") { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}
