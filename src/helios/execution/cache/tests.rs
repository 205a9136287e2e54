use alloy_consensus::Header;
use alloy_primitives::B256;

use super::*;

fn sealed(number: u64, parent: B256) -> Arc<Sealed> {
    let header = Header { number, parent_hash: parent, ..Header::default() };
    Arc::new(Sealed { hash: header.hash_slow(), header })
}

#[test]
fn the_oldest_entries_go_when_the_weight_is_too_much() {
    let mut map = Bounded::new(10);
    map.insert(1, "one", 4);
    map.insert(2, "two", 4);
    map.insert(1, "another", 4);
    assert_eq!(map.get(&1), Some("one"));
    map.insert(3, "three", 4);
    assert_eq!((map.get(&1), map.get(&2), map.get(&3)), (None, Some("two"), Some("three")));
    map.insert(4, "four", 11);
    assert_eq!((map.get(&4), map.get(&2)), (None, Some("two")));
    map.insert(5, "five", 10);
    assert_eq!((map.get(&2), map.get(&3), map.get(&5)), (None, None, Some("five")));
    assert_eq!((map.entries.len(), map.order.len(), map.weight), (1, 1, 10));
}

#[test]
fn numbers_are_known_below_their_own_head_only() {
    let caches = Caches::default();
    let first = sealed(10, B256::repeat_byte(9));
    caches.adopt(&first);
    caches.keep_hash(first.hash, 5, B256::repeat_byte(5));
    assert_eq!(caches.hash(first.hash, 10), Some(first.hash));
    assert_eq!(caches.hash(first.hash, 9), Some(B256::repeat_byte(9)));
    assert_eq!(caches.hash(first.hash, 5), Some(B256::repeat_byte(5)));
    assert_eq!(caches.hash(first.hash, 4), None);
    assert_eq!(caches.hash(B256::ZERO, 5), None);

    // A child: everything stays.
    let child = sealed(11, first.hash);
    caches.adopt(&child);
    assert_eq!(caches.hash(child.hash, 5), Some(B256::repeat_byte(5)));
    assert_eq!(caches.hash(first.hash, 5), None);
    caches.keep_hash(first.hash, 4, B256::repeat_byte(4));
    assert_eq!(caches.hash(child.hash, 4), None);

    // Another child of the first: the other child's number goes, what they share stays.
    let fork = sealed(12, sealed(11, B256::repeat_byte(0x10)).hash);
    caches.adopt(&fork);
    assert_eq!(caches.hash(fork.hash, 12), Some(fork.hash));
    assert_eq!(caches.hash(fork.hash, 10), None);
    assert_eq!(caches.hash(fork.hash, 5), None);
}

#[test]
fn kept_headers_bridge_blocks_that_never_were_the_head() {
    let caches = Caches::default();
    let first = sealed(10, B256::repeat_byte(9));
    let second = sealed(11, first.hash);
    let third = sealed(12, second.hash);
    caches.adopt(&first);
    caches.keep_hash(first.hash, 5, B256::repeat_byte(5));
    caches.keep_header(&second);
    caches.adopt(&third);
    assert_eq!(caches.hash(third.hash, 11), Some(second.hash));
    assert_eq!(caches.hash(third.hash, 5), Some(B256::repeat_byte(5)));
}

#[test]
fn the_number_of_known_numbers_has_a_bound() {
    let caches = Caches::default();
    let head = sealed(1_000_000, B256::ZERO);
    caches.adopt(&head);
    for number in 0..limits::NUMBERS as u64 + 10 {
        caches.keep_hash(head.hash, number, B256::repeat_byte(1));
    }
    assert_eq!(lock(&caches.chain).hashes.len(), limits::NUMBERS);
    assert_eq!(caches.hash(head.hash, 1_000_000), Some(head.hash));
    assert_eq!(caches.hash(head.hash, 0), None);
}
