//! odyn's allocator: malloc, but freed blocks of sizes that come and go all the time are kept for the next who needs one.
//!
//! musl's malloc gives memory back to the kernel as soon as it can, under one lock for all threads. rustls allocates each
//! record that it decrypts or encrypts, grows a buffer to read one into, and frees both when the bytes have been copied
//! on: three calls of `madvise` a record, and the next one faults the pages in again, half of the throughput with eight
//! connections. A message to sign comes to some blocks of half a KiB and one, of which one is mapped and unmapped every
//! fourth time: a fifth of the rate. All other sizes are malloc's alone.
//!
//! Promises: never keeps more than 32 blocks of a size, in all a MiB and a twentieth; never waits, a block is taken and put
//! back by one atomic exchange. A block holds what whoever freed it left there, as one of malloc's does: whoever has a
//! secret wipes it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Aligned as malloc's.
#[repr(align(16))]
struct Block<const SIZE: usize>([u8; SIZE]);

/// How many are kept of a size. A busy TLS connection has up to five records at a time.
const KEPT: usize = 32;

/// Freed blocks of one size, for the next allocation of that size or not much less.
struct Shelf {
    /// What is smaller is not for this one.
    smallest: usize,
    /// What every block on it really is.
    block: Layout,
    kept: [AtomicPtr<u8>; KEPT],
}

impl Shelf {
    const fn new<const SIZE: usize>(smallest: usize) -> Self {
        let kept = [const { AtomicPtr::new(ptr::null_mut()) }; KEPT];
        Self { smallest, block: Layout::new::<Block<SIZE>>(), kept }
    }

    /// Whether an allocation is one of these blocks. It depends on nothing but the layout, which is the same when it is
    /// freed.
    const fn takes(&self, layout: Layout) -> bool {
        self.smallest <= layout.size() && layout.size() <= self.block.size() && layout.align() <= self.block.align()
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

/// The allocator. Each that is made keeps blocks of its own.
pub struct Heap {
    shelves: [Shelf; 3],
}

impl Heap {
    /// An allocator that keeps nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        let shelves = [
            // An answer's head and body, a map's node and a list of fields.
            Shelf::new::<512>(257),
            Shelf::new::<1024>(513),
            // A vector that grows by doubling comes to this for a record: 2^14 bytes, and up to 2,048 for what protects
            // them (RFC 5246, 6.2.3). Up to two pages malloc is quick.
            Shelf::new::<32_768>(8193),
        ];
        Self { shelves }
    }

    fn shelf(&self, layout: Layout) -> Option<&Shelf> {
        self.shelves.iter().find(|shelf| shelf.takes(layout))
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: what no shelf takes is the system's as it is. A block is one allocation of its shelf's layout, which is as large
// and as aligned as asked for or more, and has one owner: it is in a slot only between `keep`, called by the owner that
// frees it, and the exchange in `take` that removes it, which only one thread can win. An allocation's shelf is told from
// its layout alone, so that it is freed to the one it came from. Nothing here panics or allocates.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(shelf) = self.shelf(layout) else {
            // SAFETY: as the caller promises of this function.
            return unsafe { System.alloc(layout) };
        };
        match shelf.take() {
            // SAFETY: no shelf's block is of size zero.
            block if block.is_null() => unsafe { System.alloc(shelf.block) },
            block => block,
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(shelf) = self.shelf(layout) else {
            // SAFETY: as the caller promises of this function; it came from the system with this layout.
            return unsafe { System.dealloc(block, layout) };
        };
        if !shelf.keep(block) {
            // SAFETY: the caller owns it, and whatever has such a layout came from the system as this shelf's block.
            unsafe { System.dealloc(block, shelf.block) };
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if self.shelf(layout).is_none() {
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
        match (self.shelf(layout), self.shelf(wanted)) {
            // SAFETY: as the caller promises of this function; it came from the system with this layout.
            (None, None) => unsafe { System.realloc(old, layout, size) },
            (Some(shelf), Some(other)) if ptr::eq(shelf, other) => old,
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

    /// How many are kept on each shelf; none afterwards.
    fn empty(heap: &Heap) -> [usize; 3] {
        heap.shelves.each_ref().map(|shelf| {
            let kept: Vec<_> = std::iter::repeat_with(|| shelf.take()).take_while(|block| !block.is_null()).collect();
            // SAFETY: nobody else has it any more, and all that a shelf keeps are its blocks.
            kept.iter().for_each(|block| unsafe { System.dealloc(*block, shelf.block) });
            kept.len()
        })
    }

    #[test]
    fn a_block_goes_to_the_next_who_needs_one_of_about_its_size() {
        let heap = Heap::new();
        for (size, another) in [(300, 512), (1000, 513), (16_384, 32_768)] {
            let mut first = Held::of(&heap, size);
            first.bytes().fill(0xaa);
            let freed = first.free();
            let mut second = Held::of(&heap, another);
            assert_eq!(second.bytes, freed);
            assert!(second.bytes().iter().all(|byte| *byte == 0));
            second.free();
        }
        assert_eq!(empty(&heap), [1, 1, 1]);
    }

    #[test]
    fn other_sizes_and_stricter_alignments_are_not_kept() {
        let heap = Heap::new();
        for (size, align) in [(1, 1), (256, 1), (1025, 1), (8192, 1), (32_769, 1), (1 << 20, 16), (512, 32), (8193, 32)]
        {
            let mut held = Held::new(&heap, Layout::from_size_align(size, align).unwrap());
            held.bytes().fill(1);
            assert_eq!(held.bytes.align_offset(align), 0);
            held.free();
        }
        assert_eq!(empty(&heap), [0, 0, 0]);
    }

    #[test]
    fn what_grows_and_shrinks_keeps_its_bytes_on_every_way_between_malloc_and_a_block() {
        let heap = Heap::new();
        let sizes = [1, 100, 256, 257, 512, 513, 1024, 1025, 8192, 8193, 12_000, 32_768, 32_769, 50_000];
        for (from, to) in sizes.into_iter().flat_map(|from| sizes.map(|to| (from, to))) {
            let mut held = Held::of(&heap, from);
            held.bytes().iter_mut().zip((1..=251).cycle()).for_each(|(byte, value)| *byte = value);
            held.resize(to);
            let same = held.bytes().iter().zip((1..=251).cycle()).take(from).all(|(byte, value)| *byte == value);
            assert!(same, "from {from} to {to}");
            held.free();
        }
        assert!(empty(&heap).iter().all(|kept| *kept <= 2));
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
                        let sizes = [300, 600, 9000].into_iter().cycle().take(18);
                        let mut held: Vec<_> = sizes.map(|size| Held::of(heap, size + round % 200)).collect();
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
        assert!(kept.iter().all(|kept| (1..=KEPT).contains(kept)), "{kept:?}");
    }
}
