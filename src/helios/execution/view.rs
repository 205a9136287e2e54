//! What a call sees: one head, kept to its end.

use std::sync::Arc;
use std::time::Instant;

use alloy_consensus::Header;
use alloy_primitives::B256;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Node;
use super::error::{CallError, Check};
use crate::helios::head::Snapshot;

/// A block, as a caller names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockId {
    /// `latest`.
    Latest,
    /// `finalized`, or `safe`, which is the same here.
    Finalized,
    /// A number.
    Number(u64),
    /// A hash.
    Hash(B256),
}

/// A header that is proven to be of the chain below the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its hash, which was computed here.
    pub hash: B256,
    /// Its fields.
    pub header: Header,
}

/// What a call sees.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The node.
    pub node: &'a Node,
    /// The head.
    pub head: &'a Snapshot,
    /// When the call has to be over.
    pub deadline: Instant,
}

impl View<'_> {
    /// Asks the execution RPC and reads the answer as a `T`; `None` when it is `null`.
    ///
    /// # Errors
    /// The execution RPC's, or [`Check::Shape`].
    pub fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
        most: usize,
    ) -> Result<Option<T>, CallError> {
        if Instant::now() >= self.deadline {
            return Err(CallError::Deadline);
        }
        let result = self.node.upstream.request(method, params, most, self.deadline)?;
        // The reader's words for what is wrong could repeat what the server wrote.
        serde_json::from_str(result.get()).map_err(|e| {
            let place = format!("{method}: line {} column {} of the answer", e.line(), e.column());
            CallError::Unproven(Check::Shape, place)
        })
    }

    /// The header of a block, proven: by the head, by the parent hash of a proven one, or by EIP-2935. Never `None`: a block
    /// that cannot be proven is an error.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn header(&self, block: BlockId) -> Result<Arc<Sealed>, CallError> {
        // A stand-in until the proofs are merged: the head alone, by its hash.
        let latest = self.head.latest;
        let here = match block {
            BlockId::Latest => true,
            BlockId::Finalized => latest == self.head.finalized,
            BlockId::Number(number) => number == latest.number,
            BlockId::Hash(hash) => hash == latest.hash,
        };
        if !here {
            return Err(CallError::OutOfReach(format!("{block:?}")));
        }
        let params = serde_json::json!([latest.hash, false]);
        let header: Option<Header> = self.ask("eth_getBlockByHash", params, crate::helios::limits::BLOCK_ANSWER)?;
        let header = header.filter(|header| header.hash_slow() == latest.hash);
        header
            .map(|header| Arc::new(Sealed { hash: latest.hash, header }))
            .ok_or_else(|| CallError::Unproven(Check::HeaderHash, "stand-in".into()))
    }
}
