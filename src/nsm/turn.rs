//! One caller at a time, each waiting a bounded time for its turn.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::NsmError;
use crate::sync::{lock, wait};

/// Whose turn it is.
///
/// A plain mutex would serialise as well, but its wait has no end: the call into the driver sleeps in the kernel without
/// a timeout and cannot be interrupted, so behind a module that hangs every thread of the API would hang, too. With a
/// deadline the one inside is lost and all others get an answer.
#[derive(Debug, Default)]
pub(super) struct Turns {
    taken: Mutex<bool>,
    free: Condvar,
}

impl Turns {
    /// Waits for a turn, which lasts until the result is dropped.
    pub(super) fn take(&self, patience: Duration) -> Result<Turn<'_>, NsmError> {
        let deadline = Instant::now() + patience;
        let mut taken = lock(&self.taken);
        while *taken {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NsmError::Busy);
            }
            taken = wait(&self.free, taken, left);
        }
        *taken = true;
        Ok(Turn(self))
    }
}

/// Ends with the value, by a panic too.
pub(super) struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.taken) = false;
        self.0.free.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn who_waits_past_the_deadline_gets_an_error_and_the_next_a_turn() {
        let turns = Turns::default();
        let first = turns.take(LONG).unwrap();
        assert!(matches!(turns.take(Duration::from_millis(1)), Err(NsmError::Busy)));
        drop(first);
        assert!(turns.take(Duration::ZERO).is_ok());
    }

    #[test]
    fn turns_do_not_overlap_and_everybody_gets_one() {
        let (turns, inside) = (Turns::default(), Mutex::new(()));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let _turn = turns.take(LONG).unwrap();
                        assert!(inside.try_lock().is_ok());
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_ends_its_turn() {
        let turns = Turns::default();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _turn = turns.take(LONG);
            panic!("expected by this test");
        }));
        assert!(panicked.is_err() && turns.take(Duration::ZERO).is_ok());
    }
}
