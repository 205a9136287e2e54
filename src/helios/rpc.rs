//! JSON-RPC 2.0 over HTTP: batches, notifications, errors, and the server.
//!
//! Promises: a call is answered within [`limits::CALL`], waiting for the first head included; what one request may ask
//! and be answered has a bound; a panic in a call ends that call. Never answers a call with what it could not prove.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::execution::error::CallError;
use super::execution::{self, Node};
use super::head::Heads;
use super::limits;
use crate::config::limits::{API_TRANSFER, MAX_CONNECTIONS};
use crate::http::server;
use crate::http::service::{Answer, JSON, Plan, Request, Service, Work};
use crate::serve::Gate;
use crate::transport::Listener;

/// JSON-RPC's own codes (its specification, section 5.1).
const PARSE: i64 = -32700;
const INVALID: i64 = -32600;
const PARAMS: i64 = -32602;

/// EIP-1474's "limit exceeded" and "server error".
const LIMIT: i64 = -32005;
const SERVER: i64 = -32000;

/// Answers requests.
pub struct Rpc {
    node: Node,
    heads: Arc<Heads>,
}

/// Serves on `listener`, from threads of its own.
///
/// # Errors
/// When there is no thread, no descriptor or no folder for temporary files.
pub fn spawn(rpc: Rpc, listener: Listener) -> io::Result<()> {
    let service: Arc<dyn Service> = Arc::new(rpc);
    // Closed by the end of the process.
    server::spawn(&service, listener, &Gate::new(MAX_CONNECTIONS)?)
}

/// A call that failed, as JSON-RPC says it.
struct Failure {
    code: i64,
    message: String,
    data: Option<String>,
}

impl Failure {
    fn new(code: i64, message: &str) -> Self {
        Self { code, message: message.to_owned(), data: None }
    }

    fn response(self, id: &Value) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(data) = self.data {
            error["data"] = data.into();
        }
        json!({ "jsonrpc": "2.0", "id": id, "error": error })
    }
}

impl From<CallError> for Failure {
    fn from(e: CallError) -> Self {
        Self { code: e.code(), message: e.to_string(), data: e.data() }
    }
}

impl Rpc {
    /// Answers from `node`, seen from the newest of `heads`.
    #[must_use]
    pub fn new(node: Node, heads: Arc<Heads>) -> Self {
        Self { node, heads }
    }

    /// The body of the answer to a body; empty when there is nothing to answer.
    fn serve(&self, body: &[u8]) -> String {
        let times = Times::starting(Instant::now());
        match serde_json::from_slice(body) {
            Err(_) => Failure::new(PARSE, "the request is not JSON").response(&Value::Null).to_string(),
            Ok(Value::Array(calls)) => self.serve_batch(calls, times),
            Ok(call) => self.serve_one(call, times).unwrap_or_default(),
        }
    }

    fn serve_batch(&self, calls: Vec<Value>, times: Times) -> String {
        if calls.is_empty() || calls.len() > limits::BATCH {
            let message = format!("a batch has 1 to {} calls", limits::BATCH);
            return Failure::new(INVALID, &message).response(&Value::Null).to_string();
        }
        let mut answers = String::new();
        for call in calls {
            let id = call.get("id").cloned().unwrap_or_default();
            if let Some(mut answer) = self.serve_one(call, times) {
                if answers.len() + answer.len() > limits::ANSWER {
                    answer = Failure::new(LIMIT, "the batch's answers are too large").response(&id).to_string();
                }
                answers.push(if answers.is_empty() { '[' } else { ',' });
                answers.push_str(&answer);
            }
        }
        if !answers.is_empty() {
            answers.push(']');
        }
        answers
    }

    /// `None` for a notification.
    fn serve_one(&self, call: Value, times: Times) -> Option<String> {
        let id = call.get("id").cloned();
        let outcome = match id {
            Some(Value::Array(_) | Value::Object(_) | Value::Bool(_)) => {
                return Some(Failure::new(INVALID, "id is text, a number or null").response(&Value::Null).to_string());
            }
            _ => self.run(call, times),
        };
        // A call without an id wants no answer; what is no call at all gets one.
        let id = match (id, &outcome) {
            (Some(id), _) => id,
            (None, Err(Failure { code: INVALID, .. })) => Value::Null,
            (None, _) => return None,
        };
        Some(match outcome {
            Ok(result) => {
                let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string();
                if answer.len() <= limits::ANSWER {
                    answer
                } else {
                    Failure::new(LIMIT, "the answer is too large").response(&id).to_string()
                }
            }
            Err(failure) => failure.response(&id).to_string(),
        })
    }

    fn run(&self, mut call: Value, times: Times) -> Result<Value, Failure> {
        if call.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(Failure::new(INVALID, "a call is an object with jsonrpc: \"2.0\""));
        }
        let params = match call.get_mut("params").map(Value::take) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(params)) => params,
            Some(_) => return Err(Failure::new(PARAMS, "params is an array")),
        };
        let method = call.get("method").and_then(Value::as_str);
        let method = method.ok_or_else(|| Failure::new(INVALID, "method is missing"))?;
        if let Some(constant) = self.constant(method) {
            return Ok(constant);
        }
        if !execution::METHODS.contains(&method) {
            return Err(CallError::NoMethod(method.to_owned()).into());
        }
        let Some(head) = self.heads.wait(times.sync) else {
            return Err(Failure { code: SERVER, message: "not synced".to_owned(), data: self.heads.trouble() });
        };
        Ok(self.node.call(method, &params, &head, times.call)?)
    }

    /// What is known without a head.
    fn constant(&self, method: &str) -> Option<Value> {
        Some(match method {
            "eth_chainId" => format!("{:#x}", self.node.spec.chain_id).into(),
            "net_version" => self.node.spec.chain_id.to_string().into(),
            "web3_clientVersion" => concat!("odyn-helios/", env!("CARGO_PKG_VERSION")).into(),
            "eth_syncing" => self.syncing(),
            _ => return None,
        })
    }

    /// `false`, or how far it got: nobody's word is taken for how far there is to go.
    fn syncing(&self) -> Value {
        let head = self.heads.current();
        let fresh = |head: &super::head::Snapshot| {
            self.node.clock.now().saturating_sub(head.latest.timestamp) <= limits::LATEST_AGE.as_secs()
        };
        if head.as_deref().is_some_and(fresh) {
            return Value::Bool(false);
        }
        let number = format!("{:#x}", head.map_or(0, |head| head.latest.number));
        json!({ "startingBlock": "0x0", "currentBlock": number, "highestBlock": number })
    }
}

/// When a request's waits end.
#[derive(Clone, Copy)]
struct Times {
    /// For the first head.
    sync: Instant,
    /// For everything.
    call: Instant,
}

impl Times {
    fn starting(now: Instant) -> Self {
        Self { sync: now + limits::SYNC_WAIT, call: now + limits::CALL }
    }
}

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rpc({:?})", self.node)
    }
}

impl Service for Rpc {
    fn name(&self) -> &'static str {
        "light client RPC"
    }

    fn plan(&self, method: &str, _: &str) -> Plan {
        let body = if method == "POST" { limits::REQUEST } else { 0 };
        let work = if method == "POST" { Work::Remote } else { Work::Immediate };
        Plan { work, body, transfer: API_TRANSFER, answer: limits::ANSWERED, ..Plan::LOCAL }
    }

    fn handlers(&self, work: Work) -> usize {
        match work {
            Work::Immediate | Work::Local => 0,
            Work::Remote => limits::HANDLERS,
        }
    }

    fn held(&self) -> usize {
        limits::HELD
    }

    fn answer(&self, request: Request) -> Answer {
        if request.method != "POST" {
            let refused = self.refusal(405, "JSON-RPC takes POST");
            return Answer { fields: vec![("Allow", "POST".to_owned())], ..refused };
        }
        Answer::bytes(JSON, self.serve(&request.body).into_bytes())
    }

    fn refusal(&self, status: u16, reason: &str) -> Answer {
        Answer { status, ..Answer::json(&Failure::new(INVALID, reason).response(&Value::Null)) }
    }
}

#[cfg(test)]
mod tests;
