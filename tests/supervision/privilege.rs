//! What the application may not: capabilities, core dumps, and odyn's own memory.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::{Command, Stdio};

use crate::support::proc::status_field;
use crate::support::{Odyn, TempDir, is_root, tools};

const SLEEP: [&str; 2] = ["/bin/sleep", "1000"];
const SETS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];
const NONE: &str = "0000000000000000";

/// CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, SYS_CHROOT.
const KEPT: u64 = 0x405fb;

fn set(pid: i32, name: &str) -> u64 {
    u64::from_str_radix(&status_field(pid, name), 16).unwrap()
}

/// Has odyn started by `setpriv` with these arguments.
fn through_setpriv(args: &[&str]) -> impl FnOnce(&mut Command) {
    move |command| {
        let mut wrapped = Command::new("setpriv");
        wrapped.args(args).arg("--").arg(command.get_program()).args(command.get_args());
        wrapped.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        *command = wrapped;
    }
}

/// odyn and its application as one user that is not root: this test's own, or 1234 when that is root.
fn unprivileged(app: &[&str], extra: &[&str]) -> Option<Odyn> {
    if !is_root() {
        return Some(Odyn::start("", app));
    }
    tools::program("setpriv")?;
    let dir = TempDir::new();
    // Whoever built it may have kept its folder to himself.
    let copy = dir.path().join("odyn");
    std::fs::copy(crate::support::odyn_binary(), &copy).unwrap();
    std::fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
    chown(dir.path(), Some(1234), Some(1234)).unwrap();
    let args = [&["--reuid", "1234", "--regid", "1234", "--clear-groups"], extra].concat();
    Some(Odyn::in_dir(dir, "", &[], app, |command| {
        let mut own = Command::new(&copy);
        own.args(command.get_args());
        through_setpriv(&args)(&mut own);
        *command = own;
    }))
}

#[test]
fn a_user_that_is_not_root_has_no_capability_in_any_set() {
    if !is_root() {
        return tools::unfit("root");
    }
    for user in ["1234:2345", "1234:0", "daemon"] {
        let odyn = Odyn::with("", &["--user", user], &SLEEP, |_| {});
        let app = odyn.app();
        for name in SETS {
            assert_eq!(status_field(app, name), NONE, "{user}: {name}");
        }
        assert_ne!(status_field(odyn.pid(), "CapEff"), NONE, "the test does not test: odyn has none either");
    }
}

#[test]
fn root_keeps_what_servers_start_with_and_nothing_that_reaches_odyn_or_the_machine() {
    if !is_root() {
        return tools::unfit("root");
    }
    for flags in [&[][..], &["--user", "0"], &["--user", "root"]] {
        let odyn = Odyn::with("", flags, &SLEEP, |_| {});
        let app = odyn.app();
        let own = set(odyn.pid(), "CapPrm");
        assert_ne!(own & !KEPT, 0, "the test does not test: odyn has nothing to take away");
        for (name, expected) in
            [("CapInh", 0), ("CapAmb", 0), ("CapPrm", KEPT & own), ("CapEff", KEPT & own), ("CapBnd", KEPT & own)]
        {
            assert_eq!(set(app, name), expected, "{flags:?}: {name}");
        }
    }
}

#[test]
fn root_can_still_become_another_user_own_files_and_use_low_ports_but_make_no_device() {
    if !is_root() {
        return tools::unfit("root");
    }
    let Some(python) = tools::program("python3") else { return };
    let script = r#"
import os, socket, stat, sys, tempfile
folder = tempfile.mkdtemp()
file = os.path.join(folder, "file")
open(file, "w").close()
os.chown(file, 1234, 1234)
os.chmod(file, 0)
open(file, "r+").close()
listener = socket.socket()
try:
    listener.bind(("127.0.0.1", 987))
except OSError as e:
    assert e.errno != 13, e
for attempt in (lambda: os.mknod(file + "2", stat.S_IFCHR, os.makedev(1, 5)), lambda: socket.sethostname(socket.gethostname()),
                lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)):
    try:
        attempt()
        print("done what it may not", flush=True)
    except PermissionError:
        print("refused", flush=True)
os.remove(file)
os.rmdir(folder)
os.setgroups([])
os.setgid(1234)
os.setuid(1234)
print("became", os.getuid(), flush=True)
"#;
    let odyn = Odyn::start("", &[python, "-c", script]);
    let log = odyn.whole_log();
    assert_eq!(odyn.finish().0, r#"{"status":"exited","code":0}"#);
    let log = log.join().unwrap();
    let own: Vec<&str> = log.lines().filter(|line| !line.contains(" odyn ")).collect();
    assert_eq!(own, ["refused", "refused", "refused", "became 1234"]);
}

#[test]
fn an_odyn_without_rights_starts_the_application_and_passes_none_of_its_few_on() {
    let ambient = ["--inh-caps", "+net_bind_service", "--ambient-caps", "+net_bind_service"];
    let Some(odyn) = unprivileged(&SLEEP, &ambient) else { return };
    let app = odyn.app();
    if is_root() {
        assert_eq!(set(odyn.pid(), "CapAmb"), 1 << 10, "the test does not test");
    }
    for name in SETS.into_iter().filter(|name| *name != "CapBnd") {
        assert_eq!(status_field(app, name), NONE, "{name}");
    }
    assert_eq!(status_field(app, "NoNewPrivs"), "1");
}

#[test]
fn root_without_the_right_to_bound_itself_starts_the_application_all_the_same() {
    if !is_root() {
        return tools::unfit("root");
    }
    if tools::program("setpriv").is_none() {
        return;
    }
    let odyn = Odyn::with("", &[], &SLEEP, through_setpriv(&["--bounding-set", "-setpcap"]));
    let app = odyn.app();
    assert_eq!(set(odyn.pid(), "CapEff") & (1 << 8), 0, "the test does not test");
    assert_eq!(set(app, "CapEff") & !KEPT, 0);
    assert_eq!(set(app, "CapPrm") & !KEPT, 0);
}

const PEEK: &str = include_str!("../support/peek.py");

/// Every way in that it tries.
const DOORS: [&str; 6] = ["environ", "mem", "maps", "descriptor", "readv", "ptrace"];

/// The application looks into odyn and, to show that it can look at all, into a process of its own.
fn assert_closed(odyn: &Odyn) {
    odyn.wait_log("looked");
    let log = odyn.log();
    for door in DOORS {
        assert!(log.contains(&format!("child {door} open\n")), "the test does not test: {door} in\n{log}");
        let closed = ["EACCES", "EPERM"].iter().any(|code| log.contains(&format!("odyn {door} {code}\n")));
        assert!(closed, "{door} in\n{log}");
    }
}

#[test]
fn odyns_memory_is_closed_to_an_application_that_is_the_same_user() {
    let Some(python) = tools::program("python3") else { return };
    let Some(odyn) = unprivileged(&[python, "-c", PEEK], &[]) else { return };
    assert_closed(&odyn);
}

#[test]
fn odyns_memory_is_closed_to_an_application_that_is_root() {
    if !is_root() {
        return tools::unfit("root");
    }
    let Some(python) = tools::program("python3") else { return };
    assert_closed(&Odyn::start("", &[python, "-c", PEEK]));
}

#[test]
fn core_dumps_are_off_for_both_and_the_application_may_turn_its_own_on() {
    let hard = Command::new("/bin/sh").args(["-c", "ulimit -Hc"]).output().unwrap();
    if hard.stdout == b"0\n" {
        return tools::unfit("core dumps");
    }
    let script =
        "echo \"soft $(ulimit -Sc) hard $(ulimit -Hc)\"; ulimit -Sc 64 && echo \"then $(ulimit -Sc)\"; exec sleep 1000";
    let odyn = Odyn::with("", &[], &["/bin/sh", "-c", script], super::child::through_shell("ulimit -c 64"));
    odyn.wait_log("soft 0 hard 64");
    odyn.wait_log("then 64");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", odyn.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_ascii_whitespace().nth(4), Some("0"), "{core}");
}
