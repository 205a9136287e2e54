//! A sync committee whose keys were checked, and its signatures.

use std::fmt;

use alloy_primitives::B256;
use blst::BLST_ERROR;
use blst::min_pk::{AggregatePublicKey, PublicKey, Signature};

use super::error::Refusal;
use super::types::{SyncAggregate, SyncCommittee};
use crate::helios::network::Spec;

/// Ethereum's ciphersuite: a proof of possession, which deposits have.
const CIPHERSUITE: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/// A committee of the network's size, each of whose keys is a point of the group and not its zero. Checking them takes
/// tens of milliseconds, once; a signature then takes two.
#[derive(Clone)]
pub struct Committee {
    root: B256,
    keys: Vec<PublicKey>,
    /// The sum of all, from which few are subtracted.
    total: AggregatePublicKey,
}

impl fmt::Debug for Committee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Committee({})", self.root)
    }
}

impl Committee {
    /// Checks the keys. Who they belong to, only a branch can say.
    ///
    /// # Errors
    /// [`Refusal::Size`] or [`Refusal::Key`].
    pub fn new(claimed: &SyncCommittee, spec: &Spec) -> Result<Self, Refusal> {
        if claimed.pubkeys.len() != spec.committee_size {
            return Err(Refusal::Size);
        }
        let validated = claimed.pubkeys.iter().map(|key| PublicKey::key_validate(key.as_slice()));
        let keys = validated.collect::<Result<Vec<_>, _>>().map_err(|_| Refusal::Key)?;
        let total = sum(keys.iter()).ok_or(Refusal::Size)?;
        Ok(Self { root: claimed.root(), keys, total })
    }

    /// Its `hash_tree_root`: two committees are the same if these are.
    #[must_use]
    pub fn root(&self) -> B256 {
        self.root
    }

    /// Checks that those members whose bits are set, and they alone, signed `message`.
    ///
    /// # Errors
    /// [`Refusal::Size`], [`Refusal::Participation`] or [`Refusal::Signature`].
    pub fn verify(&self, message: B256, aggregate: &SyncAggregate) -> Result<(), Refusal> {
        if aggregate.bits.len() != self.keys.len().div_ceil(8) || !self.keys.len().is_multiple_of(8) {
            return Err(Refusal::Size);
        }
        let bits = aggregate.bits.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
        let (present, absent): (Vec<_>, Vec<_>) = self.keys.iter().zip(bits).partition(|(_, signed)| *signed);
        let only = |members: &[(&PublicKey, bool)]| sum(members.iter().map(|(key, _)| *key));
        let signers = if present.is_empty() {
            return Err(Refusal::Participation);
        } else if present.len() <= absent.len() {
            only(&present).ok_or(Refusal::Participation)?
        } else {
            let mut signers = self.total;
            if let Some(absent) = only(&absent) {
                signers.sub_aggregate(&absent);
            }
            signers
        };
        let signature =
            Signature::sig_validate(aggregate.signature.as_slice(), true).map_err(|_| Refusal::Signature)?;
        let signers = PublicKey::from_aggregate(&signers);
        // Neither is the signature's group checked twice, nor keys that were; a sum of zero is an error of the pairing's.
        match signature.verify(false, message.as_slice(), CIPHERSUITE, &[], &signers, false) {
            BLST_ERROR::BLST_SUCCESS => Ok(()),
            _ => Err(Refusal::Signature),
        }
    }
}

fn sum<'a>(mut keys: impl Iterator<Item = &'a PublicKey>) -> Option<AggregatePublicKey> {
    let mut sum = AggregatePublicKey::from_public_key(keys.next()?);
    for key in keys {
        // Validation was when the committee was made; without it, nothing here can fail.
        sum.add_public_key(key, false).ok()?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests;
