//! Real clients, where they are installed.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Says what is not tested for want of `what`, which must not happen where `scripts/test.sh` installed everything.
pub fn skip(what: &str) {
    assert!(std::env::var_os("ODYN_TEST_REQUIRE").is_none(), "missing: {what}");
    say(what);
}

/// Says what is not tested because this machine or user cannot have `what`: root, namespaces. Only CI insists.
pub fn unfit(what: &str) {
    assert!(std::env::var("ODYN_TEST_REQUIRE").as_deref() != Ok("all"), "missing: {what}");
    say(what);
}

/// Not by `eprintln!`, which the test harness swallows when the test passes.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: no {what}");
}

/// A program found on `PATH`, or a note that the test is skipped.
pub fn program(name: &str) -> Option<&str> {
    let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    // openssl has no --version before 3.2 and answers with an error; it is there all the same.
    if found.is_err() {
        skip(name);
        return None;
    }
    Some(name)
}

/// A file below the folder `scripts/test.sh` prepared, or a note that the test is skipped.
pub fn installed(path: &str) -> Option<PathBuf> {
    let found = std::env::var_os("ODYN_TEST_TOOLS").map(|dir| PathBuf::from(dir).join(path)).filter(|p| p.exists());
    if found.is_none() {
        skip(&format!("{path} (scripts/test.sh installs it)"));
    }
    found
}

/// A program below that folder which takes minutes to build, and so is there only when asked for. Never a failure.
pub fn extra(path: &str, how: &str) -> Option<PathBuf> {
    let found = std::env::var_os("ODYN_TEST_TOOLS").map(|dir| PathBuf::from(dir).join(path)).filter(|p| p.exists());
    if found.is_none() {
        say(&format!("{path} ({how} builds it)"));
    }
    found
}

/// A file of the recorded data, or a note that the test is skipped. Never a failure, whatever `ODYN_TEST_REQUIRE` says:
/// the data lies beside the project, not in it, and whoever has the project alone, CI included, cannot install it.
pub fn data(path: &str) -> Option<PathBuf> {
    let dir = std::env::var_os("ODYN_TEST_DATA").map_or_else(|| "../shared/data".into(), PathBuf::from);
    let found = Some(dir.join(path)).filter(|path| path.exists());
    if found.is_none() {
        say("test data");
    }
    found
}
