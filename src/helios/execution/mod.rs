//! Questions answered by proofs against a signed block.
//!
//! The execution RPC is asked, and what it says is compared with what the block's header commits to. Each method says in
//! its documentation what that proves. Proofs are looked up by what was asked for: an answer that is about something
//! else fails, however right it is.

pub mod error;
pub mod upstream;
pub mod view;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use crate::helios::head::Snapshot;
use crate::helios::network::Spec;
use error::CallError;
use upstream::Upstream;
use view::View;

/// Answers calls about one network's chain.
pub struct Node {
    /// The network.
    pub spec: Arc<Spec>,
    /// Who is asked.
    pub upstream: Arc<dyn Upstream>,
    /// The time, for the age of a head.
    pub clock: Arc<crate::helios::clock::Clock>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.spec.name)
    }
}

/// The methods [`Node::call`] serves.
pub const METHODS: &[&str] = &[];

impl Node {
    /// A node that asks `upstream`.
    #[must_use]
    pub fn new(spec: Arc<Spec>, upstream: Arc<dyn Upstream>, clock: Arc<crate::helios::clock::Clock>) -> Self {
        Self { spec, upstream, clock }
    }

    /// The result of `method` with `params`, seen from `head`, by `deadline`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn call(&self, method: &str, params: &[Value], head: &Snapshot, deadline: Instant) -> Result<Value, CallError> {
        let view = View { node: self, head, deadline };
        match method {
            "eth_chainId" => Ok(Value::String(format!("{:#x}", self.spec.chain_id))),
            _ => {
                let _ = (&view, params);
                Err(CallError::NoMethod(method.to_owned()))
            }
        }
    }
}
