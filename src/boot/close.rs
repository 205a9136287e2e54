//! What an enclave keeps from its application, beyond what user and capabilities keep (see [`crate::app`]).
//!
//! Promises: before the application starts, `/dev/nsm` is gone unless the manifest exposes it; odyn has it open by then.
//! The kernel's settings in `/proc/sys` and `/sys` are read-only, also to root: through them it could have the driver
//! bring the device back, or have the kernel start a program with every capability. Never touches a machine that is none
//! of odyn's: all of this belongs to the bootstrap.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::nsm::device;
use crate::sys::mount;
use crate::sys::process::Identity;

/// Where the lowest port is written that a user other than root may listen on.
const LOW_PORTS: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

/// Removes the module's device, for which no application but one that is allowed to has any use; `exposed` it stays, and
/// becomes `user`'s alone if there is one. A machine without the device is as good as one whose device was removed.
///
/// # Errors
/// When the device is there, and stays or cannot be given away.
pub fn nsm(exposed: bool, user: Option<Identity>) -> io::Result<()> {
    let done = match (exposed, user) {
        (false, _) => fs::remove_file(device::PATH),
        (true, None) => Ok(()),
        (true, Some(Identity { uid, gid })) => chown(device::PATH, Some(uid), Some(gid))
            .and_then(|()| fs::set_permissions(device::PATH, Permissions::from_mode(0o600))),
    };
    match done {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Lets everybody listen on every port, as containers do: with loopback for the only interface a low port means nothing,
/// and would make applications root that need not be. Then makes the kernel's settings read-only: `/proc/sys`, and
/// whatever is mounted on and below `/sys` but the second version of cgroups, which starts no programs. What fails is
/// logged and left: who may not mount here has no enclave to close.
pub fn settings() {
    if let Err(e) = fs::write(LOW_PORTS, "0") {
        log::warn!("ports below 1024 stay root's: {LOW_PORTS}: {e}");
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let below = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (target, kind) = (fields.next()?, fields.next()?);
        (target.starts_with("/sys/") && kind != "cgroup2").then_some(target)
    });
    for target in ["/proc/sys", "/sys"].into_iter().chain(below) {
        if let Err(e) = mount::make_read_only(target) {
            log::warn!("cannot make {target} read-only: {e}");
        }
    }
}
