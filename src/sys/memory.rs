//! What becomes of memory that is given back.

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
