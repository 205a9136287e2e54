//! The kernel's entropy pool: adding to it, with credit.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;

use zeroize::Zeroize;

/// How many bytes one call may add.
pub const CHUNK: usize = 256;

/// `struct rand_pool_info` of `linux/random.h` with a buffer of [`CHUNK`] bytes.
#[repr(C)]
struct PoolInfo {
    entropy_count: libc::c_int,
    buf_size: libc::c_int,
    buf: [u8; CHUNK],
}

/// Mixes `bytes` (at most [`CHUNK`]) into the kernel's pool and credits eight bits of entropy for each, as
/// `random(4)` describes under `RNDADDENTROPY`. Writing to `/dev/random` would mix without crediting, and leave a fresh
/// kernel's `getrandom` blocking.
///
/// # Errors
/// `PermissionDenied` without `CAP_SYS_ADMIN`, `InvalidInput` for more than [`CHUNK`] bytes.
pub fn add_credited(bytes: &[u8]) -> io::Result<()> {
    let device = OpenOptions::new().write(true).open("/dev/random")?;
    let mut info = PoolInfo { entropy_count: 0, buf_size: 0, buf: [0; CHUNK] };
    let Some(room) = info.buf.get_mut(..bytes.len()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    room.copy_from_slice(bytes);
    info.buf_size = bytes.len() as libc::c_int;
    info.entropy_count = info.buf_size * 8;
    // SAFETY: info is a rand_pool_info whose buf_size says how many of its bytes are there; the kernel only reads it.
    let ret = unsafe { libc::ioctl(device.as_raw_fd(), RNDADDENTROPY as _, &raw const info) };
    // The bytes were secret until now and still are what seeded the kernel.
    info.buf.zeroize();
    super::check(ret).map(drop)
}

/// `_IOW('R', 0x03, int[2])`.
const RNDADDENTROPY: u32 = 0x4008_5203;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_chunk_is_refused_before_the_kernel_sees_it() {
        assert_eq!(add_credited(&[0; CHUNK + 1]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
