//! Bringing the loopback interface up.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

/// Sets `lo` up and gives it 127.0.0.1/8 (the kernel adds the address itself when the interface comes up, and ::1 too).
/// Does nothing to an interface that is up already.
///
/// # Errors
/// `PermissionDenied` without `CAP_NET_ADMIN`.
pub fn loopback_up() -> io::Result<()> {
    // Any socket of the family serves as a handle for interface requests; binding to the unspecified address needs no
    // interface to be up.
    let handle = UdpSocket::bind(("0.0.0.0", 0))?;
    // SAFETY: ifreq is plain old data for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    // SAFETY: request is a valid ifreq with a NUL-terminated name, which the kernel reads and writes.
    super::check(unsafe { libc::ioctl(handle.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request) })?;
    // SAFETY: SIOCGIFFLAGS has just filled this member of the union.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    request.ifr_ifru.ifru_flags = flags | (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: as above; the kernel only reads it.
    super::check(unsafe { libc::ioctl(handle.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) }).map(drop)
}
