//! The execution RPC, believed in nothing.

use std::fmt;
use std::time::Instant;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::helios::http::{FetchError, Server};
use crate::helios::limits;

/// Whom the node asks. A trait, so that tests can lie.
pub trait Upstream: Send + Sync {
    /// The `result` of a JSON-RPC call, `null` included, of at most `most` bytes.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    fn request(
        &self,
        method: &'static str,
        params: Value,
        most: usize,
        deadline: Instant,
    ) -> Result<Box<RawValue>, UpstreamError>;
}

/// The execution RPC gave no answer that could be looked at. The method is named first.
#[derive(Debug)]
pub enum UpstreamError {
    /// No answer.
    Fetch(&'static str, FetchError),
    /// No JSON-RPC answer.
    Shape(&'static str),
    /// An error of its own: code and message, cut short.
    Refused(&'static str, i64, String),
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(method, e) => write!(f, "execution RPC: {method}: {e}"),
            Self::Shape(method) => write!(f, "execution RPC: {method}: no JSON-RPC answer"),
            Self::Refused(method, code, message) => write!(f, "execution RPC: {method}: error {code}: {message}"),
        }
    }
}

impl std::error::Error for UpstreamError {}

/// JSON-RPC 2.0 over HTTP.
#[derive(Debug)]
pub struct JsonRpc(pub Server);

#[derive(Deserialize)]
struct Response {
    id: u64,
    result: Option<Box<RawValue>>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    #[serde(default)]
    message: String,
}

/// One call a request, so any id is the right one as long as it comes back.
const ID: u64 = 1;

/// Characters of a server's message that are passed on.
const MESSAGE: usize = 200;

impl Upstream for JsonRpc {
    fn request(
        &self,
        method: &'static str,
        params: Value,
        most: usize,
        deadline: Instant,
    ) -> Result<Box<RawValue>, UpstreamError> {
        let body = json!({ "jsonrpc": "2.0", "id": ID, "method": method, "params": params }).to_string();
        let deadline = deadline.min(Instant::now() + limits::FETCH);
        let fetched = self.0.post(body.as_bytes(), most, deadline).map_err(|e| UpstreamError::Fetch(method, e))?;
        let response: Response = serde_json::from_slice(&fetched.body).map_err(|_| UpstreamError::Shape(method))?;
        match response {
            Response { error: Some(Refusal { code, message }), .. } => {
                let message = message.chars().filter(|c| !c.is_control()).take(MESSAGE).collect();
                Err(UpstreamError::Refused(method, code, message))
            }
            Response { id: ID, result, .. } => match result {
                Some(result) => Ok(result),
                // serde reads null as None; a missing result is no better than null, which nobody believes either.
                None => Ok(RawValue::NULL.to_owned()),
            },
            _ => Err(UpstreamError::Shape(method)),
        }
    }
}
