//! Mounting, and loading the one kernel module an enclave image carries.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// A file system to mount.
#[derive(Clone, Copy, Debug)]
pub struct Mount {
    /// Where.
    pub target: &'static str,
    /// Kind, which also serves as its source: none of ours has a device.
    pub kind: &'static str,
    /// Options particular to that kind, or empty.
    pub options: &'static str,
    /// May hold programs that run.
    pub exec: bool,
    /// May hold device nodes that work.
    pub devices: bool,
}

impl Mount {
    /// Mounts it. Set-user-ID bits never count on it.
    ///
    /// # Errors
    /// `ResourceBusy` when it is mounted there already; `NotFound` when the folder is missing.
    pub fn mount(&self) -> io::Result<()> {
        let kind = CString::new(self.kind)?;
        let target = CString::new(self.target)?;
        let options = CString::new(self.options)?;
        let mut flags = libc::MS_NOSUID;
        if !self.exec {
            flags |= libc::MS_NOEXEC;
        }
        if !self.devices {
            flags |= libc::MS_NODEV;
        }
        // SAFETY: all four pointers are NUL-terminated strings that outlive the call.
        let ret = unsafe { libc::mount(kind.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast()) };
        super::check(ret).map(drop)
    }
}

/// Makes what is mounted at `target` read-only there, for every process; a folder that is no mount becomes one. Nothing on
/// it is a device or can be executed any more.
///
/// # Errors
/// What `mount(2)` reports.
pub fn make_read_only(target: &str) -> io::Result<()> {
    let target = CString::new(target)?;
    let none = std::ptr::null();
    let remount = || {
        let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY;
        let flags = flags | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        // SAFETY: the target is a NUL-terminated string that outlives the call; the kernel reads no other pointer here.
        super::check(unsafe { libc::mount(none, target.as_ptr(), none, flags, none.cast()) })
    };
    match remount() {
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
            // SAFETY: as above, with the target as the source.
            let bound = unsafe { libc::mount(target.as_ptr(), target.as_ptr(), none, libc::MS_BIND, none.cast()) };
            super::check(bound).and_then(|_| remount())
        }
        done => done,
    }
    .map(drop)
}

/// Loads a kernel module without parameters.
///
/// # Errors
/// `AlreadyExists` when it is loaded, otherwise what `finit_module(2)` reports.
pub fn load_module(module: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open, the parameter string NUL-terminated.
    let ret = unsafe { libc::syscall(libc::SYS_finit_module, module.as_raw_fd(), c"".as_ptr(), 0) };
    super::check(ret as libc::c_int).map(drop)
}
