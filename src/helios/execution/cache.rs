//! What was proven once and stays true.
//!
//! Promises: headers and codes are kept by their hashes, accounts and slots by the root they are under, so that no
//! reorganisation makes them wrong; which block has which number is known only below one head. All of it is bounded, the oldest goes first.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_trie::TrieAccount;

use super::header::Sealed;
use crate::helios::limits;
use crate::sync::lock;

/// A map that forgets its oldest entries when their weight gets too large.
#[derive(Debug)]
pub struct Bounded<K, V> {
    entries: HashMap<K, (V, usize)>,
    order: VecDeque<K>,
    weight: usize,
    most: usize,
}

impl<K: Clone + Eq + Hash, V: Clone> Bounded<K, V> {
    /// An empty one, for a weight of at most `most`.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), weight: 0, most }
    }

    /// What is kept under `key`.
    pub fn get(&self, key: &K) -> Option<V> {
        self.entries.get(key).map(|(value, _)| value.clone())
    }

    /// Keeps `value`, unless `key` is known or `weight` alone is too much.
    pub fn insert(&mut self, key: K, value: V, weight: usize) {
        if weight > self.most || self.entries.contains_key(&key) {
            return;
        }
        self.weight = self.weight.saturating_add(weight);
        self.order.push_back(key.clone());
        self.entries.insert(key, (value, weight));
        while self.weight > self.most {
            let Some((_, weight)) = self.order.pop_front().and_then(|oldest| self.entries.remove(&oldest)) else {
                break;
            };
            self.weight = self.weight.saturating_sub(weight);
        }
    }
}

/// Which block has which number, in the chain that ends with one head.
#[derive(Debug, Default)]
struct Chain {
    head: B256,
    hashes: BTreeMap<u64, B256>,
}

/// A node's caches.
#[derive(Debug)]
pub struct Caches {
    headers: Mutex<Bounded<B256, Arc<Sealed>>>,
    codes: Mutex<Bounded<B256, Bytes>>,
    accounts: Mutex<Bounded<(B256, Address), Option<TrieAccount>>>,
    slots: Mutex<Bounded<(B256, U256), U256>>,
    chain: Mutex<Chain>,
}

impl Default for Caches {
    fn default() -> Self {
        Self {
            headers: Mutex::new(Bounded::new(limits::HEADERS)),
            codes: Mutex::new(Bounded::new(limits::CODES)),
            accounts: Mutex::new(Bounded::new(limits::ACCOUNTS)),
            slots: Mutex::new(Bounded::new(limits::SLOTS)),
            chain: Mutex::default(),
        }
    }
}

impl Caches {
    /// The header with this hash.
    pub fn header(&self, hash: &B256) -> Option<Arc<Sealed>> {
        lock(&self.headers).get(hash)
    }

    /// Keeps a header.
    pub fn keep_header(&self, sealed: &Arc<Sealed>) {
        lock(&self.headers).insert(sealed.hash, Arc::clone(sealed), 1);
    }

    /// The code with this hash.
    pub fn code(&self, hash: &B256) -> Option<Bytes> {
        lock(&self.codes).get(hash)
    }

    /// Keeps a code, which has this hash.
    pub fn keep_code(&self, hash: B256, code: &Bytes) {
        lock(&self.codes).insert(hash, code.clone(), code.len());
    }

    /// The account under a state root, or that there is none.
    pub fn account(&self, state_root: B256, address: Address) -> Option<Option<TrieAccount>> {
        lock(&self.accounts).get(&(state_root, address))
    }

    /// Keeps an account.
    pub fn keep_account(&self, state_root: B256, address: Address, account: Option<TrieAccount>) {
        lock(&self.accounts).insert((state_root, address), account, 1);
    }

    /// The slot under a storage root.
    pub fn slot(&self, storage_root: B256, slot: U256) -> Option<U256> {
        lock(&self.slots).get(&(storage_root, slot))
    }

    /// Keeps a slot.
    pub fn keep_slot(&self, storage_root: B256, slot: U256, value: U256) {
        lock(&self.slots).insert((storage_root, slot), value, 1);
    }

    /// The hash of block `number` below `head`, if it is known.
    pub fn hash(&self, head: B256, number: u64) -> Option<B256> {
        let chain = lock(&self.chain);
        if chain.head == head { chain.hashes.get(&number).copied() } else { None }
    }

    /// Keeps that block `number` below `head` has this hash; forgotten if the chain's head is another by now.
    pub fn keep_hash(&self, head: B256, number: u64, hash: B256) {
        let mut chain = lock(&self.chain);
        if chain.head == head {
            chain.hashes.insert(number, hash);
            while chain.hashes.len() > limits::NUMBERS {
                chain.hashes.pop_first();
            }
        }
    }

    /// Makes `head` the chain's head. What was known stays known as far as `head` descends from it; headers that are kept
    /// tell the rest.
    pub fn adopt(&self, head: &Sealed) {
        let mut chain = lock(&self.chain);
        if chain.head == head.hash {
            return;
        }
        let mut walked = BTreeMap::from([(head.header.number, head.hash)]);
        let mut below = head.header.number.checked_sub(1).map(|number| (number, head.header.parent_hash));
        while let Some((number, hash)) = below.take() {
            if chain.hashes.get(&number) == Some(&hash) {
                // The same block: so is everything below it.
                let mut known = std::mem::take(&mut chain.hashes);
                known.split_off(&number);
                walked.append(&mut known);
                walked.insert(number, hash);
                break;
            }
            walked.insert(number, hash);
            if walked.len() <= limits::HEADERS
                && let Some(parent) = self.header(&hash)
            {
                below = number.checked_sub(1).map(|number| (number, parent.header.parent_hash));
            }
        }
        *chain = Chain { head: head.hash, hashes: walked };
    }
}

#[cfg(test)]
mod tests;
