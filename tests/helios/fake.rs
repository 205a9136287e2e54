//! The two servers, made up: a beacon node and an execution RPC on loopback, over real HTTP, that say what a test wants.
//!
//! Both serve the generated chain up to a head that a test may move. Every answer passes a hook that may alter it, and is
//! counted.

pub mod beacon;
pub mod execution;
pub mod http;
pub mod recorded;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::chain::{self, Chain};
use beacon::FakeBeacon;
use execution::FakeExecution;

/// Both servers over one chain and one head.
pub struct Fake {
    pub chain: Arc<Chain>,
    pub beacon: FakeBeacon,
    pub execution: FakeExecution,
    head: Arc<AtomicU64>,
}

impl Fake {
    /// Servers of the shared chain with its head at [`chain::HEAD`].
    pub fn start() -> Self {
        Self::over(Chain::shared())
    }

    /// Servers of a chain.
    pub fn over(chain: Arc<Chain>) -> Self {
        let head = Arc::new(AtomicU64::new(chain::HEAD));
        let beacon = FakeBeacon::start(Arc::clone(&chain), Arc::clone(&head));
        let execution = FakeExecution::start(Arc::clone(&chain), Arc::clone(&head));
        Self { chain, beacon, execution, head }
    }

    /// Moves the head to a slot that has a block.
    pub fn set_head(&self, slot: u64) {
        assert!(self.chain.beacon.blocks.contains_key(&slot));
        self.head.store(slot, Ordering::SeqCst);
    }
}
