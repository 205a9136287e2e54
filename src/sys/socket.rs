//! One connected stream socket, whatever its family: TCP, UNIX or vsock.
//!
//! No call on one ever blocks: what cannot be done at once is `WouldBlock`, and waiting is done with a deadline, either
//! by the caller's own `poll` or by the `*_until` methods. `SIGPIPE` is never raised.

use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::poll::{Interest, wait_until};
use crate::config::limits;

/// How long [`Socket::reset_after_delivery`] waits at most.
const DELIVERY: Duration = limits::RESCUE;

/// Lets so many connections wait at a listening socket, or as many as the kernel allows (`net.core.somaxconn`).
///
/// # Errors
/// When it does not listen.
pub fn deepen_backlog(listener: BorrowedFd<'_>, waiting: i32) -> io::Result<()> {
    // SAFETY: listen takes no pointers; on a socket that listens already it only changes the number.
    super::check(unsafe { libc::listen(listener.as_raw_fd(), waiting) }).map(drop)
}

/// A connected stream socket that never blocks.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    /// What is written to it at once.
    most: usize,
}

impl Socket {
    /// Takes over a connected vsock socket.
    pub(super) fn vsock(fd: OwnedFd) -> Self {
        Self { fd, most: limits::VSOCK_WRITE }
    }

    /// Whether the kernel may move its bytes by itself ([`super::pipe`]). Not vsock's: it would copy them all the same, older
    /// kernels in packets of one page each.
    #[must_use]
    pub fn splices(&self) -> bool {
        self.most == usize::MAX
    }

    /// Reads what is there, at most `buf`; 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there yet; otherwise what `recv(2)` reports.
    pub fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        super::retry(|| {
            // SAFETY: buf is writable for its length during the call.
            let n = unsafe { libc::recv(self.fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), libc::MSG_DONTWAIT) };
            super::check_size(n)
        })
    }

    /// [`Socket::read`] that leaves what it saw to be read again.
    ///
    /// # Errors
    /// As for [`Socket::read`].
    #[cfg(feature = "sim")]
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_PEEK;
        super::retry(|| {
            // SAFETY: buf is writable for its length during the call.
            let n = unsafe { libc::recv(self.fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), flags) };
            super::check_size(n)
        })
    }

    /// Whether the peer has read all that was written (of TCP: its machine has taken it). `None` for vsock, whose kernels do
    /// not tell.
    #[must_use]
    pub fn all_read(&self) -> Option<bool> {
        if !self.splices() {
            return None;
        }
        let mut queued: libc::c_int = 0;
        // SAFETY: this request writes an int.
        let done = super::check(unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut queued) });
        done.is_ok().then_some(queued == 0)
    }

    /// Writes what fits, to vsock at most [`limits::VSOCK_WRITE`], and says how much that was.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room; otherwise what `send(2)` reports.
    pub fn write(&self, buf: &[u8]) -> io::Result<usize> {
        let buf = &buf[..buf.len().min(self.most)];
        super::retry(|| {
            let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            // SAFETY: buf is readable for its length during the call.
            let n = unsafe { libc::send(self.fd.as_raw_fd(), buf.as_ptr().cast(), buf.len(), flags) };
            super::check_size(n)
        })
    }

    /// Sends an urgent byte, which a reader does not see among the others.
    #[cfg(test)]
    pub(crate) fn send_urgent(&self, byte: u8) -> io::Result<usize> {
        let flags = libc::MSG_OOB | libc::MSG_NOSIGNAL;
        // SAFETY: the byte is readable during the call.
        super::check_size(unsafe { libc::send(self.fd.as_raw_fd(), (&raw const byte).cast(), 1, flags) })
    }

    /// [`Socket::write`] of several pieces, in one call where that is of use: to vsock only the first goes.
    ///
    /// # Errors
    /// As for [`Socket::write`].
    pub fn write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.splices() || pieces.len() < 2 {
            return self.write(pieces.first().map_or(&[], |first| first));
        }
        // SAFETY: all zeroes is a message without an address, without pieces and without control data.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        // An IoSlice is an iovec (std says so), and sendmsg writes to neither.
        message.msg_iov = pieces.as_ptr().cast_mut().cast();
        message.msg_iovlen = pieces.len() as _;
        super::retry(|| {
            let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            // SAFETY: message points to as many pieces as it says, each readable for its length during the call.
            let n = unsafe { libc::sendmsg(self.fd.as_raw_fd(), &raw const message, flags) };
            super::check_size(n)
        })
    }

    /// [`Socket::read`], waiting until `deadline` for something to be there.
    ///
    /// # Errors
    /// `TimedOut` at the deadline.
    pub fn read_until(&self, buf: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            match self.read(buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => wait_until(self.as_fd(), Interest::READ, deadline)?,
                other => return other,
            }
        }
    }

    /// Fills `buf` before `deadline`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the stream ends first, `TimedOut` at the deadline.
    pub fn read_exact_until(&self, mut buf: &mut [u8], deadline: Instant) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read_until(buf, deadline)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => buf = &mut buf[n..],
            }
        }
        Ok(())
    }

    /// Writes all of `buf` before `deadline`.
    ///
    /// # Errors
    /// `TimedOut` at the deadline; part of `buf` may have been sent then.
    pub fn write_all_until(&self, mut buf: &[u8], deadline: Instant) -> io::Result<()> {
        while !buf.is_empty() {
            match self.write(buf) {
                Ok(n) => buf = &buf[n..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => wait_until(self.as_fd(), Interest::WRITE, deadline)?,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Closes one or both directions; the descriptor stays open.
    ///
    /// # Errors
    /// `NotConnected` when the peer has already reset the connection.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let how = match how {
            Shutdown::Read => libc::SHUT_RD,
            Shutdown::Write => libc::SHUT_WR,
            Shutdown::Both => libc::SHUT_RDWR,
        };
        // SAFETY: shutdown takes no pointers.
        super::check(unsafe { libc::shutdown(self.fd.as_raw_fd(), how) }).map(drop)
    }

    /// Makes dropping this socket reset a TCP connection instead of ending it cleanly, so that a connection that broke
    /// on one side of a proxy is not mistaken for a complete one on the other. No effect on other families.
    pub fn reset_on_drop(&self) {
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        let size = size_of::<libc::linger>() as libc::socklen_t;
        let value = (&raw const linger).cast();
        // SAFETY: value points to a linger struct of that size. Failing only means a clean end instead of a reset.
        unsafe { libc::setsockopt(self.fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, size) };
    }

    /// [`Socket::reset_on_drop`], after a moment for what was written to reach a peer that is still there: a reset throws
    /// away what the kernel has not sent and had acknowledged yet.
    pub fn reset_after_delivery(&self) {
        let deadline = Instant::now() + DELIVERY;
        while self.unacknowledged() > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.reset_on_drop();
    }

    /// Bytes written that the peer's kernel has not acknowledged (`SIOCOUTQ`, `tcp(7)`); 0 where that is not known.
    fn unacknowledged(&self) -> libc::c_int {
        let mut bytes = 0;
        // SAFETY: this request writes one int to where the pointer points.
        unsafe { libc::ioctl(self.fd.as_raw_fd(), libc::TIOCOUTQ as _, &raw mut bytes) };
        bytes
    }

    /// A second handle on the same connection.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { fd: self.fd.try_clone()?, most: self.most })
    }
}

impl From<OwnedFd> for Socket {
    /// `fd` must be a connected stream socket; any other descriptor only makes every call fail.
    fn from(fd: OwnedFd) -> Self {
        Self { fd, most: usize::MAX }
    }
}

impl From<TcpStream> for Socket {
    /// Takes over a TCP connection, with Nagle's algorithm off: every proxied protocol does its own buffering.
    fn from(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self::from(OwnedFd::from(stream))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    /// Two ends of a connection.
    pub(in crate::sys) fn pair() -> (Socket, Socket) {
        let (a, b) = UnixStream::pair().unwrap();
        (Socket::from(OwnedFd::from(a)), Socket::from(OwnedFd::from(b)))
    }

    #[test]
    fn an_empty_socket_would_block_even_though_its_descriptor_is_in_blocking_mode() {
        let (a, _b) = pair();
        assert_eq!(a.read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn writing_to_a_closed_peer_is_an_error_and_not_a_signal() {
        let (a, b) = pair();
        drop(b);
        assert_eq!(a.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn pieces_go_out_in_their_order_as_one() {
        let (a, b) = pair();
        let pieces = [b"one ".as_slice(), b"", b"two ", b"three"].map(IoSlice::new);
        assert_eq!(a.write_vectored(&pieces).unwrap(), 13);
        let mut seen = [0; 64];
        assert_eq!(b.read(&mut seen).unwrap(), 13);
        assert_eq!(&seen[..13], b"one two three");
        drop(b);
        assert_eq!(a.write_vectored(&pieces).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(a.write_vectored(&[]).unwrap_or(0), 0);
    }

    #[test]
    fn to_vsock_no_more_goes_at_once_than_its_hosts_take() {
        let (a, b) = UnixStream::pair().unwrap();
        let (a, b) = (Socket::vsock(a.into()), Socket::from(OwnedFd::from(b)));
        let block = vec![0; 2 * limits::VSOCK_WRITE];
        assert_eq!(a.write(&block).unwrap(), limits::VSOCK_WRITE);
        assert_eq!(a.write_vectored(&[IoSlice::new(&block), IoSlice::new(&block)]).unwrap(), limits::VSOCK_WRITE);
        assert_eq!(a.try_clone().unwrap().write(&block).unwrap(), limits::VSOCK_WRITE);
        assert_eq!(b.write(&block).unwrap(), block.len());
        assert!(b.splices() && !a.splices());
    }

    #[test]
    fn half_a_message_is_an_unexpected_end() {
        let (a, b) = pair();
        a.write(b"ab").unwrap();
        a.shutdown(Shutdown::Write).unwrap();
        let error = b.read_exact_until(&mut [0; 3], Instant::now()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_peer_that_never_reads_times_the_writer_out() {
        let (a, _b) = pair();
        let error = a.write_all_until(&vec![0; 8 << 20], Instant::now()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
