//! Connecting, with a deadline: TCP and UNIX sockets.

use std::io;
use std::mem::offset_of;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::socket::Socket;

/// True when what failed is no peer's fault: the process, or the machine, has no descriptor left.
#[must_use]
pub fn is_out_of_descriptors(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Connects over TCP, waiting at most `patience`.
///
/// # Errors
/// `ECONNREFUSED` also when TCP connected the socket to itself, as it can when nobody listens on a port from the
/// ephemeral range; otherwise what `connect(2)` reports.
pub fn connect_tcp(address: &SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(address, patience)?;
    if stream.local_addr()? == *address {
        return Err(io::Error::from_raw_os_error(libc::ECONNREFUSED));
    }
    Ok(stream)
}

/// Connects to a port of 127.0.0.1, waiting at most `patience`: whoever listens there is answered for by the kernel at
/// once, unless its backlog is full.
///
/// # Errors
/// `ECONNREFUSED` also when TCP connected the socket to itself, as it can when nobody listens on a port from the
/// ephemeral range; `TimedOut`; otherwise what `connect(2)` reports.
pub fn connect_loopback(port: u16, patience: Duration) -> io::Result<Socket> {
    // An interrupted connect is not to be called again for the same socket.
    super::retry(|| try_loopback(port, patience))
}

fn try_loopback(port: u16, patience: Duration) -> io::Result<Socket> {
    let flags = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes no pointers.
    let fd = super::check(unsafe { libc::socket(libc::AF_INET, flags, 0) })?;
    // SAFETY: fd was returned just now and nobody else owns it.
    let stream = TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) });
    // For a socket in blocking mode this bounds connect, too (socket(7)): one call in place of four.
    stream.set_write_timeout(Some(patience))?;
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be() },
        sin_zero: [0; 8],
    };
    let size = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: the pointer is to an address of that size.
    super::check(unsafe { libc::connect(fd, (&raw const address).cast(), size) }).map_err(|e| {
        match e.raw_os_error() {
            // What a blocking connect says when its time is over.
            Some(libc::EINPROGRESS) => io::ErrorKind::TimedOut.into(),
            _ => e,
        }
    })?;
    if stream.local_addr()?.port() == port {
        return Err(io::Error::from_raw_os_error(libc::ECONNREFUSED));
    }
    Ok(Socket::from(stream))
}

/// Connects to the UNIX socket at `path`, waiting at most `patience` where its backlog is full.
///
/// # Errors
/// `InvalidInput` when the path is longer than an address takes; `TimedOut`; otherwise what `connect(2)` reports.
pub fn connect_unix(path: &Path, patience: Duration) -> io::Result<Socket> {
    let name = path.as_os_str().as_bytes();
    if name.is_empty() || name.contains(&0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    super::retry(|| try_unix(name, patience))
}

/// [`connect_unix`], to a name that is no file.
///
/// # Errors
/// As for [`connect_unix`].
pub fn connect_abstract(name: &[u8], patience: Duration) -> io::Result<Socket> {
    let name = [&[0], name].concat();
    super::retry(|| try_unix(&name, patience))
}

fn try_unix(name: &[u8], patience: Duration) -> io::Result<Socket> {
    // SAFETY: all zeroes is an address of no family without a name.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    // Shorter than the field, so that a path ends with a zero.
    if name.len() >= address.sun_path.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (place, byte) in address.sun_path.iter_mut().zip(name) {
        // Signed or not, by the machine.
        *place = *byte as libc::c_char;
    }
    // SAFETY: socket takes no pointers.
    let fd = super::check(unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: fd was returned just now and nobody else owns it.
    let stream = UnixStream::from(unsafe { OwnedFd::from_raw_fd(fd) });
    // It bounds connect, too; none at all would be no bound.
    stream.set_write_timeout(Some(patience.max(Duration::from_millis(1))))?;
    let size = (offset_of!(libc::sockaddr_un, sun_path) + name.len()) as libc::socklen_t;
    // SAFETY: the pointer is to an address of at least that size.
    super::check(unsafe { libc::connect(fd, (&raw const address).cast(), size) }).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => e,
    })?;
    Ok(Socket::from(OwnedFd::from(stream)))
}

#[cfg(test)]
mod tests {
    use super::super::socket::deepen_backlog;
    use super::*;
    use std::os::fd::AsFd;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};

    #[test]
    fn connecting_to_a_port_of_this_machine_ends_with_a_socket_or_a_reason() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let socket = connect_loopback(port, Duration::from_secs(5)).unwrap();
        let (mut app, _) = listener.accept().unwrap();
        socket.write(b"hello").unwrap();
        let mut seen = [0; 5];
        io::Read::read_exact(&mut app, &mut seen).unwrap();
        assert_eq!(&seen, b"hello");
        drop((listener, app));
        let refused = connect_loopback(port, Duration::from_secs(5)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_full_backlog_is_waited_for_no_longer_than_told() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        // A second call makes it smaller.
        deepen_backlog(listener.as_fd(), 0).unwrap();
        let mut held = Vec::new();
        let full = loop {
            match connect_loopback(port, Duration::from_millis(50)) {
                Ok(socket) if held.len() < 16 => held.push(socket),
                other => break other,
            }
        };
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_unix_socket_whose_backlog_is_full_costs_no_more_than_the_time_there_is() {
        let name = format!("odyn-test-{}-backlog", std::process::id());
        let listener = UnixListener::bind_addr(&UnixAddr::from_abstract_name(&name).unwrap()).unwrap();
        deepen_backlog(listener.as_fd(), 0).unwrap();
        let patience = Duration::from_millis(20);
        let first = connect_abstract(name.as_bytes(), patience).unwrap();
        let reason = connect_abstract(name.as_bytes(), patience).unwrap_err();
        assert_eq!(reason.kind(), io::ErrorKind::TimedOut);
        drop((first, listener));
        let reason = connect_abstract(name.as_bytes(), patience).unwrap_err();
        assert_eq!(reason.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_path_that_no_address_has_room_for_is_an_error() {
        let patience = Duration::from_secs(1);
        for path in ["", "a\0b", &"x".repeat(108)] {
            assert_eq!(connect_unix(Path::new(path), patience).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert_eq!(connect_unix(Path::new("/nowhere/at/all"), patience).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
