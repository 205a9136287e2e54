//! Questions answered by proofs against a signed block.
//!
//! The execution RPC is asked, and what it says is compared with what the block's header commits to. Each method says in
//! its documentation what that proves. Proofs are looked up by what was asked for: an answer that is about something
//! else fails, however right it is.

pub mod error;
pub mod upstream;
pub mod view;

mod block;
mod fees;
mod logs;
mod params;
mod receipts;
#[cfg(test)]
mod sample;
mod send;
mod transaction;

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

impl Node {
    /// The result of `method` with `params`, seen from `head`, by `deadline`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn call(&self, method: &str, params: &[Value], head: &Snapshot, deadline: Instant) -> Result<Value, CallError> {
        let view = View { node: self, head, deadline };
        match method {
            "eth_chainId" => Ok(Value::String(format!("{:#x}", self.spec.chain_id))),
            "eth_getBlockByNumber" => block::by_number(&view, params),
            "eth_getBlockByHash" => block::by_hash(&view, params),
            "eth_getBlockTransactionCountByNumber" => block::count_by_number(&view, params),
            "eth_getBlockTransactionCountByHash" => block::count_by_hash(&view, params),
            "eth_getTransactionByHash" => transaction::by_hash(&view, params),
            "eth_getTransactionByBlockNumberAndIndex" => transaction::by_number_and_index(&view, params),
            "eth_getTransactionByBlockHashAndIndex" => transaction::by_hash_and_index(&view, params),
            "eth_getBlockReceipts" => receipts::of_block(&view, params),
            "eth_getTransactionReceipt" => receipts::of_transaction(&view, params),
            "eth_getLogs" => logs::get(&view, params),
            "eth_gasPrice" => fees::gas_price(&view, params),
            "eth_maxPriorityFeePerGas" => fees::max_priority_fee(&view, params),
            "eth_feeHistory" => fees::history(&view, params),
            "eth_sendRawTransaction" => send::raw(&view, params),
            _ => Err(CallError::NoMethod(method.to_owned())),
        }
    }
}
