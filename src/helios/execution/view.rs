//! What a call sees: one head, kept to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_consensus::Header;
use alloy_primitives::B256;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Node;
use super::error::{CallError, Check};
pub use super::header::Sealed;
use super::{header, history};
use crate::helios::head::{Anchor, Snapshot};
use crate::helios::limits;

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
        // Of a hostile answer serde may make many times its size, so the largest are not read many at once.
        let heavy = most > limits::LIGHT_ANSWER;
        let turn = heavy.then(|| self.node.heavy.take(self.deadline).ok_or(CallError::Deadline)).transpose()?;
        let result = self.node.upstream.request(method, params, most, self.deadline)?;
        // The reader's words for what is wrong could repeat what the server wrote.
        let read = serde_json::from_str(result.get()).map_err(|e| {
            let place = format!("{method}: line {} column {} of the answer", e.line(), e.column());
            CallError::Unproven(Check::Shape, place)
        });
        drop(turn);
        read
    }

    /// The header of a block, proven: by the head, by the parent hash of a proven one, or by EIP-2935. Never `None`: a block
    /// that cannot be proven is an error. Tags have an age, numbers and hashes have none. Going down block by block costs
    /// one request each, jumping two.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn header(&self, block: BlockId) -> Result<Arc<Sealed>, CallError> {
        match block {
            BlockId::Latest => self.anchor(&self.latest()?),
            BlockId::Finalized => {
                self.fresh("finalized", &self.head.finalized, limits::FINALIZED_AGE)?;
                self.anchor(&self.head.finalized)
            }
            BlockId::Number(number) => self.numbered(number),
            BlockId::Hash(hash) => self.hashed(hash),
        }
    }

    /// The newest block, if it is new enough.
    ///
    /// # Errors
    /// [`CallError::Stale`].
    pub fn latest(&self) -> Result<Anchor, CallError> {
        self.fresh("latest", &self.head.latest, limits::LATEST_AGE)?;
        Ok(self.head.latest)
    }

    /// The hash of block `number` in the chain that ends with `top`, which [`View::header`] gave.
    ///
    /// # Errors
    /// See [`history::hash_below`].
    pub fn hash_below(&self, top: &Sealed, number: u64) -> Result<B256, CallError> {
        let head = self.head.latest.hash;
        if number < top.header.number
            && let Some(hash) = self.node.caches.hash(head, number)
        {
            return Ok(hash);
        }
        let hash = history::hash_below(self, top, number)?;
        self.node.caches.keep_hash(head, number, hash);
        Ok(hash)
    }

    fn fresh(&self, tag: &'static str, anchor: &Anchor, most: Duration) -> Result<(), CallError> {
        let age = self.node.clock.now().saturating_sub(anchor.timestamp);
        if age > most.as_secs() { Err(CallError::Stale(tag, age)) } else { Ok(()) }
    }

    fn anchor(&self, anchor: &Anchor) -> Result<Arc<Sealed>, CallError> {
        self.sealed(anchor.hash, anchor.number)
    }

    fn numbered(&self, number: u64) -> Result<Arc<Sealed>, CallError> {
        let Anchor { number: top, hash: head, .. } = self.head.latest;
        let caches = &self.node.caches;
        if number > top {
            return Err(CallError::OutOfReach(format!("block {number} is after the head, which is {top}")));
        }
        let sealed = if number == top {
            let top = self.anchor(&self.head.latest)?;
            caches.adopt(&top);
            top
        } else if let Some(hash) = caches.hash(head, number) {
            self.sealed(hash, number)?
        } else {
            let top = self.anchor(&self.head.latest)?;
            caches.adopt(&top);
            self.sealed(self.hash_below(&top, number)?, number)?
        };
        if let Some(below) = number.checked_sub(1) {
            caches.keep_hash(head, below, sealed.header.parent_hash);
        }
        Ok(sealed)
    }

    fn hashed(&self, hash: B256) -> Result<Arc<Sealed>, CallError> {
        let sealed = self.fetched(hash)?;
        if self.numbered(sealed.header.number)?.hash != hash {
            return Err(CallError::OutOfReach(format!("block {hash} is not in the chain of the head")));
        }
        Ok(sealed)
    }

    /// The header with a hash that is known to be of the chain, and with its number.
    fn sealed(&self, hash: B256, number: u64) -> Result<Arc<Sealed>, CallError> {
        let sealed = self.fetched(hash)?;
        if sealed.header.number != number {
            let what = format!("{} instead of {number} in block {hash}", sealed.header.number);
            return Err(CallError::Unproven(Check::HeaderNumber, what));
        }
        Ok(sealed)
    }

    /// The header with a hash, which may be of any chain.
    fn fetched(&self, hash: B256) -> Result<Arc<Sealed>, CallError> {
        if let Some(sealed) = self.node.caches.header(&hash) {
            return Ok(sealed);
        }
        let header = self.ask::<Header>("eth_getBlockByHash", json!([hash, false]), limits::HEADER_ANSWER)?;
        let header = header.ok_or_else(|| CallError::Unproven(Check::Absence, format!("block {hash}")))?;
        let sealed = Arc::new(header::seal(header, hash)?);
        self.node.caches.keep_header(&sealed);
        Ok(sealed)
    }
}

#[cfg(test)]
mod tests;
