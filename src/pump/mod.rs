//! Two-way byte copy between two connections, on the calling thread.
//!
//! Promises: bytes arrive in order and unchanged; when one side ends its stream the other side's stream ends after the
//! last byte, and the opposite direction goes on (half-close); what arrived before one side broke is delivered, and the
//! other side then reset, if it is TCP (a UNIX socket and vsock know no reset: there it shows as an end); a tunnel has one
//! small buffer on the stack, one of [`limits::PUMP_BUFFER`] only while more flows than that, and a direction in which much
//! flows between two TCP or UNIX sockets leaves the copying to the kernel; a tunnel without traffic ends after its idle time.
//! Never spins: a descriptor from which nothing is wanted leaves the poll set.

#![forbid(unsafe_code)]

mod lane;
pub mod tls;

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use crate::config::limits;
use crate::sys::poll::{Entry, Interest, poll};
use crate::sys::socket::Socket;

use lane::{Lane, Scratch};

/// One side of a tunnel. No method blocks; what cannot be done now is `WouldBlock`.
pub trait End {
    /// What to poll for this side.
    fn fd(&self) -> BorrowedFd<'_>;
    /// Reads what is there; 0 is the end of the stream.
    ///
    /// # Errors
    /// Besides `WouldBlock`, any error means the connection is broken.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    /// True when [`End::read`] has data that polling would not announce.
    fn holds_input(&self) -> bool {
        false
    }
    /// Accepts what fits.
    ///
    /// # Errors
    /// Besides `WouldBlock`, any error means nothing can be sent any more.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize>;
    /// Hands on what [`End::write`] accepted but still holds; true when nothing is left.
    ///
    /// # Errors
    /// As for [`End::write`].
    fn flush(&mut self) -> io::Result<bool> {
        Ok(true)
    }
    /// Ends the stream towards this side, after everything written.
    ///
    /// # Errors
    /// As for [`End::write`].
    fn finish(&mut self) -> io::Result<()>;
    /// Makes the coming drop a reset, once what was written has been delivered.
    fn abort(&mut self);
    /// Gives back what it needs only while bytes flow.
    fn release(&mut self) {}
    /// The socket, if bytes go through it as they are and the kernel may move them by itself.
    fn plain(&self) -> Option<&Socket> {
        None
    }
}

impl End for Socket {
    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Self::read(self, buf)
    }
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Self::write(self, buf)
    }
    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
    fn abort(&mut self) {
        self.reset_after_delivery();
    }
    fn plain(&self) -> Option<&Socket> {
        self.splices().then_some(self)
    }
}

/// Why a tunnel ended.
#[derive(Debug)]
pub enum Ending {
    /// Both streams ended.
    Complete,
    /// Nothing moved for the idle time.
    Idle,
    /// One side broke.
    Broken(io::Error),
}

/// What went through a tunnel, and why it ended.
#[derive(Debug)]
pub struct Outcome {
    /// Bytes from the first side to the second.
    pub forward: u64,
    /// Bytes from the second side to the first.
    pub backward: u64,
    /// Why it ended.
    pub ending: Ending,
}

impl Outcome {
    /// One line of log. `what` says whose tunnel it was: "ingress 443".
    pub fn log(&self, what: impl fmt::Display) {
        let Self { forward, backward, ending } = self;
        match ending {
            Ending::Complete => log::debug!("{what}: done, {forward} bytes there, {backward} back"),
            Ending::Idle => log::info!("{what}: closed an idle connection"),
            Ending::Broken(e) => log::debug!("{what}: broken after {forward} bytes there, {backward} back: {e}"),
        }
    }
}

/// Bytes read before the tunnel began that belong to it.
#[derive(Debug, Default)]
pub struct Early {
    /// For the second side.
    pub forward: Vec<u8>,
    /// For the first side.
    pub backward: Vec<u8>,
}

/// Copies both ways between `a` and `b` until both streams have ended, one side breaks, or nothing moves for `idle`.
///
/// Not inlined, as its parts that work now and then are not: what they need of the stack would be held by every open
/// connection.
#[inline(never)]
pub fn run<A: End, B: End>(a: A, b: B, early: Early, idle: Duration) -> Outcome {
    let mut tunnel = Tunnel { a, b, forward: Lane::new(early.forward), backward: Lane::new(early.backward) };
    let ending = tunnel.copy(idle);
    if !matches!(ending, Ending::Complete) {
        tunnel.wind_up();
    }
    Outcome { forward: tunnel.forward.moved, backward: tunnel.backward.moved, ending }
}

struct Tunnel<A, B> {
    a: A,
    b: B,
    /// From `a` to `b`.
    forward: Lane,
    backward: Lane,
}

impl<A: End, B: End> Tunnel<A, B> {
    fn copy(&mut self, idle: Duration) -> Ending {
        let mut scratch = Scratch::default();
        match self.turns(&mut scratch, idle) {
            Ok(ending) => ending,
            Err(e) => Ending::Broken(e),
        }
    }

    /// Goes on until there is nothing more to do.
    fn turns(&mut self, scratch: &mut Scratch, idle: Duration) -> io::Result<Ending> {
        let Self { a, b, forward, backward } = self;
        let mut last_traffic = Instant::now();
        // Whether what only traffic needs may still be there.
        let mut warm = true;
        forward.drain(b, scratch)?;
        backward.drain(a, scratch)?;
        loop {
            let (flushed_a, flushed_b) = (a.flush()?, b.flush()?);
            if forward.done && backward.done && flushed_a && flushed_b {
                return Ok(Ending::Complete);
            }
            let held_a = forward.wants_input() && a.holds_input();
            let held_b = backward.wants_input() && b.holds_input();
            let from_a = Interest { readable: forward.wants_input(), writable: backward.wants_room() || !flushed_a };
            let from_b = Interest { readable: backward.wants_input(), writable: forward.wants_room() || !flushed_b };
            let mut entries = [Entry::new(a.fd(), from_a), Entry::new(b.fd(), from_b)];
            let patience = if held_a || held_b {
                Duration::ZERO
            } else if warm {
                limits::BUFFER_LINGER.min(idle)
            } else {
                idle.saturating_sub(last_traffic.elapsed())
            };
            if poll(&mut entries, Some(patience))? == 0 && !(held_a || held_b) {
                if last_traffic.elapsed() >= idle {
                    return Ok(Ending::Idle);
                }
                scratch.release();
                forward.release();
                backward.release();
                a.release();
                b.release();
                warm = false;
                continue;
            }
            warm = true;
            let [at_a, at_b] = entries;
            let before = (forward.progress(), backward.progress());
            forward.turn(a, b, scratch, held_a || at_a.readable(), at_b.writable())?;
            backward.turn(b, a, scratch, held_b || at_b.readable(), at_a.writable())?;
            let flushing = !flushed_a && at_a.writable() || !flushed_b && at_b.writable();
            if flushing || before != (forward.progress(), backward.progress()) {
                last_traffic = Instant::now();
            } else if last_traffic.elapsed() >= idle {
                return Ok(Ending::Idle);
            }
        }
    }

    /// After a break: what came intact before it is still delivered.
    #[inline(never)]
    fn wind_up(&mut self) {
        let deadline = Instant::now() + limits::RESCUE;
        let mut scratch = Scratch::default();
        self.forward.rescue(&mut self.b, &mut scratch, deadline);
        self.backward.rescue(&mut self.a, &mut scratch, deadline);
        self.a.abort();
        self.b.abort();
    }
}

#[cfg(test)]
mod tests;
