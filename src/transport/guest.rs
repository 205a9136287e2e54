//! The guest's end of hybrid vsock, which in a real virtual machine the monitor plays.
//!
//! One socket at `PATH` stands for all of the guest's ports: a connection says `CONNECT <port>\n` first, and is then
//! queued for whoever listens on that port. A slow or silent newcomer has a thread and a deadline of its own and delays
//! nobody.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use super::{Listener, bind_unix, port_path};
use crate::config::limits;
use crate::serve::{self, Gate};
use crate::sync::lock;
use crate::sys::connect::connect_unix;
use crate::sys::event::Event;
use crate::sys::poll::{Interest, wait_until};
use crate::sys::socket::Socket;

/// Handshakes in progress at once: as many silent newcomers as any listener has connections.
const HANDSHAKES: usize = limits::MAX_CONNECTIONS;
/// `CONNECT 4294967295\n`.
const LONGEST_GREETING: usize = 19;

/// A queue lives as long as its listener; with it go the connections nobody accepted.
type Ports = Mutex<HashMap<u32, Weak<Queue>>>;

/// Owns `PATH`; dropping it removes the file.
#[derive(Debug)]
pub struct Guest {
    path: PathBuf,
    ports: Arc<Ports>,
    gate: Arc<Gate>,
}

impl Guest {
    /// Listens at `path`.
    ///
    /// # Errors
    /// `AddrInUse` when somebody answers there already.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let listener = Listener::Unix(bind_unix(path)?);
        let ports = Arc::new(Ports::default());
        let gate = Gate::new(HANDSHAKES)?;
        let (known, again) = (Arc::clone(&ports), Arc::clone(&ports));
        let at_once = move |socket| greet_at_once(socket, &known);
        serve::spawn_trying("hybrid vsock", listener, &gate, at_once, move |socket| greet(socket, &again))?;
        Ok(Self { path: path.to_owned(), ports, gate })
    }

    pub(super) fn listen(&self, port: u32) -> io::Result<Arc<Queue>> {
        let queue = Arc::new(Queue::new()?);
        let mut ports = lock(&self.ports);
        if ports.get(&port).is_some_and(|old| old.strong_count() > 0) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        ports.insert(port, Arc::downgrade(&queue));
        Ok(queue)
    }

    /// Takes no more connections and removes the file.
    pub(super) fn close(&self) {
        self.gate.close();
        let _ = std::fs::remove_file(&self.path);
    }

    pub(super) fn dial_host(&self, port: u32, patience: Duration) -> io::Result<Socket> {
        connect_unix(&port_path(&self.path, port), patience)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.close();
    }
}

/// Connections that asked for one port and wait to be accepted.
#[derive(Debug)]
pub struct Queue {
    waiting: Mutex<VecDeque<Socket>>,
    /// As often raised as there are connections waiting.
    ready: Event,
}

impl Queue {
    fn new() -> io::Result<Self> {
        Ok(Self { waiting: Mutex::default(), ready: Event::new()? })
    }

    pub(super) fn take(&self) -> io::Result<Socket> {
        let next = if self.ready.take() { lock(&self.waiting).pop_front() } else { None };
        next.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    /// Says `answer` on the connection and queues it; false, and closed without a word, when the backlog is full.
    fn put(&self, socket: Socket, answer: &str) -> bool {
        let mut waiting = lock(&self.waiting);
        // A few bytes into an empty socket: they fit at once, or the peer has gone.
        if waiting.len() >= limits::BACKLOG || socket.write(answer.as_bytes()).ok() != Some(answer.len()) {
            return false;
        }
        waiting.push_back(socket);
        self.ready.raise();
        true
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}

/// [`greet`] for a greeting that is there already, as it nearly always is: a thread for it would cost more than all the rest.
fn greet_at_once(socket: Socket, ports: &Ports) -> Option<Socket> {
    let mut seen = [0; LONGEST_GREETING];
    match socket.peek(&mut seen) {
        Ok(length) if seen.iter().take(length).any(|byte| *byte == b'\n') => {
            greet(socket, ports);
            None
        }
        _ => Some(socket),
    }
}

/// Reads `CONNECT <port>\n`, answers `OK <port>\n` and queues. Anything else is answered by closing, as the monitors do.
fn greet(socket: Socket, ports: &Ports) {
    let deadline = Instant::now() + limits::FRAME;
    let Some(port) = read_greeting(&socket, deadline) else {
        return;
    };
    let listener = lock(ports).get(&port).and_then(Weak::upgrade);
    let Some(queue) = listener else { return };
    if !queue.put(socket, &format!("OK {port}\n")) {
        log::debug!("hybrid vsock: refused a connection to port {port}: its peer is gone, or {} wait", limits::BACKLOG);
    }
}

fn read_greeting(socket: &Socket, deadline: Instant) -> Option<u32> {
    let mut line = Vec::with_capacity(LONGEST_GREETING);
    // What follows the newline is the connection's own data: only looked at, not taken.
    while line.len() < LONGEST_GREETING {
        let mut seen = [0; LONGEST_GREETING];
        let length = match socket.peek(seen.get_mut(line.len()..)?) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                wait_until(socket.as_fd(), Interest::READ, deadline).ok()?;
                continue;
            }
            peeked => peeked.ok().filter(|length| *length > 0)?,
        };
        let seen = seen.get(line.len()..line.len() + length)?;
        let end = seen.iter().position(|byte| *byte == b'\n');
        let begun = line.len();
        line.resize(begun + end.map_or(length, |end| end + 1), 0);
        socket.read_exact_until(line.get_mut(begun..)?, deadline).ok()?;
        if end.is_some() {
            return std::str::from_utf8(&line).ok()?.strip_suffix('\n')?.strip_prefix("CONNECT ")?.parse().ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_greeting_is_read_to_its_newline_and_no_further() {
        let ask = |bytes: &[u8]| {
            let (a, b) = UnixStream::pair().unwrap();
            let (a, b) = (Socket::from(OwnedFd::from(a)), Socket::from(OwnedFd::from(b)));
            a.write(bytes).unwrap();
            (read_greeting(&b, Instant::now()), b.read(&mut [0; 64]).unwrap_or(0))
        };
        assert_eq!(ask(b"CONNECT 17000\ndata"), (Some(17000), 4));
        assert_eq!(ask(b"CONNECT 4294967295\n").0, Some(u32::MAX));
        for bad in ["CONNECT 4294967296\n", "CONNECT -1\n", "connect 1\n", "CONNECT 1", "\n", "CONNECT 1 \n"] {
            assert_eq!(ask(bad.as_bytes()).0, None, "{bad:?}");
        }
    }
}
