//! `odyn-host` against a real `odyn`: started before it, after it, and without it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use crate::support::{Odyn, PATIENCE, PREAMBLE, Port, TempDir, eventually, signal, uds};

/// `odyn-host`, its output kept in files so that no pipe can fill.
struct Host {
    child: Child,
    out: TempDir,
}

impl Host {
    /// Starts a sub-command for the enclave in `dir`.
    fn start(command: &str, dir: &TempDir, args: &[&str]) -> Self {
        let out = TempDir::new();
        let file = |name: &str| std::fs::File::create(out.path().join(name)).unwrap();
        let mut host = Command::new(env!("CARGO_BIN_EXE_odyn-host"));
        host.arg(command).arg("--vsock").arg(uds(dir.path())).args(args);
        host.arg("--config").arg(dir.path().join("enclaver.yaml"));
        let child = host.stdin(Stdio::null()).stdout(file("out")).stderr(file("err")).spawn().unwrap();
        Self { child, out }
    }

    fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    fn stdout(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.out.path().join("out")).unwrap()).into_owned()
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.out.path().join("err")).unwrap()).into_owned()
    }

    fn wait_stderr(&self, text: &str) {
        eventually(&format!("odyn-host says {text:?}"), || self.stderr().contains(text).then_some(()));
    }

    fn wait(&mut self) -> ExitStatus {
        eventually("odyn-host ends", || self.child.try_wait().unwrap())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a manifest, for an enclave that may come later.
fn folder(sections: &str) -> TempDir {
    let dir = TempDir::new();
    dir.write("enclaver.yaml", &format!("{PREAMBLE}{sections}"));
    dir
}

fn start(dir: TempDir, sections: &str, script: &str) -> Odyn {
    Odyn::in_dir(dir, sections, &[], &["/bin/sh", "-c", script], |_| {})
}

#[test]
fn run_waits_for_an_enclave_that_starts_later_and_loses_nothing_of_its_log() {
    let dir = folder("");
    let mut host = Host::start("run", &dir, &[]);
    host.wait_stderr("waiting for uds:");
    let mut odyn = start(dir, "", "seq 1 20000; exit 7");
    assert_eq!(host.wait().code(), Some(7), "{}", host.stderr());
    let expected: String = (1..=20_000).map(|n| format!("{n}\n")).collect();
    assert!(host.stdout().contains(&expected), "{} bytes of log", host.stdout().len());
    // The status was acknowledged: odyn does not wait for another reader.
    assert_eq!(odyn.wait().code(), Some(7));
}

#[test]
fn run_exits_as_an_application_that_died_of_a_signal() {
    let odyn = Odyn::script("", "kill -KILL $$");
    let mut host = Host::start("run", &odyn.dir, &[]);
    assert_eq!(host.wait().code(), Some(137), "{}", host.stderr());
}

#[test]
fn run_tells_why_an_enclave_failed_to_start() {
    let odyn = Odyn::start("", &["/no/such/program"]);
    let mut host = Host::start("run", &odyn.dir, &[]);
    assert_eq!(host.wait().code(), Some(1));
    assert!(host.stderr().contains("odyn-host: the enclave failed: entrypoint \"/no/such/program\""));
}

#[test]
fn run_ends_on_a_signal_and_leaves_the_enclave_alone() {
    let mut odyn = Odyn::script("", "echo up; exec sleep 1000");
    let mut host = Host::start("run", &odyn.dir, &[]);
    eventually("the log arrives", || host.stdout().contains("up\n").then_some(()));
    signal(host.pid(), "TERM");
    assert_eq!(host.wait().code(), Some(143), "{}", host.stderr());
    assert!(odyn.child.try_wait().unwrap().is_none());
    assert!(!odyn.dir.path().join("vsock_17002").exists());
}

#[test]
fn run_says_that_an_enclave_went_away() {
    let mut odyn = Odyn::script("", "echo up; exec sleep 20");
    let mut host = Host::start("run", &odyn.dir, &[]);
    eventually("the log arrives", || host.stdout().contains("up\n").then_some(()));
    let apps = crate::support::children(odyn.pid());
    odyn.child.kill().unwrap();
    apps.into_iter().for_each(|app| signal(app, "KILL"));
    assert_eq!(host.wait().code(), Some(1));
    assert!(host.stderr().contains("went away without telling how its application ended"), "{}", host.stderr());
}

#[test]
fn a_client_that_comes_before_the_enclave_is_served_once_it_is_up() {
    let port = Port::reserve();
    let sections = format!("ingress:\n  - listen_port: {}\n", port.0);
    let dir = folder(&sections);
    let mut host = Host::start("run", &dir, &["-p", &format!("0:{}", port.0)]);
    host.wait_stderr("-> the enclave's port");
    let said = host.stderr();
    let place = said.split("http://").nth(1).unwrap().split(' ').next().unwrap();
    let mut client = TcpStream::connect(place).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"ping").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    host.wait_stderr("waiting for uds:");
    let app = port.listen();
    let odyn = start(dir, &sections, "exec sleep 1000");
    let (mut served, _) = app.accept().unwrap();
    let mut got = String::new();
    served.read_to_string(&mut got).unwrap();
    served.write_all(b"pong").unwrap();
    drop(served);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!((got.as_str(), answer.as_str()), ("ping", "pong"));
    odyn.signal("TERM");
    assert_eq!(host.wait().code(), Some(143), "{}", host.stderr());
}

#[test]
fn a_taken_port_is_a_start_error_that_says_what_to_do() {
    let port = Port::reserve();
    let taken = port.listen();
    let dir = folder(&format!("ingress:\n  - listen_port: {}\n", port.0));
    let mut host = Host::start("run", &dir, &[]);
    assert_eq!(host.wait().code(), Some(1));
    assert!(host.stderr().contains(&format!("-p HOSTPORT:{}", port.0)), "{}", host.stderr());
    drop(taken);
}

#[test]
fn logs_and_status_print_one_stream_to_its_end() {
    let odyn = Odyn::script("", "echo the log; exit 3");
    drop(odyn.connect(17001));
    let mut logs = Host::start("logs", &odyn.dir, &[]);
    eventually("the log is printed", || logs.stdout().contains("the log\n").then_some(()));
    let mut status = Host::start("status", &odyn.dir, &[]);
    assert_eq!(status.wait().code(), Some(0), "{}", status.stderr());
    assert!(status.stdout().ends_with("{\"status\":\"exited\",\"code\":3}\n"), "{}", status.stdout());
    assert_eq!(logs.wait().code(), Some(0), "{}", logs.stderr());
}

#[test]
fn an_interrupted_log_is_followed_again_and_marked() {
    let dir = folder("");
    let listener = UnixListener::bind(dir.path().join("vsock")).unwrap();
    // An enclave whose log connection breaks once.
    let enclave = std::thread::spawn(move || {
        let mut log_connections = 0;
        let mut status = None;
        while log_connections < 2 || status.is_none() {
            let (mut stream, _) = listener.accept().unwrap();
            if crate::support::read_line(&mut stream).unwrap() == "CONNECT 17001\n" {
                log_connections += 1;
                stream.write_all(b"OK 1\nfirst\n").unwrap();
            } else {
                stream.write_all(b"OK 1\n{\"status\":\"running\"}\n").unwrap();
                status = Some(stream);
            }
        }
        let mut status = status.unwrap();
        status.write_all(b"{\"status\":\"exited\",\"code\":0}\n").unwrap();
        // Until the host acknowledges by closing.
        assert_eq!(status.read(&mut [0]).unwrap(), 0);
    });
    let mut host = Host::start("run", &dir, &[]);
    assert_eq!(host.wait().code(), Some(0), "{}", host.stderr());
    assert_eq!(host.stdout(), "first\n[odyn-host: log stream interrupted, lines may repeat]\nfirst\n");
    enclave.join().unwrap();
}

#[test]
fn nobody_there_is_an_error_for_a_stream_and_usage_errors_exit_2() {
    let dir = folder("");
    let mut logs = Host::start("logs", &dir, &[]);
    assert_eq!(logs.wait().code(), Some(1));
    let usage: Output = Command::new(env!("CARGO_BIN_EXE_odyn-host")).arg("run").output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&usage.stderr),
        "odyn-host: --vsock or --eif is missing; see odyn-host run --help\n"
    );
}
