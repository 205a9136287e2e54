//! odyn's allocator: malloc, but freed blocks of the size that a TLS record needs are kept for the next record.
//!
//! rustls allocates each record that it decrypts or encrypts, grows a buffer to read one into, and frees both when the
//! bytes have been copied on. musl's malloc gives the pages of a freed block that spans two of them back to the kernel
//! (`madvise`), and the next block faults them in again, under one lock for all threads: with eight connections three
//! such calls a record, and half of the throughput. Smaller and larger blocks are malloc's alone.
//!
//! Promises: never keeps more than 32 blocks; never waits, a block is taken and put back by one atomic exchange. A
//! block holds what whoever freed it left there, as one of malloc's does: whoever has a secret wipes it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Up to two pages malloc is quick.
const SMALLEST: usize = (8 << 10) + 1;

/// A vector that grows by doubling comes to this for a record: 2^14 bytes, and up to 2,048 for what protects them (RFC
/// 5246, 6.2.3).
const LARGEST: usize = 32 << 10;

/// As malloc's.
const ALIGNMENT: usize = 16;

/// One MiB in all. A busy connection has up to five at a time: one it reads into, four records in the tunnel's buffer.
const KEPT: usize = 32;

/// What every block of these sizes really is.
const BLOCK: Layout = match Layout::from_size_align(LARGEST, ALIGNMENT) {
    Ok(layout) => layout,
    Err(_) => panic!("a block has a size"),
};

/// The allocator. Each that is made keeps blocks of its own.
pub struct Heap {
    kept: [AtomicPtr<u8>; KEPT],
}

impl Heap {
    /// An allocator that keeps nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { kept: [const { AtomicPtr::new(ptr::null_mut()) }; KEPT] }
    }

    /// A kept block, or null. What its last owner did happened before.
    fn take(&self) -> *mut u8 {
        let full = |slot: &&AtomicPtr<u8>| !slot.load(Ordering::Relaxed).is_null();
        let mut taken = self.kept.iter().filter(full).map(|slot| slot.swap(ptr::null_mut(), Ordering::Acquire));
        // Another thread may be quicker.
        taken.find(|block| !block.is_null()).unwrap_or(ptr::null_mut())
    }

    /// Keeps a block, which nobody else may own. False when enough are kept.
    fn keep(&self, block: *mut u8) -> bool {
        self.kept.iter().any(|slot| {
            slot.load(Ordering::Relaxed).is_null()
                && slot.compare_exchange(ptr::null_mut(), block, Ordering::Release, Ordering::Relaxed).is_ok()
        })
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether an allocation is a [`BLOCK`]. It depends on nothing but the layout, which is the same when it is freed.
const fn is_block(layout: Layout) -> bool {
    SMALLEST <= layout.size() && layout.size() <= LARGEST && layout.align() <= ALIGNMENT
}

// SAFETY: what is no block is the system's as it is. A block is one allocation of the layout BLOCK, which is as large and
// as aligned as asked for or more, and has one owner: it is in a slot only between `keep`, called by the owner that frees
// it, and the exchange in `take` that removes it, which only one thread can win. Nothing here panics or allocates.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !is_block(layout) {
            // SAFETY: as the caller promises of this function.
            return unsafe { System.alloc(layout) };
        }
        match self.take() {
            // SAFETY: BLOCK's size is not zero.
            block if block.is_null() => unsafe { System.alloc(BLOCK) },
            block => block,
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !is_block(layout) {
            // SAFETY: as the caller promises of this function; it came from the system with this layout.
            unsafe { System.dealloc(block, layout) };
        } else if !self.keep(block) {
            // SAFETY: the caller owns it, and whatever has such a layout came from the system as a BLOCK.
            unsafe { System.dealloc(block, BLOCK) };
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !is_block(layout) {
            // SAFETY: as the caller promises of this function.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: as the caller promises of this function.
        let block = unsafe { self.alloc(layout) };
        if !block.is_null() {
            // SAFETY: it was allocated just now, for at least as many bytes.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size is not zero and does not overflow when rounded up to the alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (is_block(layout), is_block(wanted)) {
            // SAFETY: as the caller promises of this function; it came from the system with this layout.
            (false, false) => unsafe { System.realloc(old, layout, size) },
            (true, true) => old,
            _ => {
                // SAFETY: as the caller promises of this function.
                let new = unsafe { self.alloc(wanted) };
                if !new.is_null() {
                    // SAFETY: both are at least as long as what is copied, and new is nobody else's.
                    unsafe { ptr::copy_nonoverlapping(old, new, layout.size().min(size)) };
                    // SAFETY: it is the caller's, who must not use it any more unless this returns null.
                    unsafe { self.dealloc(old, layout) };
                }
                new
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::slice;
    use std::sync::Barrier;

    /// Bytes from a heap, as a vector would have them; freed by [`Held::free`].
    struct Held<'a> {
        heap: &'a Heap,
        bytes: *mut u8,
        layout: Layout,
    }

    impl<'a> Held<'a> {
        fn new(heap: &'a Heap, layout: Layout) -> Self {
            // SAFETY: no layout of these tests is empty. What nobody has written is not read: the bytes are zero.
            let bytes = unsafe { heap.alloc_zeroed(layout) };
            assert!(!bytes.is_null());
            Self { heap, bytes, layout }
        }

        fn of(heap: &'a Heap, size: usize) -> Self {
            Self::new(heap, Layout::from_size_align(size, 1).unwrap())
        }

        fn bytes(&mut self) -> &mut [u8] {
            // SAFETY: this value's own, of that length, and written when they were allocated or moved.
            unsafe { slice::from_raw_parts_mut(self.bytes, self.layout.size()) }
        }

        fn resize(&mut self, size: usize) {
            let (old, layout) = (self.layout.size(), Layout::from_size_align(size, self.layout.align()).unwrap());
            // SAFETY: they have this layout, and are not used any more under the old address.
            self.bytes = unsafe { self.heap.realloc(self.bytes, self.layout, size) };
            self.layout = layout;
            assert!(!self.bytes.is_null());
            if size > old {
                // SAFETY: within the new size.
                let rest = unsafe { self.bytes.add(old) };
                // SAFETY: as many as there are behind the old ones.
                unsafe { rest.write_bytes(0, size - old) };
            }
        }

        fn free(self) -> *mut u8 {
            // SAFETY: they have this layout, and this value is gone.
            unsafe { self.heap.dealloc(self.bytes, self.layout) };
            self.bytes
        }
    }

    /// How many are kept; none afterwards.
    fn empty(heap: &Heap) -> usize {
        let kept: Vec<*mut u8> = std::iter::repeat_with(|| heap.take()).take_while(|block| !block.is_null()).collect();
        // SAFETY: nobody else has it any more, and all that is kept is a BLOCK.
        kept.iter().for_each(|block| unsafe { System.dealloc(*block, BLOCK) });
        kept.len()
    }

    #[test]
    fn a_record_gets_the_block_of_the_record_before_it() {
        let heap = Heap::new();
        let mut first = Held::of(&heap, 16_384);
        first.bytes().fill(0xaa);
        let freed = first.free();
        let mut second = Held::of(&heap, LARGEST);
        assert_eq!(second.bytes, freed);
        assert!(second.bytes().iter().all(|byte| *byte == 0));
        second.free();
        assert_eq!(empty(&heap), 1);
    }

    #[test]
    fn other_sizes_and_stricter_alignments_are_not_kept() {
        let heap = Heap::new();
        for (size, align) in [(1, 1), (SMALLEST - 1, 1), (LARGEST + 1, 1), (1 << 20, 16), (SMALLEST, 32)] {
            let mut held = Held::new(&heap, Layout::from_size_align(size, align).unwrap());
            held.bytes().fill(1);
            assert_eq!(held.bytes.align_offset(align), 0);
            held.free();
        }
        assert_eq!(empty(&heap), 0);
    }

    #[test]
    fn what_grows_and_shrinks_keeps_its_bytes_on_every_way_between_malloc_and_a_block() {
        let heap = Heap::new();
        let sizes = [1, 100, SMALLEST - 1, SMALLEST, 12_000, LARGEST, LARGEST + 1, 50_000];
        for (from, to) in sizes.into_iter().flat_map(|from| sizes.map(|to| (from, to))) {
            let mut held = Held::of(&heap, from);
            held.bytes().iter_mut().zip((1..=251).cycle()).for_each(|(byte, value)| *byte = value);
            held.resize(to);
            let same = held.bytes().iter().zip((1..=251).cycle()).take(from).all(|(byte, value)| *byte == value);
            assert!(same, "from {from} to {to}");
            held.free();
        }
        assert!(empty(&heap) <= 2);
    }

    #[test]
    fn no_block_has_two_owners_and_no_more_than_the_bound_are_kept() {
        let (heap, start) = (Heap::new(), Barrier::new(8));
        std::thread::scope(|scope| {
            for mark in 1..=8 {
                let (heap, start) = (&heap, &start);
                scope.spawn(move || {
                    start.wait();
                    for round in 0..500 {
                        let mut held = [(); 6].map(|()| Held::of(heap, SMALLEST + round));
                        held.iter_mut().for_each(|held| held.bytes().fill(mark));
                        std::thread::yield_now();
                        for mut held in held {
                            assert!(held.bytes().iter().all(|byte| *byte == mark));
                            held.free();
                        }
                    }
                });
            }
        });
        let kept = empty(&heap);
        assert!((1..=KEPT).contains(&kept), "{kept}");
    }
}
