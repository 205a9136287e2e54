//! Signals that concern the application reach it.

use std::thread;

use crate::support::{Odyn, eventually, stat};

/// A shell and a second process of its group, both of which say when they get `signal`. A pipeline and not `&`: a
/// shell lets what it starts in the background ignore SIGINT and SIGQUIT.
fn two_that_tell(signal: &str) -> String {
    format!(
        "trap 'echo first' {signal}
        second() {{ trap 'echo second >&2; exit' {signal}; echo ready >&2; while :; do sleep 1; done; }}
        second | :
        exit 7"
    )
}

#[test]
fn each_forwarded_signal_reaches_the_application_and_its_process_group() {
    thread::scope(|scope| {
        for signal in ["TERM", "INT", "QUIT", "HUP", "USR1", "USR2"] {
            scope.spawn(move || {
                let odyn = Odyn::script("", &two_that_tell(signal));
                odyn.wait_log("ready");
                odyn.signal(signal);
                odyn.wait_log("second");
                odyn.wait_log("first");
                odyn.wait_log(&format!("forwarded SIG{signal} to the application's process group"));
                let (status, exit) = odyn.finish();
                assert_eq!(status, r#"{"status":"exited","code":7}"#, "{signal}");
                assert_eq!(exit.code(), Some(7), "{signal}");
            });
        }
    });
}

#[test]
fn a_signal_the_application_does_not_handle_ends_it_and_is_told() {
    let odyn = Odyn::start("", &["/bin/sleep", "1000"]);
    odyn.wait_running();
    odyn.signal("TERM");
    let (status, exit) = odyn.finish();
    assert_eq!(status, r#"{"status":"signaled","signal":15,"name":"SIGTERM"}"#);
    assert_eq!(exit.code(), Some(143));
}

#[test]
fn an_application_that_ignores_term_goes_on() {
    let odyn = Odyn::script("", "trap '' TERM; trap 'exit 5' USR1; echo ready; while :; do sleep 1; done");
    odyn.wait_log("ready");
    odyn.signal("TERM");
    odyn.wait_log("forwarded SIGTERM");
    odyn.signal("USR1");
    // Had TERM ended it or odyn, this would not be its own exit code.
    let (status, exit) = odyn.finish();
    assert_eq!(status, r#"{"status":"exited","code":5}"#);
    assert_eq!(exit.code(), Some(5));
}

#[test]
fn signals_that_are_nobodys_business_do_nothing() {
    let odyn = Odyn::script("", "trap 'exit 3' USR1; echo ready; while :; do sleep 1; done");
    odyn.wait_log("ready");
    for signal in ["ALRM", "PIPE", "WINCH", "CONT", "TSTP", "TTIN", "TTOU", "IO", "VTALRM", "PROF", "URG"] {
        odyn.signal(signal);
    }
    odyn.signal("USR1");
    let (status, exit) = odyn.finish();
    assert_eq!(status, r#"{"status":"exited","code":3}"#);
    assert_eq!(exit.code(), Some(3));
}

#[test]
fn a_signal_to_a_stopped_application_waits_until_it_goes_on() {
    let odyn = Odyn::script("", "trap 'exit 8' TERM; echo ready; kill -STOP $$; sleep 1000");
    let app = odyn.app();
    eventually("the application stops", || (stat(app)?.0 == 'T').then_some(()));
    odyn.signal("TERM");
    odyn.wait_log("forwarded SIGTERM");
    assert_eq!(stat(app).unwrap().0, 'T');
    crate::support::signal(app, "CONT");
    assert_eq!(odyn.finish().0, r#"{"status":"exited","code":8}"#);
}
