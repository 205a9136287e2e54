//! Two-way byte copy between two connections, on the calling thread.
//!
//! Promises: bytes arrive in order and unchanged; when one side ends its stream the other side's stream ends after the
//! last byte, and the opposite direction goes on (half-close); what arrived before one side broke is delivered, and the
//! other side then reset, if it is TCP (a UNIX socket and vsock know no reset: there it shows as an end); a direction has a
//! small buffer on the stack, and one of [`limits::PUMP_BUFFER`] only while much flows; a tunnel without traffic ends after
//! its idle time. Never spins: a descriptor from which nothing is wanted leaves the poll set.

#![forbid(unsafe_code)]

pub mod tls;

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use crate::config::limits;
use crate::sys::poll::{Entry, Interest, poll, wait_until};
use crate::sys::socket::Socket;

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
pub fn run<A: End, B: End>(mut a: A, mut b: B, early: Early, idle: Duration) -> Outcome {
    let mut forward = Lane::new(early.forward);
    let mut backward = Lane::new(early.backward);
    let ending = copy(&mut a, &mut b, &mut forward, &mut backward, idle);
    if !matches!(ending, Ending::Complete) {
        // What came intact before the break is still delivered.
        let deadline = Instant::now() + limits::RESCUE;
        forward.rescue(&mut b, deadline);
        backward.rescue(&mut a, deadline);
        a.abort();
        b.abort();
    }
    Outcome { forward: forward.moved, backward: backward.moved, ending }
}

fn copy<A: End, B: End>(a: &mut A, b: &mut B, forward: &mut Lane, backward: &mut Lane, idle: Duration) -> Ending {
    let mut last_traffic = Instant::now();
    // Whether what only traffic needs may still be there.
    let mut warm = true;
    let step = |lane: Result<(), io::Error>| lane.err().map(Ending::Broken);
    if let Some(broken) = step(forward.drain(b)).or_else(|| step(backward.drain(a))) {
        return broken;
    }
    loop {
        let (flushed_a, flushed_b) = match (a.flush(), b.flush()) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(e), _) | (_, Err(e)) => return Ending::Broken(e),
        };
        if forward.done && backward.done && flushed_a && flushed_b {
            return Ending::Complete;
        }
        let held_a = forward.wants_input() && a.holds_input();
        let held_b = backward.wants_input() && b.holds_input();
        let mut entries = [
            Entry::new(
                a.fd(),
                Interest { readable: forward.wants_input(), writable: backward.wants_room() || !flushed_a },
            ),
            Entry::new(
                b.fd(),
                Interest { readable: backward.wants_input(), writable: forward.wants_room() || !flushed_b },
            ),
        ];
        let patience = if held_a || held_b {
            Duration::ZERO
        } else if warm {
            limits::BUFFER_LINGER.min(idle)
        } else {
            idle.saturating_sub(last_traffic.elapsed())
        };
        match poll(&mut entries, Some(patience)) {
            Err(e) => return Ending::Broken(e),
            Ok(0) if !(held_a || held_b) => {
                if last_traffic.elapsed() >= idle {
                    return Ending::Idle;
                }
                forward.release();
                backward.release();
                a.release();
                b.release();
                warm = false;
                continue;
            }
            Ok(_) => (last_traffic, warm) = (Instant::now(), true),
        }
        let [from_a, from_b] = entries;
        let moved = step(forward.turn(a, b, held_a || from_a.readable(), from_b.writable()))
            .or_else(|| step(backward.turn(b, a, held_b || from_b.readable(), from_a.writable())));
        if let Some(broken) = moved {
            return broken;
        }
    }
}

/// One direction: what was read and not yet written.
#[derive(Debug)]
struct Lane {
    /// For a message now and then: nothing is allocated for it.
    small: [u8; limits::PUMP_SMALL],
    /// In place of `small` while more flows than fits there.
    large: Option<Box<[u8]>>,
    /// What was read last filled all of the buffer.
    filled: bool,
    /// `start..end` of the buffer waits to be written; equal when nothing does.
    start: usize,
    end: usize,
    /// The source's stream has ended.
    ended: bool,
    /// Nothing more will be moved: ended and passed on, or the destination takes no more.
    done: bool,
    moved: u64,
}

impl Lane {
    fn new(early: Vec<u8>) -> Self {
        let end = early.len();
        let large = (end > 0).then(|| early.into_boxed_slice());
        let small = [0; limits::PUMP_SMALL];
        Self { small, large, filled: false, start: 0, end, ended: false, done: false, moved: 0 }
    }

    fn wants_input(&self) -> bool {
        !self.ended && !self.done && self.start == self.end
    }

    fn wants_room(&self) -> bool {
        !self.done && self.start < self.end
    }

    fn turn(&mut self, from: &mut impl End, to: &mut impl End, readable: bool, writable: bool) -> io::Result<()> {
        if self.wants_input() && readable {
            // A full buffer means that there is more: it need not be asked for. The other direction gets its turn, too.
            for _ in 0..limits::PUMP_TURN {
                self.fill(from)?;
                self.drain(to)?;
                if !self.filled || !self.wants_input() {
                    break;
                }
            }
            Ok(())
        } else if self.wants_room() && writable {
            self.drain(to)
        } else {
            Ok(())
        }
    }

    fn fill(&mut self, from: &mut impl End) -> io::Result<()> {
        if self.filled && self.large.is_none() {
            self.large = Some(vec![0; limits::PUMP_BUFFER].into_boxed_slice());
        }
        let buffer = self.large.as_deref_mut().unwrap_or(&mut self.small);
        let room = buffer.len();
        let read = match from.read(buffer) {
            Ok(0) => {
                self.ended = true;
                0
            }
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
            Err(e) => return Err(e),
        };
        self.filled = read == room;
        (self.start, self.end) = (0, read);
        Ok(())
    }

    /// Writes what is held; once the source has ended and nothing is held, ends the destination's stream.
    fn drain(&mut self, to: &mut impl End) -> io::Result<()> {
        while self.start < self.end {
            let buffer = self.large.as_deref().unwrap_or(&self.small);
            let held = buffer.get(self.start..self.end).unwrap_or_default();
            match to.write(held) {
                Ok(n) => {
                    self.start += n;
                    self.moved += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return self.give_up(),
            }
        }
        if self.large.as_ref().is_some_and(|buffer| buffer.len() < limits::PUMP_BUFFER) {
            // Early bytes came in a buffer of their own size, too small to go on with.
            self.release();
        }
        if self.ended && !self.done {
            self.done = true;
            self.large = None;
            // The peer may have gone already, which its own direction will tell.
            let _ = to.finish();
        }
        Ok(())
    }

    /// The destination takes no more. It may still have something to say, as a server does that refuses an upload and
    /// answers why: the other direction goes on.
    fn give_up(&mut self) -> io::Result<()> {
        self.done = true;
        self.large = None;
        (self.start, self.end) = (0, 0);
        Ok(())
    }

    /// Writes what is held, waiting for room until `deadline`.
    fn rescue(&mut self, to: &mut impl End, deadline: Instant) {
        while self.wants_room() && self.drain(to).is_ok() && self.wants_room() {
            if wait_until(to.fd(), Interest::WRITE, deadline).is_err() {
                return;
            }
        }
    }

    fn release(&mut self) {
        if self.start == self.end {
            self.large = None;
        }
    }
}
