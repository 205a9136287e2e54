//! SSZ's Merkle trees over SHA-256: roots of chunks, and branches.

use alloy_primitives::B256;
use sha2::{Digest, Sha256};

/// SHA-256 of two nodes.
#[must_use]
pub fn pair(left: B256, right: B256) -> B256 {
    let mut hasher = Sha256::new();
    hasher.update(left);
    hasher.update(right);
    B256::from_slice(&hasher.finalize())
}

/// SHA-256 of two chunks as they stand in memory: a 48-byte key is one and a half.
#[must_use]
pub fn key(key: &[u8; 48]) -> B256 {
    let mut hasher = Sha256::new();
    hasher.update(key);
    hasher.update([0; 16]);
    B256::from_slice(&hasher.finalize())
}

/// The root over `leaves`, which zero chunks complete to a power of two.
#[must_use]
pub fn root(mut leaves: Vec<B256>) -> B256 {
    leaves.resize(leaves.len().max(1).next_power_of_two(), B256::ZERO);
    while leaves.len() > 1 {
        leaves = leaves.as_chunks::<2>().0.iter().map(|[left, right]| pair(*left, *right)).collect();
    }
    leaves.first().copied().unwrap_or_default()
}

/// A number as a leaf.
#[must_use]
pub fn number(number: u64) -> B256 {
    let mut leaf = B256::ZERO;
    for (to, from) in leaf.iter_mut().zip(number.to_le_bytes()) {
        *to = from;
    }
    leaf
}

/// Bytes as leaves: 32 each, the last filled up with zeros.
#[must_use]
pub fn bytes(bytes: &[u8]) -> Vec<B256> {
    bytes.chunks(32).map(B256::right_padding_from).collect()
}

/// Whether `leaf` is at the generalized index `index` below `root`, by a branch of exactly the index's depth.
#[must_use]
pub fn is_proven(leaf: B256, branch: &[B256], index: u64, root: B256) -> bool {
    if index.checked_ilog2().map(|depth| depth as usize) != Some(branch.len()) {
        return false;
    }
    let climb = |(node, index): (B256, u64), sibling: &B256| {
        let node = if index & 1 == 1 { pair(*sibling, node) } else { pair(node, *sibling) };
        (node, index >> 1)
    };
    branch.iter().fold((leaf, index), climb).0 == root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_is_proven_by_its_own_branch_and_by_no_other() {
        let leaves: Vec<B256> = (1..=4).map(number).collect();
        let [left, right] = [pair(leaves[0], leaves[1]), pair(leaves[2], leaves[3])];
        let top = pair(left, right);
        assert_eq!(root(leaves.clone()), top);
        let branches = [[leaves[1], right], [leaves[0], right], [leaves[3], left], [leaves[2], left]];
        for (i, leaf) in leaves.iter().enumerate() {
            for (j, branch) in branches.iter().enumerate() {
                for index in 0..16 {
                    let right = i == j && index == 4 + i as u64;
                    assert_eq!(is_proven(*leaf, branch, index, top), right, "{i} {j} {index}");
                }
            }
        }
        assert!(is_proven(top, &[], 1, top));
        assert!(!is_proven(top, &[], 0, top));
    }

    #[test]
    fn an_empty_list_has_the_root_of_a_zero_chunk() {
        assert_eq!(root(Vec::new()), B256::ZERO);
        assert_eq!(root(vec![number(1), number(2), number(3)]), root((1..=3).chain([0]).map(number).collect()));
    }
}
