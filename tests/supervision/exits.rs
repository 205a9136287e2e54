//! How the application ends is how odyn ends.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crate::support::{Odyn, eventually, signal, stat, tools};

/// From signal(7); the real-time ones follow by number.
const NAMES: [(u32, &str); 23] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (10, "SIGUSR1"),
    (11, "SIGSEGV"),
    (12, "SIGUSR2"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
    (16, "SIGSTKFLT"),
    (24, "SIGXCPU"),
    (25, "SIGXFSZ"),
    (26, "SIGVTALRM"),
    (27, "SIGPROF"),
    (29, "SIGIO"),
    (30, "SIGPWR"),
    (31, "SIGSYS"),
];

/// Calls `check` with every number below `end`, several at once.
fn for_each_below(end: u32, check: impl Fn(u32) + Sync) {
    let next = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    match next.fetch_add(1, Ordering::Relaxed) {
                        number if number < end => check(number),
                        _ => break,
                    }
                }
            });
        }
    });
}

#[test]
fn every_exit_code_is_in_the_status_and_is_odyns_own() {
    for_each_below(256, |code| {
        let (status, exit) = Odyn::script("", &format!("exit {code}")).finish();
        assert_eq!(status, format!("{{\"status\":\"exited\",\"code\":{code}}}"));
        assert_eq!(exit.code(), Some(code.cast_signed()));
    });
}

#[test]
fn every_deadly_signal_is_in_the_status_by_number_and_name_and_odyn_exits_with_128_more() {
    let named = NAMES.map(|(number, name)| (number, name.to_owned()));
    let real_time = (32..=64).map(|number| (number, format!("SIGRTMIN+{}", number - 32)));
    let signals: Vec<_> = named.into_iter().chain(real_time).collect();
    for_each_below(signals.len() as u32, |index| {
        let (number, name) = &signals[index as usize];
        let (status, exit) = Odyn::script("", &format!("ulimit -c 0; kill -{number} $$")).finish();
        assert_eq!(status, format!("{{\"status\":\"signaled\",\"signal\":{number},\"name\":\"{name}\"}}"));
        assert_eq!(exit.code(), Some(128 + number.cast_signed()));
    });
}

#[test]
fn an_end_is_noticed_even_when_odyn_was_started_with_ends_of_children_ignored() {
    // A shell cannot hand that down, env can.
    let env = ["env", "--ignore-signal=CHLD"];
    if !Command::new(env[0]).args(&env[1..]).arg("true").stderr(Stdio::null()).status().is_ok_and(|s| s.success()) {
        return tools::unfit("env --ignore-signal (GNU coreutils 8.31)");
    }
    let odyn = Odyn::with("", &[], &["/bin/sh", "-c", "exit 4"], |command| {
        let mut outer = Command::new(env[0]);
        outer.args(&env[1..]).arg(command.get_program()).args(command.get_args());
        outer.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        *command = outer;
    });
    let (status, exit) = odyn.finish();
    assert_eq!(status, r#"{"status":"exited","code":4}"#);
    assert_eq!(exit.code(), Some(4));
}

#[test]
fn an_application_that_is_stopped_and_continued_goes_on() {
    let odyn = Odyn::script("", "echo before; kill -STOP $$; exit 6");
    let app = odyn.app();
    odyn.wait_log("before");
    eventually("the application stops", || (stat(app)?.0 == 'T').then_some(()));
    // odyn is told of a stop like of an end, and must tell them apart.
    signal(app, "CONT");
    let (status, exit) = odyn.finish();
    assert_eq!(status, r#"{"status":"exited","code":6}"#);
    assert_eq!(exit.code(), Some(6));
}
