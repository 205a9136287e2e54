//! `odyn-host local` as a user runs it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::support::tools::program;
use crate::support::{PATIENCE, PREAMBLE, Port, TempDir, eventually, proc, signal};

/// A running `odyn-host local`, with a folder of its own for temporary files.
struct Local {
    child: Child,
    dir: TempDir,
}

impl Local {
    fn start(dir: TempDir, args: &[&str], app: &[&str]) -> Self {
        std::fs::create_dir_all(dir.path().join("tmp")).unwrap();
        let file = |name: &str| std::fs::File::create(dir.path().join(name)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_odyn-host"))
            .arg("local")
            .args(args)
            .arg("--")
            .args(app)
            .env("TMPDIR", dir.path().join("tmp"))
            .stdin(Stdio::null())
            .stdout(file("out"))
            .stderr(file("err"))
            .spawn()
            .unwrap();
        Self { child, dir }
    }

    fn with_manifest(sections: &str, args: &[&str], app: &[&str]) -> Self {
        let dir = TempDir::new();
        let manifest = dir.write("enclaver.yaml", &format!("{PREAMBLE}{sections}"));
        let manifest = manifest.display().to_string();
        Self::start(dir, &[&["--config", &manifest], args].concat(), app)
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.dir.path().join(name)).unwrap()).into_owned()
    }

    fn wait_out(&self, text: &str) {
        eventually(&format!("{text:?} is printed"), || self.read("out").contains(text).then_some(()));
    }

    fn signal(&self, name: &str) {
        signal(self.child.id().cast_signed(), name);
    }

    /// Its exit status, once it is certain that it left nothing behind: no process that knows its folder, no file.
    fn finish(mut self) -> ExitStatus {
        let exit = eventually("odyn-host ends", || self.child.try_wait().unwrap());
        let tmp = self.dir.path().join("tmp");
        assert_eq!(std::fs::read_dir(&tmp).unwrap().count(), 0, "left a folder behind");
        let mark = format!("TMPDIR={}", tmp.display());
        let left: Vec<i32> = proc::processes().filter(|pid| knows(*pid, &mark)).collect();
        assert!(left.is_empty(), "left processes behind: {left:?}");
        exit
    }
}

/// True when a process was started with `mark` in its environment, which everything below odyn-host is.
fn knows(pid: i32, mark: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|b| *b == 0).any(|variable| variable == mark.as_bytes())
}

#[test]
fn the_sample_application_is_served_fetches_and_is_refused_until_ctrl_c() {
    let Some(python) = program("python3") else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The sample's manifest, on ports of this test's own.
    let (app, proxy, place) = (Port::reserve(), Port::reserve(), Port::reserve());
    let manifest = std::fs::read_to_string(root.join("enclave/enclaver.yaml")).unwrap();
    let manifest = manifest
        .replace("listen_port: 8080", &format!("listen_port: {}", app.0))
        .replace("host:18080", &format!("host:{}", place.0))
        .replace("egress:\n", &format!("egress:\n  proxy_port: {}\n", proxy.0));
    let dir = TempDir::new();
    let manifest = dir.write("enclaver.yaml", &manifest).display().to_string();
    let (port, allowed) = (format!("PORT={}", app.0), format!("FETCH_ALLOWED=http://host:{}/healthz", place.0));
    let script = root.join("enclave/app/app.py").display().to_string();
    let publish = format!("{}:{}", place.0, app.0);
    let args = ["--config", &manifest, "-p", &publish];
    let local = Local::start(dir, &args, &["env", &port, &allowed, python, &script]);
    let get = |path: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", place.0)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        (!answer.is_empty()).then_some(answer)
    };
    assert!(eventually("the page is served", || get("/")).contains("<html"), "no page");
    assert!(get("/fetch/allowed").unwrap().contains("\"status\": 200"));
    assert!(get("/fetch/refused").unwrap().contains("egress denied"));
    local.wait_out("decision=denied method=GET host=169.254.169.254");
    local.signal("INT");
    assert_eq!(local.finish().code(), Some(0));
}

#[test]
fn the_exit_status_is_the_applications() {
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)] {
        let local = Local::with_manifest("", &[], &["/bin/sh", "-c", script]);
        assert_eq!(local.finish().code(), Some(code), "{script}");
    }
}

#[test]
fn an_application_that_ends_on_ctrl_c_is_not_said_to_be_killed_and_its_orphans_go_with_it() {
    let script = "trap 'exit 7' INT; (trap '' TERM INT; exec sleep 1000) & echo ready; while :; do sleep 0.05; done";
    let local = Local::with_manifest("", &[], &["/bin/sh", "-c", script]);
    local.wait_out("ready");
    local.signal("INT");
    assert_eq!(local.finish().code(), Some(7));
}

#[test]
fn a_second_ctrl_c_ends_an_application_that_is_deaf_to_the_first() {
    let script = "trap '' INT TERM; echo ready; while :; do sleep 0.05; done";
    let local = Local::with_manifest("", &[], &["/bin/sh", "-c", script]);
    local.wait_out("ready");
    local.signal("INT");
    eventually("the first is noticed", || local.read("err").contains("SIGINT").then_some(()));
    local.signal("INT");
    assert_eq!(local.finish().code(), Some(137));
}

#[test]
fn what_cannot_start_is_told_once_more_by_the_exit_status() {
    let local = Local::with_manifest("", &[], &["/no/such/program"]);
    eventually("the reason is told", || local.read("err").contains("/no/such/program").then_some(()));
    assert_eq!(local.finish().code(), Some(1));
    let local = Local::with_manifest("bogus: 1\n", &[], &["true"]);
    eventually("the reason is told", || local.read("err").contains("bogus").then_some(()));
    assert_eq!(local.finish().code(), Some(2));
}
