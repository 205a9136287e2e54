//! AF_VSOCK listeners and connections, on top of the `vsock` crate.

use std::io;

use vsock::{VMADDR_CID_ANY, VsockListener, VsockStream};

use super::socket::Socket;

/// A listening AF_VSOCK socket.
#[derive(Debug)]
pub struct Listener(VsockListener);

impl Listener {
    /// Listens on `port` for connections to any of this machine's CIDs.
    ///
    /// # Errors
    /// `AddrInUse` when the port is taken, `Unsupported`-like codes when the kernel has no vsock.
    pub fn bind(port: u32) -> io::Result<Self> {
        let listener = VsockListener::bind_with_cid_port(VMADDR_CID_ANY, port)?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// Takes the next connection.
    ///
    /// # Errors
    /// `WouldBlock` when none is waiting.
    pub fn accept(&self) -> io::Result<Socket> {
        super::retry(|| self.0.accept()).map(|(stream, _)| Socket::vsock(stream.into()))
    }
}

impl std::os::fd::AsFd for Listener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Connects to `port` of `cid`. The kernel gives up by itself after two seconds (`SO_VM_SOCKETS_CONNECT_TIMEOUT`).
///
/// # Errors
/// `ConnectionReset` when nobody listens there, `TimedOut` when nobody answers.
pub fn connect(cid: u32, port: u32) -> io::Result<Socket> {
    super::retry(|| VsockStream::connect_with_cid_port(cid, port)).map(|stream| Socket::vsock(stream.into()))
}
