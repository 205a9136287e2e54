//! `odyn-host run --eif`, with a real odyn as the enclave that a stand-in for `nitro-cli` starts and ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use crate::support::{PATIENCE, PREAMBLE, Port, TempDir, eventually, proc, signal, uds};

const ID: &str = "i-0123456789abcdef0-enc0123456789abcdef";

/// A parent instance with `nitro-cli`: a folder with a manifest and an image, and the stand-in first on `PATH`.
pub struct Parent {
    pub dir: TempDir,
    /// Variables of the stand-in.
    behaviour: Vec<(&'static str, String)>,
}

impl Parent {
    pub fn new(sections: &str, app: &str) -> Self {
        let dir = TempDir::new();
        dir.write("enclaver.yaml", &format!("{PREAMBLE}defaults: {{cpu_count: 2, memory_mb: 512}}\n{sections}"));
        dir.write("app.eif", "an image");
        Self { dir, behaviour: vec![("STUB_APP", app.to_owned())] }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.behaviour.push((name, value.to_owned()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `odyn-host` with the stand-in, for the enclave it makes.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut host = Command::new(env!("CARGO_BIN_EXE_odyn-host"));
        let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/eif");
        let path = format!("{}:{}", stand_in.display(), std::env::var("PATH").unwrap_or_default());
        host.args(args).env("PATH", path).env("STUB", self.dir.path()).env("STUB_ODYN", env!("CARGO_BIN_EXE_odyn"));
        host.envs(self.behaviour.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        host
    }

    /// The arguments of a run that reaches the stand-in's enclave.
    fn arguments(&self) -> Vec<String> {
        let text = |path: PathBuf| path.display().to_string();
        let vsock = uds(self.dir.path()).into_string().unwrap();
        let (eif, config) = (text(self.path("app.eif")), text(self.path("enclaver.yaml")));
        ["run", "--eif", &eif, "--config", &config, "--vsock", &vsock].map(str::to_owned).to_vec()
    }

    fn start(self, more: &[&str]) -> Run {
        let args = self.arguments();
        let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
        self.run(&args)
    }

    /// Runs `odyn-host` with these arguments only.
    pub fn run(self, args: &[&str]) -> Run {
        let file = |name: &str| std::fs::File::create(self.path(name)).unwrap();
        let child = self.command(args).stdout(file("out")).stderr(file("err")).spawn().unwrap();
        Run { parent: self, child }
    }

    /// Every command line `nitro-cli` got, oldest first.
    pub fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// A running `odyn-host run --eif`.
pub struct Run {
    pub parent: Parent,
    child: Child,
}

impl Run {
    pub fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.parent.path(name)).unwrap()).into_owned()
    }

    pub fn wait_for(&self, name: &str, text: &str) {
        eventually(&format!("{text:?} in {name}"), || self.read(name).contains(text).then_some(()));
    }

    pub fn signal(&self, name: &str) {
        signal(self.child.id().cast_signed(), name);
    }

    fn wait(&mut self) -> ExitStatus {
        eventually("odyn-host ends", || self.child.try_wait().unwrap())
    }

    /// Its exit code, once it is certain that nothing which was started is left.
    pub fn finish(&mut self) -> Option<i32> {
        let code = self.wait().code();
        self.no_process_left();
        code
    }

    fn no_process_left(&self) {
        let mark = format!("STUB={}", self.parent.dir.path().display());
        // A process that was killed is there until it has noticed.
        eventually("nothing is left behind", || (!proc::processes().any(|pid| knows(pid, &mark))).then_some(()));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Only a test that failed, or one about leaving something, has any.
        let mark = format!("STUB={}", self.parent.dir.path().display());
        proc::processes().filter(|pid| knows(*pid, &mark)).for_each(|pid| signal(pid, "KILL"));
    }
}

/// True when a process lives that was started with `mark` in its environment, which everything below odyn-host is.
fn knows(pid: i32, mark: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|b| *b == 0).any(|variable| variable == mark.as_bytes())
}

fn terminate() -> String {
    format!("terminate-enclave --enclave-id {ID}")
}

#[test]
fn one_command_starts_an_enclave_bridges_it_and_exits_as_its_application_does() {
    let mut run = Parent::new("", "echo hello; exit 7").start(&[]);
    assert_eq!(run.finish(), Some(7), "{}", run.read("err"));
    assert!(run.read("out").contains("hello\n"));
    let eif = run.parent.path("app.eif");
    assert_eq!(run.parent.calls()[0], format!("run-enclave --eif-path {} --cpu-count 2 --memory 512", eif.display()));
    // odyn ends its enclave by itself; whether that came first or not, nobody is told of a failure.
    assert_eq!(run.parent.calls()[1], terminate());
    assert!(!run.read("err").contains("terminate"), "{}", run.read("err"));
}

#[test]
fn flags_come_before_the_manifests_defaults_and_a_cid_and_debug_mode_are_passed_on() {
    let parent = Parent::new("", "true").with("STUB_RUN", "memory");
    let eif = parent.path("app.eif").display().to_string();
    let config = parent.path("enclaver.yaml").display().to_string();
    let args = ["run", "--eif", &eif, "--config", &config, "--cpu", "4", "--memory=1024", "--vsock", "cid:20"];
    let output = parent.command(&args).arg("--debug-mode").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("run-enclave --eif-path {eif} --cpu-count 4 --memory 1024 --enclave-cid 20 --debug-mode");
    assert_eq!(parent.calls(), [expected]);
    assert!(text(&output).contains("PCRs are zeroes"), "{}", text(&output));
}

#[test]
fn a_signal_lets_connections_end_and_then_terminates_the_enclave() {
    let port = Port::reserve();
    let app = port.listen();
    let sections = format!("ingress:\n  - listen_port: {}\n", port.0);
    let mut run = Parent::new(&sections, "echo up; exec sleep 1000").start(&["-p", &format!("0:{}", port.0)]);
    run.wait_for("out", "up\n");
    run.wait_for("err", "-> the enclave's port");
    let said = run.read("err");
    let place = said.split("http://").nth(1).unwrap().split(' ').next().unwrap();
    let mut client = TcpStream::connect(place).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"ping").unwrap();
    let (mut served, _) = app.accept().unwrap();
    served.read_exact(&mut [0; 4]).unwrap();
    run.signal("TERM");
    run.wait_for("err", "SIGTERM: terminating the enclave in 5 seconds");
    // Nothing ends it before this connection is through.
    assert_eq!(run.parent.calls().len(), 1);
    served.write_all(b"pong").unwrap();
    drop(served);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    drop(client);
    assert_eq!(answer, "pong");
    assert_eq!(run.finish(), Some(143), "{}", run.read("err"));
    assert_eq!(run.parent.calls()[1..], [terminate()]);
}

#[test]
fn a_second_signal_does_not_wait_for_connections() {
    let port = Port::reserve();
    let app = port.listen();
    let sections = format!("ingress:\n  - listen_port: {}\n", port.0);
    let mut run = Parent::new(&sections, "echo up; exec sleep 1000").start(&["-p", &format!("0:{}", port.0)]);
    run.wait_for("out", "up\n");
    run.wait_for("err", "-> the enclave's port");
    let said = run.read("err");
    let place = said.split("http://").nth(1).unwrap().split(' ').next().unwrap();
    let mut client = TcpStream::connect(place).unwrap();
    client.write_all(b"ping").unwrap();
    let _served = app.accept().unwrap();
    let begun = std::time::Instant::now();
    run.signal("INT");
    run.wait_for("err", "SIGINT: terminating");
    run.signal("TERM");
    assert_eq!(run.finish(), Some(130), "{}", run.read("err"));
    assert!(begun.elapsed().as_secs() < 5, "it waited for the connection: {:?}", begun.elapsed());
    assert_eq!(run.parent.calls()[1..], [terminate()]);
}

#[test]
fn a_signal_during_the_start_ends_what_was_started() {
    let mut run = Parent::new("", "exec sleep 1000").with("STUB_RUN", "late").start(&[]);
    eventually("nitro-cli runs", || (!run.parent.calls().is_empty()).then_some(()));
    run.signal("TERM");
    run.wait_for("err", "SIGTERM: ending when nitro-cli is through");
    run.parent.dir.write("go", "");
    assert_eq!(run.finish(), Some(143), "{}", run.read("err"));
    assert_eq!(run.parent.calls()[1..], [terminate()]);
}

#[test]
fn a_second_signal_kills_a_nitro_cli_that_hangs_and_says_what_to_look_for() {
    let mut run = Parent::new("", "true").with("STUB_RUN", "hang").start(&[]);
    eventually("nitro-cli hangs", || run.parent.calls().contains(&"hanging".to_owned()).then_some(()));
    run.signal("INT");
    run.wait_for("err", "SIGINT: ending when");
    run.signal("INT");
    assert_eq!(run.finish(), Some(130));
    let said = run.read("err");
    assert!(said.contains("SIGINT: killed nitro-cli run-enclave; it may have started an enclave"), "{said}");
    assert!(said.contains("nitro-cli describe-enclaves"), "{said}");
}

#[test]
fn an_enclave_that_goes_away_is_an_error_and_is_cleared_up() {
    let mut run = Parent::new("", "echo up; exec sleep 1000").start(&[]);
    run.wait_for("out", "up\n");
    let odyn = run.read("pid").trim().parse().unwrap();
    let below = proc::descendants(odyn);
    signal(odyn, "KILL");
    below.into_iter().for_each(|pid| signal(pid, "KILL"));
    assert_eq!(run.finish(), Some(1));
    assert!(run.read("err").contains("went away without telling"), "{}", run.read("err"));
    assert_eq!(run.parent.calls()[1..], [terminate(), "describe-enclaves".to_owned()]);
}

#[test]
fn an_error_after_the_start_terminates_the_enclave() {
    let parent = Parent::new("", "exec sleep 1000");
    let nowhere = parent.path("missing/vsock-file").display().to_string();
    let mut run = parent.start(&["--vsock-file", &nowhere]);
    assert_eq!(run.finish(), Some(1));
    assert!(run.read("err").contains("missing/vsock-file"), "{}", run.read("err"));
    assert_eq!(run.parent.calls()[1..], [terminate()]);
}

#[test]
fn a_port_that_is_taken_is_found_before_anything_is_started() {
    let port = Port::reserve();
    let _taken = port.listen();
    let mut run = Parent::new(&format!("ingress:\n  - listen_port: {}\n", port.0), "true").start(&[]);
    assert_eq!(run.finish(), Some(1));
    assert_eq!(run.parent.calls(), [""; 0]);
}

#[test]
fn what_nitro_cli_says_of_a_failure_reaches_the_operator_in_one_line_with_a_hint() {
    for (behaviour, parts) in [
        ("memory", &["[ E27 ] Insufficient memory", "(then E39)", "err1.log", "memory_mib of"][..]),
        ("device", &["Could not open /dev/nitro_enclaves: Permission denied", "group ne"]),
    ] {
        let mut run = Parent::new("", "true").with("STUB_RUN", behaviour).start(&[]);
        assert_eq!(run.finish(), Some(1));
        let said = run.read("err");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with("odyn-host: nitro-cli run-enclave failed: "), "{said}");
        parts.iter().for_each(|part| assert!(said.contains(part), "{part} in {said}"));
        assert_eq!(run.parent.calls().len(), 1);
    }
}

#[test]
fn an_answer_that_names_no_enclave_is_an_error_that_says_what_to_do_by_hand() {
    for (behaviour, shown) in [("rubbish", "\"a new format: 17\""), ("silent", "without naming its enclave; it may")] {
        let mut run = Parent::new("", "true").with("STUB_RUN", behaviour).start(&[]);
        assert_eq!(run.finish(), Some(1));
        let said = run.read("err");
        assert!(said.contains(shown) && said.contains("nitro-cli terminate-enclave --enclave-id ID"), "{said}");
    }
}

#[test]
fn an_enclave_without_a_cid_is_terminated() {
    let mut run = Parent::new("", "exec sleep 1000").with("STUB_RUN", "no-cid").start(&[]);
    assert_eq!(run.finish(), Some(1));
    assert!(run.read("err").contains(&format!("no usable CID for its enclave {ID}, which was terminated")));
    assert_eq!(run.parent.calls()[1..], [terminate()]);
}

#[test]
fn endless_output_is_cut_off() {
    let mut run = Parent::new("", "true").with("STUB_RUN", "endless").start(&[]);
    assert_eq!(run.finish(), Some(1));
    assert!(run.read("err").contains("printed more than 64 KiB and was killed"), "{}", run.read("err"));
}

#[test]
fn an_enclave_that_cannot_be_terminated_is_named_and_the_exit_status_stays_the_applications() {
    let mut run = Parent::new("", "echo up; exec sleep 1000").with("STUB_END", "refuse").start(&[]);
    run.wait_for("out", "up\n");
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(143));
    let said = run.read("err");
    assert!(said.contains(&format!("the enclave {ID} could not be terminated: [ E11 ] Socket error.")), "{said}");
    assert!(said.ends_with(&format!("by hand: nitro-cli terminate-enclave --enclave-id {ID}\n")), "{said}");
    let attempts = run.parent.calls().iter().filter(|call| **call == terminate()).count();
    assert_eq!(attempts, 3);
}

#[test]
fn what_must_be_there_before_the_start_is_named_when_it_is_missing() {
    let dir = TempDir::new();
    dir.write("enclaver.yaml", PREAMBLE);
    dir.write("app.eif", "an image");
    let run = |path: &str, args: &[&str]| -> Output {
        let mut host = Command::new(env!("CARGO_BIN_EXE_odyn-host"));
        host.arg("run").args(args).current_dir(dir.path()).env("PATH", path).stdin(Stdio::null()).output().unwrap()
    };
    let empty = dir.path().display().to_string();
    for (args, code, said) in [
        (&["--eif", "app.eif"][..], 2, "give --cpu N, or defaults.cpu_count in the manifest"),
        (&["--eif", "app.eif", "--cpu", "2"], 2, "give --memory MB, or defaults.memory_mb in the manifest"),
        (&["--eif", "none.eif", "--cpu", "2", "--memory", "512"], 1, "cannot read the enclave image none.eif"),
        (&["--eif", ".", "--cpu", "2", "--memory", "512"], 1, "cannot read the enclave image ."),
        (&["--eif", "app.eif", "--cpu", "2", "--memory", "512"], 1, "there is no nitro-cli on PATH"),
        (&["--vsock", "cid:16", "--cpu", "2"], 2, "--cpu is for --eif only"),
    ] {
        let output = run(&empty, args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output));
        assert!(text(&output).contains(said), "{args:?}: {}", text(&output));
    }
}

#[test]
fn a_probe_finds_the_enclave_by_the_file_and_tells_whether_its_application_runs() {
    let parent = Parent::new("", "echo up; exec sleep 1000");
    let file = parent.path("address").display().to_string();
    let named = format!("file:{file}");
    let probe = ["status", "--once", "--vsock", &named];
    // Before the start there is no file.
    let before = parent.command(&probe).output().unwrap();
    assert_eq!(before.status.code(), Some(1));
    assert!(text(&before).contains("no enclave's address in"), "{}", text(&before));
    let mut run = parent.start(&["--vsock-file", &file]);
    run.wait_for("out", "up\n");
    let running = run.parent.command(&probe).output().unwrap();
    assert_eq!(running.status.code(), Some(0), "{}", text(&running));
    assert_eq!(running.stdout, b"{\"status\":\"running\"}\n");
    run.signal("TERM");
    assert_eq!(run.finish(), Some(143));
    assert!(!Path::new(&file).exists());
}

#[test]
fn a_probe_fails_for_an_end_and_does_not_take_it_from_the_host_that_waits_for_it() {
    let odyn = crate::support::Odyn::script("", "exit 3");
    let host = |args: &[&str]| {
        let mut host = Command::new(env!("CARGO_BIN_EXE_odyn-host"));
        host.args(args).arg("--vsock").arg(uds(odyn.dir.path())).stdin(Stdio::null());
        host
    };
    let ended = || odyn.try_connect(17000).filter(|status| first_line(status).contains("exited"));
    let unacknowledged = eventually("the application has ended", ended);
    let mut probe = host(&["status", "--once"]).stdout(Stdio::piped()).spawn().unwrap();
    let told = crate::support::read_line(probe.stdout.as_mut().unwrap()).unwrap();
    assert_eq!(told, "{\"status\":\"exited\",\"code\":3}\n");
    let config = odyn.dir.path().join("enclaver.yaml").display().to_string();
    let run = host(&["run", "--config", &config]).output().unwrap();
    assert_eq!(run.status.code(), Some(3), "{}", text(&run));
    assert_eq!(probe.wait().unwrap().code(), Some(1));
    drop(unacknowledged);
}

#[test]
fn a_probe_of_an_enclave_that_says_nothing_or_nonsense_ends_in_time() {
    for (answer, said) in [(&b"OK 1\n"[..], "timed out"), (b"OK 1\nhello\n", "invalid data")] {
        let dir = TempDir::new();
        let listener = std::os::unix::net::UnixListener::bind(dir.path().join("vsock")).unwrap();
        let mut host = Command::new(env!("CARGO_BIN_EXE_odyn-host"));
        host.args(["status", "--once", "--vsock"]).arg(uds(dir.path())).stderr(Stdio::piped()).stdout(Stdio::null());
        let probe = host.spawn().unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(crate::support::read_line(&mut stream).unwrap(), "CONNECT 17000\n");
        stream.write_all(answer).unwrap();
        let output = probe.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).contains("did not tell its status") && text(&output).contains(said), "{}", text(&output));
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The first line of a status connection, which is left open so that it acknowledges nothing.
fn first_line(mut status: &std::os::unix::net::UnixStream) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') && status.read(&mut byte).is_ok_and(|n| n == 1) {
        line.push(byte[0]);
    }
    String::from_utf8_lossy(&line).into_owned()
}
