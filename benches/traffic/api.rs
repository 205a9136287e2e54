//! The internal API over kept connections, and a bare tiny_http that answers the same bytes.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use odyn::keys::Keys;
use odyn::sim::nsm::Simulated;
use serde_json::{Value, json};
use tiny_http::{Header, Response, Server};

use crate::Run;
use crate::flows::rate;
use crate::support::{Odyn, Port, eventually};
use crate::table::{Goal, Table, Unit};
use crate::ways::{Process, Stream};

const CLIENTS: usize = 16;

/// As many threads as odyn's API has.
const BARE_THREADS: usize = 4;

/// tiny_http as its documentation uses it.
pub fn bare_server(port: u16, body: &str) {
    let server = Server::http(("127.0.0.1", port)).unwrap();
    thread::scope(|scope| {
        for _ in 0..BARE_THREADS {
            scope.spawn(|| {
                while let Ok(request) = server.recv() {
                    let header = Header::from_bytes("Content-Type", "application/json").unwrap();
                    let _ = request.respond(Response::from_string(body).with_header(header));
                }
            });
        }
    });
}

/// A request as bytes.
fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: odyn\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Asks and reads the whole answer, whose status must be 200; returns the body.
fn ask(stream: &mut Stream, request: &[u8], buffer: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    stream.write_all(request)?;
    buffer.clear();
    let (mut some, mut whole) = ([0; 8 << 10], None);
    loop {
        if whole.is_none()
            && let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length =
                head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse::<usize>().ok());
            if !head.starts_with("http/1.1 200") {
                return Err(io::Error::other(head));
            }
            whole = Some((end + 4, end + 4 + length.ok_or(io::ErrorKind::InvalidData)?));
        }
        match whole {
            Some((body, end)) if buffer.len() >= end => return Ok(buffer[body..end].to_vec()),
            _ => {}
        }
        match stream.read(&mut some)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => buffer.extend_from_slice(&some[..n]),
        }
    }
}

/// What a server calls itself.
fn server_name(port: u16) -> io::Result<String> {
    let mut stream = Stream::tcp(port)?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let name = answer.lines().find_map(|line| line.strip_prefix("Server: "));
    name.map(str::to_owned).ok_or_else(|| io::Error::other(answer))
}

/// Requests per second; the times they took, in microseconds, go to `times`.
fn load(run: &Run, port: u16, request: &[u8], times: &Mutex<Vec<u32>>) -> f64 {
    rate(CLIENTS, run.time, &String::from_utf8_lossy(request), |stop: &AtomicBool| {
        let mut stream = Stream::tcp(port)?;
        let (mut buffer, mut own) = (Vec::new(), Vec::new());
        while !stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            ask(&mut stream, request, &mut buffer)?;
            own.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
        }
        let count = own.len() as u64;
        times.lock().unwrap().append(&mut own);
        Ok(count)
    })
}

fn percentile_99(times: &Mutex<Vec<u32>>) -> u32 {
    let mut times = times.lock().unwrap();
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

pub fn run(run: &Run, table: &mut Table) {
    let [port, aux, bare_port] = [(); 3].map(|()| Port::reserve());
    let manifest = format!("api:\n  listen_port: {}\naux_api:\n  listen_port: {}\n", port.0, aux.0);
    let odyn = Odyn::script(&manifest, "exec sleep 100000");
    odyn.wait_running();
    let fetch = |path: &str, body: &str| {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let mut stream = eventually("the API answers", || Stream::tcp(port.0).ok());
        let answer = ask(&mut stream, &request(method, path, body), &mut Vec::new());
        String::from_utf8(answer.unwrap_or_else(|e| panic!("{path}: {e}"))).unwrap()
    };
    let fetch_json = |path: &str, body: &str| -> Value { serde_json::from_str(&fetch(path, body)).unwrap() };
    let address = fetch("/v1/eth/address", "");
    let program = std::env::current_exe().unwrap();
    let _bare = Process::start(std::process::Command::new(program).args(["bare", &bare_port.0.to_string(), &address]));
    // By its name: the auxiliary API, once on this port, passed for it.
    let server = eventually("tiny_http answers", || server_name(bare_port.0).ok());
    assert!(server.starts_with("tiny-http"), "not the bare server, but {server}");
    // The other party has odyn's own key: what it seals for odyn, and what odyn seals for it, is the same.
    let key = fetch_json("/v1/encryption/public_key", "")["public_key_der"].clone();
    let sealing = json!({ "plaintext": "a secret of some length", "client_public_key": key }).to_string();
    let sealed = fetch_json("/v1/encryption/encrypt", &sealing);
    let (nonce, data) = (&sealed["nonce"], &sealed["encrypted_data"]);
    let opening = json!({ "nonce": nonce, "client_public_key": key, "encrypted_data": data }).to_string();
    let calls = [
        ("/v1/eth/address", String::new()),
        ("/v1/random", String::new()),
        ("/v1/eth/sign", r#"{"message":"hello"}"#.to_owned()),
        ("/v1/attestation", "{}".to_owned()),
        ("/v1/encryption/public_key", String::new()),
        ("/v1/encryption/encrypt", sealing),
        ("/v1/encryption/decrypt", opening),
    ];
    let mut p99 = Vec::new();
    for (path, body) in calls {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let (request, times, bare_times) = (request(method, path, &body), Mutex::default(), Mutex::default());
        let (mut own, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..run.rounds {
            own.push(load(run, port.0, &request, &times));
            if path == "/v1/eth/address" {
                bare.push(load(run, bare_port.0, &request, &bare_times));
            }
        }
        let mut samples = vec![("odyn", own)];
        let mut goal = Goal::NONE;
        if !bare.is_empty() {
            // In the column of what odyn is compared with.
            samples.push(("direct", bare));
            goal = Goal { direct: Some(0.9), haproxy: None };
            p99.push(format!("bare tiny_http {} us", percentile_99(&bare_times)));
        }
        p99.push(format!("{path} {} us", percentile_99(&times)));
        let note = if samples.len() > 1 { " (direct: bare tiny_http)" } else { "" };
        table.row(&format!("API {path}, {CLIENTS} connections{note}"), Unit::PerSecond, samples, goal);
    }
    println!("\n99th percentiles: {}", p99.join(", "));
    println!("signing alone, a thread for each processor: {:.0}/s", signing(run));
}

/// What the machine allows.
fn signing(run: &Run) -> f64 {
    let keys = Arc::new(Keys::generate(&Simulated::new().unwrap()).unwrap());
    let threads = thread::available_parallelism().unwrap().get();
    rate(threads, run.time, "signing", |stop: &AtomicBool| {
        let mut count = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            let mut hash = [7; 32];
            hash[..8].copy_from_slice(&count.to_be_bytes());
            std::hint::black_box(keys.sign(&hash));
            count += 1;
        }
        Ok(count)
    })
}
