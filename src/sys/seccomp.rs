//! A filter on a child's system calls (seccomp-bpf), for a process that reads hostile data.
//!
//! Promises: a filtered process opens no socket but UNIX ones, so that it reaches nothing on the machine's network or over
//! vsock (it must not be handed a socket of another kind either: one of TCP can be connected anew); it cannot use the Nitro
//! Secure Module, whoever opened the device; it starts no other process. It is a list of what is refused, not of what is
//! allowed: the allocator's and the threads' calls go on as the C library likes. Never says anything about files: whether
//! it may open them, those of other processes in `/proc` among them, is decided by its user.

use std::io;

/// Linux's `AUDIT_ARCH_*` of what this was built for: a call by any other convention ends the process.
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xC000_00B7;

/// Calls with this bit are x32's: the same calls under other numbers.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// Offsets in `struct seccomp_data`. Of the arguments the lower half is read, and both architectures have it first.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;
const SECOND_ARGUMENT: u32 = 24;

/// The type byte of `/dev/nsm`'s requests to `ioctl(2)`, where an ioctl number has its type.
const NSM_TYPE: u32 = 0x0A << 8;
const TYPE_MASK: u32 = 0xFF << 8;

/// The flag without which `clone(2)` makes a process.
const THREAD: u32 = libc::CLONE_THREAD as u32;

/// Refused whatever the arguments.
const REFUSED: [libc::c_long; 13] = [
    // Looking into another process.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    // Opens sockets without socket(2).
    libc::SYS_io_uring_setup,
    // Much kernel code, which nobody needs here.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
];

/// The filter, assembled before `fork`: nothing may allocate behind it.
#[derive(Clone, Debug)]
pub struct Filter(Vec<libc::sock_filter>);

impl Default for Filter {
    fn default() -> Self {
        let mut program = vec![
            load(ARCHITECTURE),
            jump(libc::BPF_JEQ, ARCH, 1, 0),
            give(libc::SECCOMP_RET_KILL_PROCESS),
            load(NUMBER),
        ];
        #[cfg(target_arch = "x86_64")]
        program.extend([jump(libc::BPF_JGE, X32, 0, 1), give(refusal(libc::EPERM))]);
        // Its arguments are in memory, where no filter sees them; C libraries go back to clone(2) when it is not there.
        program.extend([jump(libc::BPF_JEQ, word(libc::SYS_clone3), 0, 1), give(refusal(libc::ENOSYS))]);
        #[cfg(target_arch = "x86_64")]
        for number in [libc::SYS_fork, libc::SYS_vfork] {
            program.extend([jump(libc::BPF_JEQ, word(number), 0, 1), give(refusal(libc::EPERM))]);
        }
        for number in REFUSED {
            program.extend([jump(libc::BPF_JEQ, word(number), 0, 1), give(refusal(libc::EPERM))]);
        }
        program.extend([
            jump(libc::BPF_JEQ, word(libc::SYS_clone), 0, 5),
            load(FIRST_ARGUMENT),
            instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, THREAD),
            jump(libc::BPF_JEQ, 0, 0, 1),
            give(refusal(libc::EPERM)),
            give(libc::SECCOMP_RET_ALLOW),
            jump(libc::BPF_JEQ, word(libc::SYS_socket), 0, 4),
            load(FIRST_ARGUMENT),
            jump(libc::BPF_JEQ, libc::AF_UNIX as u32, 1, 0),
            give(refusal(libc::EACCES)),
            give(libc::SECCOMP_RET_ALLOW),
            jump(libc::BPF_JEQ, word(libc::SYS_ioctl), 0, 4),
            load(SECOND_ARGUMENT),
            instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, TYPE_MASK),
            jump(libc::BPF_JEQ, NSM_TYPE, 0, 1),
            give(refusal(libc::EPERM)),
            give(libc::SECCOMP_RET_ALLOW),
        ]);
        Self(program)
    }
}

impl Filter {
    /// Filters the calling thread from here on, and all it starts. Needs `no_new_privs`. A system call and no more: may be
    /// used between `fork` and `exec`.
    ///
    /// # Errors
    /// `EINVAL` when the kernel has no seccomp.
    pub(super) fn install(&self) -> io::Result<()> {
        let length = libc::c_ushort::try_from(self.0.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        // The kernel only reads it.
        let program = libc::sock_fprog { len: length, filter: self.0.as_ptr().cast_mut() };
        let mode = libc::c_ulong::from(libc::SECCOMP_MODE_FILTER);
        // SAFETY: program and the instructions it names are readable during the call.
        let ret = unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) };
        super::check(ret).map(drop)
    }
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

fn load(offset: u32) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

/// Compares what was loaded with `k`, and skips as many instructions.
fn jump(test: u32, k: u32, when_true: u8, when_false: u8) -> libc::sock_filter {
    instruction(libc::BPF_JMP | test | libc::BPF_K, when_true, when_false, k)
}

fn give(verdict: u32) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, verdict)
}

fn refusal(errno: libc::c_int) -> u32 {
    libc::SECCOMP_RET_ERRNO | (errno as u32 & libc::SECCOMP_RET_DATA)
}

/// System call numbers are small.
fn word(number: libc::c_long) -> u32 {
    number as u32
}
