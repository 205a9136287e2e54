//! Clients that are slow, silent or many.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Apis, Connection};
use crate::support::proc::{descriptors, status_field};
use crate::support::{eventually, is_root, thread_count, tools};

#[test]
fn a_thousand_idle_clients_delay_nobody_and_cost_no_thread() {
    let apis = Apis::start();
    apis.get("/v1/eth/address").ok();
    let before = thread_count(apis.odyn.pid());
    let mut idle: Vec<Connection> = (0..1000).map(|_| apis.connect()).collect();
    for (at, connection) in idle.iter_mut().enumerate() {
        match at % 4 {
            0 => drop(connection.ask("GET", "/v1/eth/address", b"").ok()),
            1 => connection.send(b"GET /v1/eth/ad"),
            2 => connection.send(b"POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"),
            _ => {}
        }
    }
    for _ in 0..100 {
        apis.get("/v1/eth/address").ok();
    }
    let now = thread_count(apis.odyn.pid());
    assert!(now <= before, "{now} threads, {before} before");
    // Among them an unfinished one can still finish, and one between two requests goes on. (Those above may have met their
    // deadline by now, on a slow machine.)
    let mut unfinished = apis.connect();
    unfinished.send(b"GET /v1/eth/ad");
    apis.get("/v1/eth/address").ok();
    unfinished.send(b"dress HTTP/1.1\r\nHost: x\r\n\r\n");
    unfinished.answer("GET").ok();
    idle[0].ask("GET", "/v1/eth/address", b"").ok();
}

#[test]
fn slow_heads_and_slow_bodies_end_at_their_deadline_and_hold_no_handler() {
    let apis = Apis::start();
    let begun = Instant::now();
    let starts = ["GET /v1/eth/ad", "POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"];
    let mut slow: Vec<Connection> = Vec::new();
    for start in starts.iter().cycle().take(16) {
        let mut connection = apis.connect();
        connection.send(start.as_bytes());
        slow.push(connection);
    }
    // A byte now and then does not help them.
    while begun.elapsed() < Duration::from_secs(8) {
        for connection in &mut slow {
            connection.send(b"x");
        }
        assert_eq!(apis.get("/v1/eth/address").status, 200);
        std::thread::sleep(Duration::from_millis(500));
    }
    for connection in &mut slow {
        connection.answer("GET").error(408);
        connection.assert_closed();
    }
    assert!(begun.elapsed() >= Duration::from_secs(9), "{:?}", begun.elapsed());
    // One that says nothing at all is closed without a word.
    let mut silent = apis.connect();
    silent.assert_closed();
}

#[test]
fn connections_beyond_the_limit_wait_until_there_is_room() {
    let apis = Apis::with_flags(&["--max-connections", "2"]);
    let mut held: Vec<Connection> = (0..2).map(|_| apis.connect()).collect();
    for connection in &mut held {
        connection.ask("GET", "/v1/eth/address", b"").ok();
    }
    let mut waiting = apis.connect();
    waiting.send(b"GET /v1/eth/address HTTP/1.1\r\nHost: x\r\n\r\n");
    waiting.0.get_ref().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    std::io::Read::read(&mut waiting.0, &mut [0]).unwrap_err();
    waiting.0.get_ref().set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    drop(held.pop());
    waiting.answer("GET").ok();
}

/// Threads, open descriptors (zero where odyn's are not shown: to all but root), and KiB of memory.
fn resources(apis: &Apis) -> (usize, usize, u64) {
    let pid = apis.odyn.pid();
    let memory = status_field(pid, "VmRSS").trim_end_matches(" kB").parse().unwrap();
    (thread_count(pid), if is_root() { descriptors(pid).len() } else { 0 }, memory)
}

/// One byte more than a body may have, announced and never sent.
const OVERSIZE: &[u8] = b"POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: 10485761\r\n\r\n";
const NO_CHUNK: &[u8] = b"POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n";
const HALF: &[u8] = b"POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{\"mess";

/// `each` requests from each of 8 threads with 8 connections. Whatever ends a connection is followed by a new one.
fn mixed_requests(apis: &Apis, each: usize) {
    let key = apis.get("/v1/encryption/public_key").ok()["public_key_der"].clone();
    let sealing = json!({ "plaintext": "geheim", "client_public_key": key }).to_string();
    let forged = json!({ "nonce": "00".repeat(12), "client_public_key": key, "encrypted_data": "00" }).to_string();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connections: Vec<Connection> = (0..8).map(|_| apis.connect()).collect();
                for round in 0..each {
                    let connection = &mut connections[round % 8];
                    let mut refused = |bytes: &[u8], status| {
                        connection.send(bytes);
                        connection.answer("POST").error(status);
                        *connection = apis.connect();
                    };
                    match round % 50 {
                        0 | 25 => refused(b"nonsense\r\n\r\n", 400),
                        1 | 26 => refused(OVERSIZE, 413),
                        2 | 27 => refused(NO_CHUNK, 400),
                        3 => refused(&[b"GET /".as_slice(), &[b'x'; 16 << 10]].concat(), 431),
                        4 | 28 => {
                            connection.send(HALF);
                            *connection = apis.connect();
                        }
                        5 | 29 => drop(connection.ask("POST", "/v1/eth/sign", b"{\"message\":").error(400)),
                        6 | 30 => drop(connection.ask("POST", "/v1/eth/sign", b"{\"a\":1,\"a\":1}").error(400)),
                        7 => drop(connection.ask("POST", "/v1/encryption/decrypt", forged.as_bytes()).error(400)),
                        8 | 31 => drop(connection.ask("GET", "/nothing", b"").error(404)),
                        9 | 32 => drop(connection.ask("GET", "/v1/eth/sign", b"").error(405)),
                        10 => drop(connection.ask("POST", "/v1/eth/sign", br#"{"message":"x"}"#).ok()),
                        11 => drop(connection.ask("POST", "/v1/encryption/encrypt", sealing.as_bytes()).ok()),
                        12 => assert_eq!(connection.ask("POST", "/v1/attestation", b"").status, 200),
                        13..17 => drop(connection.ask("GET", "/v1/random", b"").ok()),
                        17..21 => drop(connection.ask("GET", "/v1/encryption/public_key", b"").ok()),
                        _ => drop(connection.ask("GET", "/v1/eth/address", b"").ok()),
                    }
                }
            });
        }
    });
}

#[test]
fn ten_thousand_mixed_requests_leave_no_thread_no_descriptor_and_no_memory_behind() {
    // A leak of 100 bytes a request would be 977 KiB. What is measured without one is in the tens.
    const TOLERANCE: u64 = 768;
    let apis = Apis::start();
    apis.get("/v1/eth/address").ok();
    let (threads, open, _) = resources(&apis);
    let settled = || {
        eventually("no more threads and descriptors than before", || {
            let (threads_now, open_now, memory) = resources(&apis);
            (threads_now <= threads && open_now <= open).then_some(memory)
        })
    };
    mixed_requests(&apis, 250);
    let warm = settled();
    mixed_requests(&apis, 1250);
    let after = settled();
    println!("{warm} KiB after the first round, {after} KiB after the second");
    assert!(after <= warm + TOLERANCE, "{warm} KiB after the first round, {after} KiB after the second");
}

#[test]
fn a_body_of_very_many_values_takes_little_more_memory_than_its_text() {
    // A list of five million numbers took 180 MiB, and one of empty objects more, on the auxiliary API as well.
    const MOST: u64 = 96 << 10;
    let apis = Apis::start();
    for (port, path, name) in [(apis.aux.0, "/v1/attestation", "nonce"), (apis.port.0, "/v1/eth/sign", "message")] {
        for item in ["1,", "{},", "[],", "\"\","] {
            let list = item.repeat((10 << 20) / item.len() - 10);
            let body = format!("{{\"{name}\":[{}]}}", list.trim_end_matches(','));
            let told = Connection::to(port).ask("POST", path, body.as_bytes()).error(400);
            assert!(told.contains("more than 65536 values"), "{told}");
        }
    }
    // A whole body that is one text was repeated in its refusal, seven times as long.
    let text = format!("\"{}\"", "\u{7f}".repeat((10 << 20) - 2));
    for (port, path) in [(apis.aux.0, "/v1/attestation"), (apis.port.0, "/v1/eth/sign")] {
        let told = Connection::to(port).ask("POST", path, text.as_bytes()).error(400);
        assert!(told.contains("must be a JSON object") && told.len() < 100, "{} bytes", told.len());
    }
    // Each item of a transaction's list took 56 bytes, however many there were.
    let items = (5 << 20) - 100;
    let raw = format!("02fa{items:06x}{}", "01".repeat(items));
    let body = format!(r#"{{"payload":{{"kind":"raw_rlp","raw_payload":"0x{raw}"}}}}"#);
    let told = Connection::to(apis.port.0).ask("POST", "/v1/eth/sign-tx", body.as_bytes()).error(400);
    assert!(told.contains("raw_payload"), "{told}");
    let peak: u64 = status_field(apis.odyn.pid(), "VmHWM").trim_end_matches(" kB").parse().unwrap();
    assert!(peak < MOST, "{peak} KiB");
}

/// Counted with their framing, they were too large if a read ended in the wrong place.
#[test]
fn chunks_whose_data_is_as_much_as_a_body_may_be_are_no_413_and_one_byte_more_is() {
    let apis = Apis::start();
    for (length, status) in [(10 << 20, 200), ((10 << 20) + 1, 413)] {
        let body = format!("{{\"message\":\"{}\"}}", "x".repeat(length - 14));
        assert_eq!(body.len(), length);
        let mut connection = apis.connect();
        connection.send(b"POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        let sent = body.as_bytes().chunks(1000).try_for_each(|chunk| {
            let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            connection.0.get_mut().write_all(&framed)
        });
        // Refused before it was sent whole, perhaps.
        let _ = sent.and_then(|()| connection.0.get_mut().write_all(b"0\r\n\r\n"));
        assert_eq!(connection.answer("POST").status, status);
    }
}

#[test]
fn clients_that_hold_all_the_bytes_there_may_be_keep_only_large_requests_out() {
    let apis = Apis::start();
    let length = 10 << 20;
    // All but the last byte: more than is held for all together, in the end.
    let head = format!("POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
    let part = [head.as_bytes(), &vec![b' '; length - 1]].concat();
    let mut greedy: Vec<Connection> = (0..8).map(|_| apis.connect()).collect();
    let refused = greedy.iter_mut().filter_map(|client| client.0.get_mut().write_all(&part).err()).count();
    for _ in 0..20 {
        apis.connect().ask("GET", "/v1/eth/address", b"").ok();
        apis.connect().ask("POST", "/v1/eth/sign", br#"{"message":"x"}"#).ok();
    }
    // One more is too large now, whichever of them it is.
    let late = apis.connect().0.get_mut().write_all(&part);
    assert!(refused > 0 || late.is_err() || greedy.iter_mut().any(|client| client.answer("POST").status == 503));
}

/// However it came. Buffers on its way were freed as they were.
#[test]
fn a_body_that_was_answered_does_not_stay_in_memory() {
    if !is_root() {
        return tools::unfit("root, who alone may read odyn's memory");
    }
    let apis = Apis::start();
    let public = apis.connect().ask("GET", "/v1/encryption/public_key", b"").ok()["public_key_der"].clone();
    let marker = "Xanadu-Kubla-7391 ";
    for repeated in [100, 1_500, 9_000] {
        let body = json!({ "plaintext": marker.repeat(repeated), "client_public_key": public }).to_string();
        apis.connect().ask("POST", "/v1/encryption/encrypt", body.as_bytes()).ok();
        let mut chunked =
            b"POST /v1/encryption/encrypt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in body.as_bytes().chunks(3_000) {
            chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            chunked.extend_from_slice(&[chunk, b"\r\n"].concat());
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        let mut connection = apis.connect();
        connection.send(&chunked);
        connection.answer("POST").ok();
    }
    // The cipher leaves the last KiB that it saw on the stack of each of four handlers; of 21,200 no more.
    let few = 500;
    let found = || memory(apis.odyn.pid()).windows(marker.len()).filter(|seen| *seen == marker.as_bytes()).count();
    // The last handler may not have let go of its request yet.
    assert!((0..20).any(|_| found() < few), "{} copies", found());
}

/// All that a process can write to.
fn memory(pid: i32) -> Vec<u8> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let [from, to] = [from, to].map(|at| u64::from_str_radix(at, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        // A mapping may be gone since.
        let read = memory.read_at(&mut bytes, from).unwrap_or(0);
        all.extend_from_slice(&bytes[..read]);
    }
    all
}

#[test]
fn open_connections_do_not_delay_the_end() {
    let apis = Apis::start();
    let mut idle = apis.connect();
    idle.ask("GET", "/v1/eth/address", b"").ok();
    let begun = Instant::now();
    apis.odyn.signal("TERM");
    idle.assert_closed();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}
