//! What comes out of the status port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::fake_host::FakeHost;
use crate::support::{Odyn, Port, TempDir, wait_go};

const RUNNING: &str = "{\"status\":\"running\"}\n";
const EXITED: &str = "{\"status\":\"exited\",\"code\":3}\n";

/// Runs an application that ends when step 1 is due.
fn waiter() -> Odyn {
    let dir = TempDir::new();
    let script = format!("{}exit 3", wait_go(&dir, 1));
    Odyn::in_dir(dir, "", &[], &["/bin/sh", "-c", &script], |_| {})
}

#[test]
fn every_reader_from_before_the_end_gets_running_and_then_the_final_line() {
    let odyn = waiter();
    odyn.wait_running();
    let mut readers: Vec<_> = (0..100).map(|_| BufReader::new(odyn.connect(17000))).collect();
    for reader in &mut readers {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, RUNNING);
    }
    odyn.go(1);
    for (index, mut reader) in readers.into_iter().enumerate() {
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, EXITED, "reader {index}");
    }
    assert_eq!({ odyn }.wait().code(), Some(3));
}

#[test]
fn a_reader_from_after_the_end_gets_the_final_line_alone() {
    let odyn = waiter();
    let mut first = BufReader::new(odyn.connect(17000));
    odyn.go(1);
    let mut line = String::new();
    while line != EXITED {
        line.clear();
        assert!(first.read_line(&mut line).unwrap() > 0);
    }
    let mut text = String::new();
    odyn.connect(17000).read_to_string(&mut text).unwrap();
    assert_eq!(text, EXITED);
}

#[test]
fn the_final_line_is_kept_until_somebody_has_read_it_to_the_end() {
    let odyn = waiter();
    odyn.wait_running();
    let mut fickle = odyn.connect(17000);
    let mut byte = [0];
    for expected in RUNNING.bytes() {
        fickle.read_exact(&mut byte).unwrap();
        assert_eq!(byte[0], expected);
    }
    odyn.go(1);
    // The line is there, and this reader goes after one byte of it.
    fickle.read_exact(&mut byte).unwrap();
    drop(fickle);
    let (status, exit) = odyn.finish();
    assert_eq!(status, EXITED.trim_end());
    assert_eq!(exit.code(), Some(3));
}

#[test]
fn once_the_final_line_was_read_odyn_ends_at_once() {
    let odyn = waiter();
    odyn.wait_running();
    let begun = Instant::now();
    odyn.go(1);
    assert_eq!(odyn.finish().1.code(), Some(3));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn odyn_leaves_no_socket_behind_even_when_it_had_to_cut_connections() {
    let port = Port::reserve();
    let origin = Port::reserve();
    let _listener = origin.listen();
    let dir = TempDir::new();
    let script = format!("{}exit 3", wait_go(&dir, 1));
    let manifest = format!("egress:\n  proxy_port: {}\n  allow: [example.com]\n", port.0);
    let _host = FakeHost::start(&dir.path().join("vsock"));
    let mut odyn = Odyn::in_dir(dir, &manifest, &[], &["/bin/sh", "-c", &script], |_| {});
    odyn.wait_running();
    let mut tunnel = TcpStream::connect(("127.0.0.1", port.0)).unwrap();
    write!(tunnel, "CONNECT example.com:{} HTTP/1.1\r\nHost: example.com\r\n\r\n", origin.0).unwrap();
    let mut answer = [0; 12];
    tunnel.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    odyn.go(1);
    assert_eq!(odyn.final_status(), EXITED.trim_end());
    odyn.wait();
    let path = odyn.vsock_path();
    assert!(!path.exists(), "{} is still there", path.display());
}
