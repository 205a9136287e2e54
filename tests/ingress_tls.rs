//! TLS on an ingress port, with the clients people use: curl and openssl s_client, through a plain TCP bridge as the
//! host side provides it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version};

use crate::support::certificates::Certificates;
use crate::support::fake_host::splice;
use crate::support::origin::read_head;
use crate::support::tools::program;
use crate::support::{Odyn, PATIENCE, Port, TempDir, eventually};

const IDLE_APP: &[&str] = &["/bin/sh", "-c", "exec sleep 1000"];

/// odyn terminating TLS for an application that answers every request with `answer`, and a TCP port in front.
struct Site {
    odyn: Odyn,
    port: Port,
    bridge: u16,
    ca: PathBuf,
}

impl Site {
    fn start(answer: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> Self {
        let port = Port::reserve();
        let app = port.listen();
        thread::spawn(move || {
            for stream in app.incoming().map_while(Result::ok) {
                let answer = answer.clone();
                thread::spawn(move || answer(stream));
            }
        });
        let dir = TempDir::new();
        let ca = Certificates::new(&["site.test"]).write(dir.path(), port.0);
        let section = format!(
            "ingress:\n  - listen_port: {}\n    tls:\n      cert_file: cert.pem\n      key_file: key.pem\n",
            port.0
        );
        let odyn = Odyn::in_dir(dir, &section, &[], IDLE_APP, |_| {});
        odyn.wait_running();
        let bridge = bridge(odyn.vsock_path(), port.0);
        Self { odyn, port, bridge, ca }
    }

    fn hello() -> Self {
        Self::start(|mut stream| {
            while let Some(head) = read_head(&mut stream) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
                // s_client ends when the server does.
                if head.contains("Connection: close") {
                    return;
                }
            }
        })
    }

    fn curl(&self, args: &[&str]) -> Output {
        let resolve = format!("site.test:{}:127.0.0.1", self.bridge);
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "20", "--noproxy", "*", "--resolve", &resolve, "--cacert"]).arg(&self.ca);
        curl.args(args).output().unwrap()
    }

    fn url(&self) -> String {
        format!("https://site.test:{}/", self.bridge)
    }

    fn openssl(&self, args: &[&str], input: &str) -> Output {
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-verify_return_error", "-connect", &format!("127.0.0.1:{}", self.bridge)])
            .arg("-CAfile")
            .arg(&self.ca)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}

/// A TCP port whose connections go to a vsock port.
fn bridge(vsock: PathBuf, port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let number = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            let Ok(mut unix) = UnixStream::connect(&vsock) else { return };
            thread::spawn(move || {
                writeln!(unix, "CONNECT {port}").unwrap();
                if crate::support::read_line(&mut unix).is_ok() {
                    splice(unix, tcp);
                }
            });
        }
    });
    number
}

#[test]
fn curl_is_served_over_tls_1_2_and_1_3_and_told_http_1_1() {
    let Some(_) = program("curl") else { return };
    let site = Site::hello();
    for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"], &["--http2"]] {
        let mut args = vec!["-w", " %{http_version}"];
        args.extend(version);
        let url = site.url();
        args.push(&url);
        let output = site.curl(&args);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello 1.1", "{version:?}: {output:?}");
    }
}

#[test]
fn openssl_negotiates_each_version_and_alpn_and_old_versions_are_refused() {
    let Some(_) = program("openssl") else { return };
    let site = Site::hello();
    let request = "GET / HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n";
    for args in [&["-tls1_2"][..], &["-tls1_3"], &["-alpn", "http/1.1"], &["-alpn", "h2,http/1.1"]] {
        let output =
            site.openssl(&[args, &["-servername", "site.test", "-verify_hostname", "site.test"]].concat(), request);
        assert!(String::from_utf8_lossy(&output.stdout).ends_with("hello"), "{args:?}: {output:?}");
    }
    for args in [&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"][..], &["-alpn", "h2"]] {
        let output = site.openssl(args, request);
        assert!(!output.status.success() && output.stdout.is_empty(), "{args:?}: {output:?}");
    }
}

#[test]
fn a_wrong_name_is_the_clients_to_refuse_and_harms_nobody() {
    let (Some(_), Some(_)) = (program("curl"), program("openssl")) else { return };
    let site = Site::hello();
    let wrong = format!("https://wrong.test:{}/", site.bridge);
    let resolve = format!("wrong.test:{}:127.0.0.1", site.bridge);
    let output = site.curl(&["--resolve", &resolve, &wrong]);
    assert_eq!(output.status.code(), Some(60), "{output:?}");
    // One that does not check is served: there is one certificate.
    let output = site.openssl(&["-servername", "wrong.test"], "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("hello"), "{output:?}");
    assert!(site.curl(&[&site.url()]).status.success());
}

#[test]
fn idle_handshakes_delay_nobody_and_end_at_their_deadline() {
    let Some(_) = program("curl") else { return };
    let site = Site::hello();
    let started = Instant::now();
    let mut idle: Vec<UnixStream> = (0..200).map(|_| site.odyn.connect(site.port.0)).collect();
    for (number, stream) in idle.iter_mut().enumerate() {
        // Some say nothing, some begin a ClientHello and stop.
        if number % 2 == 0 {
            stream.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).unwrap();
        }
    }
    let output = site.curl(&[&site.url()]);
    assert_eq!(output.stdout, b"hello", "{output:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    for stream in &mut idle {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn what_is_not_tls_ends_its_own_connection_with_an_alert_and_a_log_line() {
    let site = Site::hello();
    let mut stream = site.odyn.connect(site.port.0);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut alert = Vec::new();
    let _ = stream.read_to_end(&mut alert);
    assert_eq!(alert.first(), Some(&0x15), "{alert:?}");
    site.odyn.wait_log("TLS handshake failed");
}

#[test]
fn a_hundred_megabytes_each_way_pass_through_tls_unchanged() {
    let Some(_) = program("curl") else { return };
    // Echoes a body of known length, half-closing as HTTP/1.0 servers do.
    let site = Site::start(|mut stream| {
        let head = read_head(&mut stream).unwrap();
        let length = head.to_lowercase().split("content-length: ").nth(1).unwrap().split('\r').next().unwrap().parse();
        if head.to_lowercase().contains("expect: 100-continue") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        }
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").unwrap();
        let _ = std::io::copy(&mut (&stream).take(length.unwrap()), &mut &stream);
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = stream.read(&mut [0; 1]);
    });
    let path = site.odyn.dir.path().join("body");
    let body: Vec<u8> = (0..100_000_000_u32).map(|n| (n ^ (n >> 9) ^ (n >> 17)) as u8).collect();
    std::fs::write(&path, &body).unwrap();
    let data = format!("@{}", path.display());
    let output = site.curl(&["--data-binary", &data, "--max-time", "120", &site.url()]);
    assert!(output.stdout == body, "{} bytes came back, {:?}", output.stdout.len(), output.stderr);
}

#[test]
fn a_client_that_leaves_without_saying_so_is_not_taken_to_be_done() {
    let Some(_) = program("openssl") else { return };
    let (told, ending) = std::sync::mpsc::channel();
    let site = Site::start(move |mut stream| {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut all = Vec::new();
        let broken = stream.read_to_end(&mut all).is_err();
        let _ = told.send((broken, String::from_utf8_lossy(&all).into_owned()));
    });
    let mut child = Command::new("openssl")
        .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{}", site.bridge)])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(b"part of a message").unwrap();
    site_sees_connection(&site);
    // Killed, it sends no close_notify: the message is truncated.
    child.kill().unwrap();
    child.wait().unwrap();
    let (broken, text) = ending.recv_timeout(PATIENCE).unwrap();
    assert!(broken, "a truncated stream ended cleanly");
    // What came before is not lost with it.
    assert!(text == "part of a message" || text.is_empty(), "{text:?}");
}

/// A client by hand, its handshake done.
fn client(site: &Site, version: &'static SupportedProtocolVersion) -> StreamOwned<ClientConnection, UnixStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&site.ca).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(&[version]).unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), ServerName::try_from("site.test").unwrap()).unwrap();
    let mut stream = StreamOwned::new(session, site.odyn.connect(site.port.0));
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream
}

#[test]
fn an_end_that_arrived_together_with_the_last_bytes_was_never_passed_on() {
    let site = Site::start(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(&all).unwrap();
    });
    for version in [&version::TLS12, &version::TLS13] {
        // A buffer that is filled to its end, one that is not, and more than the application's socket holds at once.
        for size in [2 << 10, 100, 5 << 20] {
            let mut stream = client(&site, version);
            let sent = vec![b'x'; size];
            let (last, before) = sent.split_last_chunk::<100>().map(|(before, last)| (last, before)).unwrap();
            stream.write_all(before).unwrap();
            stream.conn.writer().write_all(last).unwrap();
            stream.conn.send_close_notify();
            let mut both = Vec::new();
            stream.conn.write_tls(&mut both).unwrap();
            stream.sock.write_all(&both).unwrap();
            // The socket stays open: it is TLS that ends here.
            let mut back = Vec::new();
            stream.read_to_end(&mut back).unwrap();
            assert!(back == sent, "{} of {size} bytes came back, {version:?}", back.len());
        }
    }
}

fn site_sees_connection(site: &Site) {
    eventually("the application is connected to", || {
        let connections = std::fs::read_to_string("/proc/net/tcp").unwrap();
        // Remote address 127.0.0.1:port, state ESTABLISHED.
        let remote = format!("0100007F:{:04X} 01", site.port.0);
        connections.contains(&remote).then_some(())
    });
}
