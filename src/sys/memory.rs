//! Whether there is memory, and what becomes of it when it is given back.

use std::io;

use crate::config::limits;

/// Has glibc return blocks of 128 KiB and more to the kernel as soon as they are freed. By default it learns from the
/// first such block to keep those that follow, and odyn would hold what its largest object once took. musl, which
/// releases are linked to, does this anyway.
pub fn return_large_blocks() {
    #[cfg(target_env = "gnu")]
    {
        const LARGE: libc::c_int = 128 << 10;
        // SAFETY: sets a number in malloc's settings, under malloc's own lock; no pointer is passed.
        let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
    }
}

/// How often a thread's memory is divided: its stack from the guard below it, std's second stack for reporting an overflow
/// from its own, the allocator's share from what it keeps for later.
const DIVISIONS: usize = 3;

/// Whether `bytes` could be allocated now, with [`limits::HEADROOM`] to spare for what cannot be refused: an allocation of
/// a few bytes that fails ends the process. Only where memory is limited does the kernel ever say no.
///
/// # Errors
/// `OutOfMemory`.
pub fn room_for(bytes: usize) -> io::Result<()> {
    probe(bytes.saturating_add(limits::HEADROOM), 0)
}

/// Whether a thread with a stack of `stack` bytes could be started now. Starting it would not tell: std reports that there
/// is no memory for a thread's first stack, and ends the process when there is none for the second. What may be missing
/// is also the number of mappings (`vm.max_map_count`), of which ten thousand threads take most.
///
/// # Errors
/// `OutOfMemory`.
pub fn room_for_thread(stack: usize) -> io::Result<()> {
    probe(stack.saturating_add(limits::HEADROOM), DIVISIONS)
}

/// Maps so many bytes, divides them as often, and gives all of it back without ever having touched it.
fn probe(bytes: usize, divisions: usize) -> io::Result<()> {
    // A multiple of every size that pages have.
    const PAGE: usize = 64 << 10;
    let (anywhere, access) = (std::ptr::null_mut(), libc::PROT_READ | libc::PROT_WRITE);
    // SAFETY: asks for new pages wherever there is room; no existing mapping changes.
    let start = unsafe { libc::mmap(anywhere, bytes, access, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    let mut divided = Ok(());
    for division in 1..=divisions {
        let page = start.wrapping_byte_add(2 * division * PAGE);
        // SAFETY: one page within the mapping made above, which is larger (HEADROOM) and which nobody else knows of.
        if unsafe { libc::mprotect(page, PAGE, libc::PROT_NONE) } != 0 {
            divided = Err(io::ErrorKind::OutOfMemory.into());
        }
    }
    // SAFETY: exactly the mapping made above, to which no reference exists.
    unsafe { libc::munmap(start, bytes) };
    divided
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_a_thread_and_none_for_all_there_is() {
        room_for(1 << 20).unwrap();
        room_for_thread(limits::THREAD_STACK).unwrap();
        assert_eq!(room_for(usize::MAX / 4).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
        assert_eq!(room_for(usize::MAX).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
    }
}
