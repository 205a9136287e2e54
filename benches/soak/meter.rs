//! What the two processes cost: at their peak within a round, and at rest behind it, where nothing may stay.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::proc::{cpu_ticks, descriptors, stat, status_field, thread_count};

/// Connections that may be there at rest beyond those of the first rest: to AWS, which odyn keeps for the next call and
/// looks at only then.
const KEPT: usize = odyn::config::limits::AWS_KEPT;

/// How long after the last client has gone everything it caused may stay: idle threads wait five seconds for another
/// connection, and what an idle application's answer may take is below that.
const SETTLE: Duration = Duration::from_secs(40);

/// Ticks of the processor, hundredths of a second, in [`IDLE`]: what wakes up at rest is a timer now and then.
const IDLE_TICKS: u64 = 3;
const IDLE: Duration = Duration::from_secs(1);

/// What resident memory may grow by between the first rest and the last. A leak of ten bytes for each of a minute's
/// requests, a hundred thousand, is thirty MiB in half an hour. What grows without being a leak is glibc's: an arena for
/// each thread that ever met another one in the allocator (eight for each processor at most), which keeps up to
/// M_TRIM_THRESHOLD, 128 KiB, at its top and whatever lies below a block that is still used. That was two MiB in the
/// first round after the first rest, then half as much in each.
pub const GROWTH_KIB: u64 = 8 << 10;

#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    pub kib: u64,
    pub descriptors: usize,
    pub threads: usize,
    pub ticks: u64,
}

impl Sample {
    pub fn of(pid: i32) -> Option<Self> {
        // Gone, or not reaped yet: then /proc has nothing of this.
        if stat(pid).is_none_or(|(state, _)| state == 'Z') {
            return None;
        }
        let kib = status_field(pid, "VmRSS").trim_end_matches(" kB").parse().ok()?;
        Some(Self { kib, descriptors: descriptors(pid).len(), threads: thread_count(pid), ticks: cpu_ticks(pid) })
    }

    pub fn or_more(self, other: Self) -> Self {
        Self {
            kib: self.kib.max(other.kib),
            descriptors: self.descriptors.max(other.descriptors),
            threads: self.threads.max(other.threads),
            ticks: self.ticks.max(other.ticks),
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kib, ticks) = (self.kib as f64 / 1024.0, self.ticks as f64 / 100.0);
        write!(
            f,
            "{kib:6.1} MiB resident, {:4} descriptors, {:4} threads, {ticks:8.2} s of CPU",
            self.descriptors, self.threads
        )
    }
}

/// One process, watched.
pub struct Meter {
    pub name: &'static str,
    pid: i32,
    /// How many threads a connection to AWS costs; each has a descriptor, and one more with a thread.
    threads_each: usize,
    /// Of this round.
    pub peak: Sample,
    /// One behind each round.
    pub rests: Vec<Sample>,
}

impl Meter {
    pub fn new(name: &'static str, pid: i32, threads_each: usize) -> Self {
        Self { name, pid, threads_each, peak: Sample::default(), rests: Vec::new() }
    }

    /// False when the process has ended.
    pub fn look(&mut self) -> bool {
        let Some(sample) = Sample::of(self.pid) else { return false };
        self.peak = self.peak.or_more(sample);
        true
    }

    /// Waits until everything is as it was at the first rest, then measures. `Err` says what stays.
    pub fn rest(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        let (name, first) = (self.name, self.rests.first().copied());
        let mut last = self.sample()?;
        loop {
            // At the first rest there is nothing to compare with but the moment before.
            thread::sleep(IDLE);
            let now = self.sample()?;
            let idle = now.ticks - last.ticks <= IDLE_TICKS;
            let same = match first {
                Some(first) => {
                    now.descriptors <= first.descriptors + KEPT * (1 + self.threads_each)
                        && now.threads <= first.threads + KEPT * self.threads_each
                }
                None => begun.elapsed() > Duration::from_secs(10),
            };
            if idle && same {
                self.rests.push(now);
                return Ok(());
            }
            if begun.elapsed() > SETTLE {
                self.rests.push(now);
                let busy = now.ticks - last.ticks;
                return Err(format!(
                    "{name} does not come to rest: {now}, {busy} ticks a second; at the first rest {}",
                    first.unwrap_or_default()
                ));
            }
            last = now;
        }
    }

    fn sample(&self) -> Result<Sample, String> {
        Sample::of(self.pid).ok_or_else(|| format!("{} has ended", self.name))
    }

    /// How much it grew from the first rest to the last, when that is too much.
    pub fn growth(&self) -> Result<(), String> {
        let (Some(first), Some(last)) = (self.rests.first(), self.rests.last()) else { return Ok(()) };
        let grown = last.kib.saturating_sub(first.kib);
        if grown <= GROWTH_KIB {
            return Ok(());
        }
        Err(format!("{} grew by {grown} KiB at rest; {GROWTH_KIB} are allowed", self.name))
    }
}
