//! `pipe(2)` and `splice(2)`: bytes from one socket to another that never pass through this process's memory.
//!
//! The kernel moves pages from the one socket's queue into the pipe and out of it into the other's; what `read` and
//! `write` would copy twice is copied once or not at all. Worth it for streams only: a short message takes as many calls.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::socket::Socket;
use crate::config::limits;

/// How many there are in this process.
static PIPES: AtomicUsize = AtomicUsize::new(0);

/// A pipe between two sockets, and how many bytes are in it.
#[derive(Debug)]
pub struct Pipe {
    /// Where bytes go in and come out again. Dropped before `_place`, so that the count never says too little.
    input: OwnedFd,
    output: OwnedFd,
    held: usize,
    _place: Place,
}

/// One of the [`limits::PUMP_PIPES`] there may be.
#[derive(Debug)]
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let take = |taken: usize| (taken < limits::PUMP_PIPES).then_some(taken + 1);
        PIPES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok().then_some(Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        PIPES.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pipe {
    /// An empty pipe for bytes from `from` to `to`. `None` when there may be no more of them, when the process is out of
    /// descriptors, or when the kernel would give it less than [`limits::PUMP_PIPE`]: it is a convenience only.
    #[must_use]
    pub fn between(from: &Socket, to: &Socket) -> Option<Self> {
        let place = Place::take()?;
        let mut ends = [-1; 2];
        // SAFETY: ends is two writable ints.
        super::check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) }).ok()?;
        // SAFETY: pipe2 returned it just now and nobody else owns it.
        let output = unsafe { OwnedFd::from_raw_fd(ends[0]) };
        // SAFETY: as above.
        let input = unsafe { OwnedFd::from_raw_fd(ends[1]) };
        let size = libc::c_int::try_from(limits::PUMP_PIPE).ok()?;
        // SAFETY: this command takes an int.
        super::check(unsafe { libc::fcntl(input.as_raw_fd(), libc::F_SETPIPE_SZ, size) }).ok()?;
        // splice goes by the sockets' own mode, not by a flag of the call.
        set_nonblocking(from.as_fd()).ok()?;
        set_nonblocking(to.as_fd()).ok()?;
        Some(Self { input, output, held: 0, _place: place })
    }

    /// How many bytes wait in it.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes what `from` has, as far as it fits; 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there yet, or no room in the pipe; `InvalidInput` when the kernel cannot splice from such
    /// a socket, and took nothing; otherwise what `recv(2)` reports.
    pub fn fill(&mut self, from: &Socket) -> io::Result<usize> {
        let moved = splice(from.as_fd(), self.input.as_fd(), limits::PUMP_PIPE)?;
        self.held += moved;
        Ok(moved)
    }

    /// Hands to `to` what it takes.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room; `InvalidInput` when the kernel cannot splice to such a socket, and gave nothing;
    /// otherwise what `send(2)` reports.
    pub fn drain(&mut self, to: &Socket) -> io::Result<usize> {
        let moved = splice(self.output.as_fd(), to.as_fd(), self.held)?;
        self.held = self.held.saturating_sub(moved);
        Ok(moved)
    }

    /// Takes what is in it into memory.
    ///
    /// # Errors
    /// `OutOfMemory`; what `read(2)` reports.
    pub fn into_bytes(self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(self.held).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.resize(self.held, 0);
        let mut read = 0;
        while read < bytes.len() {
            let rest = &mut bytes[read..];
            // SAFETY: rest is writable for its length during the call.
            let n = unsafe { libc::read(self.output.as_raw_fd(), rest.as_mut_ptr().cast(), rest.len()) };
            match super::check_size(n)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => read += n,
            }
        }
        Ok(bytes)
    }
}

fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
    let flags = libc::SPLICE_F_NONBLOCK | libc::SPLICE_F_MOVE;
    super::retry(|| {
        // SAFETY: without offsets splice takes no pointers into this process's memory.
        let n =
            unsafe { libc::splice(from.as_raw_fd(), ptr::null_mut(), to.as_raw_fd(), ptr::null_mut(), most, flags) };
        super::check_size(n)
    })
}

/// For whoever shares the descriptor's description, too: everybody here asks for it in each call anyway.
fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: this command takes nothing.
    let flags = super::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    // SAFETY: this command takes an int.
    super::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket::tests::pair;
    use std::net::Shutdown;

    #[test]
    fn what_goes_in_at_one_socket_comes_out_at_the_other() {
        let ((client, a), (b, app)) = (pair(), pair());
        let mut pipe = Pipe::between(&a, &b).unwrap();
        assert_eq!(pipe.fill(&a).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        client.write(b"some bytes").unwrap();
        assert_eq!((pipe.fill(&a).unwrap(), pipe.held()), (10, 10));
        assert_eq!((pipe.drain(&b).unwrap(), pipe.held()), (10, 0));
        let mut seen = [0; 64];
        assert_eq!(app.read(&mut seen).unwrap(), 10);
        assert_eq!(&seen[..10], b"some bytes");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(pipe.fill(&a).unwrap(), 0);
    }

    #[test]
    fn a_full_destination_would_block_and_what_waits_can_be_taken_out() {
        let ((client, a), (b, _app)) = (pair(), pair());
        let mut pipe = Pipe::between(&a, &b).unwrap();
        let block: Vec<u8> = (0..1 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
        let (mut sent, mut gone) = (0, 0);
        loop {
            sent += client.write(&block[sent..]).unwrap_or(0);
            if pipe.held() == 0 {
                pipe.fill(&a).unwrap();
            }
            match pipe.drain(&b) {
                Ok(n) => gone += n,
                Err(e) => break assert_eq!(e.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert!(pipe.held() > 0);
        let rest = pipe.into_bytes().unwrap();
        assert_eq!(rest, block[gone..gone + rest.len()]);
    }

    #[test]
    fn a_destination_that_has_gone_is_an_error_and_not_a_signal() {
        let ((client, a), (b, app)) = (pair(), pair());
        let mut pipe = Pipe::between(&a, &b).unwrap();
        client.write(b"x").unwrap();
        pipe.fill(&a).unwrap();
        drop(app);
        assert_eq!(pipe.drain(&b).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
