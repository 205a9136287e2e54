//! Nothing can be written.

use std::fs::File;
use std::process::Stdio;

use super::field::{Field, Steady};
use crate::supervision::child::through_shell;
use crate::support::{Odyn, TempDir, eventually};

#[test]
fn with_its_output_on_a_full_disk_odyn_serves_on() {
    let field = Field::with(&["--no-console", "-vv"], |command| {
        let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
        command.stdout(full()).stderr(full());
    });
    let steady = Steady::over(field.ingress());
    for _ in 0..10 {
        field.try_all().unwrap();
    }
    steady.wait_for(1 << 20);
    println!("{:?}", steady.finish());
    field.odyn.signal("TERM");
    let (status, exit) = field.odyn.finish();
    assert_eq!(status, r#"{"status":"signaled","signal":15,"name":"SIGTERM"}"#);
    assert_eq!(exit.code(), Some(143));
}

#[test]
fn a_log_file_that_may_not_grow_ends_neither_odyn_nor_what_it_says_to_others() {
    let dir = TempDir::new();
    let log = dir.write("log", "");
    let shell = format!("ulimit -f 1; exec > '{0}' 2>&1", log.display());
    let field = Field::in_dir(dir, &["--no-console", "-vv"], through_shell(&shell));
    for _ in 0..10 {
        field.try_all().unwrap();
    }
    // A block of the shell's, 512 or 1024 bytes.
    let written = std::fs::metadata(&log).unwrap().len();
    assert!((512..=1024).contains(&written), "{written}");
    field.odyn.signal("TERM");
    assert_eq!(field.odyn.finish().1.code(), Some(143));
}

#[test]
fn a_root_certificate_that_cannot_be_written_is_a_start_error_that_names_the_file() {
    let odyn = Odyn::with("", &["--sim-root", "/dev/full"], &["/bin/true"], |_| {});
    let (status, exit) = odyn.finish();
    let expected = r#""error":"cannot write --sim-root: /dev/full: No space left on device (os error 28)""#;
    assert!(status.contains("\"fatal\"") && status.contains(expected), "{status}");
    assert_eq!(exit.code(), Some(1));
}

#[test]
fn an_application_on_a_full_disk_does_not_disturb_odyn() {
    let field = Odyn::script("", "echo lost > /dev/full; echo told; exec sleep 1000");
    field.wait_log("told");
    eventually("the status", || field.try_connect(17000));
}
