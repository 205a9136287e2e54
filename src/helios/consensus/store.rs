//! The light client's store: what is known, and the one way to learn more.
//!
//! Follows `sync-protocol.md` check by check, but for `force_update`, which it does not have: who waits long enough for
//! a better update must not get a worse one.

use std::sync::Arc;

use alloy_primitives::B256;

use super::committee::Committee;
use super::error::Refusal;
use super::merkle;
use super::types::{Bootstrap, Branched, Form, Header, Update};
use crate::helios::network::Spec;

/// `DOMAIN_SYNC_COMMITTEE`.
const DOMAIN: [u8; 4] = [7, 0, 0, 0];

/// What is known of the chain. Headers in it are proven by a committee's signature or are the checkpoint's.
#[derive(Clone, Debug)]
pub struct Store {
    spec: Arc<Spec>,
    finalized: Header,
    /// Never below the finalized one.
    optimistic: Header,
    /// How many of its committee signed it; of the checkpoint's, all: it is trusted.
    signatures: u64,
    /// The committee of the finalized header's period.
    current: Arc<Committee>,
    /// The one after.
    next: Option<Arc<Committee>>,
    /// Most signatures seen in the period before the finalized header's, and in that.
    participation: [u64; 2],
}

/// What two thirds of a committee vouch for.
struct Learned {
    /// A newer finalized header.
    finalized: Option<Header>,
    /// The committee that comes after the known ones.
    next: Option<Arc<Committee>>,
}

impl Store {
    /// Begins at `root`, which is trusted.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn bootstrap(spec: &Arc<Spec>, root: B256, bootstrap: &Bootstrap) -> Result<Self, Refusal> {
        let header = &bootstrap.header;
        if header.beacon.root() != root {
            return Err(Refusal::Checkpoint);
        }
        let form = Form::at(spec, header.beacon.slot).map_err(|_| Refusal::BeforeCapella(header.beacon.slot))?;
        whole(spec, header, "checkpoint's")?;
        let (leaf, branch) = (bootstrap.current.root(), &bootstrap.current_branch);
        if !merkle::is_proven(leaf, branch, form.current_index(), header.beacon.state_root) {
            return Err(Refusal::CurrentBranch);
        }
        Ok(Self {
            spec: Arc::clone(spec),
            finalized: header.clone(),
            optimistic: header.clone(),
            signatures: spec.committee_size as u64,
            current: Arc::new(Committee::new(&bootstrap.current, spec)?),
            next: None,
            participation: [0; 2],
        })
    }

    /// The newest finalized header.
    #[must_use]
    pub fn finalized(&self) -> &Header {
        &self.finalized
    }

    /// The newest header with enough signatures by the specification's rule, which compares with those seen lately: after
    /// a checkpoint, of which nothing was seen, one is enough.
    #[must_use]
    pub fn optimistic(&self) -> &Header {
        &self.optimistic
    }

    /// That header, if more than half of its committee signed it: nothing less is a head.
    #[must_use]
    pub fn head(&self) -> Option<&Header> {
        (2 * self.signatures > self.spec.committee_size as u64).then_some(&self.optimistic)
    }

    /// The sync-committee period of the finalized header.
    #[must_use]
    pub fn period(&self) -> u64 {
        self.spec.period(self.finalized.beacon.slot)
    }

    /// Whether the committee after this period's is known.
    #[must_use]
    pub fn knows_next(&self) -> bool {
        self.next.is_some()
    }

    /// Checks an update and learns from it: all it proves, or nothing.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn apply(&mut self, update: &Update, now_slot: u64) -> Result<(), Refusal> {
        self.check(update, now_slot)?;
        let signed = update.aggregate.participants();
        let learned = self.learn(update, signed)?;

        let [before, most] = self.participation;
        let most = most.max(signed);
        self.participation = [before, most];
        if signed > before.max(most) / 2 && update.attested.beacon.slot > self.optimistic.beacon.slot {
            self.optimistic = update.attested.clone();
            self.signatures = signed;
        }
        if let Some(learned) = learned {
            self.finalize(learned);
        }
        Ok(())
    }

    /// `validate_light_client_update`, what is cheap first.
    fn check(&self, update: &Update, now_slot: u64) -> Result<(), Refusal> {
        if update.aggregate.participants() == 0 {
            return Err(Refusal::Participation);
        }
        let attested = &update.attested;
        let attested_slot = attested.beacon.slot;
        if update.signature_slot > now_slot {
            return Err(Refusal::Future(update.signature_slot, now_slot));
        }
        if update.signature_slot <= attested_slot || attested_slot < finalized_slot(update) {
            return Err(Refusal::SlotOrder);
        }
        let committee = self.committee(update.signature_slot)?;
        let of_this_period = self.spec.period(attested_slot) == self.period();
        let teaches = self.next.is_none() && update.next.is_some() && of_this_period;
        if attested_slot <= self.finalized.beacon.slot && !teaches {
            return Err(Refusal::Irrelevant);
        }
        let form = whole(&self.spec, attested, "attested")?;
        if let Some(finalized) = &update.finalized {
            self.check_finality(finalized, form, attested.beacon.state_root)?;
        }
        if let Some(next) = &update.next {
            let root = next.value.root();
            if of_this_period && self.next.as_ref().is_some_and(|known| known.root() != root) {
                return Err(Refusal::OtherNext);
            }
            if !merkle::is_proven(root, &next.branch, form.next_index(), attested.beacon.state_root) {
                return Err(Refusal::NextBranch);
            }
        }
        committee.verify(signing_root(&self.spec, attested.beacon.root(), update.signature_slot), &update.aggregate)
    }

    /// The finalized header is what the attested state has; before the first, its root is zero there.
    fn check_finality(&self, finalized: &Branched<Header>, form: Form, state: B256) -> Result<(), Refusal> {
        let Branched { value: header, branch } = finalized;
        let leaf = if header.beacon.slot == 0 {
            if !header.is_empty() {
                return Err(Refusal::FinalityBranch);
            }
            B256::ZERO
        } else {
            whole(&self.spec, header, "finalized")?;
            header.beacon.root()
        };
        if merkle::is_proven(leaf, branch, form.finality_index(), state) {
            return Ok(());
        }
        Err(Refusal::FinalityBranch)
    }

    /// The committee that signs in `slot`.
    fn committee(&self, slot: u64) -> Result<&Committee, Refusal> {
        let (period, store) = (self.spec.period(slot), self.period());
        if period == store {
            return Ok(&self.current);
        }
        match &self.next {
            Some(next) if Some(period) == store.checked_add(1) => Ok(next),
            _ => Err(Refusal::Period(period, store)),
        }
    }

    /// With two thirds of the signatures, what they make final, if anything. Checks all that can still be wrong.
    fn learn(&self, update: &Update, signed: u64) -> Result<Option<Learned>, Refusal> {
        let members = self.spec.committee_size as u64;
        let Some(Branched { value: finalized, .. }) = &update.finalized else { return Ok(None) };
        let newer = finalized.beacon.slot > self.finalized.beacon.slot;
        let period = self.spec.period(finalized.beacon.slot);
        let same_period = period == self.spec.period(update.attested.beacon.slot);
        let teaches = self.next.is_none() && update.next.is_some() && same_period;
        if signed * 3 < members * 2 || !(newer || teaches) {
            return Ok(None);
        }
        if self.next.is_none() && period != self.period() {
            return Err(Refusal::FinalizedPeriod(period, self.period()));
        }
        let wanted = self.next.is_none() || period > self.period();
        let next = match &update.next {
            Some(next) if wanted => Some(Arc::new(Committee::new(&next.value, &self.spec)?)),
            _ => None,
        };
        Ok(Some(Learned { finalized: newer.then(|| finalized.clone()), next }))
    }

    /// `apply_light_client_update`.
    fn finalize(&mut self, learned: Learned) {
        let Learned { finalized, next } = learned;
        let period = finalized.as_ref().map_or(self.period(), |header| self.spec.period(header.beacon.slot));
        if self.next.is_none() {
            self.next = next;
        } else if period > self.period() {
            // One further, since whoever signed it was of this committee or the next.
            self.current = std::mem::replace(&mut self.next, next).unwrap_or_else(|| Arc::clone(&self.current));
            self.participation = [self.participation[1], 0];
        }
        if let Some(header) = finalized {
            if header.beacon.slot > self.optimistic.beacon.slot {
                self.optimistic = header.clone();
                // By way of a descendant, but two thirds vouch for it.
                self.signatures = self.spec.committee_size as u64;
            }
            self.finalized = header;
        }
    }
}

/// What the committee signs: the header's root, in the fork and the network it is of.
pub(super) fn signing_root(spec: &Spec, header: B256, signature_slot: u64) -> B256 {
    let fork = spec.fork_at(spec.epoch(signature_slot.max(1) - 1));
    let version = B256::right_padding_from(&fork.version);
    let fork_data = merkle::pair(version, B256::new(spec.genesis_validators_root));
    let mut domain = B256::right_padding_from(&DOMAIN);
    for (to, from) in domain.iter_mut().skip(DOMAIN.len()).zip(fork_data) {
        *to = from;
    }
    merkle::pair(header, domain)
}

fn finalized_slot(update: &Update) -> u64 {
    update.finalized.as_ref().map_or(0, |finalized| finalized.value.beacon.slot)
}

/// The header's form, once its execution branch is checked.
fn whole(spec: &Spec, header: &Header, which: &'static str) -> Result<Form, Refusal> {
    let form = Form::at(spec, header.beacon.slot).map_err(|_| Refusal::BeforeCapella(header.beacon.slot))?;
    if header.is_whole(spec) { Ok(form) } else { Err(Refusal::Execution(which)) }
}

#[cfg(test)]
mod tests;
