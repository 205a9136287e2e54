//! What PID 1 does before anything else can run: file systems, the links every program expects, the NSM's driver, and
//! a sign of life to the parent.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

use crate::config::limits;
use crate::sys::mount::{Mount, load_module};
use crate::sys::socket::Socket;
use crate::transport::Transport;
use crate::wire::ports;

/// In this order: `/dev/pts` and `/dev/shm` lie inside `/dev`.
const MOUNTS: [Mount; 8] = [
    Mount { target: "/proc", kind: "proc", options: "", exec: false, devices: false },
    Mount { target: "/sys", kind: "sysfs", options: "", exec: false, devices: false },
    Mount { target: "/dev", kind: "devtmpfs", options: "mode=0755", exec: false, devices: true },
    Mount { target: "/dev/pts", kind: "devpts", options: "mode=0620,ptmxmode=0666", exec: false, devices: true },
    Mount { target: "/dev/shm", kind: "tmpfs", options: "mode=1777", exec: true, devices: false },
    Mount { target: "/run", kind: "tmpfs", options: "mode=0755", exec: true, devices: false },
    Mount { target: "/tmp", kind: "tmpfs", options: "mode=1777", exec: true, devices: false },
    Mount { target: "/sys/fs/cgroup", kind: "cgroup2", options: "", exec: false, devices: false },
];

const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// The driver some enclave images carry as a file.
const NSM_MODULE: &str = "/nsm.ko";

/// Mounts what is not mounted yet and makes the links. What fails is logged and left: an application that needs it will
/// say so better than we can, and one that does not should run.
pub fn prepare_machine() {
    for mount in &MOUNTS {
        if mount.target == "/dev" && Path::new("/dev/null").exists() {
            continue;
        }
        // A missing folder is made; in a read-only image it cannot be, and mounting then says why.
        let _ = fs::create_dir_all(mount.target);
        match mount.mount() {
            Ok(()) => {}
            // Mounted already, by the kernel or by AWS's init.
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy => {}
            Err(e) => log::warn!("cannot mount {} on {}: {e}", mount.kind, mount.target),
        }
    }
    for (to, link) in LINKS {
        match symlink(to, link) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => log::warn!("cannot link {link} to {to}: {e}"),
        }
    }
    load_nsm_driver();
}

fn load_nsm_driver() {
    let Ok(module) = File::open(NSM_MODULE) else { return };
    match load_module(&module) {
        Ok(()) => log::info!("loaded {NSM_MODULE}"),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => log::warn!("cannot load {NSM_MODULE}: {e}"),
    }
    // As AWS's init does: the application has no use for it.
    let _ = fs::remove_file(NSM_MODULE);
}

/// Tells the parent that the enclave lives, as AWS's own init does: one byte there and the same byte back. Tools other
/// than AWS's do not listen, so a refused or silent heartbeat is only logged.
pub fn heartbeat(transport: &Transport) {
    let beat = || -> io::Result<()> {
        let deadline = Instant::now() + limits::HEARTBEAT;
        let socket: Socket = transport.dial_host(ports::HEARTBEAT_PORT, limits::HEARTBEAT)?;
        socket.write_all_until(&[ports::HEARTBEAT], deadline)?;
        let mut answer = [0];
        socket.read_exact_until(&mut answer, deadline)?;
        if answer == [ports::HEARTBEAT] { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    };
    match beat() {
        Ok(()) => log::info!("the parent answered the heartbeat"),
        Err(e) => log::warn!("the parent did not answer the heartbeat: {e}"),
    }
}
