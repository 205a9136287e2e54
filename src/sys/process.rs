//! Processes: what a child is made of before `exec`, how its end is learnt, how it is signalled.

use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::capability::Capabilities;
use super::signal::Signal;

/// A process identifier above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pid(libc::pid_t);

impl Pid {
    /// `None` unless `n` can name one single process: 0 and below mean groups to `kill(2)`.
    #[must_use]
    pub fn new(n: i32) -> Option<Self> {
        (n > 0).then_some(Self(n))
    }

    /// The process that calls.
    #[must_use]
    pub fn this() -> Self {
        Self(std::process::id().cast_signed())
    }

    /// True for the first process of a machine or PID namespace, which inherits every orphan and must not return.
    #[must_use]
    pub fn is_init(self) -> bool {
        self.0 == 1
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// `NotFound`-like `ESRCH` when it has gone.
    pub fn kill(self, signal: Signal) -> io::Result<()> {
        kill(self.0, signal)
    }

    /// Sends a signal to every member of the process group it leads.
    ///
    /// # Errors
    /// `ESRCH` when the group is empty.
    pub fn kill_group(self, signal: Signal) -> io::Result<()> {
        kill(-self.0, signal)
    }
}

impl From<&std::process::Child> for Pid {
    fn from(child: &std::process::Child) -> Self {
        Self(child.id().cast_signed())
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Sends a signal to every process there is but this one and PID 1's kernel threads. Only PID 1 has any use for it.
///
/// # Errors
/// `ESRCH` when there is no other process.
pub fn kill_everyone(signal: Signal) -> io::Result<()> {
    kill(-1, signal)
}

fn kill(target: libc::pid_t, signal: Signal) -> io::Result<()> {
    // SAFETY: kill takes no pointers.
    super::check(unsafe { libc::kill(target, signal.number()) }).map(drop)
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code, 0 to 255.
    Code(u8),
    /// By this signal.
    Signal(Signal),
}

impl Exit {
    /// The status a shell would report: the code, or 128 + the signal's number.
    #[must_use]
    pub fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => i32::from(code),
            Self::Signal(signal) => 128 + signal.number(),
        }
    }
}

/// What [`reap`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaped {
    /// This child ended, and is no longer a zombie.
    Ended(Pid, Exit),
    /// There are children, none of which has ended.
    NoneYet,
    /// There are no children at all.
    NoChildren,
}

/// Collects one ended child without waiting. `SIGCHLD` coalesces, so call it until it returns something else than
/// [`Reaped::Ended`].
///
/// # Errors
/// What `waitpid(2)` reports besides `ECHILD`.
pub fn reap() -> io::Result<Reaped> {
    loop {
        let mut status = 0;
        // SAFETY: status is a writable int.
        match super::check(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) }) {
            Ok(0) => return Ok(Reaped::NoneYet),
            Ok(pid) if libc::WIFEXITED(status) => {
                let code = (libc::WEXITSTATUS(status) & 0xff) as u8;
                return Ok(Reaped::Ended(Pid(pid), Exit::Code(code)));
            }
            Ok(pid) if libc::WIFSIGNALED(status) => {
                let signal = Signal::from_number(libc::WTERMSIG(status));
                return Ok(Reaped::Ended(Pid(pid), Exit::Signal(signal)));
            }
            // Stopped or continued: not asked for, and not an end.
            Ok(_) => {}
            Err(e) if e.raw_os_error() == Some(libc::ECHILD) => return Ok(Reaped::NoChildren),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Makes orphans of this process's descendants its own children, as they would be PID 1's.
///
/// # Errors
/// Cannot fail on Linux 3.4 and later.
pub fn become_subreaper() -> io::Result<()> {
    // SAFETY: this option takes integers only.
    super::check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }).map(drop)
}

/// Closes this process's memory to every process without `CAP_SYS_PTRACE`, of the same user or not: no `ptrace`, no
/// `/proc/PID/mem`, `environ` or `fd`, no core dump. Its children are closed like this too until they `exec`. The limit on
/// core dumps becomes zero with it, the soft one: children inherit that, and may raise it again.
///
/// # Errors
/// What `getrlimit(2)` and `setrlimit(2)` report: nothing, on Linux.
pub fn close_memory() -> io::Result<()> {
    // SAFETY: this option takes integers only.
    super::check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) })?;
    let mut core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: core is a writable rlimit.
    super::check(unsafe { libc::getrlimit(libc::RLIMIT_CORE, &raw mut core) })?;
    core.rlim_cur = 0;
    // SAFETY: core is a readable rlimit.
    super::check(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const core) }).map(drop)
}

/// A limit on open descriptors, soft and hard.
#[derive(Clone, Copy)]
pub struct DescriptorLimit(libc::rlimit);

impl fmt::Debug for DescriptorLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DescriptorLimit({}, {})", self.0.rlim_cur, self.0.rlim_max)
    }
}

/// Raises this process's limit on open descriptors as far as it may, at most to `most`, and returns what it was: PID 1
/// starts with 1,024, and a proxied connection takes two.
///
/// # Errors
/// What `getrlimit(2)` reports. A limit that cannot be raised further is no error.
pub fn raise_descriptor_limit(most: u64) -> io::Result<DescriptorLimit> {
    let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: old is a writable rlimit.
    super::check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut old) })?;
    // Raising the hard limit takes CAP_SYS_RESOURCE; without it, the soft one may still rise to the hard one.
    for hard in [old.rlim_max.max(most), old.rlim_max] {
        let new = libc::rlimit { rlim_cur: hard.min(most).max(old.rlim_cur), rlim_max: hard };
        if set_descriptor_limit(new).is_ok() {
            break;
        }
    }
    Ok(DescriptorLimit(old))
}

fn set_descriptor_limit(limit: libc::rlimit) -> io::Result<()> {
    // SAFETY: limit is a readable rlimit.
    super::check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }).map(drop)
}

/// Who a child runs as: numeric user and group, with no supplementary groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Makes `command`'s child lead a session of its own, with every signal at its default action and none blocked, no
/// descriptor but the standard three, no way to gain privileges by `exec` (`no_new_privs`), `descriptors` as its limit of
/// them, and `identity` if given. A child that is root keeps the capabilities `roots`, as far as this process has them;
/// any other has none.
pub fn confine(command: &mut Command, identity: Option<Identity>, descriptors: DescriptorLimit, roots: Capabilities) {
    let root = identity.map_or_else(is_superuser, |identity| identity.uid == 0);
    let kept = if root { roots } else { Capabilities::NONE };
    let prepare = move || {
        new_session()?;
        super::signal::default_actions();
        super::signal::unblock_all()?;
        close_inherited();
        set_descriptor_limit(descriptors.0)?;
        // Before becoming somebody else, which takes away the right to do it.
        kept.bound()?;
        if let Some(identity) = identity {
            assume(identity)?;
        }
        kept.reduce()?;
        no_new_privileges()
    };
    // SAFETY: runs between fork and exec, where only async-signal-safe calls are allowed: prepare makes system calls
    // only and allocates nothing.
    unsafe { command.pre_exec(prepare) };
}

/// What a process that reads hostile data may use: bytes of memory it writes to, and descriptors.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// Heap and thread stacks; allocating fails beyond it.
    pub memory: u64,
    /// Descriptors.
    pub descriptors: u64,
}

/// Makes `command`'s child as harmless as it can be: besides what [`confine`] does, it gets `allowance` and no more, has no
/// capability whoever it is, writes no file and no core dump, ends with the thread that starts it, and its system calls
/// are filtered (see [`super::seccomp`]).
pub fn imprison(command: &mut Command, identity: Option<Identity>, allowance: Allowance) {
    let filter = super::seccomp::Filter::default();
    let limits = [
        (libc::RLIMIT_DATA, allowance.memory),
        (libc::RLIMIT_NOFILE, allowance.descriptors),
        (libc::RLIMIT_FSIZE, 0),
        (libc::RLIMIT_CORE, 0),
    ];
    let prepare = move || {
        new_session()?;
        super::signal::default_actions();
        super::signal::unblock_all()?;
        close_inherited();
        for (resource, most) in limits {
            let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
            // SAFETY: limit is a readable rlimit.
            super::check(unsafe { libc::setrlimit(resource, &raw const limit) })?;
        }
        Capabilities::NONE.bound()?;
        if let Some(identity) = identity {
            assume(identity)?;
        }
        Capabilities::NONE.reduce()?;
        end_with_parent()?;
        no_new_privileges()?;
        filter.install()
    };
    // SAFETY: runs between fork and exec, where only async-signal-safe calls are allowed: prepare makes system calls
    // only and allocates nothing; the filter was assembled before.
    unsafe { command.pre_exec(prepare) };
}

/// The kernel forgets this when a process changes its user, so it comes after that.
fn end_with_parent() -> io::Result<()> {
    // SAFETY: this option takes integers only.
    super::check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) }).map(drop)
}

/// Whether this process may become another user.
#[must_use]
pub fn is_superuser() -> bool {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::geteuid() == 0 }
}

fn new_session() -> io::Result<()> {
    // SAFETY: setsid takes nothing. A child that was just forked leads no group, so it succeeds.
    super::check(unsafe { libc::setsid() }).map(drop)
}

/// How far descriptors are looked for one by one: the usual limit of a process on kernels that need it.
const OLD_KERNEL_DESCRIPTORS: libc::c_int = 4096;

/// Marks every descriptor above the standard three close-on-exec: whoever started odyn may have left some open.
fn close_inherited() {
    // SAFETY: close_range takes no pointers, and with this flag closes nothing yet.
    let ret = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if ret == -1 {
        // Linux before 5.11 has no such flag, and enclave kernels were 4.14 for years.
        for fd in 3..OLD_KERNEL_DESCRIPTORS {
            // SAFETY: fcntl with this command takes no pointers; a number that is no descriptor is refused.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
}

fn assume(identity: Identity) -> io::Result<()> {
    // SAFETY: a length of zero makes the kernel ignore the pointer.
    super::check(unsafe { libc::setgroups(0, std::ptr::null()) })?;
    // SAFETY: takes no pointers.
    super::check(unsafe { libc::setresgid(identity.gid, identity.gid, identity.gid) })?;
    // SAFETY: takes no pointers.
    super::check(unsafe { libc::setresuid(identity.uid, identity.uid, identity.uid) }).map(drop)
}

fn no_new_privileges() -> io::Result<()> {
    // SAFETY: this option takes integers only.
    super::check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).map(drop)
}
