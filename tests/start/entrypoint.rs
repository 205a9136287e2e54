//! An entrypoint that does not run.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::fatal;
use crate::support::{Odyn, TempDir};

/// Starts odyn on a file of its own folder with this content and mode; returns the reason without the path.
fn fatal_file(name: &str, content: &str, mode: u32) -> String {
    let dir = TempDir::new();
    let file = dir.write(name, content);
    fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
    let path = file.to_str().unwrap().to_owned();
    let (error, code) = fatal(Odyn::in_dir(dir, "", &[], &[&path], |_| {}));
    assert_eq!(code, 1, "{error}");
    let quoted = format!("entrypoint {path:?} ");
    error.strip_prefix(&quoted).unwrap_or_else(|| panic!("{error:?} does not name {path:?}")).to_owned()
}

#[test]
fn a_missing_one_is_told_to_a_host_that_connects_late() {
    let (error, code) = fatal(Odyn::start("", &["/no/such/program", "argument"]));
    assert!(error.starts_with(r#"entrypoint "/no/such/program" not found in the image"#), "{error}");
    assert_eq!(code, 1);
    let (error, code) = fatal(Odyn::start("", &["no-such-program"]));
    let (what, _) = error.split_once(", or the interpreter").unwrap();
    assert_eq!(what, r#"entrypoint "no-such-program" not found on the application's PATH"#);
    assert_eq!(code, 1);
}

#[test]
fn one_that_is_not_executable_or_a_folder_is_told() {
    assert_eq!(fatal_file("app", "#!/bin/sh\n", 0o644), "is not executable");
    let (error, code) = fatal(Odyn::start("", &["/usr"]));
    assert_eq!(error, r#"entrypoint "/usr" is not executable"#);
    assert_eq!(code, 1);
}

#[test]
fn a_script_whose_interpreter_is_missing_is_told_apart_from_a_missing_script() {
    let error = fatal_file("app", "#!/no/such/interpreter\n", 0o755);
    assert!(error.contains("the interpreter or loader it names"), "{error}");
}

#[test]
fn quotes_and_newlines_in_its_name_stay_within_one_status_line() {
    let name = "/no/such \"program\"\n{\"status\":\"running\"}\n\\\u{7}\u{1b}[31m/ü";
    let (error, code) = fatal(Odyn::start("", &[name]));
    assert!(error.starts_with(&format!("entrypoint {name:?} not found")), "{error}");
    assert_eq!(code, 1);
}

#[test]
fn a_name_of_many_kilobytes_still_makes_a_line_the_host_can_read() {
    let name = format!("/{}", "ü".repeat(20_000));
    let (error, code) = fatal(Odyn::start("", &[&name]));
    assert!(error.starts_with("entrypoint \"/üü"), "{error}");
    assert_eq!(code, 1);
}

#[test]
fn the_log_has_the_reason_too() {
    let odyn = Odyn::start("", &["/no/such/program"]);
    let line = odyn.wait_log("fatal");
    assert!(line.contains(r#" odyn ERROR fatal: entrypoint "/no/such/program" not found"#), "{line}");
}
