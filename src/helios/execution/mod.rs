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
//! | [`block`] | blocks: transactions and withdrawals by their roots |
//! | [`transaction`] | transactions: their encoding, their signer |
//! | [`receipts`] | receipts by their root |
//! | [`logs`] | logs, all there are |
//! | [`fees`] | prices, from headers and proven blocks |
//! | [`send`] | transactions passed on |
//! | [`cache`] | what was proven once and stays true |
//! | [`upstream`] | the execution RPC |
//! | [`error`] | why a call has no result |

pub mod block;
pub mod cache;
pub mod error;
pub mod evm;
pub mod fees;
pub mod header;
pub mod history;
pub mod logs;
pub mod params;
pub mod proof;
pub mod receipts;
pub mod send;
pub mod state;
pub mod transaction;
pub mod upstream;
pub mod view;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod sample;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use crate::helios::clock::Clock;
use crate::helios::head::Snapshot;
use crate::helios::limits;
use crate::helios::network::Spec;
use crate::sync::Turns;
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
    /// Turns at reading answers larger than [`limits::LIGHT_ANSWER`].
    pub heavy: Turns,
}

/// The methods that [`Node::call`] serves.
pub const METHODS: &[&str] = &[
    "eth_blockNumber",
    "eth_getBalance",
    "eth_getTransactionCount",
    "eth_getCode",
    "eth_getStorageAt",
    "eth_getProof",
    "eth_call",
    "eth_estimateGas",
    "eth_createAccessList",
    "eth_getBlockByNumber",
    "eth_getBlockByHash",
    "eth_getBlockTransactionCountByNumber",
    "eth_getBlockTransactionCountByHash",
    "eth_getTransactionByHash",
    "eth_getTransactionByBlockNumberAndIndex",
    "eth_getTransactionByBlockHashAndIndex",
    "eth_getBlockReceipts",
    "eth_getTransactionReceipt",
    "eth_getLogs",
    "eth_gasPrice",
    "eth_maxPriorityFeePerGas",
    "eth_feeHistory",
    "eth_sendRawTransaction",
];

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({})", self.spec.name)
    }
}

impl Node {
    /// A node that knows nothing yet.
    #[must_use]
    pub fn new(spec: Arc<Spec>, upstream: Arc<dyn Upstream>, clock: Arc<Clock>) -> Self {
        Self { spec, upstream, clock, caches: Caches::default(), heavy: Turns::new(limits::HEAVY) }
    }

    /// The result of `method` with `params`, seen from `head`, by `deadline`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn call(&self, method: &str, params: &[Value], head: &Snapshot, deadline: Instant) -> Result<Value, CallError> {
        let view = View { node: self, head, deadline };
        match method {
            "eth_blockNumber" => {
                params::at_most(params, 0)?;
                Ok(json!(format!("{:#x}", view.latest()?.number)))
            }

            "eth_getBalance" => state::balance(&view, params),
            "eth_getTransactionCount" => state::nonce(&view, params),
            "eth_getCode" => state::code(&view, params),
            "eth_getStorageAt" => state::storage(&view, params),
            "eth_getProof" => state::proof(&view, params),

            "eth_call" => evm::call(&view, params),
            "eth_estimateGas" => evm::estimate::estimate_gas(&view, params),
            "eth_createAccessList" => evm::access::create_access_list(&view, params),

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

#[cfg(test)]
mod tests;
