//! How long a failure, or an end, waits for somebody to read it.

use std::time::{Duration, Instant};

use super::failure;
use crate::support::Odyn;

#[test]
fn a_status_nobody_reads_is_kept_for_thirty_seconds() {
    let mut odyn = Odyn::start("", &["/no/such/program"]);
    failure(odyn.child.stderr.as_mut().unwrap());
    let failed = Instant::now();
    assert_eq!(odyn.wait().code(), Some(1));
    let kept = failed.elapsed();
    assert!(kept > Duration::from_secs(28) && kept < Duration::from_secs(45), "kept for {kept:?}");
    assert!(odyn.stderr().contains("no host read the status and the log to their ends"));
}

#[test]
fn an_operator_who_does_not_want_to_wait_ends_it_by_ctrl_c() {
    let mut odyn = Odyn::start("", &["/no/such/program"]);
    failure(odyn.child.stderr.as_mut().unwrap());
    let failed = Instant::now();
    odyn.signal("INT");
    assert_eq!(odyn.wait().code(), Some(1));
    assert!(failed.elapsed() < Duration::from_secs(20), "{:?}", failed.elapsed());
    assert!(odyn.stderr().contains("SIGINT"));
}

#[test]
fn ctrl_c_after_the_applications_end_leaves_the_exit_status_its_own() {
    let mut odyn = Odyn::script("", "exit 7");
    // The final line is there and read, but its reader stays.
    let mut status = odyn.connect(17000);
    let mut line = String::new();
    while !line.contains("exited") {
        line = crate::support::read_line(&mut status).unwrap();
    }
    let begun = Instant::now();
    odyn.signal("TERM");
    assert_eq!(odyn.wait().code(), Some(7));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
