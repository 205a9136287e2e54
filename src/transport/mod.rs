//! How enclave and host reach each other: AF_VSOCK, or UNIX sockets that stand in for it.
//!
//! Promises: everything above this folder sees [`Listener`] and [`Socket`] and cannot tell the kinds apart. The
//! UNIX-socket kind follows the hybrid-vsock convention that Firecracker, Cloud Hypervisor and vhost-device-vsock share:
//! host to guest by connecting to `PATH` and sending `CONNECT <port>\n`, answered by `OK <n>\n`; guest to host arrives
//! on `PATH_<port>`. Its guest end is in feature `sim` only, its host end in feature `host` only: the release build of
//! `odyn` has neither.

#![forbid(unsafe_code)]

#[cfg(feature = "sim")]
pub mod guest;
#[cfg(feature = "host")]
pub mod parent;

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
#[cfg(feature = "sim")]
use std::sync::Arc;
use std::time::Duration;

use crate::config::limits;
use crate::sys::socket::{Socket, deepen_backlog};
use crate::sys::vsock;

/// The enclave's end.
#[derive(Debug)]
pub enum Transport {
    /// Real vsock; the number is the parent's CID.
    Vsock(u32),
    /// UNIX sockets.
    #[cfg(feature = "sim")]
    Hybrid(guest::Guest),
}

impl Transport {
    /// Listens for the host on vsock `port`.
    ///
    /// # Errors
    /// `AddrInUse` when the port is taken.
    pub fn listen(&self, port: u32) -> io::Result<Listener> {
        match self {
            Self::Vsock(_) => vsock::Listener::bind(port).map(Listener::Vsock),
            #[cfg(feature = "sim")]
            Self::Hybrid(guest) => guest.listen(port).map(Listener::Queue),
        }
    }

    /// Connects to `port` of the host, within `patience`. To vsock within two seconds: the kernel's own limit.
    ///
    /// # Errors
    /// What the kernel reports when nobody listens there.
    #[cfg_attr(not(feature = "sim"), allow(unused_variables))]
    pub fn dial_host(&self, port: u32, patience: Duration) -> io::Result<Socket> {
        match self {
            Self::Vsock(cid) => vsock::connect(*cid, port),
            #[cfg(feature = "sim")]
            Self::Hybrid(guest) => guest.dial_host(port, patience),
        }
    }

    /// Leaves nothing behind in the file system, though connections that were cut may still hold this.
    pub fn close(&self) {
        match self {
            Self::Vsock(_) => {}
            #[cfg(feature = "sim")]
            Self::Hybrid(guest) => guest.close(),
        }
    }
}

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// AF_VSOCK.
    Vsock(vsock::Listener),
    /// TCP on loopback.
    Tcp(TcpListener),
    /// A UNIX socket: the light client's way to the egress proxy, the host's end of a hybrid-vsock port.
    Unix(UnixListener),
    /// The guest's end of a hybrid-vsock port.
    #[cfg(feature = "sim")]
    Queue(Arc<guest::Queue>),
}

impl Listener {
    /// Listens on `port` of 127.0.0.1.
    ///
    /// # Errors
    /// `AddrInUse` when the port is taken.
    pub fn loopback(port: u16) -> io::Result<Self> {
        Self::tcp(std::net::Ipv4Addr::LOCALHOST.into(), port)
    }

    /// Listens on `port` of `address`.
    ///
    /// # Errors
    /// `AddrInUse` when the port is taken, `AddrNotAvailable` when this machine has no such address.
    pub fn tcp(address: std::net::IpAddr, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((address, port))?;
        deepen_backlog(listener.as_fd(), limits::TCP_BACKLOG)?;
        listener.set_nonblocking(true)?;
        Ok(Self::Tcp(listener))
    }

    /// Listens on a name that is no file (Linux's abstract socket namespace, see `unix(7)`): it goes with this process, and
    /// any process on this machine may connect.
    ///
    /// # Errors
    /// `AddrInUse` when the name is taken.
    pub fn named(name: &str) -> io::Result<Self> {
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
        listener.set_nonblocking(true)?;
        Ok(Self::Unix(listener))
    }

    /// Takes the next connection.
    ///
    /// # Errors
    /// `WouldBlock` when none is waiting. Any other error concerns one connection or a passing shortage: keep accepting.
    pub fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Vsock(listener) => listener.accept(),
            Self::Tcp(listener) => listener.accept().map(|(stream, _)| Socket::from(stream)),
            Self::Unix(listener) => listener.accept().map(|(stream, _)| Socket::from(OwnedFd::from(stream))),
            #[cfg(feature = "sim")]
            Self::Queue(queue) => queue.take(),
        }
    }
}

impl AsFd for Listener {
    /// Readable when a connection is waiting.
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Vsock(listener) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
            #[cfg(feature = "sim")]
            Self::Queue(queue) => queue.as_fd(),
        }
    }
}

/// A UNIX listener whose file goes when it does. An older file that nobody answers on any more is taken over.
#[cfg(any(feature = "sim", feature = "host"))]
pub(crate) fn bind_unix(path: &std::path::Path) -> io::Result<UnixListener> {
    let listener = match UnixListener::bind(path) {
        Err(e) if e.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        other => other?,
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(any(feature = "sim", feature = "host"))]
fn is_stale(path: &std::path::Path) -> bool {
    let refused = |e: io::Error| e.kind() == io::ErrorKind::ConnectionRefused;
    std::os::unix::net::UnixStream::connect(path).err().is_some_and(refused)
}

/// `PATH_<port>`: where the host listens for the guest.
#[cfg(any(feature = "sim", feature = "host"))]
pub(crate) fn port_path(base: &std::path::Path, port: u32) -> std::path::PathBuf {
    let mut path = base.as_os_str().to_owned();
    path.push(format!("_{port}"));
    path.into()
}
