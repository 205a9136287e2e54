//! SSZ's encoding and its hash trees, written here so that a test never asks the code it tests.

use sha2::{Digest, Sha256};

/// A hash tree's node.
pub type Root = [u8; 32];

/// SHA-256 over the parts, one after another.
pub fn sha256(parts: &[&[u8]]) -> Root {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// The layers of the tree with 2^depth leaves, lowest first; leaves that are not given are zero.
fn layers(leaves: &[Root], depth: usize) -> Vec<Vec<Root>> {
    let mut lowest = leaves.to_vec();
    assert!(lowest.len() <= 1 << depth);
    lowest.resize(1 << depth, Root::default());
    let mut layers = vec![lowest];
    while layers[layers.len() - 1].len() > 1 {
        let above = layers[layers.len() - 1].chunks(2).map(|pair| sha256(&[&pair[0], &pair[1]])).collect();
        layers.push(above);
    }
    layers
}

/// The tree's root.
pub fn merkle(leaves: &[Root], depth: usize) -> Root {
    layers(leaves, depth)[depth][0]
}

/// The root of a list whose limit is 2^depth leaves, where that many are too many to write down. The length is that of the
/// list, in elements.
pub fn list(leaves: &[Root], depth: usize, length: usize) -> Root {
    let below = leaves.len().max(1).next_power_of_two().ilog2() as usize;
    let mut zero = (0..below).fold(Root::default(), |zero, _| sha256(&[&zero, &zero]));
    let mut root = merkle(leaves, below);
    for _ in below..depth {
        root = sha256(&[&root, &zero]);
        zero = sha256(&[&zero, &zero]);
    }
    sha256(&[&root, &number(length as u64)])
}

/// Bytes as leaves.
pub fn chunks(bytes: &[u8]) -> Vec<Root> {
    bytes.chunks(32).map(padded).collect()
}

/// The siblings on the way from a leaf to the root, lowest first.
pub fn branch(leaves: &[Root], depth: usize, leaf: usize) -> Vec<Root> {
    let layers = layers(leaves, depth);
    (0..depth).map(|height| layers[height][(leaf >> height) ^ 1]).collect()
}

/// A number as a leaf.
pub fn number(number: u64) -> Root {
    padded(&number.to_le_bytes())
}

/// At most 32 bytes as a leaf.
pub fn padded(bytes: &[u8]) -> Root {
    let mut leaf = Root::default();
    leaf[..bytes.len()].copy_from_slice(bytes);
    leaf
}

/// The root of a vector of bytes whose leaves make a tree of that depth.
pub fn bytes(bytes: &[u8], depth: usize) -> Root {
    merkle(&chunks(bytes), depth)
}

/// A container being encoded: its fixed part with offsets into what follows.
#[derive(Default)]
pub struct Container {
    fixed: Vec<u8>,
    variable: Vec<(usize, Vec<u8>)>,
}

impl Container {
    /// A field of fixed size.
    pub fn fixed(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.fixed.extend_from_slice(bytes.as_ref());
        self
    }

    /// A vector of roots.
    pub fn roots(self, roots: &[Root]) -> Self {
        self.fixed(roots.concat())
    }

    /// A field of variable size.
    pub fn variable(mut self, bytes: Vec<u8>) -> Self {
        self.variable.push((self.fixed.len(), bytes));
        self.fixed([0; 4])
    }

    /// The encoding.
    pub fn finish(mut self) -> Vec<u8> {
        let mut tail = Vec::new();
        for (place, bytes) in self.variable {
            let offset = u32::try_from(self.fixed.len() + tail.len()).unwrap();
            self.fixed[place..place + 4].copy_from_slice(&offset.to_le_bytes());
            tail.extend(bytes);
        }
        self.fixed.extend(tail);
        self.fixed
    }
}
