//! One direction of a tunnel: from its source to its destination, and what is in between.
//!
//! A message goes through the tunnel's [`Scratch`] and is gone when the destination took it; what did not fit waits in
//! the lane, and nothing more is read until it went. When one buffer after the other comes full and both ends are plain
//! sockets, a pipe takes over: the kernel moves the bytes, until the flow pauses.

use std::io;
use std::time::Instant;

use super::End;
use crate::config::limits;
use crate::sys::pipe::Pipe;
use crate::sys::poll::{Interest, wait_until};

/// Where a tunnel's bytes are between a read and the write that follows at once. Both directions share it.
pub(super) struct Scratch {
    /// For a message now and then: nothing is allocated for it.
    small: [u8; limits::PUMP_SMALL],
    /// In place of `small` while more flows than fits there.
    large: Option<Box<[u8]>>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { small: [0; limits::PUMP_SMALL], large: None }
    }
}

impl Scratch {
    fn buffer(&mut self) -> &mut [u8] {
        self.large.as_deref_mut().unwrap_or(&mut self.small)
    }

    /// Without memory for it the small one has to do.
    fn grow(&mut self) {
        let mut bytes = Vec::new();
        if self.large.is_none() && bytes.try_reserve_exact(limits::PUMP_BUFFER).is_ok() {
            bytes.extend(std::iter::repeat_n(0, limits::PUMP_BUFFER));
            self.large = Some(bytes.into_boxed_slice());
        }
    }

    /// What is in it at `start..end`, to be kept: a large buffer is handed over as it is.
    fn keep(&mut self, start: usize, end: usize) -> Waiting {
        match self.large.take() {
            Some(bytes) => Waiting { bytes, start, end },
            None => Waiting::new(self.small.get(start..end).unwrap_or_default().to_vec()),
        }
    }

    /// A buffer that is no longer needed elsewhere.
    fn give_back(&mut self, bytes: Box<[u8]>) {
        if self.large.is_none() && bytes.len() == limits::PUMP_BUFFER {
            self.large = Some(bytes);
        }
    }

    pub(super) fn release(&mut self) {
        self.large = None;
    }
}

/// Bytes that the destination has not taken yet: `start..end` of them.
struct Waiting {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Waiting {
    fn new(bytes: Vec<u8>) -> Self {
        Self { start: 0, end: bytes.len(), bytes: bytes.into_boxed_slice() }
    }
}

/// What moves the bytes of a stream.
enum Kernel {
    /// Not asked yet, or not again since the flow last paused.
    Idle,
    Pipe(Pipe),
    /// It cannot, with these sockets or now.
    Refused,
}

/// One direction. Of what it holds at most one is there: bytes that wait, or bytes in the pipe.
pub(super) struct Lane {
    waiting: Option<Waiting>,
    kernel: Kernel,
    /// How many reads in a row filled the whole buffer.
    filled: u32,
    /// The source's stream has ended.
    ended: bool,
    /// Nothing more will be moved: ended and passed on, or the destination takes no more.
    pub(super) done: bool,
    /// Bytes the destination took.
    pub(super) moved: u64,
}

impl Lane {
    /// `early` goes before everything the source has.
    pub(super) fn new(early: Vec<u8>) -> Self {
        let waiting = (!early.is_empty()).then(|| Waiting::new(early));
        Self { waiting, kernel: Kernel::Idle, filled: 0, ended: false, done: false, moved: 0 }
    }

    fn holds(&self) -> bool {
        self.waiting.is_some() || matches!(&self.kernel, Kernel::Pipe(pipe) if pipe.held() > 0)
    }

    pub(super) fn wants_input(&self) -> bool {
        !self.ended && !self.done && !self.holds()
    }

    /// What changes whenever the lane gets on.
    pub(super) fn progress(&self) -> (u64, bool, bool) {
        (self.moved, self.ended, self.done)
    }

    pub(super) fn wants_room(&self) -> bool {
        !self.done && self.holds()
    }

    /// Moves what can be moved now. A full buffer means that there is more, and need not be asked for; but the other
    /// direction gets its turn, too.
    pub(super) fn turn(
        &mut self,
        from: &mut impl End,
        to: &mut impl End,
        scratch: &mut Scratch,
        readable: bool,
        writable: bool,
    ) -> io::Result<()> {
        if self.wants_room() && writable {
            self.drain(to, scratch)?;
            if self.filled == 0 {
                return Ok(());
            }
        } else if !readable {
            return Ok(());
        }
        for _ in 0..limits::PUMP_TURN {
            if !self.wants_input() || !self.pass(from, to, scratch)? {
                break;
            }
        }
        Ok(())
    }

    /// Reads once, and writes what that gave. Tells whether there is probably more.
    fn pass(&mut self, from: &mut impl End, to: &mut impl End, scratch: &mut Scratch) -> io::Result<bool> {
        if self.filled >= limits::PUMP_STREAM {
            self.begin_pipe(from, to);
        }
        if let (Kernel::Pipe(pipe), Some(source)) = (&mut self.kernel, from.plain()) {
            match pipe.fill(source) {
                Ok(read @ 1..) => {
                    self.drain(to, scratch)?;
                    return Ok(read >= limits::PUMP_BUFFER);
                }
                // A splice stops at an urgent byte (MSG_OOB) as at the end, or as if nothing were there. A read does not.
                Ok(_) => self.kernel = Kernel::Refused,
                Err(e) if e.kind() == io::ErrorKind::InvalidInput => self.kernel = Kernel::Refused,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        let buffer = scratch.buffer();
        let (room, read) = (buffer.len(), from.read(buffer));
        let read = self.note_read(read)?;
        let between_pieces = read == 0 && !self.ended && matches!(self.kernel, Kernel::Pipe(_));
        if read < room && !between_pieces {
            self.filled = 0;
        } else if read == room {
            self.filled = self.filled.saturating_add(1);
        }
        let Ok(written) = self.write(to, scratch.buffer().get(..read).unwrap_or_default()) else {
            self.give_up();
            return Ok(false);
        };
        if written < read {
            self.waiting = Some(scratch.keep(written, read));
            return Ok(false);
        }
        if self.ended {
            self.finish(to);
        } else if self.filled > 0 {
            scratch.grow();
        }
        Ok(self.filled > 0)
    }

    /// What a read said: how much there was, 0 also when there was nothing yet.
    fn note_read(&mut self, read: io::Result<usize>) -> io::Result<usize> {
        match read {
            Ok(0) => self.ended = true,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            _ => {}
        }
        read
    }

    /// Writes until all is gone or nothing more fits; tells how much went. An error is for good.
    fn write(&mut self, to: &mut impl End, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while let Some(rest @ [_, ..]) = bytes.get(written..) {
            match to.write(rest) {
                Ok(n) => {
                    written += n;
                    self.moved += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        Ok(written)
    }

    /// Writes what is held; once the source has ended and nothing is held, ends the destination's stream.
    pub(super) fn drain(&mut self, to: &mut impl End, scratch: &mut Scratch) -> io::Result<()> {
        if let Some(mut waiting) = self.waiting.take() {
            match self.write(to, waiting.bytes.get(waiting.start..waiting.end).unwrap_or_default()) {
                Ok(written) => waiting.start += written,
                Err(_) => {
                    self.give_up();
                    return Ok(());
                }
            }
            if waiting.start < waiting.end {
                self.waiting = Some(waiting);
            } else {
                scratch.give_back(waiting.bytes);
            }
        }
        while let (Kernel::Pipe(pipe), Some(sink)) = (&mut self.kernel, to.plain())
            && pipe.held() > 0
        {
            match pipe.drain(sink) {
                Ok(moved) => self.moved += moved as u64,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::InvalidInput => return self.end_pipe(),
                Err(_) => {
                    self.give_up();
                    return Ok(());
                }
            }
        }
        if self.ended && !self.holds() {
            self.finish(to);
        }
        Ok(())
    }

    fn finish(&mut self, to: &mut impl End) {
        if !self.done {
            self.done = true;
            self.kernel = Kernel::Refused;
            // The peer may have gone already, which its own direction will tell.
            let _ = to.finish();
        }
    }

    /// The destination takes no more. It may still have something to say, as a server does that refuses an upload and
    /// answers why: the other direction goes on.
    fn give_up(&mut self) {
        self.done = true;
        self.waiting = None;
        self.kernel = Kernel::Refused;
    }

    #[inline(never)]
    fn begin_pipe(&mut self, from: &impl End, to: &impl End) {
        if let (Kernel::Idle, Some(from), Some(to)) = (&self.kernel, from.plain(), to.plain()) {
            self.kernel = Pipe::between(from, to).map_or(Kernel::Refused, Kernel::Pipe);
        }
    }

    /// The kernel takes bytes from the source, but cannot hand them to the destination: this process does.
    #[inline(never)]
    fn end_pipe(&mut self) -> io::Result<()> {
        if let Kernel::Pipe(pipe) = std::mem::replace(&mut self.kernel, Kernel::Refused) {
            self.waiting = Some(Waiting::new(pipe.into_bytes()?));
        }
        Ok(())
    }

    /// Writes what is held, waiting for room until `deadline`.
    pub(super) fn rescue(&mut self, to: &mut impl End, scratch: &mut Scratch, deadline: Instant) {
        while self.wants_room() && self.drain(to, scratch).is_ok() && self.wants_room() {
            if wait_until(to.fd(), Interest::WRITE, deadline).is_err() {
                return;
            }
        }
    }

    /// Gives back what only a flow needs.
    pub(super) fn release(&mut self) {
        if !self.holds() {
            (self.kernel, self.filled) = (Kernel::Idle, 0);
        }
    }
}
