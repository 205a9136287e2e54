//! What to ask the consensus RPC next, and when what is known is a head.

use std::time::Duration;

use alloy_primitives::B256;

use super::Start;
use super::beacon::Beacon;
use super::error::{ConsensusError, Refusal};
use super::store::Store;
use super::types::Update;
use crate::config::value::Checkpoint;
use crate::helios::head::Snapshot;
use crate::helios::http::FetchError;
use crate::helios::limits::{BEACON_UPDATES, CHECKPOINT_AGE, LATEST_AGE};

/// A store, and the server it learns from.
#[derive(Debug)]
pub struct Follower<'a> {
    start: &'a Start,
    beacon: Beacon<'a>,
    store: Store,
}

/// Whether trying again cannot help: the checkpoint itself, which does not change, is at fault.
#[must_use]
pub fn is_final(start: &Start, e: &ConsensusError) -> bool {
    let of_the_checkpoint = matches!(e, ConsensusError::Refused(_, Refusal::TooOld(_) | Refusal::BeforeCapella(_)));
    of_the_checkpoint && start.checkpoint != Checkpoint::UnsafeLatest
}

impl<'a> Follower<'a> {
    /// Fetches the checkpoint's header and committee, and checks them and its age.
    ///
    /// # Errors
    /// See [`ConsensusError`] and [`is_final`].
    pub fn begin(start: &'a Start) -> Result<Self, ConsensusError> {
        let beacon = Beacon { spec: &start.spec, server: &start.server };
        let root = match start.checkpoint {
            Checkpoint::Root(root) => B256::new(root),
            Checkpoint::UnsafeLatest => beacon.finalized_root()?,
        };
        let refused = |e| ConsensusError::Refused("light_client/bootstrap", e);
        let store = Store::bootstrap(&start.spec, root, &beacon.bootstrap(root)?).map_err(refused)?;
        let made = start.spec.slot_time(store.finalized().beacon.slot);
        let age = Duration::from_secs(start.clock.now().saturating_sub(made));
        if age > CHECKPOINT_AGE && !start.allow_old_checkpoint {
            return Err(refused(Refusal::TooOld(age)));
        }
        Ok(Self { start, beacon, store })
    }

    /// What is known.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Learns all that the server has to say now, and publishes it if that is a head. An error of one request does not
    /// keep the others from being made, nor what they bring from being published.
    ///
    /// # Errors
    /// The first [`ConsensusError`].
    pub fn sync_once(&mut self) -> Result<(), ConsensusError> {
        // With a head, the newest is what calls wait for, and the others may take their time.
        let begun = self.start.heads.current().is_some();
        let before = begun.then(|| self.optimistic());
        let periods = self.periods();
        let finality = self.newest("light_client/finality_update", Beacon::finality_update);
        self.publish();
        let optimistic = before.unwrap_or_else(|| self.optimistic());
        periods.and(finality).and(optimistic)
    }

    fn optimistic(&mut self) -> Result<(), ConsensusError> {
        let learned = self.newest("light_client/optimistic_update", Beacon::optimistic_update);
        self.publish();
        learned
    }

    /// Goes on from period to period until this one's committee and the next are known.
    fn periods(&mut self) -> Result<(), ConsensusError> {
        loop {
            let (period, now) = (self.store.period(), self.period_now());
            let begin = if self.store.knows_next() { period.saturating_add(1) } else { period };
            if begin > now {
                return Ok(());
            }
            let before = (period, self.store.knows_next());
            let updates = match self.beacon.updates(begin, (now - begin).saturating_add(1).min(BEACON_UPDATES)) {
                // Some servers say so when there is none of this period yet.
                Err(ConsensusError::Fetch(_, FetchError::Status(_, 404))) if begin == now => Vec::new(),
                updates => updates?,
            };
            for update in &updates {
                self.learn("light_client/updates", update)?;
            }
            if (self.store.period(), self.store.knows_next()) != before {
                continue;
            }
            // In its first minutes a period has no update that finalizes a part of it.
            return if begin == now { Ok(()) } else { Err(ConsensusError::Stuck(period)) };
        }
    }

    fn newest(
        &mut self,
        what: &'static str,
        ask: impl Fn(&Beacon<'a>) -> Result<Update, ConsensusError>,
    ) -> Result<(), ConsensusError> {
        let update = ask(&self.beacon)?;
        self.learn(what, &update)
    }

    fn learn(&mut self, what: &'static str, update: &Update) -> Result<(), ConsensusError> {
        let now = self.start.spec.slot_at(self.start.clock.now());
        match self.store.apply(update, now) {
            Ok(()) | Err(Refusal::Irrelevant) => Ok(()),
            Err(e) => Err(ConsensusError::Refused(what, e)),
        }
    }

    /// A head is of this period, or new enough to be of the last slots of the one before.
    fn publish(&self) {
        let Some(latest) = self.store.head() else { return };
        let made = self.start.spec.slot_time(latest.beacon.slot);
        let is_fresh = self.start.clock.now().saturating_sub(made) <= LATEST_AGE.as_secs();
        if self.start.spec.period(latest.beacon.slot) >= self.period_now() || is_fresh {
            let snapshot = Snapshot { latest: latest.anchor(), finalized: self.store.finalized().anchor() };
            self.start.heads.publish(snapshot);
        }
    }

    fn period_now(&self) -> u64 {
        self.start.spec.period(self.start.spec.slot_at(self.start.clock.now()))
    }
}

#[cfg(test)]
mod tests;
