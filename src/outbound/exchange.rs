//! One request and its answer, both directions at once.
//!
//! An answer may begin, and end, before its request's body has been sent (a refused upload), and a body may wait for an
//! interim answer (`Expect: 100-continue`), so neither direction ever waits for the other. Framing is followed on both
//! sides, which tells where the next request begins and whether a connection can be used again; bodies pass through
//! unchanged.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use super::request::{forwarded_response, wants_upgrade};
use crate::config::limits;
use crate::http::body::{BodyError, Follower};
use crate::http::head::{Fields, Framing, HeadError, RequestHead, ResponseHead, Scanner, Version};
use crate::http::peer::{Peer, WINDOW};
use crate::sys::poll::{Entry, Interest, poll};

/// What follows a complete exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Whether the client's and the upstream's connection can carry another.
    Next {
        /// The client's.
        client: bool,
        /// The upstream's.
        upstream: bool,
    },
    /// The upstream agreed to another protocol: raw bytes from here on.
    Tunnel,
}

/// Why an exchange failed.
#[derive(Debug)]
pub enum ExchangeError {
    /// The client went away or broke.
    Client(io::Error),
    /// The client's body is not what its framing says.
    ClientBody,
    /// The upstream ended or broke before its answer was complete.
    Upstream(io::Error),
    /// The upstream's answer is malformed.
    UpstreamHead(HeadError),
    /// The upstream's body is not what its framing says.
    UpstreamBody,
    /// Nothing moved for [`limits::IDLE_TUNNEL`].
    Idle,
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(e) => write!(f, "the client went away: {e}"),
            Self::ClientBody => f.write_str("malformed chunked request body"),
            Self::Upstream(e) => write!(f, "the upstream ended the connection too early: {e}"),
            Self::UpstreamHead(e) => write!(f, "the upstream's answer is malformed: {e}"),
            Self::UpstreamBody => f.write_str("the upstream's chunked body is malformed"),
            Self::Idle => write!(f, "no answer within {:?}", limits::IDLE_TUNNEL),
        }
    }
}

impl std::error::Error for ExchangeError {}

/// A failed exchange.
#[derive(Debug)]
pub struct Failure {
    /// Why.
    pub error: ExchangeError,
    /// The client has been sent a part of the answer: it can only be told by closing.
    pub answer_begun: bool,
    /// The upstream has said nothing at all.
    pub upstream_silent: bool,
}

/// Carries the answer to `request`, whose forwarded head is in `upstream.output`, and the request's body.
///
/// # Errors
/// See [`Failure`].
pub fn run(client: &mut Peer, upstream: &mut Peer, request: &RequestHead, body: Follower) -> Result<After, Failure> {
    let mut exchange = Exchange {
        method: &request.method,
        client_version: request.version,
        upgrade: wants_upgrade(request),
        client_persists: persists(request.version, &request.fields),
        upstream_persists: true,
        body,
        answer: Answer::Head(Scanner::default()),
        answer_begun: false,
        upstream_silent: true,
    };
    exchange.carry(client, upstream).map_err(|error| {
        if !exchange.answer_begun && !matches!(exchange.answer, Answer::Head(_)) {
            // Nothing of it has been sent, so it need not be: another answer takes its place.
            client.output.clear();
        }
        Failure { error, answer_begun: exchange.answer_begun, upstream_silent: exchange.upstream_silent }
    })
}

/// True when a connection may carry another message after this one. HTTP/1.0's `keep-alive` is not offered: such a
/// connection ends with its answer.
#[must_use]
pub fn persists(version: Version, fields: &Fields) -> bool {
    version == Version::V11 && !fields.lists("connection", "close")
}

struct Exchange<'a> {
    method: &'a str,
    client_version: Version,
    upgrade: bool,
    client_persists: bool,
    upstream_persists: bool,
    /// The request's body, as far as it has come.
    body: Follower,
    answer: Answer,
    answer_begun: bool,
    upstream_silent: bool,
}

enum Answer {
    /// Its head, or an interim one, is due.
    Head(Scanner),
    /// Its body is coming.
    Body(Follower),
    /// It was 101.
    Switched,
}

impl Exchange<'_> {
    fn carry(&mut self, client: &mut Peer, upstream: &mut Peer) -> Result<After, ExchangeError> {
        let mut last_traffic = Instant::now();
        loop {
            self.pass_request(client, upstream)?;
            self.pass_answer(client, upstream)?;
            let unsent = client.output.len();
            client.send().map_err(ExchangeError::Client)?;
            self.answer_begun |= client.output.len() < unsent && !matches!(self.answer, Answer::Head(_));
            // An upstream that takes no more may still have an answer to give.
            if upstream.send().is_err() {
                upstream.output.clear();
                self.upstream_persists = false;
            }
            match &self.answer {
                Answer::Switched if client.output.is_empty() => return Ok(After::Tunnel),
                Answer::Body(answer) if answer.is_done() && client.output.is_empty() => return Ok(self.after(upstream)),
                _ => {}
            }
            if self.wait(client, upstream, last_traffic)? {
                last_traffic = Instant::now();
            }
        }
    }

    fn after(&self, upstream: &Peer) -> After {
        // With its body still coming, the next request's beginning is unknown, and the upstream may be closing.
        let whole = self.body.is_done() && upstream.output.is_empty();
        let upstream_clean = upstream.input.is_empty() && !upstream.ended;
        After::Next {
            client: whole && self.client_persists,
            upstream: whole && self.upstream_persists && upstream_clean,
        }
    }

    fn pass_request(&mut self, client: &mut Peer, upstream: &mut Peer) -> Result<(), ExchangeError> {
        if !self.body.is_done() {
            let n = self.body.advance(&client.input).map_err(|BodyError| ExchangeError::ClientBody)?;
            upstream.output.extend_from_slice(&client.take(n));
            if client.ended && !self.body.is_done() {
                return Err(ExchangeError::Client(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Ok(())
    }

    fn pass_answer(&mut self, client: &mut Peer, upstream: &mut Peer) -> Result<(), ExchangeError> {
        while let Answer::Head(scanner) = &mut self.answer {
            let found = scanner.head_length(&upstream.input, limits::RESPONSE_HEAD);
            let Some(length) = found.map_err(ExchangeError::UpstreamHead)? else {
                return self.check_truncation(upstream);
            };
            let head = ResponseHead::parse(&upstream.take(length)).map_err(ExchangeError::UpstreamHead)?;
            self.pass_head(&head, client).map_err(ExchangeError::UpstreamHead)?;
        }
        if let Answer::Body(answer) = &mut self.answer {
            let n = answer.advance(&upstream.input).map_err(|BodyError| ExchangeError::UpstreamBody)?;
            client.output.extend_from_slice(&upstream.take(n));
            self.check_truncation(upstream)?;
        }
        Ok(())
    }

    /// The upstream's stream has ended: was that the answer's end?
    fn check_truncation(&mut self, upstream: &Peer) -> Result<(), ExchangeError> {
        match &mut self.answer {
            _ if !upstream.ended => Ok(()),
            Answer::Body(answer) if answer.ends_with_connection() => {
                *answer = Follower::new(Framing::Length(0));
                self.upstream_persists = false;
                Ok(())
            }
            _ => Err(ExchangeError::Upstream(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn pass_head(&mut self, head: &ResponseHead, client: &mut Peer) -> Result<(), HeadError> {
        self.answer = match head.status {
            101 if self.upgrade && self.body.is_done() => Answer::Switched,
            // Nobody asked for it.
            101 => return Err(HeadError::StartLine),
            100..=199 => Answer::Head(Scanner::default()),
            _ => {
                let framing = head.framing(self.method)?;
                self.upstream_persists &= persists(head.version, &head.fields);
                // Where the next request begins is unknown while a body is still coming, or may not come any more after
                // `Expect`; a client that is not told so would use the connection again.
                self.client_persists &= self.body.is_done();
                self.client_persists &= framing != Framing::UntilClose;
                Answer::Body(Follower::new(framing))
            }
        };
        let interim = matches!(self.answer, Answer::Head(_));
        // RFC 9110 section 15.2: HTTP/1.0 has no interim answers.
        if !(interim && self.client_version == Version::V10) {
            client.output.extend_from_slice(&forwarded_response(head, !interim && !self.client_persists));
        }
        Ok(())
    }

    /// Waits for either side and reads what it has; true when something moved.
    fn wait(&mut self, client: &mut Peer, upstream: &mut Peer, since: Instant) -> Result<bool, ExchangeError> {
        // Behind its request the client is still read from, a little: its next request, or that it has gone.
        let client_room = if self.body.is_done() { client.input.len() } else { upstream.output.len() };
        let client_wanted = client_room < WINDOW && !client.ended;
        // Behind its answer the upstream is not: whatever comes there is nobody's.
        let answer_due = match &self.answer {
            Answer::Head(_) => true,
            Answer::Body(answer) => !answer.is_done(),
            Answer::Switched => false,
        };
        let upstream_wanted = answer_due && client.output.len() < WINDOW && !upstream.ended;
        let mut entries = [
            Entry::new(
                client.socket.as_fd(),
                Interest { readable: client_wanted, writable: !client.output.is_empty() },
            ),
            Entry::new(
                upstream.socket.as_fd(),
                Interest { readable: upstream_wanted, writable: !upstream.output.is_empty() },
            ),
        ];
        let patience = if client.ended { limits::HALF_CLOSED } else { limits::IDLE_TUNNEL };
        let left = patience.saturating_sub(since.elapsed());
        if poll(&mut entries, Some(left)).map_err(ExchangeError::Client)? == 0 {
            return Err(ExchangeError::Idle);
        }
        let mut moved = entries[0].writable() || entries[1].writable();
        if entries[0].readable() {
            moved |= client.receive().map_err(ExchangeError::Client)?;
        }
        if entries[1].readable() {
            match upstream.receive() {
                Ok(read) => {
                    moved |= read;
                    self.upstream_silent &= upstream.input.is_empty();
                }
                Err(e) => return Err(ExchangeError::Upstream(e)),
            }
        }
        Ok(moved)
    }
}
