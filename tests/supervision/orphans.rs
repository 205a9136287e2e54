//! What the application's children leave behind is odyn's to end and to reap.

use std::time::{Duration, Instant};

use crate::support::proc::session;
use crate::support::{Odyn, TempDir, children, eventually, stat, tools, wait_go};

const ORPHANS: usize = 10_000;

#[test]
fn ten_thousand_orphans_are_reaped_while_the_application_runs() {
    // `(:&)`: a shell that starts a process and ends without waiting for it.
    let script = format!(
        "trap 'exit 0' USR1
        for loop in 1 2 3 4; do
            (i=0; while [ $i -lt {} ]; do (:&); i=$((i+1)); done) &
        done
        wait; echo 'all made'; while :; do sleep 1; done",
        ORPHANS / 4
    );
    let flags = ["-v", "--log-bytes", "8388608"];
    let odyn = Odyn::with("", &flags, &["/bin/sh", "-c", &script], |_| {});
    let app = odyn.app();
    odyn.wait_log("all made");
    eventually("odyn has no child but the application", || (children(odyn.pid()) == [app]).then_some(()));
    let log = odyn.whole_log();
    odyn.signal("USR1");
    let (status, exit) = odyn.finish();
    assert_eq!(status, r#"{"status":"exited","code":0}"#);
    assert_eq!(exit.code(), Some(0));
    let text = log.join().unwrap();
    let reaped = text.lines().filter(|line| line.contains(" reaped orphan ")).count();
    // Each of them, and at the end perhaps a `sleep` of the application's.
    assert!((ORPHANS..=ORPHANS + 1).contains(&reaped), "{reaped} reaped");
}

/// The process that a line of the log ending in `NAME PID` tells of.
fn told(odyn: &Odyn, name: &str) -> i32 {
    odyn.wait_log(name).trim_end().rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn an_orphan_that_ignores_term_is_killed_after_five_seconds_and_the_exit_code_is_the_applications() {
    let orphan = r#"trap "" TERM USR1; echo "orphan $$"; exec sleep 1000"#;
    let odyn = Odyn::script("", &format!("trap 'exit 9' USR1; sh -c '{orphan}' & while :; do sleep 1; done"));
    let orphan = told(&odyn, "orphan ");
    odyn.signal("USR1");
    let sent = Instant::now();
    let (status, exit) = odyn.finish();
    let took = sent.elapsed();
    assert_eq!(status, r#"{"status":"exited","code":9}"#);
    assert_eq!(exit.code(), Some(9));
    assert!(took >= Duration::from_secs(5), "killed too early: {took:?}");
    assert!(took < Duration::from_secs(15), "killed too late: {took:?}");
    assert_eq!(stat(orphan), None);
}

#[test]
fn an_orphan_that_obeys_term_may_clean_up_and_nobody_waits_longer_than_it_takes() {
    let orphan = r#"trap "" USR1; trap "echo cleaned up; exit" TERM; echo "orphan $$"; while :; do sleep 0.1; done"#;
    let odyn = Odyn::script("", &format!("trap 'exit 9' USR1; sh -c '{orphan}' & while :; do sleep 1; done"));
    let orphan = told(&odyn, "orphan ");
    let log = odyn.whole_log();
    odyn.signal("USR1");
    let sent = Instant::now();
    assert_eq!(odyn.finish().1.code(), Some(9));
    assert!(sent.elapsed() < Duration::from_secs(20), "waited for nobody: {:?}", sent.elapsed());
    let text = log.join().unwrap();
    assert!(text.contains("cleaned up"), "{text}");
    assert_eq!(stat(orphan), None);
}

#[test]
fn an_orphan_in_a_session_of_its_own_is_ended_too() {
    let Some(setsid) = tools::program("setsid") else { return };
    let script =
        format!("{setsid} sh -c 'echo \"orphan $$\"; exec sleep 1000' & trap 'exit 2' USR1; while :; do sleep 1; done");
    let odyn = Odyn::script("", &script);
    let orphan = told(&odyn, "orphan ");
    assert_eq!(session(orphan), orphan);
    odyn.signal("USR1");
    assert_eq!(odyn.finish().1.code(), Some(2));
    assert_eq!(stat(orphan), None);
}

#[test]
fn a_stopped_orphan_is_ended_too() {
    let orphan = r#"trap "" USR1; echo "orphan $$"; kill -STOP $$; sleep 1000"#;
    let odyn = Odyn::script("", &format!("trap 'exit 2' USR1; sh -c '{orphan}' & while :; do sleep 1; done"));
    let orphan = told(&odyn, "orphan ");
    eventually("the orphan stops", || (stat(orphan)?.0 == 'T').then_some(()));
    odyn.signal("USR1");
    assert_eq!(odyn.finish().1.code(), Some(2));
    assert_eq!(stat(orphan), None);
}

#[test]
fn an_application_that_daemonizes_has_ended_and_its_daemon_is_ended_with_it() {
    let dir = TempDir::new();
    let script = format!("(sh -c 'echo \"daemon $$\"; exec sleep 1000' &); {}exit 0", wait_go(&dir, 1));
    let odyn = Odyn::in_dir(dir, "", &[], &["/bin/sh", "-c", &script], |_| {});
    let daemon = told(&odyn, "daemon ");
    odyn.go(1);
    let (status, exit) = odyn.finish();
    assert_eq!(status, r#"{"status":"exited","code":0}"#);
    assert_eq!(exit.code(), Some(0));
    assert_eq!(stat(daemon), None);
}
