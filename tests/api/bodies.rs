//! How requests are framed: keep-alive, pipelining, chunks, `Expect`, sizes.

use serde_json::json;

use super::Apis;

const LARGEST: usize = 10 << 20;

#[test]
fn a_connection_serves_one_request_after_another_errors_included() {
    let apis = Apis::start();
    let mut connection = apis.connect();
    for _ in 0..50 {
        connection.ask("GET", "/v1/eth/address", b"").ok();
        connection.ask("GET", "/nothing", b"").error(404);
        connection.ask("POST", "/v1/eth/sign", b"{").error(400);
        connection.ask("HEAD", "/v1/eth/address", b"");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let apis = Apis::start();
    let mut connection = apis.connect();
    let one = "GET /v1/eth/address HTTP/1.1\r\nHost: x\r\n\r\n";
    let body = r#"{"message":"x"}"#;
    let two = format!("POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let three = "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";
    connection.send([one, &two, three].concat().repeat(20).as_bytes());
    for _ in 0..20 {
        assert!(connection.answer("GET").ok()["public_key"].is_string());
        assert!(connection.answer("POST").ok()["signature"].is_string());
        connection.answer("GET").error(404);
    }
    connection.send(one.as_bytes());
    connection.end_stream();
    connection.answer("GET").ok();
    connection.assert_closed();
}

#[test]
fn a_connection_ends_when_the_client_says_so() {
    let apis = Apis::start();
    for head in ["GET /v1/random HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET /v1/random HTTP/1.0\r\n\r\n"] {
        let mut connection = apis.connect();
        connection.send(head.as_bytes());
        let answer = connection.answer("GET");
        answer.ok();
        assert_eq!(answer.field("connection"), Some("close"));
        connection.assert_closed();
    }
}

#[test]
fn chunked_bodies_with_extensions_and_trailers_are_read() {
    let apis = Apis::start();
    let mut connection = apis.connect();
    let head = "POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for _ in 0..3 {
        connection.send(head.as_bytes());
        for byte in b"5;a=b\r\n{\"mes\r\na\r\nsage\":\"x\"}\r\n0\r\nX: y\r\n\r\n" {
            connection.send(&[*byte]);
        }
        connection.answer("POST").ok();
    }
    connection.send(format!("{head}zz\r\n").as_bytes());
    connection.answer("POST").error(400);
    connection.assert_closed();
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it() {
    let apis = Apis::start();
    let mut connection = apis.connect();
    let head = "POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 15\r\n\r\n";
    connection.send(head.as_bytes());
    let mut line = [0; 25];
    std::io::Read::read_exact(&mut connection.0, &mut line).unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.send(br#"{"message":"x"}"#);
    connection.answer("POST").ok();
}

#[test]
fn the_largest_body_is_served_and_one_byte_more_is_a_413() {
    let apis = Apis::start();
    let body = |size: usize| format!("{{\"message\":\"{}\"}}", "x".repeat(size - 14));
    apis.post("/v1/eth/sign", &body(LARGEST)).ok();
    let mut connection = apis.connect();
    let head = format!("POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", LARGEST + 1);
    connection.send(head.as_bytes());
    connection.answer("POST").error(413);
    connection.assert_closed();
    let mut connection = apis.connect();
    connection.send(b"POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb00000\r\n");
    let mut sent = 0;
    while sent < 11 << 20 {
        // It may have closed already.
        match std::io::Write::write(connection.0.get_mut(), &[b'x'; 65536]) {
            Ok(n) => sent += n,
            Err(_) => break,
        }
    }
    connection.answer("POST").error(413);
}

#[test]
fn a_large_answer_reaches_a_client_that_reads_late() {
    let apis = Apis::start();
    let key = apis.get("/v1/encryption/public_key").ok()["public_key_der"].clone();
    let body = json!({ "plaintext": "x".repeat(4 << 20), "client_public_key": key });
    let mut late = apis.connect();
    let body = body.to_string();
    late.send(
        format!("POST /v1/encryption/encrypt HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(),
    );
    late.send(body.as_bytes());
    // Others are served while its answer waits for it.
    for _ in 0..20 {
        apis.get("/v1/eth/address").ok();
    }
    assert_eq!(late.answer("POST").ok()["encrypted_data"].as_str().unwrap().len(), 2 * ((4 << 20) + 16));
}

#[test]
fn heads_that_could_be_read_in_two_ways_are_refused() {
    let apis = Apis::start();
    for (head, status) in [
        ("GET /v1/random HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET /v1/random HTTP/1.1\nHost: x\n\n".to_owned(), 400),
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET /v1/random HTTP/2.0\r\nHost: x\r\n\r\n".to_owned(), 400),
        ("POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(), 400),
        ("POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".to_owned(), 400),
        (
            "POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
                .to_owned(),
            400,
        ),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(16 << 10)), 431),
    ] {
        let mut connection = apis.connect();
        connection.send(head.as_bytes());
        connection.answer("GET").error(status);
        connection.assert_closed();
    }
}

#[test]
fn a_request_cut_off_is_closed_without_an_answer() {
    let apis = Apis::start();
    for start in ["GET /v1/ran", "POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"] {
        let mut connection = apis.connect();
        connection.send(start.as_bytes());
        connection.end_stream();
        connection.assert_closed();
    }
}
