//! A host that says nothing, or a byte now and then.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use super::field::{echo, tcp, try_api};
use crate::support::fake_host::FakeHost;
use crate::support::origin::{Origin, read_head};
use crate::support::{Odyn, PATIENCE, Port, TempDir};

/// Says `bytes` one by one; false when nobody listens any more.
fn drip(mut stream: &UnixStream, bytes: &[u8], pause: Duration) {
    for byte in bytes {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(pause);
    }
}

/// Does to each connect request what its host name says.
fn host(stream: UnixStream, name: &str, port: u16) {
    let second = Duration::from_secs(1);
    let fine = b"\x04\0\"Ok\"";
    let refusal = b"\x2b\0{\"Err\":{\"os_code\":111,\"message\":\"refused\"}}";
    match name.trim_end_matches(".test") {
        "silent" => thread::sleep(PATIENCE),
        "slow" => {
            drip(&stream, fine, second);
            crate::support::fake_host::splice(stream, tcp(port).unwrap());
        }
        "slow-refusal" => drip(&stream, refusal, second),
        "slow-answer" => {
            (&stream).write_all(fine).unwrap();
            read_head(&mut &stream).unwrap();
            drip(&stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", second / 5);
        }
        "slow-length" => drip(&stream, b"\x04", second),
        _ => {
            (&stream).write_all(fine).unwrap();
            crate::support::fake_host::splice(stream, tcp(port).unwrap());
        }
    }
}

#[test]
fn a_host_that_is_silent_or_slow_costs_those_who_ask_it_their_deadline_and_others_nothing() {
    let site = Origin::serving(echo);
    let [egress, api, aux] = [(); 3].map(|()| Port::reserve());
    let manifest = format!(
        "egress:\n  proxy_port: {}\n  allow: ['**']\napi:\n  listen_port: {}\naux_api:\n  listen_port: {}\n\
         ingress:\n  - listen_port: {}\n",
        egress.0, api.0, aux.0, site.port.0
    );
    let dir = TempDir::new();
    let _host = FakeHost::answering(&dir.path().join("vsock"), host);
    let odyn = Odyn::in_dir(dir, &manifest, &[], super::field::CALM_APP, |_| {});
    odyn.wait_running();
    let ask = |what: String| {
        let begun = Instant::now();
        let mut stream = tcp(egress.0).unwrap();
        stream.write_all(what.as_bytes()).unwrap();
        let head = read_head(&mut stream).unwrap_or_default();
        (head.get(9..12).unwrap_or_default().parse().unwrap_or(0_u16), begun.elapsed(), stream)
    };
    let connect = |name: &str| ask(format!("CONNECT {name}.test:{} HTTP/1.1\r\n\r\n", site.port.0));
    let begun = Instant::now();
    thread::scope(|scope| {
        for (name, expected, from, to) in [
            ("silent", 504, 9.0, 14.0),
            ("slow", 200, 4.0, 9.5),
            ("slow-refusal", 504, 9.0, 14.0),
            ("slow-length", 502, 0.5, 9.5),
        ] {
            for _ in 0..25 {
                scope.spawn(move || {
                    let (status, took, _) = connect(name);
                    assert_eq!(status, expected, "{name} after {took:?}");
                    assert!((from..to).contains(&took.as_secs_f64()), "{name}: {status} after {took:?}");
                });
            }
        }
        scope.spawn(|| {
            let (status, took, mut stream) = ask("GET http://slow-answer.test/ HTTP/1.1\r\nHost: x\r\n\r\n".to_owned());
            let mut body = [0; 2];
            stream.read_exact(&mut body).unwrap();
            assert_eq!((status, &body), (200, b"ok"), "after {took:?}");
        });
        // A greeting that never ends, and a frame's worth of patience for it.
        scope.spawn(|| {
            let mut slow = UnixStream::connect(odyn.vsock_path()).unwrap();
            slow.set_read_timeout(Some(PATIENCE)).unwrap();
            for byte in *b"CONNECT 1700" {
                let _ = slow.write_all(&[byte]);
                thread::sleep(Duration::from_millis(850));
            }
            let begun = Instant::now();
            assert_eq!(slow.read(&mut [0]).unwrap_or(0), 0);
            assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        });
        // Everybody else.
        let mut longest = Duration::ZERO;
        while begun.elapsed() < Duration::from_secs(9) {
            let asked = Instant::now();
            try_api(api.0).unwrap();
            let (status, _, mut stream) = connect("fine");
            assert_eq!(status, 200);
            let mut back = [0; 4];
            stream.write_all(b"ping").unwrap();
            stream.read_exact(&mut back).unwrap();
            let mut ingress = odyn.connect(site.port.0);
            ingress.write_all(b"ping").unwrap();
            ingress.read_exact(&mut back).unwrap();
            longest = longest.max(asked.elapsed());
            thread::sleep(Duration::from_millis(50));
        }
        assert!(longest < Duration::from_secs(2), "{longest:?}");
        println!("100 slow connects; an API call, a tunnel and an ingress connection took {longest:?} at the longest");
    });
}
