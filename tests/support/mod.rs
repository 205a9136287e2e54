#![allow(dead_code)]
//! What the tests share: odyn as a child process, ports nobody else has, a host side that does as it is told.

pub mod aws;
pub mod basics;
pub mod certificates;
pub mod connection;
pub mod fake_aws;
pub mod fake_host;
pub mod imds;
pub mod origin;
pub mod proc;
pub mod stream;
pub mod tools;

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

pub use basics::{PATIENCE, PREAMBLE, Port, TempDir, eventually};
pub use proc::{children, cpu_ticks, descendants, is_root, signal, stat, thread_count};

/// Lets this process have `count` descriptors; false, with a note, where it may not. Desktops begin with 1,024.
pub fn raise_descriptor_limit(count: u32) -> bool {
    let this = std::process::id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &this, &format!("--nofile={count}:")]).output();
    let raised = raised.is_ok_and(|output| output.status.success());
    if !raised {
        tools::unfit(&format!("{count} descriptors"));
    }
    raised
}

/// The odyn that cargo built, unless $ODYN_BINARY names another (with feature `sim`).
pub fn odyn_binary() -> PathBuf {
    std::env::var_os("ODYN_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_odyn").into(), PathBuf::from)
}

/// odyn, with UNIX sockets for vsock and without bootstrapping.
pub struct Odyn {
    pub dir: TempDir,
    pub child: Child,
}

impl Odyn {
    /// Starts odyn with the preamble and `sections` as its manifest, running `app`.
    pub fn start(sections: &str, app: &[&str]) -> Self {
        Self::with(sections, &[], app, |_| {})
    }

    /// Starts odyn running a shell script.
    pub fn script(sections: &str, script: &str) -> Self {
        Self::start(sections, &["/bin/sh", "-c", script])
    }

    /// Starts odyn with more flags, and whatever else `adjust` does to the command.
    pub fn with(sections: &str, flags: &[&str], app: &[&str], adjust: impl FnOnce(&mut Command)) -> Self {
        Self::in_dir(TempDir::new(), sections, flags, app, adjust)
    }

    /// Starts odyn in a folder prepared by the test.
    pub fn in_dir(
        dir: TempDir,
        sections: &str,
        flags: &[&str],
        app: &[&str],
        adjust: impl FnOnce(&mut Command),
    ) -> Self {
        dir.write("enclaver.yaml", &format!("{PREAMBLE}{sections}"));
        Self::with_manifest_in(dir, flags, app, adjust)
    }

    /// Starts odyn with whatever manifest the folder has, or none.
    pub fn with_manifest_in(dir: TempDir, flags: &[&str], app: &[&str], adjust: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(odyn_binary());
        command.args(["--no-bootstrap", "--nsm", "sim", "--config-dir"]).arg(dir.path());
        command.arg("--vsock").arg(uds(dir.path())).args(flags).arg("--").args(app);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        adjust(&mut command);
        let child = command.spawn().unwrap();
        Self { dir, child }
    }

    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub fn vsock_path(&self) -> PathBuf {
        self.dir.path().join("vsock")
    }

    /// Connects to a vsock port, once somebody listens there.
    pub fn connect(&self, port: u16) -> UnixStream {
        eventually(&format!("odyn listens on vsock port {port}"), || self.try_connect(port))
    }

    pub fn try_connect(&self, port: u16) -> Option<UnixStream> {
        dial(&self.vsock_path(), port)
    }

    /// Waits until the application runs.
    pub fn wait_running(&self) {
        let mut status = BufReader::new(self.connect(17000));
        let mut line = String::new();
        while line != "{\"status\":\"running\"}\n" {
            line.clear();
            assert!(status.read_line(&mut line).unwrap() > 0, "ended without running: {}", self.log());
        }
    }

    /// Reads the status to its end, which acknowledges it, and returns the last line.
    pub fn final_status(&self) -> String {
        let mut text = String::new();
        self.connect(17000).read_to_string(&mut text).unwrap();
        text.lines().last().unwrap_or_default().to_owned()
    }

    /// A reader at the log's oldest byte.
    pub fn log_reader(&self) -> UnixStream {
        self.connect(17001)
    }

    /// What is in the log now. A machine with much to do may take a while before it sends the first of it.
    pub fn log(&self) -> String {
        let Some(mut reader) = self.try_connect(17001) else { return String::new() };
        reader.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut text = vec![0; 1];
        if !matches!(reader.read(&mut text), Ok(1)) {
            return String::new();
        }
        reader.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let _ = reader.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Reads the log to its end, on a thread of its own: odyn waits for its readers before it ends.
    pub fn whole_log(&self) -> JoinHandle<String> {
        let mut reader = self.log_reader();
        std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        })
    }

    /// Waits until the log has a line that contains `text`, and returns the line.
    pub fn wait_log(&self, text: &str) -> String {
        let mut lines = BufReader::new(self.log_reader());
        loop {
            let mut line = Vec::new();
            let n = lines.read_until(b'\n', &mut line).unwrap_or_else(|e| panic!("no {text:?} in the log: {e}"));
            assert!(n > 0, "the log ended without {text:?}");
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Sends odyn a signal.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// The application's process, once it runs.
    pub fn app(&self) -> i32 {
        let line = self.wait_log(" started the application as process ");
        line.trim_end().rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Lets go on whoever waits for [`go`] of this number in this folder.
    pub fn go(&self, step: u32) {
        self.dir.write(&format!("go{step}"), "");
    }

    /// Reads the final status and waits for odyn's own end.
    pub fn finish(mut self) -> (String, ExitStatus) {
        let status = self.final_status();
        let exit = self.wait();
        (status, exit)
    }

    pub fn wait(&mut self) -> ExitStatus {
        eventually("odyn ends", || self.child.try_wait().unwrap())
    }

    /// What odyn wrote to the standard error it was started with, read to its end.
    pub fn stderr(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut text).unwrap();
        }
        text
    }
}

impl Drop for Odyn {
    fn drop(&mut self) {
        // What runs below it first: killed from above it would be orphaned.
        for pid in descendants(self.pid()) {
            signal(pid, "KILL");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Connects to a vsock port of whoever serves hybrid vsock at `path`; `None` when nobody listens there.
pub fn dial(path: &Path, port: u16) -> Option<UnixStream> {
    let mut stream = UnixStream::connect(path).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    writeln!(stream, "CONNECT {port}").ok()?;
    (read_line(&mut stream).ok()? == format!("OK {port}\n")).then_some(stream)
}

/// A line of shell that waits for [`Odyn::go`]: no signal, so no line in the log either.
pub fn wait_go(dir: &TempDir, step: u32) -> String {
    format!("until [ -e '{}/go{step}' ]; do sleep 0.02; done\n", dir.path().display())
}

pub fn uds(dir: &Path) -> OsString {
    let mut uds = OsString::from("uds:");
    uds.push(dir.join("vsock"));
    uds
}

/// A line read byte by byte, so that nothing behind it is taken.
pub fn read_line(stream: &mut impl Read) -> std::io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') {
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}
