//! Questions answered by proofs against a signed block.
//!
//! The execution RPC is asked, and what it says is compared with what the block's header commits to. Each method says in
//! its documentation what that proves. Proofs are looked up by what was asked for: an answer that is about something
//! else fails, however right it is.
//!
//! | module | what it is |
//! |---|---|
//! | [`params`] | a caller's parameters, read strictly |
//! | [`view`] | what a call sees: its head, and the headers below it |
//! | [`header`] | a header and its hash |
//! | [`history`] | hashes of blocks by number |
//! | [`proof`] | `eth_getProof` |
//! | [`state`] | accounts, code and storage |
//! | [`evm`] | calls, run here |
//! | [`cache`] | what was proven once and stays true |
//! | [`upstream`] | the execution RPC |
//! | [`error`] | why a call has no result |

pub mod cache;
pub mod error;
pub mod evm;
#[cfg(test)]
mod fixture;
pub mod header;
pub mod history;
pub mod params;
pub mod proof;
pub mod state;
pub mod upstream;
pub mod view;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use crate::helios::clock::Clock;
use crate::helios::head::Snapshot;
use crate::helios::network::Spec;
use cache::Caches;
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
    pub clock: Arc<Clock>,
    /// What was proven before.
    pub caches: Caches,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.spec.name)
    }
}

impl Node {
    /// A node that knows nothing yet.
    #[must_use]
    pub fn new(spec: Arc<Spec>, upstream: Arc<dyn Upstream>, clock: Arc<Clock>) -> Self {
        Self { spec, upstream, clock, caches: Caches::default() }
    }

    /// The result of `method` with `params`, seen from `head`, by `deadline`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn call(&self, method: &str, params: &[Value], head: &Snapshot, deadline: Instant) -> Result<Value, CallError> {
        let view = View { node: self, head, deadline };
        match method {
            "eth_chainId" => constant(params, format!("{:#x}", self.spec.chain_id)),
            "net_version" => constant(params, self.spec.chain_id.to_string()),
            "web3_clientVersion" => constant(params, concat!("odyn-helios/", env!("CARGO_PKG_VERSION")).to_owned()),
            "eth_blockNumber" => constant(params, format!("{:#x}", view.latest()?.number)),

            "eth_getBalance" => state::balance(&view, params),
            "eth_getTransactionCount" => state::nonce(&view, params),
            "eth_getCode" => state::code(&view, params),
            "eth_getStorageAt" => state::storage(&view, params),
            "eth_getProof" => state::proof(&view, params),

            "eth_call" => evm::call(&view, params),
            "eth_estimateGas" => evm::estimate::estimate_gas(&view, params),
            "eth_createAccessList" => evm::access::create_access_list(&view, params),

            _ => Err(CallError::NoMethod(method.to_owned())),
        }
    }
}

/// The answer of a method that takes no parameters.
fn constant(params: &[Value], answer: String) -> Result<Value, CallError> {
    params::at_most(params, 0)?;
    Ok(json!(answer))
}

#[cfg(test)]
mod tests;
