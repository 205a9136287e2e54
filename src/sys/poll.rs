//! `poll(2)` with a deadline.
//!
//! A descriptor nobody wants anything from must leave the set: `POLLHUP` and `POLLERR` are reported whether asked for
//! or not, and a set that keeps such a descriptor spins a core. [`Entry::new`] with no interest therefore becomes -1.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// What to wait for on one descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Wake when a read would not block, which includes end of stream.
    pub readable: bool,
    /// Wake when a write would not block.
    pub writable: bool,
}

impl Interest {
    /// Readable only.
    pub const READ: Self = Self { readable: true, writable: false };
    /// Writable only.
    pub const WRITE: Self = Self { readable: false, writable: true };
}

/// One descriptor of a poll set, and after [`poll`] what became of it.
#[derive(Debug)]
#[repr(transparent)]
pub struct Entry(libc::pollfd);

impl Entry {
    /// Watches `fd` for `interest`; without any interest the entry is inert.
    #[must_use]
    pub fn new(fd: BorrowedFd<'_>, interest: Interest) -> Self {
        let mut events = 0;
        if interest.readable {
            events |= libc::POLLIN;
        }
        if interest.writable {
            events |= libc::POLLOUT;
        }
        let fd = if events == 0 { -1 } else { fd.as_raw_fd() };
        Self(libc::pollfd { fd, events, revents: 0 })
    }

    /// True when a read would not block: data, end of stream or an error is there.
    #[must_use]
    pub fn readable(&self) -> bool {
        self.0.events & libc::POLLIN != 0 && self.0.revents & !libc::POLLOUT != 0
    }

    /// True when a write would not block: there is room, or it would fail at once.
    #[must_use]
    pub fn writable(&self) -> bool {
        self.0.events & libc::POLLOUT != 0 && self.0.revents & !libc::POLLIN != 0
    }

    /// True when the peer has gone entirely or the descriptor is broken.
    #[must_use]
    pub fn hung_up(&self) -> bool {
        self.0.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0
    }
}

/// Waits until an entry is ready or `timeout` has passed (`None`: for ever). Returns how many entries are ready;
/// 0 means the time ran out.
///
/// # Errors
/// Whatever `poll(2)` reports; `EINTR` is retried with the time that is left.
pub fn poll(entries: &mut [Entry], timeout: Option<Duration>) -> io::Result<usize> {
    let deadline = timeout.map(|t| Instant::now() + t);
    super::retry(|| {
        let millis = match deadline {
            None => -1,
            Some(at) => round_up_millis(at.saturating_duration_since(Instant::now())),
        };
        // SAFETY: Entry is a transparent pollfd, so the slice is a valid array of that many pollfd for the whole call.
        let n = unsafe { libc::poll(entries.as_mut_ptr().cast(), entries.len() as libc::nfds_t, millis) };
        super::check(n).map(|n| n as usize)
    })
}

/// Waits for one descriptor until `deadline`.
///
/// # Errors
/// `TimedOut` when the deadline passes first.
pub fn wait_until(fd: BorrowedFd<'_>, interest: Interest, deadline: Instant) -> io::Result<()> {
    let mut entries = [Entry::new(fd, interest)];
    match poll(&mut entries, Some(deadline.saturating_duration_since(Instant::now())))? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

/// Whole milliseconds, rounded up: rounding down would turn the last fraction into a busy loop.
fn round_up_millis(left: Duration) -> libc::c_int {
    let millis = left.as_nanos().div_ceil(1_000_000);
    libc::c_int::try_from(millis).unwrap_or(libc::c_int::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn an_entry_without_interest_does_not_report_the_peers_hangup() {
        let (a, b) = UnixStream::pair().unwrap();
        drop(b);
        let mut inert = [Entry::new(a.as_fd(), Interest::default())];
        assert_eq!(poll(&mut inert, Some(Duration::ZERO)).unwrap(), 0);
        let mut wanted = [Entry::new(a.as_fd(), Interest::READ)];
        assert_eq!(poll(&mut wanted, Some(Duration::ZERO)).unwrap(), 1);
        assert!(wanted[0].readable() && wanted[0].hung_up());
    }

    #[test]
    fn waiting_for_a_silent_peer_ends_at_the_deadline() {
        let (a, _b) = UnixStream::pair().unwrap();
        let error = wait_until(a.as_fd(), Interest::READ, Instant::now()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn fractions_of_a_millisecond_round_up() {
        assert_eq!(round_up_millis(Duration::from_micros(1)), 1);
        assert_eq!(round_up_millis(Duration::ZERO), 0);
        assert_eq!(round_up_millis(Duration::MAX), libc::c_int::MAX);
    }
}
