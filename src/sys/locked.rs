//! Memory for secrets, which must not get out of this process.

use std::io;
use std::ops::Deref;
use std::ptr::NonNull;

/// The smallest page there is, and so the strictest alignment a page gives.
const SMALLEST_PAGE: usize = 4096;

/// A secret in pages of its own, which are never in a core dump and which a forked child finds empty. They are locked too,
/// never written to a swap device, as far as `RLIMIT_MEMLOCK` allows. Dropped, the value is dropped in place and its pages
/// go back to the kernel.
///
/// Moving a value here leaves what was where it came from as it was, as every move does.
pub struct Locked<T> {
    /// Owned: the start of the pages, holding a value of T.
    value: NonNull<T>,
    locked: bool,
}

impl<T> Locked<T> {
    /// Puts `value` there.
    ///
    /// # Errors
    /// Out of memory, or a kernel before Linux 4.14. Not being allowed to lock is none: see [`Locked::is_locked`].
    pub fn new(value: T) -> io::Result<Self> {
        const { assert!(align_of::<T>() <= SMALLEST_PAGE && size_of::<T>() > 0) };
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: asks for new memory wherever the kernel likes; none that exists is touched.
        let pages = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<T>(), access, kind, -1, 0) };
        let place = NonNull::new(pages.cast::<T>()).filter(|_| pages != libc::MAP_FAILED);
        let place = place.ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the new pages are writable, large enough and aligned, as asserted above.
        unsafe { place.write(value) };
        let mut kept = Self { value: place, locked: false };
        for advice in [libc::MADV_DONTDUMP, libc::MADV_WIPEONFORK] {
            // SAFETY: the pages are this value's alone, and neither advice changes them in this process.
            super::check(unsafe { libc::madvise(pages, size_of::<T>(), advice) })?;
        }
        // SAFETY: as above; locking changes nothing of them.
        kept.locked = unsafe { libc::mlock(pages, size_of::<T>()) } == 0;
        Ok(kept)
    }

    /// False where `RLIMIT_MEMLOCK` forbids more locked memory.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.locked
    }
}

impl<T> Deref for Locked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: holds a value of T from `new` to `drop`, and nobody else has the address.
        unsafe { self.value.as_ref() }
    }
}

impl<T> Drop for Locked<T> {
    fn drop(&mut self) {
        // SAFETY: the value is there, is not used again, and is dropped once.
        unsafe { self.value.drop_in_place() };
        // SAFETY: the pages are those that `new` asked for, and nothing refers to them any more.
        unsafe { libc::munmap(self.value.as_ptr().cast(), size_of::<T>()) };
    }
}

// SAFETY: owns its T and gives out nothing but &T, as a Box that is never written to would.
unsafe impl<T: Send> Send for Locked<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Locked<T> {}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The kernel's flags of the memory that `place` is in; `None` when there is none.
    pub(crate) fn flags<T>(place: *const T) -> Option<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let number = |text| usize::from_str_radix(text, 16).ok();
            if let Some((Some(from), Some(to))) = range.map(|(from, to)| (number(from), number(to))) {
                inside = (from..to).contains(&place.addr());
            } else if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| inside) {
                return Some(flags.to_owned());
            }
        }
        None
    }

    #[test]
    fn a_locked_value_is_locked_and_neither_dumped_nor_inherited() {
        let ordinary = Box::new([7_u8; 64]);
        let kept = Locked::new([7_u8; 64]).unwrap();
        assert_eq!(*kept, *ordinary);
        let (kept_flags, ordinary) = (flags(&raw const *kept).unwrap(), flags(&raw const *ordinary).unwrap());
        // Locked, as far as the limit allows; not in a dump; wiped on fork.
        for (flag, expected) in [(" lo", kept.is_locked()), (" dd", true), (" wf", true)] {
            assert_eq!(kept_flags.contains(flag), expected, "{flag} in {kept_flags}");
            assert!(!ordinary.contains(flag), "{flag} in {ordinary}");
        }
    }

    #[test]
    fn the_value_is_dropped_once_and_its_pages_are_given_back() {
        static DROPS: AtomicUsize = AtomicUsize::new(0);
        struct Counted([u8; 5000]);
        impl Drop for Counted {
            fn drop(&mut self) {
                assert_eq!(self.0, [9; 5000]);
                DROPS.fetch_add(1, Ordering::Relaxed);
            }
        }
        let kept = Locked::new(Counted([9; 5000])).unwrap();
        let place = &raw const *kept;
        assert!(flags(place).is_some());
        drop(kept);
        assert_eq!(DROPS.load(Ordering::Relaxed), 1);
        // Another test's thread may have got the same pages since, but none of its own kind there.
        assert!(flags(place).is_none_or(|flags| !flags.contains(" wf")));
    }
}
