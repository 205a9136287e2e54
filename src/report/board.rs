//! The current status, its changes, and whether a host has read the final one.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::sync::{lock, wait};
use crate::wire::status::Status;

/// Where the status is posted.
#[derive(Debug, Default)]
pub struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Everything posted, oldest first. A final status ends it, so it holds three at most.
    posted: Vec<Status>,
    /// A host has read the final status.
    read: bool,
}

impl Board {
    /// Posts a change. Ignored after a final status: an end is not revised.
    pub fn post(&self, status: Status) {
        let mut state = lock(&self.state);
        if !state.posted.last().is_some_and(Status::is_final) && state.posted.last() != Some(&status) {
            state.posted.push(status);
            self.changed.notify_all();
        }
    }

    /// The status after the first `seen` ones, with its number; the newest for a reader that has `None` seen. Waits up
    /// to `patience` for one.
    pub fn next(&self, seen: Option<usize>, patience: Duration) -> Option<(usize, Status)> {
        let mut state = lock(&self.state);
        let pick = |state: &State| {
            let index = seen.unwrap_or(state.posted.len().saturating_sub(1));
            state.posted.get(index).map(|status| (index + 1, status.clone()))
        };
        if pick(&state).is_none() {
            state = wait(&self.changed, state, patience);
        }
        pick(&state)
    }

    /// Notes that a host has read the final status.
    pub fn mark_read(&self) {
        lock(&self.state).read = true;
        self.changed.notify_all();
    }

    /// Waits until a host has read the final status, at most until `deadline`; true when one has.
    pub fn wait_read(&self, deadline: Instant) -> bool {
        let mut state = lock(&self.state);
        while !state.read {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = wait(&self.changed, state, left);
        }
        state.read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fatal(error: &str) -> Status {
        Status::Fatal { error: error.into() }
    }

    #[test]
    fn a_reader_gets_the_current_state_first_and_then_every_change() {
        let board = Board::default();
        assert_eq!(board.next(None, Duration::ZERO), None);
        board.post(Status::Running);
        let (seen, status) = board.next(None, Duration::ZERO).unwrap();
        assert_eq!(status, Status::Running);
        assert_eq!(board.next(Some(seen), Duration::ZERO), None);
        board.post(fatal("x"));
        assert_eq!(board.next(Some(seen), Duration::ZERO).unwrap().1, fatal("x"));
        assert_eq!(board.next(None, Duration::ZERO).unwrap().1, fatal("x"));
    }

    #[test]
    fn nothing_follows_a_final_status() {
        let board = Board::default();
        board.post(fatal("first"));
        board.post(Status::Running);
        board.post(fatal("second"));
        assert_eq!(board.next(None, Duration::ZERO), Some((1, fatal("first"))));
    }
}
