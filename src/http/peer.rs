//! A connection of the proxy, with the bytes read and not yet understood, and those not yet sent.

use std::io;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use zeroize::Zeroize;

use crate::sys::memory;
use crate::sys::socket::Socket;

/// How much is read at once, and how much may wait to be sent before reading pauses.
pub const WINDOW: usize = 32 << 10;

/// How long a connection that is being closed is read from, so that its peer gets to see the last answer: closing with
/// unread bytes resets the connection and may destroy the answer on its way.
const LINGER: Duration = Duration::from_secs(2);

/// Makes room for `more` bytes at the end of `buffer`. Where that takes another allocation, the old one is wiped: it may
/// be a request's body, of which nothing is to stay behind. What is no larger than a head and a window of a body is not asked
/// about: there was room for it when the connection was taken.
///
/// # Errors
/// `OutOfMemory`, where an allocation that nobody asked about would end the process.
pub(super) fn reserve(buffer: &mut Vec<u8>, more: usize) -> io::Result<()> {
    let length = buffer.len() + more;
    if length <= buffer.capacity() {
        return Ok(());
    }
    let wanted = length.max(2 * buffer.capacity());
    if length > 2 * WINDOW {
        memory::room_for(wanted)?;
    }
    let mut larger = Vec::new();
    larger.try_reserve_exact(wanted).map_err(|_| io::ErrorKind::OutOfMemory)?;
    larger.extend_from_slice(buffer);
    wipe(buffer);
    *buffer = larger;
    Ok(())
}

/// Empties a buffer of which no more was ever filled than is in it now: what is behind that need not be wiped.
pub(super) fn wipe(buffer: &mut Vec<u8>) {
    buffer.as_mut_slice().zeroize();
    buffer.clear();
}

/// One side of an exchange.
#[derive(Debug)]
pub struct Peer {
    /// The connection.
    pub socket: Socket,
    /// Read, not yet understood.
    pub input: Vec<u8>,
    /// Understood, not yet sent.
    pub output: Vec<u8>,
    /// The peer has ended its stream.
    pub ended: bool,
}

impl Peer {
    /// A fresh connection.
    #[must_use]
    pub fn new(socket: Socket) -> Self {
        Self { socket, input: Vec::new(), output: Vec::new(), ended: false }
    }

    /// Adds what is there to `input`. True when anything changed.
    ///
    /// # Errors
    /// When the connection is broken; `OutOfMemory` when it is not, but there is no room for more.
    pub fn receive(&mut self) -> io::Result<bool> {
        let old = self.input.len();
        reserve(&mut self.input, WINDOW)?;
        self.input.resize(old + WINDOW, 0);
        let result = self.socket.read(&mut self.input[old..]);
        self.input.truncate(old + *result.as_ref().unwrap_or(&0));
        match result {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(e) => return Err(e),
        }
        Ok(true)
    }

    /// Sends what fits of `output`.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn send(&mut self) -> io::Result<()> {
        let mut sent = 0;
        let result = loop {
            match self.output.get(sent..) {
                None | Some([]) => break Ok(()),
                Some(rest) => match self.socket.write(rest) {
                    Ok(n) => sent += n,
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                    Err(e) => break Err(e),
                },
            }
        };
        self.output.drain(..sent);
        result
    }

    /// Takes the first `n` bytes of `input`, of which no copy is left there.
    pub fn take(&mut self, n: usize) -> Vec<u8> {
        let left = self.input.len().saturating_sub(n);
        // Of the two parts the smaller is copied.
        if n > left {
            let rest = self.input.get(n..).unwrap_or_default().to_vec();
            self.input.get_mut(n..).unwrap_or_default().zeroize();
            self.input.truncate(n);
            return std::mem::replace(&mut self.input, rest);
        }
        let first = self.input.get(..n).unwrap_or_default().to_vec();
        self.input.copy_within(n.., 0);
        self.input.get_mut(left..).unwrap_or_default().zeroize();
        self.input.truncate(left);
        first
    }

    /// Sends the rest of `output`, ends the stream and waits a moment for the peer to do the same.
    pub fn close(self) {
        let deadline = Instant::now() + LINGER;
        if self.socket.write_all_until(&self.output, deadline).is_err()
            || self.socket.shutdown(Shutdown::Write).is_err()
        {
            return;
        }
        let mut scrap = [0; 4096];
        while Instant::now() < deadline && matches!(self.socket.read_until(&mut scrap, deadline), Ok(1..)) {}
    }
}
