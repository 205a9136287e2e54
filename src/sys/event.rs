//! `eventfd(2)`: a flag or a counter that `poll` can wait for.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A counter another thread can wait for with `poll`: readable while it is above zero.
#[derive(Debug)]
pub struct Event(OwnedFd);

impl Event {
    /// A new event at zero.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn new() -> io::Result<Self> {
        let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK | libc::EFD_SEMAPHORE;
        // SAFETY: eventfd takes no pointers.
        let fd = super::check(unsafe { libc::eventfd(0, flags) })?;
        // SAFETY: fd was returned just now and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Adds one and wakes every waiter.
    pub fn raise(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: the buffer is eight readable bytes, as eventfd wants. It fails only when 2^64 - 2 raises are pending.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Takes one if there is one.
    #[must_use]
    pub fn take(&self) -> bool {
        let mut count = [0_u8; 8];
        // SAFETY: the buffer is eight writable bytes, as eventfd wants.
        let n = unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
        n == 8
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_taken_as_often_as_it_was_raised() {
        let event = Event::new().unwrap();
        assert!(!event.take());
        event.raise();
        event.raise();
        assert!(event.take() && event.take() && !event.take());
    }
}
