//! Capabilities: the pieces that Linux has cut root's power into, and giving them up for good.
//!
//! Promises: after `bound` and `reduce` a process has none but those kept, in any of the kernel's five sets, and `exec`
//! gives it no others. Neither ever adds one. Both make system calls only, and may be used between `fork` and `exec`.

use std::io;

/// A set of capabilities, by the kernel's numbers (`linux/capability.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// Give files to other users.
    pub const CHOWN: Self = Self(1);
    /// Read and write files whatever their mode says.
    pub const DAC_OVERRIDE: Self = Self(1 << 1);
    /// Do with every file what its owner may.
    pub const FOWNER: Self = Self(1 << 3);
    /// Keep set-ID bits when writing.
    pub const FSETID: Self = Self(1 << 4);
    /// Signal processes of other users.
    pub const KILL: Self = Self(1 << 5);
    /// Become other groups.
    pub const SETGID: Self = Self(1 << 6);
    /// Become other users.
    pub const SETUID: Self = Self(1 << 7);
    /// Give up capabilities for good.
    pub const SETPCAP: Self = Self(1 << 8);
    /// Listen on ports below 1024.
    pub const NET_BIND_SERVICE: Self = Self(1 << 10);
    /// Change the root folder.
    pub const SYS_CHROOT: Self = Self(1 << 18);

    /// Those of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Takes all others out of the bounding set, beyond which no `exec` can give any. A process without `CAP_SETPCAP` may
    /// not do so and keeps the set as it is, which `no_new_privs` makes worth nothing.
    ///
    /// # Errors
    /// What `prctl(2)` reports.
    pub(super) fn bound(self) -> io::Result<()> {
        if Sets::read()?.0[0].effective & Self::SETPCAP.halves()[0] == 0 {
            return Ok(());
        }
        for number in 0..u64::BITS {
            let capability = libc::c_ulong::from(number);
            // SAFETY: this option takes integers only.
            match unsafe { libc::prctl(libc::PR_CAPBSET_READ, capability, NOTHING, NOTHING, NOTHING) } {
                1 if self.0 & (1 << number) == 0 => {
                    // SAFETY: this option takes integers only.
                    let ret = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, NOTHING, NOTHING, NOTHING) };
                    super::check(ret)?;
                }
                0 | 1 => {}
                // The kernel knows no more.
                _ => break,
            }
        }
        Ok(())
    }

    /// Gives up all others, and every one that would be passed on by itself.
    ///
    /// # Errors
    /// What `prctl(2)` and `capset(2)` report.
    pub(super) fn reduce(self) -> io::Result<()> {
        let clear = libc::c_ulong::from(libc::PR_CAP_AMBIENT_CLEAR_ALL as u32);
        // SAFETY: this option takes integers only.
        super::check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, clear, NOTHING, NOTHING, NOTHING) })?;
        let mut sets = Sets::read()?;
        for (half, kept) in sets.0.iter_mut().zip(self.halves()) {
            half.permitted &= kept;
            half.effective = half.permitted;
            half.inheritable = 0;
        }
        sets.write()
    }

    /// The lower 32, then the upper.
    fn halves(self) -> [u32; 2] {
        [(self.0 & u64::from(u32::MAX)) as u32, (self.0 >> 32) as u32]
    }
}

/// An argument that is not used, in the width that the kernel looks at.
const NOTHING: libc::c_ulong = 0;

/// `_LINUX_CAPABILITY_VERSION_3`, in which each set has two halves.
const VERSION: u32 = 0x2008_0522;

/// The kernel's `struct __user_cap_header_struct`. Process 0 is the one that calls.
#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

/// The kernel's `struct __user_cap_data_struct`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Three of a thread's sets.
struct Sets([Half; 2]);

impl Sets {
    fn read() -> io::Result<Self> {
        let mut header = Header { version: VERSION, pid: 0 };
        let mut sets = Self([Half::default(); 2]);
        // SAFETY: both point to writable memory of the shapes that this version has.
        let ret = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.0.as_mut_ptr()) };
        super::check(ret as libc::c_int).map(|_| sets)
    }

    fn write(&self) -> io::Result<()> {
        let mut header = Header { version: VERSION, pid: 0 };
        // SAFETY: the header is writable and the sets are readable, of the shapes that this version has.
        let ret = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, self.0.as_ptr()) };
        super::check(ret as libc::c_int).map(drop)
    }
}
