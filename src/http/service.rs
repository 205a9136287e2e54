//! What a server is told to do with requests, and what it gets back.

use std::fmt;
use std::io::{Cursor, Read};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::config::limits;

/// Answers whole requests, several at once.
pub trait Service: Send + Sync + 'static {
    /// What threads and log lines call it.
    fn name(&self) -> &'static str;

    /// The fields of a request that [`Service::answer`] gets to see, in lower case. Nothing else of a head but the first
    /// line reaches it.
    fn fields(&self) -> &'static [&'static str] {
        &[]
    }

    /// How a request is to be treated, told from its first line.
    fn plan(&self, method: &str, target: &str) -> Plan;

    /// How many handlers a kind of work has; [`Work::Immediate`] needs none. Of another kind without any there must be no
    /// plan.
    fn handlers(&self, work: Work) -> usize;

    /// Bytes of requests on their way in and of answers on their way out that may be held at once, all connections together.
    /// Beyond that a client that has sent much is refused. To be added are what handlers work on, one request each, and up to
    /// 64 KiB of each other client.
    fn held(&self) -> usize {
        limits::API_HELD
    }

    /// The answer. A panic is a defect, and ends nothing but this request.
    fn answer(&self, request: Request) -> Answer;

    /// An answer of the server's own: a request that did not arrive whole, or a handler that did not answer.
    fn refusal(&self, status: u16, reason: &str) -> Answer;
}

/// What keeps a handler busy. Each kind has handlers of its own, so that one cannot hold up the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing but what is known already: microseconds. It is done between two other clients' requests, by the thread that
    /// reads them, and gets to see no body.
    Immediate,
    /// Arithmetic, or a turn at the NSM: milliseconds.
    Local,
    /// A call through the host, who decides how long it takes.
    Remote,
}

/// How a request is to be treated.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Whose it is.
    pub work: Work,
    /// Largest body; a larger one is a 413.
    pub body: usize,
    /// How often the body may be in memory while it is answered. There must be room for as much, or the answer is 503.
    pub copies: usize,
    /// From the end of the head to the end of the body; 408 then. The answer may take as long to be read.
    pub transfer: Duration,
    /// From the end of the body to the whole answer, waiting for a handler included; 503 then.
    pub answer: Duration,
}

impl Plan {
    /// For everything that odyn does by itself.
    pub const LOCAL: Self = Self {
        work: Work::Local,
        body: limits::API_BODY,
        copies: limits::API_COPIES,
        transfer: limits::API_TRANSFER,
        answer: limits::API_ANSWER,
    };
}

/// A whole request.
pub struct Request {
    /// As it came: methods are case-sensitive.
    pub method: String,
    /// The request target, query included.
    pub target: String,
    /// Those of [`Service::fields`] that were there, names in lower case, in their order.
    pub fields: Vec<(String, String)>,
    /// The body, without its framing. Wiped when dropped: it may be what is to be encrypted.
    pub body: Zeroizing<Vec<u8>>,
}

impl Request {
    /// The value of a field that stands there once.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(present, _)| present == name).map(|(_, value)| value.as_str());
        found.next().filter(|_| found.next().is_none())
    }

    /// The target up to its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }
}

impl fmt::Debug for Request {
    /// Without the body, and without fields: both may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({} bytes)", self.method, self.path(), self.body.len())
    }
}

/// JSON's media type.
pub const JSON: &str = "application/json";

/// What goes back to a client.
pub struct Answer {
    /// HTTP's status code.
    pub status: u16,
    /// The body's media type.
    pub content_type: String,
    /// Further fields. Never framing, never `Connection`: those are the server's.
    pub fields: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

impl Answer {
    /// 200 with JSON.
    #[must_use]
    pub fn json(value: &serde_json::Value) -> Self {
        // Most fit, and need not be moved as they grow.
        let mut body = Vec::with_capacity(limits::API_USUAL_ANSWER);
        // Writing to memory does not fail, nor do the keys of a `Value`.
        let _ = serde_json::to_writer(&mut body, value);
        Self::bytes(JSON, body)
    }

    /// 200 with these bytes.
    #[must_use]
    pub fn bytes(content_type: &str, body: Vec<u8>) -> Self {
        Self { status: 200, content_type: content_type.to_owned(), fields: Vec::new(), body: Body::Bytes(body) }
    }

    /// The body, when it is there as bytes.
    #[cfg(test)]
    pub(crate) fn body(&self) -> &[u8] {
        if let Body::Bytes(bytes) = &self.body { bytes } else { &[] }
    }
}

/// An answer's body.
pub enum Body {
    /// All of it.
    Bytes(Vec<u8>),
    /// Exactly so many bytes, from a reader that cannot fail: they are in memory, in another form.
    Stream(usize, Box<dyn Read + Send>),
}

impl Body {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Stream(length, _) => *length,
        }
    }

    pub(super) fn into_reader(self) -> (usize, Box<dyn Read + Send>) {
        match self {
            Self::Bytes(bytes) => (bytes.len(), Box::new(Cursor::new(bytes))),
            Self::Stream(length, reader) => (length, reader),
        }
    }
}

impl fmt::Debug for Answer {
    /// Without the body, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.content_type)
    }
}
