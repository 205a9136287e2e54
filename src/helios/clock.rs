//! The time. In an enclave it comes from the host, which may set it to anything: it can make the light client refuse
//! answers, never believe a block that no committee signed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970, never running back.
#[derive(Debug, Default)]
pub struct Clock {
    highest: AtomicU64,
    /// A moment that does not move, for recordings.
    #[cfg(feature = "sim")]
    fixed: Option<u64>,
}

impl Clock {
    /// A clock that stands still: recordings are of their day.
    #[cfg(feature = "sim")]
    #[must_use]
    pub fn fixed(seconds: u64) -> Self {
        Self { highest: AtomicU64::new(seconds), fixed: Some(seconds) }
    }

    /// Now: the system's time, or the highest it ever was.
    pub fn now(&self) -> u64 {
        #[cfg(feature = "sim")]
        if let Some(seconds) = self.fixed {
            return seconds;
        }
        let system = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.highest.fetch_max(system, Ordering::Relaxed).max(system)
    }
}
