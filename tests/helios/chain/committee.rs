//! Sync committees with keys of the test's own, and what they sign.

use blst::min_pk::{AggregatePublicKey, AggregateSignature, PublicKey, SecretKey, Signature};
use odyn::helios::network::Spec;

use super::ssz::{self, Root, sha256};

/// The ciphersuite of Ethereum's signatures.
pub const SUITE: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/// What no signature looks like: the point at infinity.
const INFINITY: [u8; 96] = {
    let mut bytes = [0; 96];
    bytes[0] = 0xc0;
    bytes
};

/// A sync committee, secret keys included.
#[derive(Clone)]
pub struct Members {
    pub secret: Vec<SecretKey>,
    pub public: Committee,
}

/// A sync committee as the beacon state has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committee {
    pub keys: Vec<[u8; 48]>,
    pub aggregate: [u8; 48],
}

impl Members {
    /// The committee of a period: the same every time, and no key is in two of them.
    pub fn of(period: u64, size: usize) -> Self {
        let key = |index: usize| {
            let material = sha256(&[b"member", &period.to_le_bytes(), &index.to_le_bytes()]);
            SecretKey::key_gen(&material, &[]).unwrap()
        };
        let secret: Vec<SecretKey> = (0..size).map(key).collect();
        let keys: Vec<PublicKey> = secret.iter().map(SecretKey::sk_to_pk).collect();
        let aggregate = AggregatePublicKey::aggregate(&keys.iter().collect::<Vec<_>>(), false).unwrap();
        let aggregate = aggregate.to_public_key().compress();
        Self { secret, public: Committee { keys: keys.iter().map(PublicKey::compress).collect(), aggregate } }
    }

    /// The signature of those members whose bits are set.
    pub fn sign(&self, message: Root, bits: &[bool]) -> [u8; 96] {
        let signing = self.secret.iter().zip(bits).filter(|(_, bit)| **bit);
        let signatures: Vec<Signature> = signing.map(|(key, _)| key.sign(&message, SUITE, &[])).collect();
        match AggregateSignature::aggregate(&signatures.iter().collect::<Vec<_>>(), false) {
            Ok(aggregate) => aggregate.to_signature().compress(),
            Err(_) => INFINITY,
        }
    }
}

impl Committee {
    /// Its hash tree root.
    pub fn root(&self) -> Root {
        let keys: Vec<Root> = self.keys.iter().map(|key| ssz::bytes(key, 1)).collect();
        let depth = self.keys.len().ilog2() as usize;
        ssz::merkle(&[ssz::merkle(&keys, depth), ssz::bytes(&self.aggregate, 1)], 1)
    }

    /// Its encoding.
    pub fn ssz(&self) -> Vec<u8> {
        [self.keys.concat(), self.aggregate.to_vec()].concat()
    }
}

/// That many set bits of `size`, spread over the committee.
pub fn bits(count: usize, size: usize) -> Vec<bool> {
    (0..size).map(|index| index * 7 % size < count).collect()
}

/// What a committee signs for a beacon block: its root in the domain of the signature's slot.
pub fn signing_root(spec: &Spec, root: Root, signature_slot: u64) -> Root {
    let epoch = signature_slot.saturating_sub(1) / spec.slots_per_epoch;
    let forks = [spec.altair, spec.bellatrix, spec.capella, spec.deneb, spec.electra, spec.fulu];
    let version = forks.iter().rev().find(|fork| fork.epoch <= epoch).map_or(spec.genesis, |fork| fork.version);
    let fork = sha256(&[&ssz::padded(&version), &spec.genesis_validators_root]);
    let mut domain = Root::default();
    domain[..4].copy_from_slice(&[7, 0, 0, 0]);
    domain[4..].copy_from_slice(&fork[..28]);
    sha256(&[&root, &domain])
}
