//! `src/transport`: the UNIX-socket stand-in for vsock, under clients that do not do as they should.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::support::{Odyn, PATIENCE, eventually, read_line, thread_count};

fn sleeper() -> Odyn {
    let odyn = Odyn::start("", &["/bin/sleep", "1000"]);
    odyn.wait_running();
    odyn
}

/// Connects and says this instead of a greeting.
fn greet(odyn: &Odyn, greeting: &[u8]) -> UnixStream {
    let mut stream = UnixStream::connect(odyn.vsock_path()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // odyn may close before it has heard everything.
    let _ = stream.write_all(greeting);
    stream
}

#[test]
fn a_wrong_greeting_or_a_port_without_listener_is_closed_without_a_word() {
    let odyn = sleeper();
    let long = format!("CONNECT {}\n", "1".repeat(100_000));
    for greeting in
        ["CONNECT 4\n", "CONNECT\n", "connect 17000\n", "CONNECT 17000 \n", "GET / HTTP/1.1\r\n\r\n", "\n", &long]
    {
        let mut answer = Vec::new();
        // Closed with what it sent unread, the client may get a reset in place of an end.
        let _ = greet(&odyn, greeting.as_bytes()).read_to_end(&mut answer);
        assert_eq!(answer, b"", "{greeting:?}");
    }
    assert!(odyn.try_connect(17000).is_some());
}

#[test]
fn a_greeting_that_comes_byte_by_byte_is_a_greeting() {
    let odyn = sleeper();
    let mut stream = greet(&odyn, b"");
    for byte in b"CONNECT 17000\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    assert_eq!(read_line(&mut stream).unwrap(), "OK 17000\n");
    assert_eq!(read_line(&mut stream).unwrap(), "{\"status\":\"running\"}\n");
}

#[test]
fn three_hundred_that_never_finish_their_greeting_delay_nobody_and_are_let_go() {
    let odyn = sleeper();
    let threads = thread_count(odyn.pid());
    let mut silent: Vec<_> = (0..300).map(|_| greet(&odyn, b"CONN")).collect();
    let begun = Instant::now();
    assert!(odyn.try_connect(17000).is_some());
    assert!(begun.elapsed() < Duration::from_secs(5), "a normal greeting took {:?}", begun.elapsed());
    for stream in &mut silent {
        // After ten seconds each is closed.
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer, b"");
    }
    eventually("their threads end", || (thread_count(odyn.pid()) <= threads + 2).then_some(()));
}

#[test]
fn a_socket_left_by_an_odyn_that_was_killed_is_taken_over() {
    let mut first = sleeper();
    let path = first.vsock_path();
    let app = first.app();
    first.signal("KILL");
    first.wait();
    assert!(path.exists());
    crate::support::signal(app, "KILL");
    let vsock = format!("uds:{}", path.display());
    let second = Odyn::with("", &["--vsock", &vsock], &["/bin/sleep", "1000"], |_| {});
    eventually("the second serves it", || first.try_connect(17000));
    drop(second);
}
