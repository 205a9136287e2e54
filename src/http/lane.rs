//! A private connection to `tiny_http`, which carries one request at a time to a handler, and its answer back.

use std::os::fd::{AsFd, BorrowedFd};

use super::chunks::Chunks;
use super::client::Whole;
use super::head::{Framing, ResponseHead, Scanner};
use super::peer::Peer;
use super::service::Work;
use crate::config::limits;
use crate::sys::poll::Interest;
use crate::sys::socket::Socket;

/// The front's end of such a connection.
pub(super) struct Lane {
    /// What its handler does.
    pub(super) work: Work,
    peer: Peer,
    /// What of the request has not gone into the connection yet.
    rest: Chunks,
    /// Whose request it carries, unless it carries none.
    task: Option<Task>,
}

struct Task {
    client: u64,
    is_head: bool,
    scanner: Scanner,
    /// The answer's length, once its head is there.
    length: Option<usize>,
    answer: Chunks,
}

/// `tiny_http` closed the connection, or said what nobody asked for. Neither should ever happen.
pub(super) struct Broken;

impl Lane {
    pub(super) fn new(work: Work, socket: Socket) -> Self {
        Self { work, peer: Peer::new(socket), rest: Chunks::default(), task: None }
    }

    /// The client that waits for its answer.
    pub(super) fn client(&self) -> Option<u64> {
        self.task.as_ref().map(|task| task.client)
    }

    pub(super) fn carry(&mut self, client: u64, request: Whole) {
        let (scanner, answer) = (Scanner::default(), Chunks::default());
        self.task = Some(Task { client, is_head: request.is_head, scanner, length: None, answer });
        self.peer.output = request.head;
        self.rest = request.body;
        // An error shows again, when the answer is read.
        let _ = self.send();
    }

    pub(super) fn interest(&self) -> Interest {
        Interest { readable: true, writable: !self.peer.output.is_empty() }
    }

    /// The whole answer and whose it is, once it is there.
    pub(super) fn proceed(&mut self) -> Result<Option<(u64, Chunks)>, Broken> {
        if self.send().is_err() || self.peer.receive().is_err() || self.peer.ended {
            return Err(Broken);
        }
        let Some(task) = &mut self.task else {
            // Bytes that nobody asked for would be the next client's answer.
            return if self.peer.input.is_empty() { Ok(None) } else { Err(Broken) };
        };
        if task.length.is_none() {
            let head = task.scanner.head_length(&self.peer.input, limits::RESPONSE_HEAD).map_err(|_| Broken)?;
            let Some(head) = head else { return Ok(None) };
            let bytes = self.peer.input.get(..head).unwrap_or_default();
            let method = if task.is_head { "HEAD" } else { "GET" };
            let framing = ResponseHead::parse(bytes).and_then(|parsed| parsed.framing(method)).map_err(|_| Broken)?;
            let Framing::Length(body) = framing else { return Err(Broken) };
            task.length = Some(head.saturating_add(usize::try_from(body).map_err(|_| Broken)?));
        }
        task.answer.push(std::mem::take(&mut self.peer.input));
        match task.length {
            Some(length) if task.answer.len() > length => Err(Broken),
            Some(length) if task.answer.len() == length => Ok(self.task.take().map(|task| (task.client, task.answer))),
            _ => Ok(None),
        }
    }

    fn send(&mut self) -> std::io::Result<()> {
        loop {
            self.peer.send()?;
            if !self.peer.output.is_empty() {
                return Ok(());
            }
            let Some(piece) = self.rest.pop() else { return Ok(()) };
            self.peer.output = piece;
        }
    }
}

impl AsFd for Lane {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.peer.socket.as_fd()
    }
}
