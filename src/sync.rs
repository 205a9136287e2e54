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

/// Lets few do something at once; the others wait for their turn.
#[derive(Debug)]
pub struct Turns {
    free: Mutex<usize>,
    changed: Condvar,
}

/// A turn; dropping it, by a panic too, gives it to the next.
#[derive(Debug)]
pub struct Turn<'a>(&'a Turns);

impl Turns {
    /// As many turns at once.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { free: Mutex::new(count), changed: Condvar::new() }
    }

    /// A turn, waited for until `deadline`; `None` then.
    pub fn take(&self, deadline: std::time::Instant) -> Option<Turn<'_>> {
        let mut free = lock(&self.free);
        while *free == 0 {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return None;
            }
            free = wait(&self.changed, free, left);
        }
        *free -= 1;
        Some(Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.free) += 1;
        self.0.changed.notify_one();
    }
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
