//! No memory left: the kernel refuses odyn what it asks for. It never does so in an enclave that has no limits of its own
//! (there it ends the largest process instead, which is not PID 1), but for the number of mappings.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;

use super::field::{Field, Steady, kib, often, tcp};
use crate::support::connection::Connection;
use crate::support::{PATIENCE, raise_descriptor_limit, read_line};

/// Lets a process have so many KiB of address space more than it has, or as much as it likes. The limit that it could not
/// go back from stays as it was.
fn limit(pid: i32, more: Option<u64>) {
    let bytes = more.map(|more| (kib(pid, "VmSize") + more) << 10);
    let limit = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
    let done = Command::new("prlimit").args(["--pid", &pid.to_string(), &format!("--as={limit}:")]).status();
    assert!(done.unwrap().success());
}

/// Signs a message of 10 MiB less its frame, sent in chunks or with its length; the status, 0 without an answer.
fn sign_large(port: u16, chunked: bool) -> u16 {
    let body = format!("{{\"message\":\"{}\"}}", "x".repeat((10 << 20) - 64));
    let mut stream = tcp(port).unwrap();
    let _ = stream.write_all(b"POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nConnection: close\r\n").and_then(|()| {
        if !chunked {
            write!(stream, "Content-Length: {}\r\n\r\n", body.len())?;
            return stream.write_all(body.as_bytes());
        }
        stream.write_all(b"Transfer-Encoding: chunked\r\n\r\n")?;
        for piece in body.as_bytes().chunks(100_000) {
            write!(stream, "{:x}\r\n", piece.len())?;
            stream.write_all(piece)?;
            stream.write_all(b"\r\n")?;
        }
        stream.write_all(b"0\r\n\r\n")
    });
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
}

#[test]
fn without_memory_a_large_request_is_refused_and_small_ones_are_answered() {
    let mut field = Field::start();
    let pid = field.pid();
    assert_eq!((sign_large(field.api.0, false), sign_large(field.api.0, true)), (200, 200));
    let steady = Steady::over(field.ingress());
    let mut answers = Vec::new();
    // From a little more than what is left for small allocations, which nobody can refuse.
    for more in [5, 9, 15, 60, 150].map(|mib| mib << 10) {
        for chunked in [false, true] {
            let mut kept = Connection::to(field.api.0);
            kept.ask("GET", "/v1/eth/address", b"").ok();
            limit(pid, Some(more));
            let status = sign_large(field.api.0, chunked);
            assert!(matches!(status, 200 | 503), "{status} with {more} KiB more, chunked: {chunked}");
            assert_eq!(field.odyn.child.try_wait().unwrap(), None, "odyn has ended with {more} KiB more");
            kept.ask("GET", "/v1/eth/address", b"").ok();
            limit(pid, None);
            answers.push(status);
        }
    }
    assert!(answers.contains(&503) && answers.ends_with(&[200, 200]), "{answers:?}");
    assert_eq!((sign_large(field.api.0, false), sign_large(field.api.0, true)), (200, 200));
    let back = field.assert_back();
    println!("{answers:?}; {:?} through a tunnel meanwhile; back after {back:?}", steady.finish());
}

/// As std starts a thread, it maps a second stack for it, and ends the process when there is no room for that.
#[test]
fn a_thread_whose_second_stack_had_no_room_ended_odyn() {
    let field = Field::start();
    let pid = field.pid();
    let hello = format!("CONNECT {}\nhello", field.echo.port.0);
    let dial = || {
        UnixStream::connect(field.odyn.vsock_path())
            .and_then(|mut stream| stream.write_all(hello.as_bytes()).map(|()| stream))
    };
    let ask_forty = || {
        // One that is refused may be closed before it has greeted.
        let held: Vec<UnixStream> = (0..40).filter_map(|_| dial().ok()).collect();
        let served = held.iter().filter(|stream| {
            let mut stream = *stream;
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            read_line(&mut stream).is_ok() && stream.read_exact(&mut [0; 5]).is_ok()
        });
        served.count()
    };
    // The C library keeps the first stacks of these, and so has room for those of the next.
    assert_eq!(ask_forty(), 40);
    let mut refused = 0;
    for round in 0..often(20, 1000) {
        limit(pid, Some(4 * round as u64));
        refused += 40 - ask_forty();
        limit(pid, None);
    }
    assert!(refused > 0);
    let back = field.assert_back();
    println!("{refused} refused; back after {back:?}");
}

/// `vm.max_map_count`: 65,530 mappings, of which each thread takes five or six. No limit had to be set for that.
#[test]
fn more_threads_than_the_kernel_has_mappings_for_ended_odyn() {
    if often(0, 1) == 0 || !raise_descriptor_limit(19_000) {
        return;
    }
    let field = Field::with(&["--max-connections", "18000"], |_| {});
    let held: Vec<UnixStream> = (0..15_000).filter_map(|_| field.odyn.try_connect(17001)).collect();
    let threads = field.resources().threads;
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", field.pid())).unwrap().lines().count();
    let count = held.len();
    drop(held);
    println!("{count} connections, {threads} threads, {maps} mappings; back after {:?}", field.assert_back());
}
