//! Requests to the two servers, as the egress proxy lets them through.
//!
//! Promises: one deadline for a request and its answer, a cap on the answer, no redirect followed. An error never
//! repeats a URL's path, which often holds an access key.

mod tunnel;

use std::fmt;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::unversioned::transport::{Connector, RustlsConnector};
use ureq::{Agent, Body, Error, Proxy};

use crate::config::limits::{RESPONSE_HEAD, UPSTREAM_CONNECT};
use crate::config::value::HttpUrl;
use crate::http::channel::NoResolver;
use crate::http::service::JSON;
use tunnel::{Refused, Tunnel};

/// How servers are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Over the network, through the proxy that the environment names, if it does.
    Network,
    /// Through odyn's egress proxy, which listens on this name (see [`crate::transport::Listener::named`]).
    Egress(String),
}

/// Why a request had no usable answer. Always the server's, the way's or the egress policy's fault.
#[derive(Debug)]
pub enum FetchError {
    /// No connection, or it broke: server, reason.
    Broken(String, String),
    /// The egress proxy does not connect: server, the proxy's status.
    Denied(String, u16),
    /// It took too long.
    Timeout(String),
    /// The answer's status is not 200.
    Status(String, u16),
    /// The answer is larger than what was asked for can be.
    TooLarge(String, usize),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(server, reason) => write!(f, "{server}: {reason}"),
            Self::Timeout(server) => write!(f, "{server}: no answer in time"),
            Self::Denied(server, 403) => write!(f, "{server}: egress denied: see egress.allow and egress.deny"),
            Self::Denied(server, status) => write!(f, "{server}: no connection: the egress proxy says {status}"),
            Self::Status(server, status) => write!(f, "{server}: status {status}"),
            Self::TooLarge(server, most) => write!(f, "{server}: an answer of more than {most} bytes"),
        }
    }
}

impl std::error::Error for FetchError {}

/// An answer of status 200.
#[derive(Debug)]
pub struct Fetched {
    /// Its media type, without parameters.
    pub content_type: String,
    /// `Eth-Consensus-Version`, where the beacon API names a fork.
    pub version: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// One server.
#[derive(Clone)]
pub struct Server {
    agent: Agent,
    url: HttpUrl,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url)
    }
}

impl Server {
    /// The server at `url`.
    #[must_use]
    pub fn new(url: HttpUrl, way: &Way) -> Self {
        let proxy = if *way == Way::Network { Proxy::try_from_env() } else { None };
        let config: Config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .accept_encoding("")
            .user_agent(concat!("odyn-helios/", env!("CARGO_PKG_VERSION")))
            .max_response_header_size(RESPONSE_HEAD)
            .timeout_connect(Some(UPSTREAM_CONNECT))
            .proxy(proxy)
            .build();
        let agent = match way {
            Way::Network => config.new_agent(),
            Way::Egress(name) => {
                let connector = Tunnel(name.clone()).chain(RustlsConnector::default());
                Agent::with_parts(config, connector, NoResolver)
            }
        };
        Self { agent, url }
    }

    /// What errors call it: scheme, host and port.
    #[must_use]
    pub fn name(&self) -> String {
        self.url.to_string()
    }

    /// POSTs JSON to the URL itself.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub fn post(&self, body: &[u8], most: usize, deadline: Instant) -> Result<Fetched, FetchError> {
        let request = self.agent.post(self.url.as_str()).header("content-type", JSON);
        let sent = request.config().timeout_global(Some(left(deadline))).build().send(body);
        self.read(sent, most)
    }

    /// GETs a path below the URL.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub fn get(&self, path: &str, accept: &str, most: usize, deadline: Instant) -> Result<Fetched, FetchError> {
        let url = format!("{}{path}", self.url.as_str().trim_end_matches('/'));
        let request = self.agent.get(&url).header("accept", accept);
        let sent = request.config().timeout_global(Some(left(deadline))).build().call();
        self.read(sent, most)
    }

    fn read(&self, sent: Result<ureq::http::Response<Body>, Error>, most: usize) -> Result<Fetched, FetchError> {
        let mut answer = sent.map_err(|e| self.error(e, most))?;
        if answer.status() != 200 {
            return Err(FetchError::Status(self.name(), answer.status().as_u16()));
        }
        let field = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let content_type = field("content-type").unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let version = field("eth-consensus-version");
        // One more than may be: ureq's limit is an error from there on.
        let body = answer.body_mut().with_config().limit(most as u64 + 1).read_to_vec();
        match body.map_err(|e| self.error(e, most))? {
            body if body.len() > most => Err(FetchError::TooLarge(self.name(), most)),
            body => Ok(Fetched { content_type, version, body }),
        }
    }

    fn error(&self, e: Error, most: usize) -> FetchError {
        match e {
            Error::Timeout(_) => FetchError::Timeout(self.name()),
            Error::BodyExceedsLimit(_) => FetchError::TooLarge(self.name(), most),
            // Of those that carry text of the URL none is shown.
            Error::Other(e) if e.is::<Refused>() => {
                let status = e.downcast_ref::<Refused>().map_or(0, |refused| refused.0);
                FetchError::Denied(self.name(), status)
            }
            Error::Io(e) => FetchError::Broken(self.name(), e.to_string()),
            Error::ConnectProxyFailed(reason) => {
                FetchError::Broken(self.name(), format!("the egress proxy does not connect: {reason}"))
            }
            Error::ConnectionFailed | Error::HostNotFound => FetchError::Broken(self.name(), "no connection".into()),
            Error::Tls(reason) => FetchError::Broken(self.name(), format!("TLS: {reason}")),
            _ => FetchError::Broken(self.name(), "no HTTP answer".into()),
        }
    }
}

/// What is left of the time, never zero, which ureq takes for none at all.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}
