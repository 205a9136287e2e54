//! The TLS side of a tunnel: rustls over a socket that never blocks.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use rustls::{ServerConfig, ServerConnection};

use super::End;
use crate::config::limits;
use crate::sys::poll::{Interest, wait_until};
use crate::sys::socket::Socket;

/// A TLS server's end of a connection whose handshake is done.
pub struct TlsEnd {
    socket: Socket,
    session: ServerConnection,
    incoming: Incoming,
    /// Decrypted bytes the session holds.
    plaintext: usize,
    /// The client has ended its stream, or broken it. The socket may stay silent about that, so no poll tells.
    over: bool,
    /// The stream towards the client has been ended; what remains is to say so on the socket once all is flushed.
    finishing: bool,
}

impl fmt::Debug for TlsEnd {
    /// Never shows the session: it holds keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsEnd").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl TlsEnd {
    /// Does the handshake, on the calling thread, before `deadline`.
    ///
    /// # Errors
    /// `TimedOut` at the deadline, `InvalidData` with rustls's reason when the client's messages are unacceptable (the
    /// alert has been sent then), `UnexpectedEof` when the client leaves.
    pub fn accept(socket: Socket, config: &Arc<ServerConfig>, deadline: Instant) -> io::Result<Self> {
        let mut session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        session.set_buffer_limit(Some(limits::PUMP_BUFFER));
        let incoming = Incoming::default();
        let mut end = Self { socket, session, incoming, plaintext: 0, over: false, finishing: false };
        while end.session.is_handshaking() {
            if end.session.wants_write() {
                if !end.flush()? {
                    wait_until(end.socket.as_fd(), Interest::WRITE, deadline)?;
                }
                continue;
            }
            if end.incoming.is_empty() {
                wait_until(end.socket.as_fd(), Interest::READ, deadline)?;
            }
            match end.receive() {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
        Ok(end)
    }

    /// Takes ciphertext from the socket and decrypts it. 0 when the client closed the connection.
    fn receive(&mut self) -> io::Result<usize> {
        let mut taken = 0;
        // A session that failed takes no more, and says why again.
        if !self.over {
            self.incoming.fill(&self.socket)?;
            taken = self.session.read_tls(&mut self.incoming)?;
        }
        match self.session.process_new_packets() {
            Ok(state) => {
                self.plaintext = state.plaintext_bytes_to_read();
                self.over = state.peer_has_closed();
                Ok(taken)
            }
            Err(e) => {
                self.over = true;
                // An alert tells the client why; whether it gets there is the client's concern.
                let _ = self.flush();
                Err(io::Error::new(io::ErrorKind::InvalidData, e))
            }
        }
    }
}

impl End for TlsEnd {
    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn holds_input(&self) -> bool {
        self.plaintext > 0 || self.over || !self.incoming.is_empty()
    }

    /// As many records as there are and fit: each by itself would be a round of the tunnel's.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest @ [_, ..]) = buf.get_mut(filled..) {
            let read = match self.session.reader().read(rest) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.plaintext = 0;
                    if filled > 0 && self.incoming.is_empty() {
                        break;
                    }
                    // At the end of the socket without close_notify the next reader().read says UnexpectedEof.
                    self.receive().map(|_| None)
                }
                read => read.map(Some),
            };
            match read {
                Ok(None) => {}
                Ok(Some(0)) => break,
                Ok(Some(n)) => {
                    filled += n;
                    self.plaintext = self.plaintext.saturating_sub(n);
                }
                // First what came before it: the session says the same again.
                Err(_) if filled > 0 => break,
                Err(e) => return Err(e),
            }
        }
        Ok(filled)
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.session.writer().write(buf)? {
            // The session's own buffer is full.
            0 if !buf.is_empty() && !self.flush()? => Err(io::ErrorKind::WouldBlock.into()),
            0 if !buf.is_empty() => self.session.writer().write(buf),
            n => {
                self.flush()?;
                Ok(n)
            }
        }
    }

    fn flush(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Outgoing(&self.socket)) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        if self.finishing {
            self.finishing = false;
            let _ = self.socket.shutdown(Shutdown::Write);
        }
        Ok(true)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.session.send_close_notify();
        self.finishing = true;
        self.flush().map(drop)
    }

    fn abort(&mut self) {
        self.socket.reset_after_delivery();
    }

    fn release(&mut self) {
        self.incoming.release();
    }
}

/// Ciphertext on its way to the session, which by itself would ask the kernel for 4 KiB at a time.
#[derive(Default)]
struct Incoming {
    /// Present only while there is traffic.
    buffer: Option<Box<[u8]>>,
    /// `buffer[start..end]` has not been taken yet.
    start: usize,
    end: usize,
}

impl Incoming {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Reads what is there, unless something is left. The end of the stream leaves it empty, as rustls expects it.
    fn fill(&mut self, socket: &Socket) -> io::Result<()> {
        if self.is_empty() {
            let buffer = self.buffer.get_or_insert_with(|| vec![0; limits::TLS_INPUT].into_boxed_slice());
            (self.start, self.end) = (0, 0);
            self.end = socket.read(buffer)?;
        }
        Ok(())
    }

    fn release(&mut self) {
        if self.is_empty() {
            self.buffer = None;
        }
    }
}

impl Read for Incoming {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let held = self.buffer.as_deref().and_then(|buffer| buffer.get(self.start..self.end)).unwrap_or_default();
        let n = held.len().min(buf.len());
        buf[..n].copy_from_slice(&held[..n]);
        self.start += n;
        Ok(n)
    }
}

/// The socket as rustls writes to it.
struct Outgoing<'a>(&'a Socket);

impl Write for Outgoing<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }
    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(pieces)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
