//! `src/app/light_client.rs`: what odyn does for the process of the light client, and to it. The client itself has tests
//! of its own, in `tests/helios/`: here a stand-in reports.

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{Odyn, PATIENCE, Port, TempDir, eventually, is_root, signal, stat, tools};

fn manifest(port: u16, egress: u16) -> String {
    format!(
        "egress:\n  proxy_port: {egress}\n  allow: [\"*.example.test\"]\nhelios_rpc:\n  enabled: true\n  \
         listen_port: {port}\n  network: mainnet\n  execution_rpc: https://e.example.test/v3/KEY\n  \
         consensus_rpc: https://c.example.test\n  checkpoint: 0x{}\n",
        "ab".repeat(32)
    )
}

/// odyn from a folder of its own, with the stand-in beside it if there is Python to run it.
fn start(port: &Port, egress: &Port, stand_in: bool) -> Option<Odyn> {
    let dir = TempDir::new();
    let odyn = dir.path().join("odyn");
    std::fs::copy(env!("CARGO_BIN_EXE_odyn"), &odyn).unwrap();
    if stand_in {
        let python = tools::program("python3")?;
        let found = Command::new("/bin/sh").args(["-c", &format!("command -v {python}")]).output().unwrap();
        // Python through a link into a folder of root's would not start for nobody.
        let python = ["/usr/bin/python3".to_owned(), String::from_utf8(found.stdout).unwrap()];
        let python = python.iter().map(|path| path.trim()).find(|path| std::path::Path::new(path).exists())?;
        let helper = dir.write("odyn-helios", &format!("#!{python} -I\n{}", include_str!("support/fake_helios.py")));
        std::fs::set_permissions(helper, PermissionsExt::from_mode(0o755)).unwrap();
    }
    Some(Odyn::in_dir(dir, &manifest(port.0, egress.0), &[], &["/bin/sleep", "1000"], |command| {
        let mut own = Command::new(&odyn);
        own.args(command.get_args()).stdin(std::process::Stdio::null());
        own.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        *command = own;
    }))
}

/// What the stand-in answers: its process, once there is one.
fn process(port: &Port) -> i32 {
    let mut stream = TcpStream::connect(("127.0.0.1", port.0)).expect("odyn holds the port");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.trim().parse().unwrap()
}

#[test]
fn a_manifest_with_a_light_client_that_is_not_there_is_a_start_error() {
    let (port, egress) = (Port::reserve(), Port::reserve());
    let odyn = start(&port, &egress, false).unwrap();
    let path = odyn.dir.path().join("odyn-helios");
    let (status, exit) = odyn.finish();
    let reason = format!("helios_rpc is enabled, and {} is missing", path.display());
    assert!(status.contains("fatal") && status.contains(&reason), "{status}");
    assert_eq!(exit.code(), Some(1));
}

#[test]
fn the_light_client_reaches_the_egress_proxy_and_nothing_else() {
    let (port, egress) = (Port::reserve(), Port::reserve());
    let Some(odyn) = start(&port, &egress, true) else { return };
    odyn.wait_running();
    process(&port);
    let log =
        eventually("the report is in the log", || Some(odyn.log()).filter(|log| log.contains("not a line of odyn")));
    let user = if is_root() { "(65534, 65534, [])" } else { "(" };
    // Only root can give up what it could get.
    let bounding = if is_root() { "bounding=;" } else { "bounding=" };
    let facts = [
        bounding,
        "args=--listen stdin --egress odyn-egress-",
        "--network mainnet --execution-rpc https://e.example.test/v3/KEY --consensus-rpc https://c.example.test",
        "environment=[];",
        &format!("user={user}"),
        "no_new_privs=1;",
        "seccomp=2;",
        "oom_score_adj=1000;",
        "DATA=(1073741824, 1073741824);",
        "NOFILE=(2048, 2048);",
        "FSIZE=(0, 0);",
        "CORE=(0, 0);",
        "capabilities=['', '', '', ''];",
        "AF_INET=EACCES;",
        "AF_INET6=EACCES;",
        "AF_VSOCK=EACCES;",
        "AF_NETLINK=EACCES;",
        "AF_PACKET=EACCES;",
        "AF_UNIX=ok;",
        "nsm=EPERM;",
        "io_uring_setup=EPERM;",
        "pidfd_getfd=EPERM;",
        "fork=EPERM;",
        "clone3=ENOSYS;",
        "listener=AF_UNIX;",
        "egress=HTTP/1.1 403 Forbidden;",
        " odyn ERROR light client: an error of its own\n",
        " odyn WARN light client: 2026-01-01T00:00:00Z odyn INFO not a line of odyn\n",
    ];
    for fact in facts {
        assert!(log.contains(fact), "{fact:?} is not in\n{log}");
    }
    assert!(log.lines().all(|line| line.starts_with("20") && line.contains(" odyn ")), "{log}");
    assert!(!log.lines().any(|line| line.contains("KEY") && !line.contains("light client: args=")), "{log}");
}

#[test]
fn a_killed_light_client_is_back_and_calls_wait_for_it() {
    let (port, egress) = (Port::reserve(), Port::reserve());
    let Some(odyn) = start(&port, &egress, true) else { return };
    let (app, first) = (odyn.app(), process(&port));
    assert_eq!(stat(first).unwrap().1, odyn.pid());
    signal(first, "KILL");
    odyn.wait_log("the light client was killed by SIGKILL; it is started again in 1s");
    // Nobody is refused meanwhile.
    let second = process(&port);
    assert_ne!(first, second);
    assert_eq!(odyn.app(), app);
    assert!(stat(app).is_some(), "the application did not notice");
    signal(second, "KILL");
    odyn.wait_log("the light client was killed by SIGKILL; it is started again in 2s");
    process(&port);
    odyn.signal("TERM");
    assert_eq!(odyn.finish().1.code(), Some(143));
}
