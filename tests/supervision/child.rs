//! What the application finds itself to be when it starts.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use crate::support::proc::{descriptors, environment, session, status_field};
use crate::support::{Odyn, Port, is_root, stat, tools};

const SLEEP: [&str; 2] = ["/bin/sleep", "1000"];

/// Has odyn started by a shell that runs `prelude` first and then becomes odyn, which inherits what it did.
pub fn through_shell(prelude: &str) -> impl FnOnce(&mut Command) {
    let script = format!("{prelude}; exec \"$0\" \"$@\"");
    move |command| {
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(script).arg(command.get_program()).args(command.get_args());
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        *command = shell;
    }
}

/// The environment of an application under an odyn that has two variables itself.
fn environment_with(manifest: &str) -> BTreeMap<String, String> {
    let odyn = Odyn::with(manifest, &[], &SLEEP, |command| {
        command.env_clear().env("PATH", "/usr/bin:/bin").env("GREETING", "two words");
    });
    environment(odyn.app())
}

#[test]
fn without_egress_the_environment_is_the_images_own() {
    let own = [("GREETING", "two words"), ("PATH", "/usr/bin:/bin")];
    assert_eq!(environment_with(""), own.map(|(name, value)| (name.into(), value.into())).into());
}

#[test]
fn with_egress_the_environment_also_has_the_proxy_and_nothing_else() {
    let port = Port::reserve();
    let proxy = format!("http://127.0.0.1:{}", port.0);
    let expected = [
        ("GREETING", "two words"),
        ("HTTPS_PROXY", &proxy),
        ("HTTP_PROXY", &proxy),
        ("NO_PROXY", "localhost,127.0.0.1"),
        ("PATH", "/usr/bin:/bin"),
        ("http_proxy", &proxy),
        ("https_proxy", &proxy),
        ("no_proxy", "localhost,127.0.0.1"),
    ];
    let manifest = format!("egress:\n  proxy_port: {}\n  allow: [example.com]\n", port.0);
    assert_eq!(environment_with(&manifest), expected.map(|(name, value)| (name.into(), value.into())).into());
}

#[test]
fn odyns_own_environment_stays_as_it_was() {
    if !is_root() {
        // Nobody else may look at odyn's.
        return tools::unfit("root");
    }
    let port = Port::reserve();
    let manifest = format!("egress:\n  proxy_port: {}\n  allow: [example.com]\n", port.0);
    let odyn = Odyn::start(&manifest, &SLEEP);
    odyn.wait_running();
    assert_eq!(environment(odyn.pid()).get("http_proxy"), std::env::var("http_proxy").ok().as_ref());
}

#[test]
fn it_leads_a_session_and_has_no_descriptor_signal_state_or_privilege_that_odyn_inherited() {
    // 13 is SIGPIPE, which Rust programs ignore by themselves.
    let prelude = "trap '' HUP INT PIPE USR1 40; exec 3</dev/null 7</dev/null 9>/dev/null";
    let odyn = Odyn::with("", &[], &SLEEP, through_shell(prelude));
    let app = odyn.app();
    // Nobody but root may look at odyn's.
    let inherited = !is_root() || descriptors(odyn.pid()).contains(&7);
    assert!(inherited, "the test does not test: odyn has not inherited descriptor 7");
    assert_ne!(status_field(odyn.pid(), "SigIgn"), "0000000000000000", "the test does not test: nothing is ignored");
    assert_eq!(stat(app).unwrap().1, odyn.pid());
    assert_eq!(session(app), app);
    for mask in ["SigBlk", "SigIgn", "SigCgt", "ShdPnd", "SigPnd"] {
        assert_eq!(status_field(app, mask), "0000000000000000", "{mask}");
    }
    assert_eq!(status_field(app, "NoNewPrivs"), "1");
    assert_eq!(descriptors(app), [0, 1, 2]);
}

#[test]
fn its_standard_input_is_empty_whatever_odyns_is() {
    let odyn = Odyn::with("", &[], &["/bin/sh", "-c", "read line; echo \"status $? line '$line'\""], |command| {
        // A pipe that never ends: reading it would block.
        command.stdin(Stdio::piped());
    });
    odyn.wait_log("status 1 line ''");
    assert_eq!(odyn.finish().0, r#"{"status":"exited","code":0}"#);
}

#[test]
fn a_program_without_a_slash_is_found_on_the_path_and_arguments_arrive_as_they_are() {
    let odyn = Odyn::start("", &["printf", "<%s>", "a b", "", "$HOME", "-v", "--"]);
    odyn.wait_log("<a b><><$HOME><-v><-->");
}

#[test]
fn with_a_user_it_is_that_user_in_no_other_group_and_can_open_its_own_output_by_name() {
    if !is_root() {
        return tools::unfit("root");
    }
    let script =
        "echo one > /dev/stdout; echo two > /proc/self/fd/1; echo three > /dev/stderr; echo four; exec sleep 1000";
    let odyn = Odyn::with("", &["--user", "1234:2345"], &["/bin/sh", "-c", script], |_| {});
    let app = odyn.app();
    let log = odyn.whole_log();
    odyn.wait_log("four");
    for (field, expected) in [("Uid", "1234"), ("Gid", "2345")] {
        let ids = status_field(app, field);
        assert!(ids.split_ascii_whitespace().eq([expected; 4]), "{field}: {ids}");
    }
    assert_eq!(status_field(app, "Groups"), "");
    assert_eq!(status_field(odyn.pid(), "Uid").split_ascii_whitespace().next(), Some("0"));
    odyn.signal("TERM");
    odyn.final_status();
    let log = log.join().unwrap();
    let own: Vec<&str> = log.lines().filter(|line| !line.contains(" odyn ")).collect();
    assert_eq!(own, ["one", "two", "three", "four"]);
}
