//! `--user`: by number, by name, and when there is nobody of that name.

use std::process::Command;

use crate::support::proc::{environment, status_field};
use crate::support::{Odyn, is_root, tools};

const SLEEP: [&str; 2] = ["/bin/sleep", "1000"];

/// What the machine's own tools say of a user that every machine has.
fn told(flag: &str) -> String {
    let output = Command::new("id").args([flag, "daemon"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The real, effective, saved and file-system numbers of an application, all of which must be the same.
fn number(app: i32, field: &str) -> String {
    let ids = status_field(app, field);
    let first = ids.split_ascii_whitespace().next().unwrap().to_owned();
    assert!(ids.split_ascii_whitespace().eq([first.as_str(); 4]), "{field}: {ids}");
    first
}

#[test]
fn a_user_without_a_group_is_in_the_group_of_the_same_number_or_of_its_passwd_line() {
    if !is_root() {
        return tools::unfit("root");
    }
    let (uid, gid) = (told("-u"), told("-g"));
    for (user, uid, gid) in [
        ("1234", "1234", "1234"),
        ("daemon", &uid, &gid),
        ("daemon:daemon", &uid, &gid),
        ("daemon:2345", &uid, "2345"),
        ("1234:daemon", "1234", &gid),
    ] {
        let odyn = Odyn::with("", &["--user", user], &SLEEP, |_| {});
        let app = odyn.app();
        assert_eq!((number(app, "Uid").as_str(), number(app, "Gid").as_str()), (uid, gid), "{user}");
        assert_eq!(status_field(app, "Groups"), "", "{user}");
    }
}

#[test]
fn groups_that_odyn_is_in_are_not_the_applications() {
    if !is_root() {
        return tools::unfit("root");
    }
    let Some(setpriv) = tools::program("setpriv") else { return };
    let odyn = Odyn::with("", &["--user", "daemon"], &SLEEP, |command| {
        let mut wrapped = Command::new(setpriv);
        wrapped.args(["--groups", "7,8", "--"]).arg(command.get_program()).args(command.get_args());
        wrapped.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
        wrapped.stderr(std::process::Stdio::piped());
        *command = wrapped;
    });
    let app = odyn.app();
    assert_eq!(status_field(odyn.pid(), "Groups"), "7 8", "the test does not test");
    assert_eq!(status_field(app, "Groups"), "");
}

#[test]
fn home_is_the_users_where_the_environment_has_none() {
    if !is_root() {
        return tools::unfit("root");
    }
    let home = |user: &str, own: Option<&str>| {
        let odyn = Odyn::with("", &["--user", user], &SLEEP, |command| {
            command.env_remove("HOME").envs(own.map(|own| ("HOME", own)));
        });
        environment(odyn.app()).get("HOME").cloned()
    };
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with("daemon:")).unwrap();
    assert_eq!(home("daemon", None).as_deref(), line.split(':').nth(5));
    assert_eq!(home("daemon", Some("/elsewhere")).as_deref(), Some("/elsewhere"));
    // Only PID 1 gets this one from the kernel.
    assert_eq!(home("daemon", Some("/")).as_deref(), Some("/"));
    // Nothing is looked up for a number.
    assert_eq!(home("1", None), None);
}

#[test]
fn a_name_that_nobody_has_is_told_to_the_host_and_nothing_runs() {
    let (status, exit) = Odyn::with("", &["--user", "no-such-user"], &["/bin/true"], |_| {}).finish();
    let error = r#"--user: no \"no-such-user\" in /etc/passwd: add it to the image, or give a number"#;
    assert_eq!(status, format!(r#"{{"status":"fatal","error":"{error}"}}"#));
    assert_eq!(exit.code(), Some(2));
    let (status, exit) = Odyn::with("", &["--user", "1:no-such-group"], &["/bin/true"], |_| {}).finish();
    assert!(status.contains(r#"--user: no \"no-such-group\" in /etc/group"#), "{status}");
    assert_eq!(exit.code(), Some(2));
}
