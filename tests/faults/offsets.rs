//! The other end closes at every byte of everything that it says or is told.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use rustls::pki_types::ServerName;

use super::field::{CALM_APP, Field, Resources, tcp};
use crate::support::certificates::Certificates;
use crate::support::fake_host::FakeHost;
use crate::support::origin::{Origin, read_head};
use crate::support::{Odyn, PATIENCE, Port, TempDir, eventually};

const FINE: &[u8] = b"\x04\0\"Ok\"";
const REFUSAL: &[u8] = b"\x2b\0{\"Err\":{\"os_code\":111,\"message\":\"refused\"}}";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &[u8] =
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nyou\r\n0\r\nA: b\r\n\r\n";
const INTERIM: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";

/// An egress proxy in front of a host side.
struct Egress {
    odyn: Odyn,
    port: Port,
    before: Resources,
}

impl Egress {
    fn with<T>(host: impl FnOnce(&Path) -> T) -> (Self, T) {
        let port = Port::reserve();
        let manifest = format!("egress:\n  proxy_port: {}\n  allow: ['**']\n", port.0);
        let dir = TempDir::new();
        let host = host(&dir.path().join("vsock"));
        let odyn = Odyn::in_dir(dir, &manifest, &[], CALM_APP, |_| {});
        odyn.wait_running();
        let before = Resources::of(odyn.pid());
        (Self { odyn, port, before }, host)
    }

    /// All that comes back for a request on a connection of its own.
    fn say(&self, what: &str) -> Vec<u8> {
        let mut stream = tcp(self.port.0).unwrap();
        stream.write_all(what.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    fn connect(&self, name: &str) -> u16 {
        status(&self.say(&format!("CONNECT {name}.test:443 HTTP/1.1\r\n\r\n")))
    }

    /// Nothing is left of it all, but threads that wait for the next connection.
    fn assert_settled(&self, what: &str, begun: Instant) {
        let Resources { descriptors, threads, .. } = self.before;
        let after = eventually("no more descriptors than before", || {
            let now = Resources::of(self.odyn.pid());
            (now.descriptors <= descriptors && now.threads <= threads + 32).then_some(now)
        });
        println!("{what}: {:?}; {:?} before, {after:?} after", begun.elapsed(), self.before);
    }
}

fn status(answer: &[u8]) -> u16 {
    let code = answer.get(9..12).and_then(|code| std::str::from_utf8(code).ok());
    code.and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// The number behind the dash in `name-7.test`.
fn offset(name: &str) -> (&str, usize) {
    let (what, number) = name.trim_end_matches(".test").rsplit_once('-').unwrap();
    (what, number.parse().unwrap())
}

fn scripted(mut stream: UnixStream, name: &str, _: u16) {
    let (what, at) = offset(name);
    match what {
        "fine" => drop(stream.write_all(&FINE[..at])),
        "refusal" => drop(stream.write_all(&REFUSAL[..at])),
        _ => {
            stream.write_all(FINE).unwrap();
            read_head(&mut stream).unwrap();
            let answer =
                [ANSWER, CHUNKED, INTERIM][["answer", "chunked", "interim"].iter().position(|w| *w == what).unwrap()];
            let _ = stream.write_all(&answer[..at]);
        }
    }
}

#[test]
fn a_host_that_closes_at_any_byte_of_its_answer_is_a_502_and_no_answer_looks_whole_that_is_not() {
    let (egress, _host) = Egress::with(|vsock| FakeHost::answering(vsock, scripted));
    let begun = Instant::now();
    let mut count = 0;
    for at in 0..FINE.len() {
        assert_eq!(egress.connect(&format!("fine-{at}")), 502, "{at}");
        count += 1;
    }
    assert_eq!(egress.connect(&format!("fine-{}", FINE.len())), 200);
    for at in 0..=REFUSAL.len() {
        assert_eq!(egress.connect(&format!("refusal-{at}")), 502, "{at}");
        count += 1;
    }
    for (name, whole) in [("answer", ANSWER), ("chunked", CHUNKED), ("interim", INTERIM)] {
        // Where the head ends that counts.
        let heads = if name == "interim" { 2 } else { 1 };
        let body = whole.windows(4).enumerate().filter(|(_, four)| four == b"\r\n\r\n").nth(heads - 1).unwrap().0 + 4;
        for at in 0..=whole.len() {
            let answer =
                egress.say(&format!("GET http://{name}-{at}.test/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
            let text = String::from_utf8_lossy(&answer);
            // Interim answers go out before it is known what follows.
            let last = text.rfind("HTTP/1.1 ").map_or(&answer[..], |start| &answer[start..]);
            if at < body {
                assert_eq!(status(last), 502, "{name} {at}: {text}");
            } else if name == "answer" {
                assert!(last.starts_with(b"HTTP/1.1 200 ") && last.ends_with(&whole[body..at]), "{name} {at}: {text}");
            } else if name == "chunked" {
                assert!(at == whole.len() || !last.ends_with(b"\r\n\r\n") || at == body, "{name} {at}: {text}");
            } else {
                assert_eq!(status(last), 204, "{text}");
            }
            count += 1;
        }
    }
    egress.assert_settled(&format!("{count} answers cut"), begun);
}

#[test]
fn a_host_that_closes_at_any_byte_of_a_request_is_a_502() {
    let request = b"\x1e\0{\"host\":\"cut.test\",\"port\":443}";
    let accept = |vsock: &Path| {
        let mut path = vsock.as_os_str().to_owned();
        path.push("_17002");
        let listener = UnixListener::bind(path).unwrap();
        thread::spawn(move || {
            // One after the other, each a byte further.
            for at in 0..=request.len() {
                let Ok((mut stream, _)) = listener.accept() else { return };
                let mut read = vec![0; at];
                let _ = stream.read_exact(&mut read);
                assert!(request.starts_with(&read), "{read:?}");
            }
        })
    };
    let (egress, host) = Egress::with(accept);
    let begun = Instant::now();
    for at in 0..=request.len() {
        assert_eq!(egress.connect("cut"), 502, "{at}");
    }
    host.join().unwrap();
    egress.assert_settled(&format!("{} requests cut", request.len() + 1), begun);
}

#[test]
fn clients_that_close_at_any_byte_of_anything_leave_nothing_behind() {
    let field = Field::start();
    let before = field.resources();
    let begun = Instant::now();
    let mut count = 0;
    let mut cut = |say: &dyn Fn(&[u8]), bytes: &[u8]| {
        for at in 0..=bytes.len() {
            say(&bytes[..at]);
            count += 1;
        }
    };
    for port in [17000, 17001, field.echo.port.0] {
        let say = |bytes: &[u8]| UnixStream::connect(field.odyn.vsock_path()).unwrap().write_all(bytes).unwrap();
        cut(&say, format!("CONNECT {port}\n").as_bytes());
    }
    let api = b"POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n{\"message\":\"x\"}";
    let chunked =
        b"POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"mes\r\n0\r\n\r\n";
    let proxied = format!("CONNECT echo.test:{} HTTP/1.1\r\nHost: x\r\n\r\nhello", field.echo.port.0);
    let forwarded = b"GET http://echo.test/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    for (port, bytes) in [
        (field.api.0, &api[..]),
        (field.api.0, &chunked[..]),
        (field.aux.0, &api[..]),
        (field.egress.0, proxied.as_bytes()),
        (field.egress.0, &forwarded[..]),
    ] {
        cut(&|bytes| tcp(port).unwrap().write_all(bytes).unwrap(), bytes);
    }
    // Readers that go after so many bytes, of the status and of the log.
    for (port, most) in [(17000, 21), (17001, 200)] {
        for at in 0..=most {
            let mut reader = field.odyn.connect(port);
            reader.read_exact(&mut vec![0; at]).unwrap();
            count += 1;
        }
    }
    let back = field.assert_back();
    // A reader's going is noticed at the next look, and idle threads end a while later.
    let after = field.settled(before);
    println!("{count} cuts in {:?}; back after {back:?}; {before:?} before, {after:?} after", begun.elapsed());
}

#[test]
fn a_tls_client_that_closes_at_any_byte_of_its_greeting_leaves_nothing_behind() {
    let certificates = Certificates::new(&["site.test"]);
    let site = Origin::serving(super::field::echo);
    let dir = TempDir::new();
    certificates.write(dir.path(), site.port.0);
    let manifest = format!(
        "ingress:\n  - listen_port: {}\n    tls:\n      cert_file: cert.pem\n      key_file: key.pem\n",
        site.port.0
    );
    let odyn = Odyn::in_dir(dir, &manifest, &[], CALM_APP, |_| {});
    odyn.wait_running();
    let roots = Arc::new(rustls::RootCertStore::empty());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let mut client = rustls::ClientConnection::new(config, ServerName::try_from("site.test").unwrap()).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    let before = Resources::of(odyn.pid());
    let begun = Instant::now();
    for at in 0..=hello.len() {
        let mut stream = odyn.connect(site.port.0);
        stream.write_all(&hello[..at]).unwrap();
        if at % 2 == 0 {
            // Half of them wait for what odyn says to that, which ends, too.
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }
    let after = eventually("no more descriptors than before", || {
        let now = Resources::of(odyn.pid());
        (now.descriptors <= before.descriptors && now.threads <= before.threads + 32).then_some(now)
    });
    println!("{} greetings cut in {:?}; {before:?} before, {after:?} after", hello.len() + 1, begun.elapsed());
}
