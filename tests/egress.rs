//! The egress proxy as a client on loopback sees it, byte by byte, with a host side written for the tests.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::fake_host::{FakeHost, reply};
use crate::support::origin::{Origin, read_head};
use crate::support::{Odyn, PATIENCE, Port, TempDir, eventually, raise_descriptor_limit};

const IDLE_APP: &[&str] = &["/bin/sh", "-c", "exec sleep 1000"];

/// odyn with a policy, and a host side that connects every name to this machine.
struct Proxy {
    odyn: Odyn,
    host: FakeHost,
    port: Port,
}

impl Proxy {
    fn start(allow: &[&str], deny: &[&str]) -> Self {
        Self::with_host(allow, deny, FakeHost::start)
    }

    fn with_host(allow: &[&str], deny: &[&str], host: impl FnOnce(&std::path::Path) -> FakeHost) -> Self {
        let port = Port::reserve();
        let section = format!("egress:\n  proxy_port: {}\n  allow: {allow:?}\n  deny: {deny:?}\n", port.0);
        let dir = TempDir::new();
        let host = host(&dir.path().join("vsock"));
        let odyn = Odyn::in_dir(dir, &section, &[], IDLE_APP, |_| {});
        odyn.wait_running();
        Self { odyn, host, port }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port.0)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends `bytes` on a connection of its own and returns everything that comes back until it closes.
    fn say(&self, bytes: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The status the proxy gives to `CONNECT target`.
    fn connect_status(&self, target: &str) -> u16 {
        let mut stream = self.connect();
        write!(stream, "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").unwrap();
        status(&read_head(&mut stream).unwrap_or_default())
    }
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[test]
fn a_refused_target_is_a_403_that_names_the_rule_and_nothing_is_dialled() {
    let proxy = Proxy::start(&["**"], &["*.internal.com"]);
    let answer = proxy.say("GET http://Db.Internal.com.:8080/ HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(status(&answer), 403);
    assert_eq!(
        body(&answer),
        r#"{"error":"egress denied","host":"db.internal.com","port":8080,"rule":"deny \"*.internal.com\""}"#
    );
    let answer = proxy.say("CONNECT 10.0.0.1:443 HTTP/1.1\r\n\r\n");
    let expected = r#"{"error":"egress denied","host":"10.0.0.1","port":443,"rule":"no allow pattern matches"}"#;
    assert_eq!((status(&answer), body(&answer)), (403, expected));
    assert!(proxy.host.asked().is_empty());
    proxy.odyn.wait_log("egress decision=denied method=CONNECT host=10.0.0.1 port=443 rule=no allow pattern matches");
}

#[test]
fn a_refused_upload_is_told_why_even_though_it_is_still_sending() {
    let proxy = Proxy::start(&["a.test"], &[]);
    let mut stream = proxy.connect();
    let head = "POST http://b.test/ HTTP/1.1\r\nHost: b.test\r\nContent-Length: 4000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut sender = stream.try_clone().unwrap();
    let sending = thread::spawn(move || drop(sender.write_all(&vec![b'x'; 4_000_000])));
    assert_eq!(status(&read_head(&mut stream).unwrap()), 403);
    sending.join().unwrap();
}

#[test]
fn other_spellings_of_a_denied_target_are_denied_too() {
    let proxy = Proxy::start(&["**", "0.0.0.0/0", "::/0"], &["evil.com", "127.0.0.1", "169.254.169.254"]);
    for spelling in [
        "evil.com:1",
        "evil.com.:1",
        "EVIL.com:1",
        "eViL.CoM.:1",
        "127.0.0.1:1",
        "127.1:1",
        "127.0.1:1",
        "0x7f.1:1",
        "0x7F000001:1",
        "2130706433:1",
        "017700000001:1",
        "0177.0.0.1:1",
        "127.0.0.1.:1",
        "[::ffff:127.0.0.1]:1",
        "[::ffff:169.254.169.254]:1",
        "[::FFFF:a9fe:a9fe]:1",
        "2852039166:1",
        "0xa9fea9fe:1",
        "169.254.43518:1",
        "[::ffff:0:a9fe:a9fe]:1",
        "0.0.0.0:1",
        "0:1",
    ] {
        assert_eq!(proxy.connect_status(spelling), 403, "CONNECT {spelling}");
        let get = proxy.say(&format!("GET http://{spelling}/ HTTP/1.1\r\nHost: {spelling}\r\n\r\n"));
        assert_eq!(status(&get), 403, "GET {spelling}");
    }
    assert!(proxy.host.asked().is_empty());
}

#[test]
fn targets_that_are_none_are_a_400() {
    let proxy = Proxy::start(&["**", "0.0.0.0/0", "::/0"], &[]);
    for bad in [
        "evil.com",
        "evil.com:",
        "evil.com:0",
        "evil.com:65536",
        "evil.com:+80",
        "evil.com..:80",
        ".evil.com:80",
        "evil%2ecom:80",
        "1.2.3.4.5:80",
        "256.1.1.1:80",
        "1.2.3.256:80",
        "08.1:80",
        "0x:80",
        "::1:80",
        "[::1:80",
        "[fe80::1%25eth0]:80",
        "[127.0.0.1]:80",
        "user@evil.com:80",
        ":80",
        "a b:80",
        "-:x",
    ] {
        assert_eq!(proxy.connect_status(bad), 400, "{bad}");
    }
    let mut stream = proxy.connect();
    stream.write_all("CONNECT bücher.de:80 HTTP/1.1\r\n\r\n".as_bytes()).unwrap();
    assert_eq!(status(&read_head(&mut stream).unwrap()), 400);
    assert!(proxy.host.asked().is_empty());
}

#[test]
fn smuggling_shapes_are_refused_and_nothing_is_sent_on() {
    let proxy = Proxy::start(&["**"], &[]);
    let post = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n";
    for (what, request) in [
        ("both lengths", format!("{post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("two lengths", format!("{post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello")),
        ("a coding before chunked", format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")),
        ("a hidden coding", format!("{post}Transfer-Encoding:\x0bchunked\r\n\r\n")),
        ("space before the colon", format!("{post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n")),
        ("CR alone", format!("{post}A: b\rTransfer-Encoding: chunked\r\n\r\n")),
        ("LF alone", format!("{post}A: b\nTransfer-Encoding: chunked\r\n\r\n")),
        ("a folded line", format!("{post}A: b\r\n c: d\r\n\r\n")),
        ("NUL", format!("{post}A: b\0\r\n\r\n")),
        ("two hosts", format!("{post}Host: b.test\r\n\r\n")),
        ("no host", "GET http://a.test/ HTTP/1.1\r\n\r\n".into()),
        ("length dropped as hop-by-hop", format!("{post}Connection: content-length\r\nContent-Length: 5\r\n\r\nhello")),
        ("origin-form", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n".into()),
        ("CONNECT with a body", "CONNECT a.test:80 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello".into()),
    ] {
        assert_eq!(status(&proxy.say(&request)), 400, "{what}");
    }
    assert!(proxy.host.asked().is_empty(), "{:?}", proxy.host.asked());
}

#[test]
fn a_bad_chunk_ends_the_exchange_before_what_follows_can_be_taken_for_a_request() {
    let origin = Origin::serving(|mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let proxy = Proxy::start(&["**"], &[]);
    let head =
        format!("POST http://a.test:{}/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n", origin.port.0);
    for chunk in ["zz\r\n", "5\nhello\r\n", "5\r\nhelloGET / HTTP/1.1\r\n", "-5\r\n", "fffffffffffffffff\r\n"] {
        assert_eq!(status(&proxy.say(&format!("{head}{chunk}"))), 400, "{chunk:?}");
    }
}

#[test]
fn heads_that_are_too_large_or_too_slow_or_of_another_version_are_refused() {
    let proxy = Proxy::start(&["**"], &[]);
    let long = format!("GET http://a.test/ HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(17 << 10));
    assert_eq!(status(&proxy.say(&long)), 431);
    assert_eq!(status(&proxy.say("GET http://a.test/ HTTP/2.0\r\nHost: a\r\n\r\n")), 505);
    let started = Instant::now();
    assert_eq!(status(&proxy.say("GET http://a.test/ HT")), 408);
    let took = started.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(15)).contains(&took), "{took:?}");
}

#[test]
fn what_is_sent_on_is_the_decided_target_without_what_concerned_the_proxy() {
    let origin = Origin::echoing_heads();
    let proxy = Proxy::start(&["a.test"], &[]);
    let port = origin.port.0;
    let answer = proxy.say(&format!(
        "GET http://A.TEST.:{port}/x?y HTTP/1.1\r\nHost: other.test\r\nProxy-Authorization: Basic c2VjcmV0\r\n\
         Proxy-Connection: keep-alive\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nX-Kept: 2\r\n\r\n"
    ));
    assert_eq!(status(&answer), 200, "{answer}");
    assert_eq!(body(&answer), format!("GET /x?y HTTP/1.1\r\nHost: a.test:{port}\r\nX-Kept: 2\r\n\r\n"));
    assert_eq!(proxy.host.asked(), [format!("a.test:{port}")]);
}

#[test]
fn requests_on_one_connection_share_one_upstream_and_are_each_decided_on() {
    let origin = Origin::echoing_heads();
    let proxy = Proxy::start(&["a.test"], &[]);
    let mut stream = proxy.connect();
    for number in 0..5 {
        let request = format!("GET http://a.test:{}/{number} HTTP/1.1\r\nHost: a.test\r\n\r\n", origin.port.0);
        stream.write_all(request.as_bytes()).unwrap();
        let head = read_head(&mut stream).unwrap();
        assert_eq!(status(&head), 200);
        assert!(!head.contains("close"), "{head}");
        assert!(read_head(&mut stream).unwrap().starts_with(&format!("GET /{number} ")));
    }
    assert_eq!(proxy.host.asked().len(), 1);
    stream.write_all(b"GET http://b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n").unwrap();
    assert_eq!(status(&read_head(&mut stream).unwrap()), 403);
    eventually("five decisions in the log", || {
        (proxy.odyn.log().matches("decision=allowed").count() == 5).then_some(())
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::echoing_heads();
    let proxy = Proxy::start(&["a.test"], &[]);
    let get = |path: &str, close| {
        let close = if close { "Connection: close\r\n" } else { "" };
        format!("GET http://a.test:{}/{path} HTTP/1.1\r\nHost: a.test\r\n{close}\r\n", origin.port.0)
    };
    let answer = proxy.say(&[get("1", false), get("2", false), get("3", true)].concat());
    let order: Vec<_> = answer.matches("GET /").collect();
    assert_eq!(order.len(), 3, "{answer}");
    assert!(answer.find("GET /1") < answer.find("GET /2") && answer.find("GET /2") < answer.find("GET /3"));
}

#[test]
fn an_upstream_that_closed_an_idle_connection_is_dialled_anew() {
    let origin = Origin::serving(|mut stream| {
        // Says that it will keep the connection, and does not.
        read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let proxy = Proxy::start(&["a.test"], &[]);
    let mut stream = proxy.connect();
    for _ in 0..10 {
        let request = format!("GET http://a.test:{}/ HTTP/1.1\r\nHost: a.test\r\n\r\n", origin.port.0);
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(status(&read_head(&mut stream).unwrap()), 200);
        stream.read_exact(&mut [0; 2]).unwrap();
    }
}

#[test]
fn an_upload_waits_for_100_continue_and_gets_it() {
    let origin = Origin::serving(|mut stream| {
        let head = read_head(&mut stream).unwrap();
        assert!(head.contains("Expect: 100-continue\r\n"), "{head}");
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        let mut body = [0; 5];
        stream.read_exact(&mut body).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n").unwrap();
        stream.write_all(&body).unwrap();
    });
    let proxy = Proxy::start(&["a.test"], &[]);
    let mut stream = proxy.connect();
    let port = origin.port.0;
    let head =
        format!("PUT http://a.test:{port}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(status(&read_head(&mut stream).unwrap()), 100);
    stream.write_all(b"hello").unwrap();
    assert_eq!(status(&read_head(&mut stream).unwrap()), 200);
    let mut echo = [0; 5];
    stream.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"hello");
}

#[test]
fn an_upload_refused_before_it_began_is_told_that_the_connection_closes() {
    let refusal = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let origin = Origin::answering(refusal);
    let proxy = Proxy::start(&["a.test"], &[]);
    let mut stream = proxy.connect();
    let port = origin.port.0;
    let head =
        format!("PUT http://a.test:{port}/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let answer = read_head(&mut stream).unwrap();
    // Without it Go's client took the connection for a lasting one and sent the whole body.
    assert!(status(&answer) == 417 && answer.contains("Connection: close\r\n"), "{answer}");
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn an_upgraded_connection_is_raw_both_ways_with_half_close() {
    let origin = Origin::serving(|mut stream| {
        let head = read_head(&mut stream).unwrap();
        assert!(head.contains("Connection: Upgrade\r\nUpgrade: echo\r\n"), "{head}");
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi")
            .unwrap();
        let _ = std::io::copy(&mut stream.try_clone().unwrap(), &mut stream);
    });
    let proxy = Proxy::start(&["a.test"], &[]);
    let mut stream = proxy.connect();
    let port = origin.port.0;
    let head =
        format!("GET http://a.test:{port}/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nraw");
    stream.write_all(head.as_bytes()).unwrap();
    let head = read_head(&mut stream).unwrap();
    assert!(head.contains("Upgrade: echo"), "{head}");
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "hiraw");
}

#[test]
fn a_tunnel_carries_bytes_sent_along_with_its_request_and_half_closes() {
    let origin = Origin::serving(|mut stream| {
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        stream.write_all(all.to_uppercase().as_bytes()).unwrap();
    });
    let proxy = Proxy::start(&["a.test"], &[]);
    let mut stream = proxy.connect();
    write!(stream, "CONNECT a.test:{} HTTP/1.1\r\n\r\nearly ", origin.port.0).unwrap();
    assert_eq!(read_head(&mut stream).unwrap(), "HTTP/1.1 200 Connection Established\r\n\r\n");
    stream.write_all(b"late").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "EARLY LATE");
}

#[test]
fn answers_without_a_length_end_with_the_connection_and_truncated_ones_are_not_completed() {
    let proxy = Proxy::start(&["a.test"], &[]);
    let get = |origin: &Origin| proxy.say(&format!("GET http://a.test:{}/ HTTP/1.1\r\nHost: a\r\n\r\n", origin.port.0));
    let whole = Origin::serving(|mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nall of it");
    });
    let answer = get(&whole);
    assert!(answer.contains("Connection: close"), "{answer}");
    assert_eq!(body(&answer), "all of it");
    let cut = Origin::serving(|mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    });
    let mut stream = proxy.connect();
    write!(stream, "GET http://a.test:{}/ HTTP/1.1\r\nHost: a\r\n\r\n", cut.port.0).unwrap();
    read_head(&mut stream).unwrap();
    let mut rest = Vec::new();
    assert!(stream.read_to_end(&mut rest).is_err(), "a truncated answer ended cleanly: {rest:?}");
}

#[test]
fn malformed_answers_are_a_502() {
    let proxy = Proxy::start(&["a.test"], &[]);
    for answer in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    ] {
        let origin = Origin::answering(answer);
        let said = proxy.say(&format!("GET http://a.test:{}/ HTTP/1.1\r\nHost: a\r\n\r\n", origin.port.0));
        assert_eq!(status(&said), 502, "{answer:?} gave {said}");
    }
    let silent = Origin::serving(|mut stream| drop(read_head(&mut stream)));
    let said = proxy.say(&format!("GET http://a.test:{}/ HTTP/1.1\r\nHost: a\r\n\r\n", silent.port.0));
    assert_eq!(status(&said), 502, "{said}");
}

#[test]
fn an_unreachable_upstream_is_a_502_with_the_reason_and_a_silent_host_a_504() {
    let closed = Port::reserve();
    let proxy = Proxy::start(&["a.test"], &[]);
    let answer = proxy.say(&format!("CONNECT a.test:{} HTTP/1.1\r\n\r\n", closed.0));
    assert_eq!(status(&answer), 502);
    assert!(body(&answer).contains("Connection refused"), "{answer}");

    let timed_out = Proxy::with_host(&["a.test"], &[], |vsock| {
        FakeHost::answering(vsock, |stream, _, _| {
            reply(&stream, r#"{"Err":{"os_code":110,"message":"Connection timed out"}}"#);
        })
    });
    assert_eq!(timed_out.connect_status("a.test:443"), 504);

    let silent = Proxy::with_host(&["a.test"], &[], |vsock| {
        FakeHost::answering(vsock, |mut stream, _, _| drop(std::io::copy(&mut stream, &mut std::io::sink())))
    });
    let started = Instant::now();
    assert_eq!(silent.connect_status("a.test:443"), 504);
    let took = started.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(15)).contains(&took), "{took:?}");
}

#[test]
fn a_host_that_answers_nonsense_is_a_502() {
    for nonsense in ["", "{}", "\"Maybe\"", "not json"] {
        let proxy = Proxy::with_host(&["a.test"], &[], move |vsock| {
            FakeHost::answering(vsock, move |stream, _, _| reply(&stream, nonsense))
        });
        assert_eq!(proxy.connect_status("a.test:443"), 502, "{nonsense:?}");
    }
}

#[test]
fn http_1_0_clients_get_answers_they_understand() {
    let origin = Origin::echoing_heads();
    let proxy = Proxy::start(&["a.test"], &[]);
    let answer = proxy.say(&format!("GET http://a.test:{}/ HTTP/1.0\r\n\r\n", origin.port.0));
    assert_eq!(status(&answer), 200);
    assert!(body(&answer).starts_with("GET / HTTP/1.0\r\n"), "{answer}");
    assert!(answer.contains("Connection: close"), "{answer}");
}

#[test]
fn the_proxy_answers_for_itself_when_asked() {
    let proxy = Proxy::start(&["a.test"], &[]);
    let mut stream = proxy.connect();
    for _ in 0..2 {
        stream.write_all(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let head = read_head(&mut stream).unwrap();
        assert!(status(&head) == 200 && head.contains("Allow: CONNECT"), "{head}");
    }
    let answer =
        proxy.say("OPTIONS http://b.test/ HTTP/1.1\r\nHost: b\r\nMax-Forwards: 0\r\nConnection: close\r\n\r\n");
    assert!(answer.contains("Allow: "), "{answer}");
    assert!(proxy.host.asked().is_empty());
}

#[test]
fn no_allow_means_no_proxy_at_all() {
    let port = Port::reserve();
    let odyn = Odyn::start(&format!("egress:\n  proxy_port: {}\n", port.0), IDLE_APP);
    odyn.wait_running();
    assert!(TcpStream::connect(("127.0.0.1", port.0)).is_err());
}

#[test]
fn a_thousand_idle_clients_do_not_keep_one_from_being_served() {
    if !raise_descriptor_limit(4096) {
        return;
    }
    let origin = Origin::echoing_heads();
    let proxy = Proxy::start(&["a.test"], &[]);
    let idle: Vec<_> = (0..1000).map(|_| proxy.connect()).collect();
    let answer =
        proxy.say(&format!("GET http://a.test:{}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", origin.port.0));
    assert_eq!(status(&answer), 200);
    drop(idle);
    eventually("their threads end", || (crate::support::thread_count(proxy.odyn.pid()) < 20).then_some(()));
}

#[test]
fn an_upstream_that_floods_behind_its_answer_is_not_read() {
    let (counted, count) = std::sync::mpsc::channel();
    let origin = Origin::serving(move |mut stream| {
        read_head(&mut stream);
        // The answer is larger than what the client's connection holds, so it stays unfinished.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n");
        let _ = stream.write_all(&vec![b'x'; 8_000_000]);
        stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut flood = 0;
        while flood < 64_000_000 {
            match stream.write(&[b'y'; 65_536]) {
                Ok(n) => flood += n,
                Err(_) => break,
            }
        }
        let _ = counted.send(flood);
    });
    let proxy = Proxy::start(&["a.test"], &[]);
    let mut stream = proxy.connect();
    write!(stream, "GET http://a.test:{}/ HTTP/1.1\r\nHost: a\r\n\r\n", origin.port.0).unwrap();
    // Read all but the last bytes, then stall.
    read_head(&mut stream).unwrap();
    let flooded = thread::spawn(move || count.recv_timeout(PATIENCE).unwrap());
    stream.read_exact(&mut vec![0; 7_990_000]).unwrap();
    // What kernels buffer on the way is a few megabytes.
    assert!(flooded.join().unwrap() < 32_000_000);
}

#[test]
fn a_client_that_asks_about_the_proxy_and_never_reads_is_not_read_for_ever() {
    let proxy = Proxy::start(&["a.test"], &[]);
    let mut stream = proxy.connect();
    stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let questions = "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2000);
    let mut sent = 0;
    while sent < 64_000_000 {
        match stream.write(questions.as_bytes()) {
            Ok(n) => sent += n,
            Err(_) => break,
        }
    }
    assert!(sent < 32_000_000, "{sent} bytes were taken");
}

#[test]
fn more_than_one_empty_line_before_a_request_is_refused() {
    let proxy = Proxy::start(&["a.test"], &[]);
    let options = "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&proxy.say(&format!("\r\n{options}"))), 200);
    assert_eq!(status(&proxy.say(&format!("\r\n\r\n{options}"))), 400);
}
