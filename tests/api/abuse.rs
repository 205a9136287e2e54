//! Clients that are slow, silent or many.

use std::time::{Duration, Instant};

use super::{Apis, Connection};
use crate::support::{eventually, thread_count};

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
    assert_eq!(thread_count(apis.odyn.pid()), before);
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

#[test]
fn ten_thousand_mixed_requests_leave_no_thread_behind() {
    let apis = Apis::start();
    apis.get("/v1/eth/address").ok();
    let before = thread_count(apis.odyn.pid());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connections: Vec<Connection> = (0..8).map(|_| apis.connect()).collect();
                for round in 0..1250 {
                    let connection = &mut connections[round % 8];
                    match round % 5 {
                        0 => drop(connection.ask("GET", "/v1/eth/address", b"").ok()),
                        1 => drop(connection.ask("POST", "/v1/eth/sign", b"{}").error(400)),
                        2 => drop(connection.ask("GET", "/nothing", b"").error(404)),
                        3 => drop(connection.ask("GET", "/v1/encryption/public_key", b"").ok()),
                        _ => {
                            connection.send(b"nonsense\r\n\r\n");
                            connection.answer("GET").error(400);
                            *connection = apis.connect();
                        }
                    }
                }
            });
        }
    });
    eventually("no more threads than before", || (thread_count(apis.odyn.pid()) <= before).then_some(()));
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
