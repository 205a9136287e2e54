//! One client's connection: reading its requests, keeping its answers until it has taken them.

use std::io;
use std::net::Shutdown;
use std::time::Instant;

use super::server::{announce_close, refusal};
use crate::config::limits;
use crate::outbound::body::Follower;
use crate::outbound::head::{Framing, HeadError, RequestHead, Scanner, Version};
use crate::outbound::peer::Peer;
use crate::serve::Pass;
use crate::sys::poll::Interest;
use crate::sys::socket::Socket;

/// A connection.
pub(super) struct Client {
    /// Never used again.
    pub(super) id: u64,
    pub(super) peer: Peer,
    state: State,
    /// When the state ends by itself.
    pub(super) deadline: Instant,
    _pass: Pass,
}

enum State {
    /// A head is being read.
    Head(Scanner),
    /// A body is being read: so much of the input belongs to it.
    Body { head: RequestHead, follower: Follower, length: usize, chunked: bool },
    /// A whole request waits for a handler.
    Ready(Request),
    /// A handler has it.
    Handled { close: bool },
    /// The answer is being sent.
    Answering { close: bool },
    /// Everything is sent; what still comes is thrown away.
    Lingering,
    /// To be dropped.
    Gone,
}

/// A request, whole and within all limits.
pub(super) struct Request {
    /// What goes to tiny_http.
    pub(super) bytes: Vec<u8>,
    /// An answer to it has no body.
    pub(super) is_head: bool,
    close: bool,
}

impl Client {
    pub(super) fn new(id: u64, socket: Socket, pass: Pass) -> Self {
        let deadline = Instant::now() + limits::HEADER_READ;
        Self { id, peer: Peer::new(socket), state: State::Head(Scanner::default()), deadline, _pass: pass }
    }

    /// What to poll for.
    pub(super) fn interest(&self) -> Interest {
        match self.state {
            State::Head(_) | State::Body { .. } | State::Lingering => Interest::READ,
            State::Answering { .. } => Interest::WRITE,
            _ => Interest::default(),
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// Nothing is under way: the connection may be closed without anybody missing an answer.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Head(_)) && self.peer.input.is_empty()
    }

    /// Bytes held for it.
    pub(super) fn held(&self) -> usize {
        let ready = if let State::Ready(request) = &self.state { request.bytes.len() } else { 0 };
        self.peer.input.len() + self.peer.output.len() + ready
    }

    /// Goes on after `poll` said that it could. `full`: no more bytes may be held.
    pub(super) fn proceed(&mut self, full: bool) {
        if self.try_proceed(full).is_err() {
            self.state = State::Gone;
        }
    }

    fn try_proceed(&mut self, full: bool) -> io::Result<()> {
        match self.state {
            State::Head(_) | State::Body { .. } => {
                let begun = !self.peer.input.is_empty();
                self.peer.receive()?;
                if !begun && !self.peer.input.is_empty() && matches!(self.state, State::Head(_)) {
                    self.deadline = self.deadline.min(Instant::now() + limits::HEADER_READ);
                }
                if full {
                    self.refuse(503, "too many bytes of requests at once; try again");
                    return Ok(());
                }
                self.advance();
            }
            State::Answering { close } => {
                self.peer.send()?;
                if self.peer.output.is_empty() {
                    self.answered(close)?;
                }
            }
            State::Lingering => {
                self.peer.receive()?;
                self.peer.input.clear();
                if self.peer.ended {
                    self.state = State::Gone;
                }
            }
            State::Ready(_) | State::Handled { .. } | State::Gone => {}
        }
        Ok(())
    }

    /// The deadline has passed.
    pub(super) fn expire(&mut self) {
        match self.state {
            State::Head(_) if self.peer.input.is_empty() => self.state = State::Gone,
            State::Head(_) | State::Body { .. } => self.refuse(408, "the request did not arrive in time"),
            State::Ready(_) | State::Handled { .. } => self.refuse(503, "no answer in time; try again"),
            State::Answering { .. } | State::Lingering | State::Gone => self.state = State::Gone,
        }
    }

    /// The whole request, once.
    pub(super) fn take_request(&mut self) -> Option<Request> {
        if !matches!(self.state, State::Ready(_)) {
            return None;
        }
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Ready(request) => {
                self.state = State::Handled { close: request.close };
                Some(request)
            }
            _ => None,
        }
    }

    /// A handler's answer, as bytes; `None` when there is none.
    pub(super) fn answer(&mut self, answer: Option<Vec<u8>>) {
        // It may have been told in the meantime that none came in time.
        let State::Handled { close } = self.state else { return };
        match answer {
            Some(mut bytes) => {
                if close {
                    announce_close(&mut bytes);
                }
                self.begin_answer(bytes, close);
            }
            None => self.refuse(503, "a defect in odyn; its log names the place"),
        }
    }

    fn refuse(&mut self, status: u16, error: &str) {
        self.peer.input = Vec::new();
        self.begin_answer(refusal(status, error), true);
    }

    fn begin_answer(&mut self, bytes: Vec<u8>, close: bool) {
        // Behind a `100 Continue` that the client has not taken yet.
        self.peer.output.extend_from_slice(&bytes);
        self.state = State::Answering { close };
        self.deadline = Instant::now() + limits::API_ANSWER_READ;
        // Nearly always there is room; if not, poll says when.
        self.proceed(false);
    }

    fn answered(&mut self, close: bool) -> io::Result<()> {
        if close || self.peer.ended && self.peer.input.is_empty() {
            self.peer.socket.shutdown(Shutdown::Write)?;
            self.state = State::Lingering;
            self.deadline = Instant::now() + limits::API_LINGER;
            return Ok(());
        }
        self.state = State::Head(Scanner::default());
        let wait = if self.peer.input.is_empty() { limits::KEEP_ALIVE } else { limits::HEADER_READ };
        self.deadline = Instant::now() + wait;
        // The next request may be there already.
        self.advance();
        Ok(())
    }

    /// Understands as much of the input as there is.
    fn advance(&mut self) {
        if let State::Head(scanner) = &mut self.state {
            match scanner.head_length(&self.peer.input, limits::REQUEST_HEAD) {
                Ok(Some(length)) => {
                    let bytes = self.peer.take(length);
                    self.begin_body(&bytes);
                }
                Ok(None) if self.peer.ended => self.state = State::Gone,
                Ok(None) => {}
                Err(e) => self.refuse_head(e),
            }
        }
        if matches!(self.state, State::Body { .. }) {
            self.advance_body();
        }
    }

    fn begin_body(&mut self, bytes: &[u8]) {
        let head = RequestHead::parse(bytes);
        let (head, framing) = match head.and_then(|head| head.framing().map(|framing| (head, framing))) {
            Ok(parsed) => parsed,
            Err(e) => return self.refuse_head(e),
        };
        if matches!(framing, Framing::Length(length) if length > limits::API_BODY as u64) {
            return self.refuse(413, "the body is larger than 10 MiB");
        }
        if head.fields.lists("expect", "100-continue") && self.peer.input.is_empty() && framing != Framing::Length(0) {
            self.peer.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            if self.peer.send().is_err() {
                self.state = State::Gone;
                return;
            }
        }
        self.deadline = Instant::now() + limits::API_BODY_READ;
        let chunked = framing == Framing::Chunked;
        self.state = State::Body { head, follower: Follower::new(framing), length: 0, chunked };
    }

    fn advance_body(&mut self) {
        let State::Body { follower, length, .. } = &mut self.state else { return };
        match follower.advance(self.peer.input.get(*length..).unwrap_or_default()) {
            Ok(more) => *length += more,
            Err(_) => return self.refuse(400, "body: malformed chunk"),
        }
        // Chunked, and counted with its framing.
        if *length > limits::API_BODY && !follower.is_done() || *length > 2 * limits::API_BODY {
            return self.refuse(413, "the body is larger than 10 MiB");
        }
        if !follower.is_done() {
            if self.peer.ended {
                self.state = State::Gone;
            }
            return;
        }
        let State::Body { head, length, chunked, .. } = std::mem::replace(&mut self.state, State::Gone) else { return };
        let body = self.peer.take(length);
        let body = if chunked { dechunk(&body) } else { Some(body) };
        match body {
            Some(body) if body.len() <= limits::API_BODY => {
                self.state = State::Ready(Request::new(&head, &body));
                self.deadline = Instant::now() + limits::API_ANSWER;
            }
            Some(_) => self.refuse(413, "the body is larger than 10 MiB"),
            None => self.refuse(400, "body: malformed chunk"),
        }
    }

    fn refuse_head(&mut self, e: HeadError) {
        let status = match e {
            HeadError::TooLarge => 431,
            _ => 400,
        };
        self.refuse(status, &format!("request: {e}"));
    }
}

impl Request {
    /// Rewritten: of its fields, only the body's length means anything to a handler.
    fn new(head: &RequestHead, body: &[u8]) -> Self {
        let RequestHead { method, target, .. } = head;
        let start = format!("{method} {target} HTTP/1.1\r\nHost: odyn\r\nContent-Length: {}\r\n\r\n", body.len());
        let close = head.version == Version::V10 || head.fields.lists("connection", "close");
        Self { bytes: [start.as_bytes(), body].concat(), is_head: method == "HEAD", close }
    }
}

/// The data of a chunked body whose framing was followed to its end. (`tiny_http`'s decoder knows no trailers.)
fn dechunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let end = bytes.iter().position(|b| *b == b'\n')?;
        let (line, rest) = bytes.split_at_checked(end + 1)?;
        let digits = line.split(|b| matches!(b, b';' | b'\r')).next()?;
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            return Some(data);
        }
        let (chunk, rest) = rest.split_at_checked(size)?;
        data.extend_from_slice(chunk);
        bytes = rest.strip_prefix(b"\r\n")?;
    }
}
