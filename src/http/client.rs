//! One client's connection: reading its requests, keeping its answers until it has taken them.

use std::io;
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::body::Follower;
use super::chunks::Chunks;
use super::head::{Framing, HeadError, RequestHead, Scanner, Version};
use super::peer::{Peer, WINDOW, reserve, wipe};
use super::server::{NO_ROOM, announce_close, refusal};
use super::service::{Plan, Request, Service, Work};
use crate::config::limits;
use crate::serve::Pass;
use crate::sys::memory;
use crate::sys::poll::Interest;
use crate::sys::socket::Socket;

/// A connection.
pub(super) struct Client {
    /// Never used again.
    pub(super) id: u64,
    pub(super) peer: Peer,
    service: Arc<dyn Service>,
    state: State,
    /// When the state ends by itself.
    pub(super) deadline: Instant,
    _pass: Pass,
}

enum State {
    /// A head is being read.
    Head(Scanner),
    /// A body is being read.
    Body(Upload),
    /// A whole request waits for a handler.
    Ready(Whole),
    /// A handler has it.
    Handled { close: bool, transfer: Duration },
    /// The answer is being sent: this, behind what the peer holds already.
    Answering { rest: Chunks, close: bool },
    /// Everything is sent; what still comes is thrown away.
    Lingering,
    /// To be dropped.
    Gone,
}

/// A body on its way.
struct Upload {
    head: RequestHead,
    plan: Plan,
    follower: Follower,
    chunked: bool,
    /// Its data, unless it is chunked: then it stays in the peer's input, framing and all, until it is complete.
    data: Chunks,
    /// How much of the peer's input belongs to it.
    length: usize,
}

/// A request, whole and within all limits, for a handler.
pub(super) struct Whole {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Chunks,
    plan: Plan,
    close: bool,
}

impl Drop for Client {
    /// What it said of a request that did not get far is a request's all the same.
    fn drop(&mut self) {
        wipe(&mut self.peer.input);
    }
}

impl Client {
    pub(super) fn new(id: u64, socket: Socket, service: Arc<dyn Service>, pass: Pass) -> Self {
        let deadline = Instant::now() + limits::HEADER_READ;
        Self { id, peer: Peer::new(socket), service, state: State::Head(Scanner::default()), deadline, _pass: pass }
    }

    /// What to poll for.
    pub(super) fn interest(&self) -> Interest {
        match self.state {
            State::Head(_) | State::Body(_) | State::Lingering => Interest::READ,
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

    /// Bytes held for it here: not those of a request that a handler has.
    pub(super) fn held(&self) -> usize {
        let waiting = match &self.state {
            State::Body(upload) => upload.data.len(),
            State::Ready(request) => request.body.len(),
            State::Answering { rest, .. } => rest.len(),
            _ => 0,
        };
        self.peer.input.len() + self.peer.output.len() + waiting
    }

    /// Goes on after `poll` said that it could. `full`: no more bytes may be held.
    pub(super) fn proceed(&mut self, full: bool) {
        self.guarded(|client| client.try_proceed(full));
    }

    /// Takes a step that may fail. A panic ends this connection, too, and nothing else: all others are on the same thread.
    fn guarded(&mut self, step: impl FnOnce(&mut Self) -> io::Result<()>) {
        let taken = catch_unwind(AssertUnwindSafe(|| step(self)));
        if !matches!(taken, Ok(Ok(()))) {
            self.state = State::Gone;
        }
    }

    fn try_proceed(&mut self, full: bool) -> io::Result<()> {
        match &mut self.state {
            State::Head(_) | State::Body(_) => {
                let begun = !self.peer.input.is_empty();
                match self.peer.receive() {
                    Err(e) if e.kind() == io::ErrorKind::OutOfMemory => {
                        self.refuse_room();
                        return Ok(());
                    }
                    received => drop(received?),
                }
                if !begun && !self.peer.input.is_empty() && matches!(self.state, State::Head(_)) {
                    self.deadline = self.deadline.min(Instant::now() + limits::HEADER_READ);
                }
                // Who has sent little is not made to pay for those who have sent much.
                if full && self.held() > 2 * WINDOW {
                    self.refuse(503, "too many bytes of requests at once; try again");
                    return Ok(());
                }
                self.advance();
            }
            State::Answering { rest, close } => {
                let close = *close;
                self.peer.send()?;
                while self.peer.output.is_empty() {
                    let Some(piece) = rest.pop() else { return self.answered(close) };
                    self.peer.output = piece;
                    self.peer.send()?;
                }
            }
            State::Lingering => {
                self.peer.receive()?;
                wipe(&mut self.peer.input);
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
            State::Head(_) | State::Body(_) => self.refuse_late(408, "the request did not arrive in time"),
            State::Ready(_) | State::Handled { .. } => self.refuse_late(503, "no answer in time; try again"),
            State::Answering { .. } | State::Lingering | State::Gone => self.state = State::Gone,
        }
    }

    /// The whole request, once, if it is for this kind of handler.
    pub(super) fn take_request(&mut self, work: Work) -> Option<Whole> {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Ready(request) if request.plan.work == work => {
                self.state = State::Handled { close: request.close, transfer: request.plan.transfer };
                Some(request)
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Whether a whole request waits for this kind of handler.
    pub(super) fn has_request(&self, work: Work) -> bool {
        matches!(&self.state, State::Ready(request) if request.plan.work == work)
    }

    /// A handler's answer.
    pub(super) fn answer(&mut self, mut rest: Chunks) {
        // It may have been told in the meantime that none came in time.
        let State::Handled { close, transfer } = self.state else { return };
        let Some(mut first) = rest.pop() else {
            self.state = State::Gone;
            return;
        };
        if close {
            announce_close(&mut first);
        }
        self.begin_answer(&first, rest, close, transfer);
    }

    fn refuse(&mut self, status: u16, reason: &str) {
        wipe(&mut self.peer.input);
        self.peer.input = Vec::new();
        let answer = refusal(self.service.refusal(status, reason));
        self.begin_answer(&answer, Chunks::default(), true, limits::API_TRANSFER);
    }

    fn begin_answer(&mut self, first: &[u8], rest: Chunks, close: bool, patience: Duration) {
        // Behind a `100 Continue` that the client has not taken yet.
        self.peer.output.extend_from_slice(first);
        self.state = State::Answering { rest, close };
        self.deadline = Instant::now() + patience;
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
                    let mut bytes = self.peer.take(length);
                    self.begin_body(&bytes);
                    wipe(&mut bytes);
                }
                Ok(None) if self.peer.ended => self.state = State::Gone,
                Ok(None) => {}
                Err(e) => self.refuse_head(e),
            }
        }
        if matches!(self.state, State::Body(_)) {
            self.advance_body();
        }
    }

    fn begin_body(&mut self, bytes: &[u8]) {
        let head = RequestHead::parse(bytes);
        let (head, framing) = match head.and_then(|head| head.framing().map(|framing| (head, framing))) {
            Ok(parsed) => parsed,
            Err(e) => return self.refuse_head(e),
        };
        let plan = self.service.plan(&head.method, &head.target);
        if matches!(framing, Framing::Length(length) if length > plan.body as u64) {
            return self.refuse_size(plan, "");
        }
        if head.fields.lists("expect", "100-continue") && self.peer.input.is_empty() && framing != Framing::Length(0) {
            self.peer.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            if self.peer.send().is_err() {
                self.state = State::Gone;
                return;
            }
        }
        self.deadline = Instant::now() + plan.transfer;
        let (chunked, follower) = (framing == Framing::Chunked, Follower::new(framing));
        self.state = State::Body(Upload { head, plan, follower, chunked, data: Chunks::default(), length: 0 });
    }

    fn advance_body(&mut self) {
        let State::Body(upload) = &mut self.state else { return };
        let Ok(more) = upload.follower.advance(self.peer.input.get(upload.length..).unwrap_or_default()) else {
            return self.refuse(400, "body: malformed chunk");
        };
        if upload.chunked {
            upload.length += more;
        } else if upload.data.push(self.peer.take(more)).is_err() {
            return self.refuse_room();
        }
        let (plan, done) = (upload.plan, upload.follower.is_done());
        // In chunks: their data has the limit of every body, and their framing as much again.
        if upload.follower.data() > plan.body as u64 {
            return self.refuse_size(plan, "");
        }
        if upload.length > 2 * plan.body {
            return self.refuse_size(plan, ", or its chunks are too small");
        }
        if !done {
            if self.peer.ended {
                self.state = State::Gone;
            }
            return;
        }
        let State::Body(upload) = std::mem::replace(&mut self.state, State::Gone) else { return };
        let body = if upload.chunked {
            let mut data = Vec::new();
            if reserve(&mut data, upload.length).is_err() {
                return self.refuse_room();
            }
            let mut framed = self.peer.take(upload.length);
            let whole = dechunk(&framed, &mut data);
            wipe(&mut framed);
            if whole.is_none() {
                wipe(&mut data);
                return self.refuse(400, "body: malformed chunk");
            }
            Chunks::from(data)
        } else {
            upload.data
        };
        match Whole::new(upload.head, plan, body, self.service.fields()) {
            Some(request) => {
                self.state = State::Ready(request);
                self.deadline = Instant::now() + plan.answer;
            }
            None => self.refuse(400, "request: a character beyond ASCII in a field that is needed"),
        }
    }

    fn refuse_late(&mut self, status: u16, reason: &str) {
        self.guarded(|client| {
            client.refuse(status, reason);
            Ok(())
        });
    }

    fn refuse_room(&mut self) {
        self.refuse(503, NO_ROOM);
    }

    fn refuse_size(&mut self, plan: Plan, or: &str) {
        let (most, unit) = if plan.body < 1 << 20 { (plan.body >> 10, "KiB") } else { (plan.body >> 20, "MiB") };
        self.refuse(413, &format!("the body is larger than {most} {unit}{or}"));
    }

    fn refuse_head(&mut self, e: HeadError) {
        let status = match e {
            HeadError::TooLarge => 431,
            _ => 400,
        };
        self.refuse(status, &format!("request: {e}"));
    }
}

impl Whole {
    /// Of the head's fields, only those `kept` mean anything to a handler. `None` when one of them is not ASCII.
    fn new(head: RequestHead, plan: Plan, body: Chunks, kept: &[&str]) -> Option<Self> {
        let close = head.version == Version::V10 || head.fields.lists("connection", "close");
        let mut fields = Vec::new();
        for (name, value) in head.fields.iter() {
            if let Some(kept) = kept.iter().find(|kept| name.eq_ignore_ascii_case(kept)) {
                let value = std::str::from_utf8(value).ok().filter(|value| value.is_ascii())?;
                fields.push(((*kept).to_owned(), value.to_owned()));
            }
        }
        Some(Self { method: head.method, target: head.target, fields, body, plan, close })
    }

    /// An answer to it has no body.
    pub(super) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// With the body in one piece.
    ///
    /// # Errors
    /// `OutOfMemory`, also when there is room for the body but not for what becomes of it ([`Plan::copies`]).
    pub(super) fn into_request(self) -> io::Result<Request> {
        let Self { method, target, fields, body, plan, .. } = self;
        let body = if plan.work == Work::Immediate { Chunks::default() } else { body };
        if body.len() > WINDOW {
            memory::room_for(body.len().saturating_mul(plan.copies))?;
        }
        Ok(Request { method, target, fields, body: Zeroizing::new(body.join()?) })
    }
}

/// Adds to `data` that of a chunked body whose framing was followed to its end. `None` when it was not.
fn dechunk(mut bytes: &[u8], data: &mut Vec<u8>) -> Option<()> {
    loop {
        let end = bytes.iter().position(|b| *b == b'\n')?;
        let (line, rest) = bytes.split_at_checked(end + 1)?;
        let digits = line.split(|b| matches!(b, b';' | b'\r')).next()?;
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            return Some(());
        }
        let (chunk, rest) = rest.split_at_checked(size)?;
        data.extend_from_slice(chunk);
        bytes = rest.strip_prefix(b"\r\n")?;
    }
}
