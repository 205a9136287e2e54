//! Locks that outlive a panic.
//!
//! A panicking connection thread ends that connection and nothing else. The few locks shared between threads guard
//! data that is consistent between any two statements, so a poisoned one is taken over rather than passed on.

#![forbid(unsafe_code)]

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Locks `mutex`, whoever panicked while holding it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for `changed`, at most `timeout`. May wake early: check the condition again.
pub fn wait<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>, timeout: Duration) -> MutexGuard<'a, T> {
    changed.wait_timeout(guard, timeout).unwrap_or_else(PoisonError::into_inner).0
}

/// Closed until it is opened, once.
#[derive(Clone, Debug, Default)]
pub struct Latch(std::sync::Arc<(Mutex<bool>, Condvar)>);

impl Latch {
    /// Opens it for good.
    pub fn open(&self) {
        *lock(&self.0.0) = true;
        self.0.1.notify_all();
    }

    /// True once it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *lock(&self.0.0)
    }

    /// Waits until it is open, at most until `deadline`; returns whether it is.
    #[must_use]
    pub fn wait(&self, deadline: std::time::Instant) -> bool {
        let mut open = lock(&self.0.0);
        while !*open {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                break;
            }
            open = wait(&self.0.1, open, left);
        }
        *open
    }
}
