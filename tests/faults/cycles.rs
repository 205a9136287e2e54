//! The same faults a hundred times: nothing grows.

use std::io::{Read, Write};
use std::net::Shutdown;

use super::field::{Field, often, tcp};
use crate::support::connection::Connection;

/// KiB by which the memory may differ, because what the allocator keeps varies by some hundred. A hundred cycles show a leak
/// of 10 KiB in each; the three thousand of ODYN_TEST_FAULTS=long one of 350 bytes.
const SLACK: u64 = 1024;

/// Cycles until allocators have what they will keep.
const WARM: usize = 100;

/// One of each fault that a connection can have.
fn cycle(field: &Field) {
    // The client goes in the middle, with bytes unread: its other end is reset.
    let mut client = field.ingress();
    client.write_all(&vec![7; 200_000]).unwrap();
    client.read_exact(&mut [0; 1000]).unwrap();
    drop(client);
    // It ends its stream and goes.
    let client = field.ingress();
    client.shutdown(Shutdown::Write).unwrap();
    drop(client);
    // A tunnel whose client goes, one whose target is not there, and one that is never asked for.
    let mut tunnel = field.tunnel();
    tunnel.write_all(&vec![7; 100_000]).unwrap();
    drop(tunnel);
    let mut proxy = Connection::to(field.egress.0);
    proxy.send(b"CONNECT nobody.test:1 HTTP/1.1\r\n\r\n");
    proxy.answer("GET").error(502);
    tcp(field.egress.0).unwrap().write_all(b"CONN").unwrap();
    // A megabyte of a body of which more was promised, a head that is none, a body that is too large.
    let mut half = tcp(field.api.0).unwrap();
    half.write_all(b"POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n").unwrap();
    half.write_all(&vec![b'x'; 1 << 20]).unwrap();
    drop(half);
    for (bytes, status) in [
        (&b"nonsense\r\n\r\n"[..], 400),
        (b"POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413),
    ] {
        let mut api = Connection::to(field.api.0);
        api.send(bytes);
        api.answer("POST").error(status);
    }
    // A port that nobody listens on, and a greeting that is none.
    assert!(field.odyn.try_connect(9).is_none());
    field.try_all().unwrap();
}

#[test]
fn a_hundred_cycles_of_faults_leave_no_thread_no_descriptor_and_no_memory_behind() {
    // The log's memory is touched as it fills, and each of glibc's sixteen arenas grows until it has seen all there is.
    let field = Field::with(&["--log-bytes", "65536"], |command| {
        command.env("MALLOC_ARENA_MAX", "1");
    });
    let before = field.resources();
    (0..WARM).for_each(|_| cycle(&field));
    let warm = field.settled(before);
    let count = often(100, 3000);
    (0..count).for_each(|_| cycle(&field));
    let back = field.assert_back();
    let after = field.settled(before);
    println!("{count} cycles: {before:?} before, {warm:?} after {WARM}, {after:?} after all; back after {back:?}");
    assert!(after.resident <= warm.resident + SLACK, "{warm:?} after {WARM} cycles, {after:?} after {count} more");
}
