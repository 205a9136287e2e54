//! From a checkpoint to signed heads: the light-client protocol of the consensus specification (Altair's
//! `sync-protocol.md`, with the execution branch of Capella and the generalized indices of Electra).
//!
//! Promises: a header becomes finalized only with two thirds of a known committee's signatures and its branch, `latest`
//! only with more than half of the most seen lately; every check of the specification is made, also that a committee
//! announced again is the one already known. Never forces an update for want of a better one, never goes back.
//!
//! | module | what it is |
//! |---|---|
//! | [`types`] | the protocol's objects, and the shapes they have had |
//! | [`ssz`], [`json`] | reading them |
//! | [`merkle`] | roots and branches |
//! | [`committee`] | keys and signatures |
//! | [`store`] | what is known, and the checks before anything is added |
//! | [`beacon`] | asking the server |
//! | [`follower`] | what to ask next, and what to publish |
//! | [`error`] | everything that can be wrong |

pub mod beacon;
pub mod committee;
pub mod error;
pub mod follower;
pub mod json;
pub mod merkle;
pub mod ssz;
pub mod store;
pub mod types;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::value::Checkpoint;
use crate::helios::clock::Clock;
use crate::helios::head::Heads;
use crate::helios::http::Server;
use crate::helios::limits::{REPEAT, RETRY_FIRST, RETRY_MOST};
use crate::helios::network::Spec;
use follower::Follower;

/// What following a network takes.
#[derive(Debug)]
pub struct Start {
    /// The network.
    pub spec: Arc<Spec>,
    /// What is trusted.
    pub checkpoint: Checkpoint,
    /// Whether a checkpoint beyond the weak-subjectivity age is taken.
    pub allow_old_checkpoint: bool,
    /// The beacon API, believed in nothing.
    pub server: Server,
    /// The time.
    pub clock: Arc<Clock>,
    /// Where heads go.
    pub heads: Arc<Heads>,
}

/// Follows the network. Returns only when going on makes no sense; says why in the log and in [`Heads::explain`].
pub fn follow(start: &Start) {
    let mut trouble = Trouble::default();
    let mut wait = RETRY_FIRST;
    let mut follower = loop {
        match Follower::begin(start) {
            Ok(follower) => break follower,
            Err(e) => {
                start.heads.explain(e.to_string());
                if follower::is_final(start, &e) {
                    return log::error!("{e}");
                }
                trouble.report(e.to_string());
            }
        }
        start.clock.pause(wait);
        wait = (wait * 2).min(RETRY_MOST);
    };
    log::info!("{} from the checkpoint at slot {}", start.spec.name, follower.store().finalized().beacon.slot);
    wait = RETRY_FIRST;
    loop {
        match follower.sync_once() {
            Ok(()) => trouble.over(),
            Err(e) => {
                start.heads.explain(e.to_string());
                trouble.report(e.to_string());
            }
        }
        // With a head, the next slot is what is waited for; without one, the server.
        if start.heads.current().is_some() {
            start.clock.pause(until_next_poll(&start.spec, start.clock.now()));
        } else {
            start.clock.pause(wait);
            wait = (wait * 2).min(RETRY_MOST);
        }
    }
}

/// How long until a third of a slot is over: by then its block has been sent, with signatures for the one before.
fn until_next_poll(spec: &Spec, now: u64) -> Duration {
    let slot = spec.slot_at(now);
    let third = spec.seconds_per_slot / 3;
    let next = [slot, slot.saturating_add(1)].map(|slot| spec.slot_time(slot).saturating_add(third));
    let at = next.into_iter().find(|at| *at > now).unwrap_or(now);
    Duration::from_secs(at.saturating_sub(now).clamp(1, spec.seconds_per_slot.max(1)))
}

/// What the log was told: the same trouble is repeated only every now and then.
#[derive(Debug, Default)]
struct Trouble(Option<(String, Instant)>);

impl Trouble {
    fn report(&mut self, text: String) {
        let repeated = self.0.as_ref().is_some_and(|(last, since)| *last == text && since.elapsed() < REPEAT);
        if !repeated {
            log::warn!("{text}");
            self.0 = Some((text, Instant::now()));
        }
    }

    fn over(&mut self) {
        if self.0.take().is_some() {
            log::info!("the consensus RPC's answers are right again");
        }
    }
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
