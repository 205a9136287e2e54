//! Command lines.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Odyn, TempDir, tools};

/// Runs odyn with these arguments alone; a wrong command line makes nobody wait for a host.
fn run(args: &[&str]) -> (Output, String, String) {
    let begun = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_odyn")).args(args).stdin(Stdio::null()).output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{args:?} took {:?}", begun.elapsed());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    (output, stdout, stderr)
}

#[test]
fn wrong_ones_end_at_once_with_2_the_reason_and_the_usage() {
    for (args, reason) in [
        (&["--bogus", "app"][..], "unknown flag \"--bogus\""),
        (&["--config-dir"], "--config-dir needs a value"),
        (&["--no-console=yes", "app"], "--no-console takes no value"),
        (&["--user", "", "app"], "--user \"\": expected USER or USER:GROUP, each a number or a name"),
        (&["--user", "+5", "app"], "--user \"+5\": expected USER or USER:GROUP, each a number or a name"),
        (
            &["--user", "nobody:a:b", "app"],
            "--user \"nobody:a:b\": expected USER or USER:GROUP, each a number or a name",
        ),
        (&["--user", "1:", "app"], "--user \"1:\": expected USER or USER:GROUP, each a number or a name"),
        (&["--user", "-1", "app"], "--user \"-1\": expected USER or USER:GROUP, each a number or a name"),
        (
            &["--user", "0:4294967295", "app"],
            "--user \"0:4294967295\": expected USER or USER:GROUP, each a number or a name",
        ),
        (&["--host-cid", "4294967296", "app"], "--host-cid \"4294967296\": expected a CID"),
        (&["--log-bytes", "4095", "app"], "--log-bytes \"4095\": expected a number of bytes from 4096 to 1073741824"),
        (&["--log-bytes", "1M", "app"], "--log-bytes \"1M\": expected a number of bytes from 4096 to 1073741824"),
        (&["--max-connections", "0", "app"], "--max-connections \"0\": expected a number from 1"),
        (&["--vsock", "cid:3", "app"], "--vsock \"cid:3\": expected uds:PATH"),
        (&["--nsm", "real", "app"], "--nsm \"real\": expected sim"),
    ] {
        let (output, stdout, stderr) = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr.starts_with(&format!("odyn: {reason}\nusage: odyn ")), "{args:?}: {stderr}");
        assert_eq!(stdout, "", "{args:?}");
    }
}

#[test]
fn help_and_version_are_printed_and_nothing_is_run() {
    for flag in ["--help", "-h"] {
        let (output, stdout, stderr) = run(&["--no-console", flag, "/no/such/program"]);
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout.starts_with("usage: odyn [--config-dir DIR]"), "{stdout}");
        assert_eq!(stderr, "");
    }
    for flag in ["--version", "-V"] {
        let (output, stdout, _) = run(&[flag]);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(stdout, format!("odyn {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn output_that_nobody_takes_changes_nothing() {
    for (args, code) in [(&["--help"][..], 0), (&["--version"], 0), (&["--bogus"], 2)] {
        let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let status =
            Command::new(env!("CARGO_BIN_EXE_odyn")).args(args).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn without_an_entrypoint_and_a_cmd_file_it_ends_with_2_and_says_what_to_give() {
    if Path::new("/cmd").exists() {
        return tools::unfit("machine without a /cmd file");
    }
    let mut odyn = Odyn::start("", &[]);
    let reason = super::failure(odyn.child.stderr.as_mut().unwrap());
    assert!(reason.contains("ENTRYPOINT") && reason.contains("/cmd"), "{reason}");
    let status = odyn.final_status();
    assert!(status.starts_with("{\"status\":\"fatal\","), "{status}");
    assert_eq!(odyn.wait().code(), Some(2));
    assert!(odyn.stderr().starts_with("usage: odyn "), "no usage");
    // Where its log goes to standard error, too.
    let mut odyn = Odyn::in_dir(TempDir::new(), "", &["--no-console"], &[], |_| {});
    odyn.final_status();
    assert_eq!(odyn.wait().code(), Some(2));
    assert!(odyn.stderr().contains("\nusage: odyn "), "no usage");
}

#[test]
fn flags_behind_the_entrypoint_are_the_applications() {
    let odyn = Odyn::start("", &["/bin/sh", "-c", "echo \"got $*\"", "name", "--help", "--vsock", "--"]);
    odyn.wait_log("got --help --vsock --");
    assert_eq!(odyn.finish().1.code(), Some(0));
}
