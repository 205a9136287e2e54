//! The time. In an enclave it comes from the host, which may set it to anything: it can make the light client refuse
//! answers, never believe a block that no committee signed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

    /// Lets real time pass, also where the clock stands still. The one place where consensus waits.
    pub fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_runs_back() {
        let clock = Clock::default();
        let ahead = clock.now() + 1000;
        clock.highest.store(ahead, Ordering::Relaxed);
        assert_eq!(clock.now(), ahead, "as if the host had set the time back");
    }

    #[cfg(feature = "sim")]
    #[test]
    fn a_fixed_clock_stands_still() {
        let clock = Clock::fixed(1_746_612_311);
        assert_eq!([clock.now(), clock.now()], [1_746_612_311; 2]);
    }
}
