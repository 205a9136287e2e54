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

/// Loads a kernel module without parameters.
///
/// # Errors
/// `AlreadyExists` when it is loaded, otherwise what `finit_module(2)` reports.
pub fn load_module(module: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open, the parameter string NUL-terminated.
    let ret = unsafe { libc::syscall(libc::SYS_finit_module, module.as_raw_fd(), c"".as_ptr(), 0) };
    super::check(ret as libc::c_int).map(drop)
}
