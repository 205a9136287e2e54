//! One value that many threads use, that ends, and that is fetched by one at a time.
//!
//! Fetching has a thread of its own, so that nobody's call takes as long as a server that stalls: whoever still has a
//! value that has not ended goes on with it, the others wait as long as they care to. After a failure nobody asks again
//! until a pause has passed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

use super::backoff;
use super::credentials::CredentialsError;
use crate::config::limits;
use crate::sync::{lock, wait};
use crate::sys::memory;

type Fetch<T> = dyn Fn() -> Result<Fetched<T>, CredentialsError> + Send + Sync;

/// A value and when it ends; `None`: never.
pub(super) struct Fetched<T> {
    pub(super) value: T,
    pub(super) end: Option<SystemTime>,
}

/// See the module.
pub(super) struct Flight<T>(Arc<Shared<T>>);

struct Shared<T> {
    /// What it is, for the log.
    what: &'static str,
    fetch: Box<Fetch<T>>,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    held: Option<Held<T>>,
    fetching: bool,
    /// The last failure, if nothing was fetched since.
    failure: Option<Arc<CredentialsError>>,
    failures: u32,
    not_before: Option<Instant>,
    /// When the last one came.
    fetched: Option<Instant>,
}

struct Held<T> {
    value: Arc<T>,
    end: Option<SystemTime>,
    /// From then on the next one is fetched.
    renew: Option<SystemTime>,
}

impl<T> Held<T> {
    fn new(fetched: Fetched<T>, now: SystemTime) -> Self {
        let renew = fetched.end.map(|end| renewal(now, end));
        let end = fetched.end.map(|end| last_use(now, end));
        Self { value: Arc::new(fetched.value), end, renew }
    }

    fn has_ended(&self, now: SystemTime) -> bool {
        self.end.is_some_and(|end| end <= now)
    }

    fn is_due(&self, now: SystemTime) -> bool {
        self.renew.is_some_and(|renew| renew <= now)
    }
}

/// Well before the end; of what lives too shortly for that, after half of its life, but not at once.
fn renewal(now: SystemTime, end: SystemTime) -> SystemTime {
    let life = end.duration_since(now).unwrap_or_default();
    let after = if life > 2 * limits::CREDENTIALS_AHEAD { life - limits::CREDENTIALS_AHEAD } else { life / 2 };
    now + after.max(limits::CREDENTIALS_INTERVAL)
}

/// A little before the end, for a request's way and for clocks; of what lives shortly, little of its life.
fn last_use(now: SystemTime, end: SystemTime) -> SystemTime {
    let life = end.duration_since(now).unwrap_or_default();
    end - limits::CREDENTIALS_SLACK.min(life / 4)
}

impl<T: Send + Sync + 'static> Flight<T> {
    pub(super) fn new(
        what: &'static str,
        fetch: impl Fn() -> Result<Fetched<T>, CredentialsError> + Send + Sync + 'static,
    ) -> Self {
        let state = State { held: None, fetching: false, failure: None, failures: 0, not_before: None, fetched: None };
        Self(Arc::new(Shared { what, fetch: Box::new(fetch), state: Mutex::new(state), changed: Condvar::new() }))
    }

    /// A value that has not ended, waiting for one at most `patience`.
    pub(super) fn value(&self, patience: Duration) -> Result<Arc<T>, Arc<CredentialsError>> {
        let deadline = Instant::now() + patience;
        let mut state = lock(&self.0.state);
        loop {
            let (now, wall) = (Instant::now(), SystemTime::now());
            let held = state.held.as_ref().filter(|held| !held.has_ended(wall));
            let (value, due) = (held.map(|held| Arc::clone(&held.value)), held.is_none_or(|held| held.is_due(wall)));
            let may = !state.fetching && state.not_before.is_none_or(|at| at <= now);
            if due && may {
                self.start(&mut state);
            }
            if let Some(value) = value {
                return Ok(value);
            }
            let left = deadline.saturating_duration_since(now);
            match &state.failure {
                Some(failure) if left.is_zero() || !failure.is_passing() && !state.fetching => {
                    return Err(Arc::clone(failure));
                }
                None if left.is_zero() => return Err(Arc::new(CredentialsError::Waiting(patience))),
                _ => {}
            }
            let pause = state.not_before.map(|at| at.saturating_duration_since(now)).filter(|_| !state.fetching);
            state = wait(&self.0.changed, state, pause.map_or(left, |pause| pause.min(left)));
        }
    }

    /// Forgets `stale`, if that is still the value, so that the next is fetched.
    pub(super) fn forget(&self, stale: &Arc<T>) {
        let mut state = lock(&self.0.state);
        if state.held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.value, stale)) {
            state.held = None;
            // The pause was chosen for somebody who had credentials.
            let soon = Instant::now() + limits::CREDENTIALS_PAUSE_WITHOUT;
            state.not_before = state.not_before.map(|at| at.min(soon));
            // Nor may it come so quickly that whoever forgets each asks without a pause.
            state.not_before = state.not_before.max(state.fetched.map(|at| at + limits::CREDENTIALS_INTERVAL));
        }
    }

    fn start(&self, state: &mut State<T>) {
        let shared = Arc::clone(&self.0);
        let named = std::thread::Builder::new().name(shared.what.to_owned()).stack_size(limits::API_STACK);
        match memory::room_for_thread(limits::API_STACK).and_then(|()| named.spawn(move || shared.fetch())) {
            Ok(_) => state.fetching = true,
            Err(e) => state.failed(self.0.what, CredentialsError::Thread(e)),
        }
    }
}

impl<T> Shared<T> {
    fn fetch(&self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.fetch)())).unwrap_or(Err(CredentialsError::Defect));
        let mut state = lock(&self.state);
        state.fetching = false;
        match outcome {
            Ok(fetched) => {
                let now = SystemTime::now();
                if state.failures > 0 {
                    log::info!("{}: renewed after {} failed attempts", self.what, state.failures);
                }
                state.failures = 0;
                state.failure = None;
                state.not_before = None;
                state.fetched = Some(Instant::now());
                state.held = Some(Held::new(fetched, now));
            }
            Err(e) => state.failed(self.what, e),
        }
        self.changed.notify_all();
    }
}

impl<T> State<T> {
    fn failed(&mut self, what: &str, e: CredentialsError) {
        self.failures = self.failures.saturating_add(1);
        // Not beyond the end of what is held.
        let left = |held: &Held<T>| held.end.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
        let left = self.held.as_ref().map_or(Duration::ZERO, |held| left(held).unwrap_or(Duration::MAX));
        let cap = left.clamp(limits::CREDENTIALS_PAUSE_WITHOUT, limits::CREDENTIALS_PAUSE_WITH);
        let pause = backoff::pause(self.failures, limits::CREDENTIALS_PAUSE, cap);
        // The first of a row, and then ever fewer: the pause doubles and so does the count.
        if self.failures.is_power_of_two() {
            log::warn!("{what}: attempt {} failed: {e}", self.failures);
        }
        self.not_before = Some(Instant::now() + pause);
        self.failure = Some(Arc::new(e));
    }
}

#[cfg(test)]
mod tests;
