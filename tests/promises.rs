//! Promises of SECURITY.md that no single folder of `src` keeps, and the scripts that hold the document to the tree.

mod document;
mod fence;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;

use odyn::http::service::{Answer, Plan, Request, Service, Work};
use odyn::serve::Gate;
use odyn::transport::Listener;

use crate::support::connection::Connection;
use crate::support::fake_host::FakeHost;
use crate::support::origin::Origin;
use crate::support::proc::descriptors;
use crate::support::{Odyn, PATIENCE, PREAMBLE, Port, TempDir, eventually, tools, uds};

/// Local addresses of the sockets of a process in one of `/proc`'s tables, as the kernel writes them; of TCP, listeners.
fn local_addresses(pid: i32, table: &str) -> Vec<String> {
    let links = descriptors(pid).into_iter().filter_map(|fd| std::fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok());
    let own: Vec<String> = links.map(|link| link.display().to_string()).collect();
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
    let rows = text.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let listens = |row: &[&str]| table.starts_with("udp") || row[3] == "0A";
    let owned = |row: &[&str]| own.contains(&format!("socket:[{}]", row[9]));
    rows.filter(|row| listens(row) && owned(row)).map(|row| row[1].to_owned()).collect()
}

#[test]
fn odyn_listens_on_loopback_alone() {
    let ports: Vec<Port> = (0..4).map(|_| Port::reserve()).collect();
    let [egress, api, aux, kms] = &ports[..] else { panic!() };
    let odyn = Odyn::start(
        &format!(
            "ingress:\n  - listen_port: 8080\negress:\n  proxy_port: {}\n  allow: [169.254.169.254, \"**\"]\n\
             api:\n  listen_port: {}\naux_api:\n  listen_port: {}\nkms_proxy:\n  listen_port: {}\n",
            egress.0, api.0, aux.0, kms.0
        ),
        &["/bin/sleep", "1000"],
    );
    odyn.wait_running();
    let mut expected: Vec<String> = ports.iter().map(|port| format!("0100007F:{:04X}", port.0)).collect();
    let mut found = local_addresses(odyn.pid(), "tcp");
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    for table in ["tcp6", "udp", "udp6"] {
        assert_eq!(local_addresses(odyn.pid(), table), [""; 0], "{table}");
    }
}

/// Lets a process have no descriptor more than it has now.
fn exhaust_descriptors(pid: i32) -> bool {
    let used = descriptors(pid);
    // Those above a gap were inherited, and stay.
    limit_descriptors(pid, (0..).find(|number| !used.contains(number)).unwrap())
}

/// Lets a process have descriptors below `count` from now on.
fn limit_descriptors(pid: i32, count: u32) -> bool {
    let mut command = Command::new("prlimit");
    command.args(["--pid", &pid.to_string(), &format!("--nofile={count}:")]).stderr(Stdio::null());
    let done = command.status().is_ok_and(|status| status.success());
    if !done {
        tools::unfit("prlimit");
    }
    done
}

/// Waits for a line with `text` from a reader that was there before.
fn wait_line(lines: &mut impl BufRead, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the stream ended without {text:?}");
    }
}

#[test]
fn an_accept_that_fails_ends_no_listener_of_odyn() {
    // EnclaveProxy and HostProxy stopped at the first error of an accept.
    let (egress, api) = (Port::reserve(), Port::reserve());
    let sections = format!(
        "egress:\n  proxy_port: {}\n  allow: [a.test]\napi:\n  listen_port: {}\naux_api:\n  listen_port: {}\n",
        egress.0,
        api.0,
        Port::reserve().0
    );
    let odyn = Odyn::start(&sections, &["/bin/sleep", "1000"]);
    odyn.wait_running();
    // From before there is nothing left: reading the log takes a descriptor as well.
    let mut log = BufReader::new(odyn.log_reader());
    wait_line(&mut log, "started the application");
    if !exhaust_descriptors(odyn.pid()) {
        return;
    }
    let _waiting = [&egress, &api].map(|port| TcpStream::connect(("127.0.0.1", port.0)).unwrap());
    for name in ["egress: accepting a connection failed", "API: accepting failed"] {
        wait_line(&mut log, name);
    }
    assert!(limit_descriptors(odyn.pid(), 1024));
    Connection::to(api.0).ask("GET", "/v1/eth/address", b"").ok();
    let mut client = TcpStream::connect(("127.0.0.1", egress.0)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"CONNECT b.test:443 HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[test]
fn an_accept_that_fails_ends_no_listener_of_the_host() {
    let application = Origin::serving(|mut stream| {
        let _ = stream.read_exact(&mut [0]).and_then(|()| stream.write_all(b"y"));
    });
    let published = Port::reserve();
    let dir = TempDir::new();
    dir.write("enclaver.yaml", &format!("{PREAMBLE}ingress:\n  - listen_port: {}\n", application.port.0));
    let mut host = Command::new(env!("CARGO_BIN_EXE_odyn-host"));
    host.args(["run", "-p", &format!("{}:{}", published.0, application.port.0), "--vsock"]).arg(uds(dir.path()));
    host.arg("--config").arg(dir.path().join("enclaver.yaml"));
    let mut host = host.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = host.id().cast_signed();
    let mut log = BufReader::new(host.stderr.take().unwrap());
    eventually("the port is published", || TcpStream::connect(("127.0.0.1", published.0)).ok());
    if exhaust_descriptors(pid) {
        let _waiting = TcpStream::connect(("127.0.0.1", published.0)).unwrap();
        wait_line(&mut log, "accepting a connection failed");
        assert!(limit_descriptors(pid, 1024));
        // There is no enclave yet; whoever is accepted waits for it, and is served.
        let odyn = Odyn::with_manifest_in(dir, &[], &["/bin/sleep", "1000"], |_| {});
        odyn.wait_running();
        eventually("a client is served", || {
            let mut client = TcpStream::connect(("127.0.0.1", published.0)).ok()?;
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            client.write_all(b"x").ok()?;
            client.read_exact(&mut [0]).ok()
        });
    }
    let _ = host.kill();
    let _ = host.wait();
}

#[test]
fn a_panic_ends_its_connection_and_nothing_else() {
    let dir = TempDir::new();
    let path = dir.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    listener.set_nonblocking(true).unwrap();
    // One at a time: a panic that kept its place would keep everybody out.
    let gate = Gate::new(1).unwrap();
    odyn::serve::spawn("test", Listener::Unix(listener), &gate, |socket| {
        let mut byte = [0];
        let deadline = std::time::Instant::now() + PATIENCE;
        socket.read_exact_until(&mut byte, deadline).unwrap();
        assert_ne!(byte, *b"!", "a test has this thread panic");
        socket.write_all_until(&byte, deadline).unwrap();
    })
    .unwrap();
    for byte in *b"a!!b!c" {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&[byte]).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, if byte == b'!' { vec![] } else { vec![byte] });
    }
    gate.close();
}

/// A service whose every second answer is a defect.
struct Defective;

impl Service for Defective {
    fn name(&self) -> &'static str {
        "test"
    }

    fn plan(&self, _: &str, target: &str) -> Plan {
        Plan { work: if target.ends_with("now") { Work::Immediate } else { Work::Local }, ..Plan::LOCAL }
    }

    fn handlers(&self, work: Work) -> usize {
        usize::from(work == Work::Local)
    }

    fn answer(&self, request: Request) -> Answer {
        assert!(!request.target.starts_with("/panic"), "a test has this handler panic");
        Answer::bytes("text/plain", b"well".to_vec())
    }

    fn refusal(&self, status: u16, reason: &str) -> Answer {
        Answer { status, ..Answer::bytes("text/plain", reason.as_bytes().to_vec()) }
    }
}

#[test]
fn a_panic_in_a_handler_is_a_503_and_the_handler_goes_on() {
    let port = Port::reserve();
    let gate = Gate::new(10).unwrap();
    let service: Arc<dyn Service> = Arc::new(Defective);
    odyn::http::server::spawn(&service, Listener::loopback(port.0).unwrap(), &gate).unwrap();
    let mut connection = Connection::to(port.0);
    // The one handler, and the thread that reads everybody's requests.
    for path in ["/panic", "/panic/now", "/panic", "/panic/now"] {
        let answer = connection.ask("GET", path, b"");
        assert_eq!((answer.status, answer.body.as_slice()), (503, &b"a defect in odyn; its log names the place"[..]));
        assert_eq!(connection.ask("GET", &path.replace("/panic", "/x"), b"").body, b"well");
    }
    gate.close();
}

#[test]
fn odyn_cannot_set_the_clock() {
    // A supervisor that takes the time from its host lets the host choose which certificates and checkpoints are valid.
    let binary = std::fs::read(env!("CARGO_BIN_EXE_odyn")).unwrap();
    let calls = |name: &str| binary.windows(name.len()).any(|window| window == name.as_bytes());
    assert!(calls("clock_gettime"), "the test does not test: the names of functions are not in the executable");
    for name in ["clock_settime", "settimeofday", "clock_adjtime", "adjtimex", "ntp_adjtime"] {
        assert!(!calls(name), "odyn calls {name}");
    }
}

#[test]
fn what_the_host_says_in_place_of_an_answer_ends_that_one_connection() {
    // Frames that are none, too long, cut off, endless, or the answer to something else.
    let replies: [&[u8]; 12] = [
        b"",
        b"\x04",
        b"\x00\x00",
        b"\xff\xff",
        b"\x04\x00\"Ok",
        b"\x04\x00\"ok\"",
        b"\x04\x00null",
        b"\x02\x00{}",
        b"\x04\x00\xff\xff\xff\xff",
        b"\x0a\x00{\"Err\":{}}",
        b"\x22\x00{\"Err\":{\"os_code\":1e99,\"message\":0}",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ];
    let (port, next) = (Port::reserve(), std::sync::atomic::AtomicUsize::new(0));
    let dir = TempDir::new();
    let _host = FakeHost::answering(&dir.path().join("vsock"), move |mut stream, _, _| {
        let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let _ = stream.write_all(replies[at % replies.len()]);
    });
    let sections = format!("egress:\n  proxy_port: {}\n  allow: [a.test]\n", port.0);
    let odyn = Odyn::in_dir(dir, &sections, &[], &["/bin/sleep", "1000"], |_| {});
    odyn.wait_running();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..replies.len() {
        let mut client = TcpStream::connect(("127.0.0.1", port.0)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(b"CONNECT a.test:443 HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        *seen.entry(answer.chars().take(12).collect()).or_default() += 1;
    }
    assert_eq!(seen, [("HTTP/1.1 502".to_owned(), replies.len())].into());
}
