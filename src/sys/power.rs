//! How PID 1 ends the machine.

use std::io;

/// Syncs and restarts the machine, as AWS's own enclave init does at its end: in an enclave this terminates it. Comes
/// back only when it fails, for want of `CAP_SYS_BOOT`.
pub fn restart() -> io::Error {
    // SAFETY: sync takes nothing and cannot fail.
    unsafe { libc::sync() };
    // SAFETY: reboot with this command takes no pointers.
    unsafe { libc::reboot(libc::RB_AUTOBOOT) };
    io::Error::last_os_error()
}
