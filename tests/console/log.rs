//! What comes out of the log port.

use std::io::{BufRead, BufReader, Read};
use std::thread;

use crate::support::{Odyn, TempDir, eventually, wait_go};

/// Reads until `end` is what came last, byte for byte.
pub fn read_to(reader: &mut impl Read, end: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    while !text.ends_with(end) {
        let n = reader.read(&mut chunk).unwrap();
        assert!(n > 0, "ended without {:?}: {} bytes", String::from_utf8_lossy(end), text.len());
        text.extend_from_slice(&chunk[..n]);
    }
    text
}

/// Numbered lines, so that none can be lost, doubled or moved unseen.
const COUNT: &str =
    "i=100000; while [ $i -lt 1$N ]; do i=$((i+1)); echo \"$i 23456789 123456789 123456789 123456789\"; done";

#[test]
fn standard_output_and_error_of_application_and_odyn_all_arrive() {
    let mut odyn = Odyn::script("", "echo to output; echo to error >&2; echo last");
    let mut log = odyn.log_reader();
    assert_eq!(odyn.final_status(), r#"{"status":"exited","code":0}"#);
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    let own: Vec<&str> = text.lines().filter(|line| !line.contains(" odyn ")).collect();
    assert_eq!(own, ["to output", "to error", "last"]);
    assert!(text.contains(" odyn INFO started the application as process "), "{text}");
    drop(log);
    odyn.wait();
    let mut stdout = String::new();
    odyn.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert_eq!(stdout, "");
    assert_eq!(odyn.stderr(), "");
}

#[test]
fn with_no_console_output_goes_where_it_went_and_the_log_is_empty() {
    let mut odyn = Odyn::with("", &["--no-console"], &["/bin/sh", "-c", "echo to output; echo to error >&2"], |_| {});
    let mut log = odyn.log_reader();
    assert_eq!(odyn.final_status(), r#"{"status":"exited","code":0}"#);
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    assert_eq!(text, "");
    drop(log);
    odyn.wait();
    let mut stdout = String::new();
    odyn.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert_eq!(stdout, "to output\n");
    let stderr = odyn.stderr();
    assert!(stderr.contains("to error\n"), "{stderr}");
    assert!(stderr.contains(" odyn INFO started the application as process "), "{stderr}");
}

#[test]
fn a_reader_that_comes_late_gets_as_much_as_log_bytes_says() {
    let dir = TempDir::new();
    let script = format!("{}{}; echo end; sleep 1000", wait_go(&dir, 1), COUNT.replace("$N", "01000"));
    let odyn = Odyn::in_dir(dir, "", &["--log-bytes", "4096"], &["/bin/sh", "-c", &script], |_| {});
    odyn.wait_running();
    odyn.go(1);
    odyn.wait_log("end");
    let held = read_to(&mut odyn.log_reader(), b"\nend\n");
    assert_eq!(held.len(), 4096);
    // Its newest bytes: the lines before the end, without a gap.
    let text = String::from_utf8(held).unwrap();
    let numbers: Vec<u32> = text.lines().skip(1).filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    assert_eq!(numbers.last(), Some(&101_000));
    assert!(numbers.len() > 50 && numbers.is_sorted_by(|a, b| a + 1 == *b), "{numbers:?}");
}

#[test]
fn by_default_the_last_mebibyte_is_kept() {
    let dir = TempDir::new();
    let script = format!("{}yes 123456789012345 | head -c 2000000; echo end; sleep 1000", wait_go(&dir, 1));
    let odyn = Odyn::in_dir(dir, "", &[], &["/bin/sh", "-c", &script], |_| {});
    odyn.wait_running();
    odyn.go(1);
    odyn.wait_log("end");
    assert_eq!(read_to(&mut odyn.log_reader(), b"\nend\n").len(), 1 << 20);
}

#[test]
fn a_burst_right_before_the_end_is_delivered_whole_and_then_the_log_ends() {
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let dir = TempDir::new();
                let script = format!("{}yes 1234567 | head -c 500000; echo the very end", wait_go(&dir, 1));
                let mut odyn = Odyn::in_dir(dir, "", &[], &["/bin/sh", "-c", &script], |_| {});
                odyn.wait_running();
                let log = odyn.whole_log();
                odyn.go(1);
                assert_eq!(odyn.final_status(), r#"{"status":"exited","code":0}"#);
                let text = log.join().unwrap();
                let burst: String = text.split_inclusive('\n').filter(|line| !line.contains(" odyn ")).collect();
                assert_eq!(burst.len(), 500_000 + "the very end\n".len());
                assert!(burst.ends_with("1234567\nthe very end\n"));
                assert!(!text.contains("dropped"));
                odyn.wait();
            });
        }
    });
}

#[test]
fn a_reader_that_comes_after_the_end_gets_everything_and_then_the_end_of_the_log() {
    let odyn = Odyn::script("", "echo first; yes 1234567 | head -c 300000; echo last; kill -9 $$");
    // The status is read to its final line, but not closed: nothing has been acknowledged.
    let mut status = BufReader::new(odyn.connect(17000));
    let mut line = String::new();
    while !line.contains("signaled") {
        line.clear();
        assert!(status.read_line(&mut line).unwrap() > 0);
    }
    let mut text = String::new();
    odyn.log_reader().read_to_string(&mut text).unwrap();
    let burst: String = text.split_inclusive('\n').filter(|line| !line.contains(" odyn ")).collect();
    assert_eq!(burst.len(), 300_000 + "first\nlast\n".len());
    drop(status);
    assert_eq!({ odyn }.wait().code(), Some(137));
}

#[test]
fn an_application_that_closes_its_output_runs_on_and_odyn_logs_on() {
    let dir = TempDir::new();
    let script = format!("echo closing; exec >&- 2>&-; {}exit 4", wait_go(&dir, 1));
    let odyn = Odyn::in_dir(dir, "", &[], &["/bin/sh", "-c", &script], |_| {});
    odyn.wait_log("closing");
    odyn.signal("HUP");
    odyn.wait_log("forwarded SIGHUP");
    let (status, _) = odyn.finish();
    assert_eq!(status, r#"{"status":"signaled","signal":1,"name":"SIGHUP"}"#);
}

#[test]
fn odyn_does_not_spin_on_an_output_that_was_closed() {
    let odyn = Odyn::script("", "echo closing; exec >&- 2>&-; sleep 1; exec sleep 1000");
    let app = odyn.app();
    odyn.wait_log("closing");
    let before = crate::support::cpu_ticks(odyn.pid());
    // A second of the application's own, measured by its becoming another program.
    eventually("the application sleeps on", || {
        let line = std::fs::read(format!("/proc/{app}/cmdline")).unwrap();
        (line == b"sleep\x001000\x00").then_some(())
    });
    let used = crate::support::cpu_ticks(odyn.pid()) - before;
    assert!(used < 30, "{used} hundredths of a second of CPU in one second");
}

#[test]
fn bytes_that_are_not_text_pass_unchanged() {
    let dir = TempDir::new();
    let script = format!(r"{}printf '\000\377\033[31m\r\n\001end\n'; exec sleep 1000", wait_go(&dir, 1));
    let odyn = Odyn::in_dir(dir, "", &[], &["/bin/sh", "-c", &script], |_| {});
    odyn.wait_running();
    odyn.go(1);
    let text = read_to(&mut odyn.log_reader(), b"\x01end\n");
    assert!(text.ends_with(b"\n\x00\xff\x1b[31m\r\n\x01end\n"), "{text:?}");
}

#[test]
fn a_log_reader_that_pauses_gets_everything_though_the_status_was_read_long_before() {
    let dir = TempDir::new();
    let script = format!("{}yes 1234567 | head -c 900000; echo the very end", wait_go(&dir, 1));
    let mut odyn = Odyn::in_dir(dir, "", &[], &["/bin/sh", "-c", &script], |_| {});
    odyn.wait_running();
    let mut log = odyn.log_reader();
    odyn.go(1);
    assert_eq!(odyn.final_status(), r#"{"status":"exited","code":0}"#);
    // More than its socket holds is still to come.
    thread::sleep(std::time::Duration::from_secs(1));
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    let burst: String = text.split_inclusive('\n').filter(|line| !line.contains(" odyn ")).collect();
    assert_eq!(burst.len(), 900_000 + "the very end\n".len());
    drop(log);
    assert_eq!(odyn.wait().code(), Some(0));
}

#[test]
fn an_application_that_reads_its_own_output_back_cannot_stop_the_log() {
    // It takes bytes away between odyn's poll and its read: a blocking read would wait there for ever.
    let script =
        "(while :; do echo x; done) & dd if=/proc/self/fd/1 of=/dev/null bs=1 count=300000 2> /dev/null; kill $!
                  echo through; exec sleep 1000";
    let odyn = Odyn::script("", script);
    odyn.wait_log("through");
    odyn.signal("USR1");
    odyn.wait_log("forwarded SIGUSR1");
}
