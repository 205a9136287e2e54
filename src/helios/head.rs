//! The blocks that sync committees have signed for, as consensus hands them to execution.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use alloy_primitives::B256;

use crate::sync::{lock, wait};

/// An execution block whose header a sync committee's signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The beacon block's slot.
    pub slot: u64,
    /// The execution block's number.
    pub number: u64,
    /// The execution block's hash: what everything is proven against.
    pub hash: B256,
    /// Its timestamp, in seconds since 1970.
    pub timestamp: u64,
}

/// What is known at one moment. A request keeps one to its end, so that its parts fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The newest block with enough signatures: `latest`.
    pub latest: Anchor,
    /// The newest finalized one: `finalized` and `safe`.
    pub finalized: Anchor,
}

/// The current snapshot: one writer, any number of readers.
#[derive(Debug, Default)]
pub struct Heads {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Arc<Snapshot>>,
    trouble: Option<String>,
}

impl Heads {
    /// Replaces the snapshot; what was wrong is over.
    pub fn publish(&self, snapshot: Snapshot) {
        *lock(&self.state) = State { current: Some(Arc::new(snapshot)), trouble: None };
        self.changed.notify_all();
    }

    /// Says why there is no newer snapshot, for whoever waits for one.
    pub fn explain(&self, trouble: String) {
        lock(&self.state).trouble = Some(trouble);
    }

    /// The last thing that went wrong since the last snapshot.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.state).trouble.clone()
    }

    /// The snapshot; `None` before the first.
    pub fn current(&self) -> Option<Arc<Snapshot>> {
        lock(&self.state).current.clone()
    }

    /// The snapshot, waited for until `deadline`.
    pub fn wait(&self, deadline: Instant) -> Option<Arc<Snapshot>> {
        let mut state = lock(&self.state);
        loop {
            if let Some(snapshot) = &state.current {
                return Some(Arc::clone(snapshot));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = wait(&self.changed, state, left);
        }
    }
}
