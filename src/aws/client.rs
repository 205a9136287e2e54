//! A blocking HTTP client whose only way out is an egress decision.
//!
//! Promises: one call has one deadline for all of it, and one for each time nothing moves; heads and bodies have caps;
//! the target is decided on at each call, also when a kept connection is used. Never follows a redirect, uses a proxy,
//! keeps a cookie, unpacks a body or resolves a name.

use std::fmt;
use std::io::{self, Read};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use ureq::config::Config;
use ureq::http::header::{CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use ureq::http::{HeaderMap, HeaderValue, Method, Request, Version};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::{Connector, RustlsConnector};
use ureq::{Agent, BodyReader, Error};
use zeroize::Zeroizing;

use super::connect::{ConnectError, Way};
use super::url::Url;
use crate::config::limits;
use crate::http::channel::NoResolver;
use crate::outbound::dial::DialError;
use crate::outbound::hostname::Target;
use crate::outbound::policy::{Decision, DenyReason, Policy};

/// Which certificate authorities are believed.
#[derive(Clone, Debug)]
pub enum Roots {
    /// Mozilla's, as compiled in.
    WebPki,
    /// These and no others.
    Only(Vec<CertificateDer<'static>>),
}

/// Makes calls. Cloning shares the connections that are kept for reuse.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    policy: Policy,
}

/// One call.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Who makes it, for an error that a person reads: "the KMS proxy".
    pub caller: &'static str,
    /// In capitals.
    pub method: &'a str,
    /// Where.
    pub url: &'a Url,
    /// Header fields. `host` and `content-length` are added where they are missing, no others.
    pub fields: &'a [(&'a str, &'a str)],
    /// Sent from where it is.
    pub body: Option<&'a [u8]>,
    /// Whether asking twice does no harm. Such a [`Client::call`] is made again, once, on a new connection, when its connection
    /// breaks: servers close kept connections just as they are used again.
    pub repeatable: bool,
    /// For all of it, every attempt, to the last byte of the answer.
    pub deadline: Instant,
}

/// A whole answer.
pub struct Answer {
    /// Any status: redirects and errors are answers too.
    pub status: u16,
    /// The header.
    pub fields: HeaderMap,
    /// The body, wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
}

/// An answer whose body is still to come.
pub struct Opened {
    /// As in [`Answer`].
    pub status: u16,
    /// As in [`Answer`].
    pub fields: HeaderMap,
    /// The body's length, when the server says it. A body that ends before is an error, not an end.
    pub length: Option<u64>,
    body: BodyReader<'static>,
    context: Context,
}

impl Client {
    /// Goes out through `way` and believes `roots`.
    #[must_use]
    pub fn new(way: Way, roots: Roots) -> Self {
        let roots = match roots {
            Roots::WebPki => RootCerts::WebPki,
            Roots::Only(der) => {
                let certificates: Vec<_> = der.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
                RootCerts::from(certificates)
            }
        };
        let config = Config::builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .user_agent("")
            .accept("")
            .accept_encoding("")
            .max_response_header_size(limits::RESPONSE_HEAD)
            .input_buffer_size(limits::AWS_BUFFER)
            .output_buffer_size(limits::AWS_BUFFER)
            .timeout_connect(Some(limits::UPSTREAM_CONNECT + limits::TLS_HANDSHAKE))
            .timeout_per_read(Some(limits::AWS_IDLE))
            .timeout_per_write(Some(limits::AWS_IDLE))
            .max_idle_connections(limits::AWS_KEPT)
            .max_idle_connections_per_host(limits::AWS_KEPT)
            .max_idle_age(limits::AWS_KEEP)
            .build();
        let policy = way.policy.clone();
        let connector = way.chain(RustlsConnector::default());
        Self { agent: Agent::with_parts(config, connector, NoResolver), policy }
    }

    /// Makes the call and reads the whole answer, whose body may have `most` bytes.
    ///
    /// # Errors
    /// See [`Fault`]. A status is none.
    pub fn call(&self, call: &Call<'_>, most: usize) -> Result<Answer, CallError> {
        let first = self.open_once(call, false).and_then(|opened| opened.read(most));
        match first {
            Err(e) if call.repeatable && e.is_broken() => self.open_once(call, true)?.read(most),
            other => other,
        }
    }

    /// Makes the call, once, and reads the answer's head.
    ///
    /// # Errors
    /// See [`Fault`]. A status is none.
    pub fn open(&self, call: &Call<'_>) -> Result<Opened, CallError> {
        self.open_once(call, false)
    }

    fn open_once(&self, call: &Call<'_>, afresh: bool) -> Result<Opened, CallError> {
        let context = Context { caller: call.caller, target: call.url.target.clone() };
        let (host, port) = (call.url.target.host(), call.url.target.port());
        match self.policy.decide(call.url.target.clone()) {
            Decision::Allowed(_) => log::info!("egress decision=allowed by=odyn host={host} port={port}"),
            Decision::Denied(denied) => {
                log::warn!("egress decision=denied by=odyn host={host} port={port} rule={}", denied.reason);
                return Err(context.fault(Fault::Denied(denied.reason)));
            }
        }
        let response = match call.body {
            Some(body) => request(call, body).and_then(|request| self.run(call, request, afresh)),
            None => request(call, ()).and_then(|request| self.run(call, request, afresh)),
        };
        let (head, body) = response.map_err(|e| context.error(e))?.into_parts();
        let Some(length) = framing(&head) else {
            return Err(context.fault(Fault::Protocol("it does not say where it ends, or not in one way".to_owned())));
        };
        Ok(Opened { status: head.status.as_u16(), fields: head.headers, length, body: body.into_reader(), context })
    }

    fn run<B: ureq::AsSendBody>(
        &self,
        call: &Call<'_>,
        request: Request<B>,
        afresh: bool,
    ) -> Result<ureq::http::Response<ureq::Body>, Error> {
        // A deadline that has passed still is one.
        let left = call.deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let configured = self.agent.configure_request(request).timeout_global(Some(left));
        let configured = if afresh { configured.max_idle_age(Duration::ZERO) } else { configured };
        self.agent.run(configured.build())
    }
}

/// The length of an answer's body that says it; `Some(None)` for one in chunks, or where there can be none. `None` for
/// anything else: a body that ends with the connection, which whoever is between could end at any byte, and two ways of
/// framing, of which the HTTP client might take the other one.
fn framing(head: &ureq::http::response::Parts) -> Option<Option<u64>> {
    let lengths: Vec<&[u8]> = head.headers.get_all(CONTENT_LENGTH).iter().map(HeaderValue::as_bytes).collect();
    let codings: Vec<&[u8]> = head.headers.get_all(TRANSFER_ENCODING).iter().map(HeaderValue::as_bytes).collect();
    match (&lengths[..], &codings[..]) {
        ([length], []) if length.iter().all(u8::is_ascii_digit) => str::from_utf8(length).ok()?.parse().ok().map(Some),
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && head.version == Version::HTTP_11 => Some(None),
        ([], []) if matches!(head.status.as_u16(), 204 | 304) => Some(None),
        _ => None,
    }
}

fn request<B>(call: &Call<'_>, body: B) -> Result<Request<B>, Error> {
    let method = Method::from_bytes(call.method.as_bytes()).map_err(|e| Error::Http(e.into()))?;
    let mut request = Request::builder().method(method).uri(call.url.text()).body(body).map_err(Error::Http)?;
    for (name, value) in call.fields {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| Error::Http(e.into()))?;
        let mut value = HeaderValue::from_str(value).map_err(|e| Error::Http(e.into()))?;
        value.set_sensitive(true);
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

impl Opened {
    /// The rest of the answer, if it has `most` bytes or fewer.
    ///
    /// # Errors
    /// [`Fault::TooLarge`], and what befalls a connection.
    pub fn read(mut self, most: usize) -> Result<Answer, CallError> {
        let announced = self.length.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if announced.is_some_and(|announced| announced > most) {
            return Err(self.context.fault(Fault::TooLarge(most)));
        }
        // Allocated once: growing would leave copies that nobody wipes.
        let room = announced.unwrap_or(most);
        let mut body = Zeroizing::new(vec![0; room + 1]);
        let filled = self.fill(&mut body)?;
        if filled > room {
            return Err(self.context.fault(Fault::TooLarge(most)));
        }
        body.truncate(filled);
        Ok(Answer { status: self.status, fields: self.fields, body })
    }

    /// Reads until `into` is full or the body ends, which is checked against its length, and says how much that was.
    ///
    /// # Errors
    /// What befalls a connection.
    pub fn fill(&mut self, into: &mut [u8]) -> Result<usize, CallError> {
        let mut filled = 0;
        while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.body.read(rest).map_err(|e| self.context.error(Error::from(e)))? {
                0 => break,
                n => filled += n,
            }
        }
        Ok(filled)
    }
}

/// A call that has no answer: who made it, to whom, and what went wrong.
#[derive(Debug)]
pub struct CallError {
    /// As in [`Call`].
    pub caller: &'static str,
    /// Whom it was for.
    pub target: Target,
    /// What happened.
    pub fault: Fault,
}

/// Why a call has no answer.
#[derive(Debug)]
pub enum Fault {
    /// The manifest's: egress does not allow the target.
    Denied(DenyReason),
    /// The host's or the target's: no connection.
    Dial(DialError),
    /// The target's, or that of somebody between: its certificate or its TLS.
    Tls(rustls::Error),
    /// The target's or the network's: no answer in time.
    Timeout,
    /// The target's or the network's: the connection broke.
    Broken(io::Error),
    /// The target's: what it says is not HTTP, or its head is too large.
    Protocol(String),
    /// The target's: a body with more bytes than this.
    TooLarge(usize),
    /// odyn's: no request can be made of this.
    Request(String),
}

/// What every error of a call has.
#[derive(Clone, Debug)]
struct Context {
    caller: &'static str,
    target: Target,
}

impl Context {
    fn fault(&self, fault: Fault) -> CallError {
        CallError { caller: self.caller, target: self.target.clone(), fault }
    }

    fn error(&self, e: Error) -> CallError {
        self.fault(match e {
            Error::Io(e) => from_io(e),
            Error::Rustls(e) => Fault::Tls(e),
            Error::Timeout(_) => Fault::Timeout,
            Error::Other(e) => match e.downcast::<ConnectError>().map(|e| *e) {
                Ok(ConnectError::Denied(denied)) => Fault::Denied(denied.reason),
                Ok(ConnectError::Dial(e)) if e.is_timeout() => Fault::Timeout,
                Ok(ConnectError::Dial(e)) => Fault::Dial(e),
                Err(e) => Fault::Request(e.to_string()),
            },
            Error::Http(e) => Fault::Request(e.to_string()),
            Error::BadUri(_) => Fault::Request("no URI".to_owned()),
            e => Fault::Protocol(e.to_string()),
        })
    }
}

/// TLS reports its own errors as those of the stream below it.
fn from_io(e: io::Error) -> Fault {
    match e.downcast::<rustls::Error>() {
        Ok(e) => Fault::Tls(e),
        Err(e) if e.kind() == io::ErrorKind::TimedOut => Fault::Timeout,
        Err(e) => Fault::Broken(e),
    }
}

impl CallError {
    /// The connection broke: nobody can know whether the request arrived.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        matches!(self.fault, Fault::Broken(_))
    }

    /// The same call may succeed later, without anybody's doing.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self.fault, Fault::Broken(_) | Fault::Timeout | Fault::Dial(_) | Fault::Protocol(_))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { caller, target, fault } = self;
        match fault {
            Fault::Denied(DenyReason::NoAllowRule) => {
                write!(f, "egress.allow lacks \"{}\": {caller} needs it", target.host())
            }
            Fault::Denied(DenyReason::DenyRule(rule)) => {
                write!(f, "egress.deny has \"{rule}\", but {caller} needs {target}")
            }
            fault => write!(f, "{target}: {fault}"),
        }
    }
}

impl std::error::Error for CallError {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(reason) => write!(f, "egress denied: {reason}"),
            Self::Dial(e) => write!(f, "{e}"),
            Self::Tls(e) => write!(f, "TLS: {e}"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Broken(e) => write!(f, "the connection broke: {e}"),
            Self::Protocol(text) => write!(f, "not an answer in HTTP: {text}"),
            Self::TooLarge(most) => write!(f, "an answer of more than {most} bytes"),
            Self::Request(text) => write!(f, "cannot be asked: {text}"),
        }
    }
}
