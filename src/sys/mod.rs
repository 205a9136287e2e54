//! The fence: the only folder that may use `unsafe` and libc.
//!
//! Promises: every system call odyn makes beyond std's is wrapped here in a safe function that owns its descriptors,
//! turns `errno` into [`std::io::Error`] and retries `EINTR` where retrying is right. No policy, no configuration and
//! no logging lives here, and nothing here allocates between `fork` and `exec`.

#![allow(unsafe_code)]

pub mod capability;
pub mod connect;
pub mod event;
pub mod heap;
pub mod locked;
pub mod memory;
pub mod mount;
pub mod net;
pub mod pipe;
pub mod poll;
pub mod power;
pub mod process;
pub mod random;
pub mod seccomp;
pub mod signal;
pub mod socket;
pub mod stdio;
pub mod vsock;

use std::io;

/// Turns a libc return value into a result: -1 is `errno`, anything else the value.
pub(crate) fn check(ret: libc::c_int) -> io::Result<libc::c_int> {
    if ret == -1 { Err(io::Error::last_os_error()) } else { Ok(ret) }
}

/// [`check`] for calls that return a byte count.
pub(crate) fn check_size(ret: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(ret).map_err(|_| io::Error::last_os_error())
}

/// Repeats `call` for as long as a signal handler interrupts it.
pub(crate) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
