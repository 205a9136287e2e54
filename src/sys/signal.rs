//! Signals, taken one at a time instead of by handlers.
//!
//! [`block`] runs first thing in `main`, before any thread exists, so every thread inherits the blocked set and the
//! only place a signal is ever seen is [`wait`]. The synchronous ones (`SIGSEGV` and its kind) are left alone: blocking
//! them only hides where a fault happened.

use std::fmt;
use std::io;
use std::time::Duration;

/// A signal number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signal(libc::c_int);

impl Signal {
    /// A child changed state. Coalesces: one of these may stand for a thousand deaths.
    pub const CHLD: Self = Self(libc::SIGCHLD);
    /// Please end.
    pub const TERM: Self = Self(libc::SIGTERM);
    /// Ctrl-C.
    pub const INT: Self = Self(libc::SIGINT);
    /// Ctrl-\.
    pub const QUIT: Self = Self(libc::SIGQUIT);
    /// The terminal went away; by convention also: reload.
    pub const HUP: Self = Self(libc::SIGHUP);
    /// For the application to define.
    pub const USR1: Self = Self(libc::SIGUSR1);
    /// For the application to define.
    pub const USR2: Self = Self(libc::SIGUSR2);
    /// End now.
    pub const KILL: Self = Self(libc::SIGKILL);

    /// Signal number `n`, as `wait(2)` reports it.
    #[must_use]
    pub fn from_number(n: i32) -> Self {
        Self(n)
    }

    /// Its number on this machine.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Signal {
    /// Its name as `signal(7)` gives it, such as `SIGTERM`; real-time signals as `SIGRTMIN+n`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None if self.0 >= REAL_TIME => write!(f, "SIGRTMIN+{}", self.0 - REAL_TIME),
            None => write!(f, "SIG{}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The kernel's first real-time signal. C libraries keep the first few for themselves and shift `SIGRTMIN`; what the
/// kernel reports is counted from here.
const REAL_TIME: libc::c_int = 32;

const NAMES: &[(libc::c_int, &str)] = &[
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGINT, "SIGINT"),
    (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGTRAP, "SIGTRAP"),
    (libc::SIGABRT, "SIGABRT"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGKILL, "SIGKILL"),
    (libc::SIGUSR1, "SIGUSR1"),
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGUSR2, "SIGUSR2"),
    (libc::SIGPIPE, "SIGPIPE"),
    (libc::SIGALRM, "SIGALRM"),
    (libc::SIGTERM, "SIGTERM"),
    (libc::SIGSTKFLT, "SIGSTKFLT"),
    (libc::SIGCHLD, "SIGCHLD"),
    (libc::SIGCONT, "SIGCONT"),
    (libc::SIGSTOP, "SIGSTOP"),
    (libc::SIGTSTP, "SIGTSTP"),
    (libc::SIGTTIN, "SIGTTIN"),
    (libc::SIGTTOU, "SIGTTOU"),
    (libc::SIGURG, "SIGURG"),
    (libc::SIGXCPU, "SIGXCPU"),
    (libc::SIGXFSZ, "SIGXFSZ"),
    (libc::SIGVTALRM, "SIGVTALRM"),
    (libc::SIGPROF, "SIGPROF"),
    (libc::SIGWINCH, "SIGWINCH"),
    (libc::SIGIO, "SIGIO"),
    (libc::SIGPWR, "SIGPWR"),
    (libc::SIGSYS, "SIGSYS"),
];

/// Raised by the faulting instruction itself; never blocked.
const SYNCHRONOUS: &[libc::c_int] =
    &[libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS];

/// Blocks every signal but the synchronous ones in this thread and all it starts from now on. Also gives `SIGCHLD` its
/// default action: a parent that ignored it hands that down, and then the kernel reaps children and nobody learns how
/// they ended.
///
/// # Errors
/// Cannot fail on Linux; reported rather than assumed.
pub fn block() -> io::Result<()> {
    // SAFETY: installs no handler.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    let mut set = full_set();
    for signal in SYNCHRONOUS {
        // SAFETY: set was initialised by sigfillset.
        unsafe { libc::sigdelset(&raw mut set, *signal) };
    }
    set_mask(&set)
}

/// Waits for one of `signals`, which must be blocked, for at most `timeout`.
///
/// # Errors
/// What `sigtimedwait(2)` reports; running out of time is `Ok(None)`.
pub fn wait(signals: &[Signal], timeout: Duration) -> io::Result<Option<Signal>> {
    let mut set = empty_set();
    for signal in signals {
        // SAFETY: set was initialised by sigemptyset.
        unsafe { libc::sigaddset(&raw mut set, signal.0) };
    }
    // The field's type differs between C libraries; no wait of ours comes near the smaller one's end.
    let seconds = timeout.as_secs().min(i32::MAX as u64);
    let timeout = libc::timespec { tv_sec: seconds as _, tv_nsec: timeout.subsec_nanos() as _ };
    // SAFETY: set and timeout are valid for the call; no siginfo is asked for.
    let taken = unsafe { libc::sigtimedwait(&raw const set, std::ptr::null_mut(), &raw const timeout) };
    match super::check(taken) {
        Ok(number) => Ok(Some(Signal(number))),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Gives every signal its default action. For a child between `fork` and `exec`: an ignored signal would otherwise
/// stay ignored in the program it becomes. Allocates nothing.
pub(super) fn default_actions() {
    // The kernel's struct sigaction with everything at zero: SIG_DFL, no flags, an empty mask. The system call itself,
    // because signal(3) refuses the two or three real-time signals that the C library keeps for itself.
    let default = [0_u64; 4];
    for number in 1..=64 as libc::c_long {
        let (new, old) = (default.as_ptr(), std::ptr::null_mut::<u64>());
        // SAFETY: new is as large as the struct, 32 bytes on 64-bit Linux; the old one is not asked for; the last
        // argument is the size of the kernel's signal set. KILL and STOP are refused, which is what we want.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, number, new, old, size_of::<u64>()) };
    }
}

/// Blocks no signal any more in this thread. For a child between `fork` and `exec`: a program inherits the mask, and std
/// leaves it as it is. Allocates nothing.
pub(super) fn unblock_all() -> io::Result<()> {
    set_mask(&empty_set())
}

fn set_mask(set: &libc::sigset_t) -> io::Result<()> {
    // SAFETY: set is initialised; the old mask is not asked for.
    match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, set, std::ptr::null_mut()) } {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

fn full_set() -> libc::sigset_t {
    let mut set = empty_set();
    // SAFETY: set is a sigset_t of the right size.
    unsafe { libc::sigfillset(&raw mut set) };
    set
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: sigset_t is plain old data for which all zeroes is a valid value.
    let mut set = unsafe { std::mem::zeroed() };
    // SAFETY: set is a sigset_t of the right size.
    unsafe { libc::sigemptyset(&raw mut set) };
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_manual() {
        assert_eq!(Signal::TERM.to_string(), "SIGTERM");
        assert_eq!(Signal(34).to_string(), "SIGRTMIN+2");
        assert_eq!(Signal(0).to_string(), "SIG0");
    }

    #[test]
    fn a_blocked_signal_is_taken_by_wait_and_by_nobody_else() {
        block().unwrap();
        // SAFETY: raise takes no pointers; the signal is blocked in this thread.
        unsafe { libc::raise(libc::SIGUSR2) };
        assert_eq!(wait(&[Signal::USR2], Duration::ZERO).unwrap(), Some(Signal::USR2));
        assert_eq!(wait(&[Signal::USR2], Duration::ZERO).unwrap(), None);
    }
}
