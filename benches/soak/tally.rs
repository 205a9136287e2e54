//! What is done, and how much of it went well.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::thread::{self, Scope};
use std::time::Instant;

use crate::stage::Stage;
use crate::stream::Dice;

/// Errors are for people here.
pub type Outcome<T> = Result<T, String>;

/// Failures of one kind that are told; the others are counted.
const TOLD: u64 = 5;

/// When this began.
pub static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What one turn of a kind may use.
pub struct Turn<'a> {
    pub stage: &'a Stage,
    pub dice: &'a mut Dice,
    /// The round's end.
    pub over: &'a AtomicBool,
}

impl Turn<'_> {
    pub fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// A kind of use: so many threads take turn after turn, each of which is some requests, until the round is over.
pub struct Kind {
    pub name: &'static str,
    threads: usize,
    turn: fn(&mut Turn) -> Outcome<u64>,
    ok: AtomicU64,
    failed: AtomicU64,
}

impl Kind {
    pub const fn new(name: &'static str, threads: usize, turn: fn(&mut Turn) -> Outcome<u64>) -> Self {
        Self { name, threads, turn, ok: AtomicU64::new(0), failed: AtomicU64::new(0) }
    }

    pub fn ok(&self) -> u64 {
        self.ok.load(Ordering::Relaxed)
    }

    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    pub fn start<'s>(&'s self, scope: &'s Scope<'s, '_>, stage: &'s Stage, over: &'s AtomicBool) {
        static SEED: AtomicU64 = AtomicU64::new(1);
        for _ in 0..self.threads {
            let seed = SEED.fetch_add(1, Ordering::Relaxed);
            let work = move || self.take_turns(&mut Turn { stage, dice: &mut Dice::new(seed), over });
            thread::Builder::new().name(self.name.to_owned()).spawn_scoped(scope, work).unwrap();
        }
    }

    fn take_turns(&self, turn: &mut Turn) {
        // At least one.
        loop {
            let done = catch_unwind(AssertUnwindSafe(|| (self.turn)(turn)));
            match done.unwrap_or_else(|_| Err("the soak's own code panicked".to_owned())) {
                Ok(count) => drop(self.ok.fetch_add(count, Ordering::Relaxed)),
                Err(e) => {
                    if self.failed.fetch_add(1, Ordering::Relaxed) < TOLD {
                        complain(&format!("{}: {e}", self.name));
                    }
                }
            }
            if turn.over() {
                return;
            }
        }
    }
}

static COMPLAINTS: Mutex<u64> = Mutex::new(0);

/// Says what went wrong, and makes the whole run fail.
pub fn complain(what: &str) {
    let mut count = COMPLAINTS.lock().unwrap();
    *count += 1;
    // What a defect repeats a million times is told often enough.
    if *count <= 100 {
        println!("{:7.1} s  FAILED  {what}", BEGUN.elapsed().as_secs_f64());
    }
}

pub fn complaints() -> u64 {
    *COMPLAINTS.lock().unwrap()
}

/// `Err` with `what` unless this holds.
pub fn ensure(holds: bool, what: impl FnOnce() -> String) -> Outcome<()> {
    if holds { Ok(()) } else { Err(what()) }
}

/// Polls until `probe` gives something, for as long as anything may take.
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> Outcome<T> {
    let begun = Instant::now();
    while begun.elapsed() < crate::stream::PATIENCE {
        if let Some(found) = probe() {
            return Ok(found);
        }
        thread::sleep(std::time::Duration::from_millis(2));
    }
    Err(format!("never happened: {what}"))
}
