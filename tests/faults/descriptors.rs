//! No descriptor left.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use super::field::{Field, Steady, tcp};
use crate::supervision::child::through_shell;
use crate::support::connection::Connection;
use crate::support::proc::descriptors;
use crate::support::{cpu_ticks, eventually};

/// As many as odyn may have: enough for the field and some tens of connections.
const LIMIT: usize = 160;

/// Connections beyond that, to the application and to the API each. The API's backlog takes no more than 128.
const HELD: usize = 100;

#[test]
fn without_descriptors_those_who_are_in_are_served_at_once_and_the_others_when_there_are_some() {
    let field = Field::with(&[], through_shell(&format!("ulimit -n {LIMIT}")));
    let mut api = Connection::to(field.api.0);
    api.ask("GET", "/v1/eth/address", b"").ok();
    let mut proxies: Vec<_> = (0..10).map(|_| Connection::to(field.egress.0)).collect();
    for proxy in &mut proxies {
        proxy.ask("OPTIONS", "*", b"");
    }
    let (ingress, tunnel) = (Steady::over(field.ingress()), Steady::over(field.tunnel()));
    ingress.wait_for(1 << 20);
    let mut log = BufReader::new(field.odyn.log_reader());
    let before = field.resources();

    let greeting = format!("CONNECT {}\n", field.echo.port.0);
    let waiting: Vec<UnixStream> = (0..HELD)
        .map(|_| {
            let mut stream = UnixStream::connect(field.odyn.vsock_path()).unwrap();
            stream.write_all(greeting.as_bytes()).unwrap();
            stream
        })
        .collect();
    let clients: Vec<_> = (0..HELD).map(|_| tcp(field.api.0)).collect::<Result<_, _>>().unwrap();
    // Whoever lacks one says so, and does not blame the application.
    let mut missing = vec!["accepting", "closed a connection, odyn is out of descriptors"];
    while !missing.is_empty() {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "the log has ended");
        assert!(!line.contains("the application does not answer"), "{line}");
        missing.retain(|what| !line.contains(what) || !line.contains("os error 24"));
    }

    // The API's front has clients in its backlog that it cannot accept: nobody else is to wait for that.
    let begun = Instant::now();
    for _ in 0..50 {
        api.ask("GET", "/v1/eth/address", b"").ok();
    }
    let fifty = begun.elapsed();
    assert!(fifty < Duration::from_secs(1), "50 answers took {fifty:?}");
    ingress.wait_for(1 << 20);
    tunnel.wait_for(1 << 20);
    let mut asked = Vec::new();
    // One that comes free for a moment, as a connection is given up, is enough to hear from the host that it cannot connect.
    eventually("the proxy says what it lacks", || {
        if descriptors(field.pid()).len() < LIMIT {
            return None;
        }
        asked.push(proxies.pop().expect("the proxy always finds a descriptor"));
        let error = asked.last_mut()?.ask("GET", "http://echo.test:1/", b"").error(502);
        error.contains("odyn is out of descriptors").then_some(())
    });
    let (up, down) = (ingress.finish(), tunnel.finish());

    // Every listener tries again now and then, and none of them spins.
    let ticks = cpu_ticks(field.pid());
    thread::sleep(Duration::from_secs(1));
    let ticks = cpu_ticks(field.pid()) - ticks;
    assert!(ticks < 30, "{ticks} ticks of 10 ms in a second of waiting");

    drop((waiting, clients));
    let back = field.assert_back();
    field.try_status().unwrap();
    drop(log);
    let after = field.settled(before);
    println!(
        "{LIMIT} descriptors, {} connections more: 50 answers in {fifty:?}; {up:?} and {down:?} meanwhile; {ticks} ticks a \
         second; back after {back:?}; {before:?} before, {after:?} after",
        2 * HELD
    );
}
