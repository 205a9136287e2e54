//! Replacing this process's own standard output and error, and reading what goes there.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Makes reads from `fd` return `WouldBlock` instead of waiting. Concerns this open file only: the other end of a pipe, and
/// whoever opens it anew, keep their own mode.
///
/// # Errors
/// What `fcntl(2)` reports.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: fcntl with this command takes no pointers.
    let flags = super::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })?;
    // SAFETY: as above.
    super::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) }).map(drop)
}

/// Makes descriptor 1 name what `stdout` names, and 2 what `stderr` names.
///
/// # Errors
/// What `dup2(2)` reports.
pub fn redirect_output(stdout: BorrowedFd<'_>, stderr: BorrowedFd<'_>) -> io::Result<()> {
    for (fd, standard) in [(stdout, libc::STDOUT_FILENO), (stderr, libc::STDERR_FILENO)] {
        // SAFETY: dup2 takes no pointers. Nothing in this process owns descriptors 1 and 2: std only borrows them.
        super::retry(|| super::check(unsafe { libc::dup2(fd.as_raw_fd(), standard) }))?;
    }
    Ok(())
}
