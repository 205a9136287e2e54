//! Heads that are read, and heads that could be read two ways.

use super::*;

fn request(head: &str) -> Result<RequestHead, HeadError> {
    let length = Scanner::default().head_length(head.as_bytes(), limits::REQUEST_HEAD)?.expect("a whole head");
    assert_eq!(length, head.len());
    RequestHead::parse(head.as_bytes())
}

fn framing(fields: &str) -> Result<Framing, HeadError> {
    request(&format!("POST http://a/ HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))?.framing()
}

#[test]
fn a_plain_request_is_read_whole() {
    let head = request("GET http://a/b?c HTTP/1.1\r\nHost: a\r\nX-Y:  z \t\r\nEmpty:\r\n\r\n").unwrap();
    assert_eq!((head.method.as_str(), head.target.as_str(), head.version), ("GET", "http://a/b?c", Version::V11));
    let fields: Vec<_> = head.fields.iter().collect();
    assert_eq!(fields, [("Host", &b"a"[..]), ("X-Y", b"z"), ("Empty", b"")]);
}

#[test]
fn a_head_is_found_the_same_way_however_it_is_cut_into_pieces() {
    let head = b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n";
    let mut scanner = Scanner::default();
    let found = (0..=head.len()).find_map(|n| scanner.head_length(&head[..n], 1000).unwrap());
    assert_eq!(found, Some(35));
    assert_eq!(Scanner::default().head_length(head, 35), Ok(Some(35)));
    assert_eq!(Scanner::default().head_length(head, 34), Err(HeadError::TooLarge));
    assert_eq!(Scanner::default().head_length(&head[..30], 30), Err(HeadError::TooLarge));
}

#[test]
fn line_endings_other_than_crlf_are_refused_at_once() {
    for bad in ["GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nA: b\rc\r\n", "GET / HTTP/1.1\r\nA: b\n", "\n", "A\r\r\n"] {
        let answer = Scanner::default().head_length(bad.as_bytes(), 1000);
        assert_eq!(answer, Err(HeadError::LineEnding), "{bad:?}");
    }
}

#[test]
fn malformed_first_lines_are_refused() {
    for (line, error) in [
        ("GET  http://a/ HTTP/1.1", HeadError::StartLine),
        ("GET http://a/ b HTTP/1.1", HeadError::StartLine),
        ("GET\thttp://a/ HTTP/1.1", HeadError::StartLine),
        ("GET http://a/", HeadError::StartLine),
        (" GET http://a/ HTTP/1.1", HeadError::StartLine),
        ("G(T http://a/ HTTP/1.1", HeadError::StartLine),
        ("GET http://a/ HTTP/1.1 ", HeadError::StartLine),
        ("GET http://a/ http/1.1", HeadError::StartLine),
        ("GET http://a/ HTTP/1.10", HeadError::StartLine),
        ("GET http://a/ HTTP/2.0", HeadError::Version),
        ("GET http://a/ HTTP/0.9", HeadError::Version),
        ("GET http://ä/ HTTP/1.1", HeadError::Target),
        ("GET http://a/\0 HTTP/1.1", HeadError::Target),
    ] {
        assert_eq!(request(&format!("{line}\r\nHost: a\r\n\r\n")), Err(error), "{line:?}");
    }
}

#[test]
fn smuggling_shapes_are_refused() {
    for (fields, error) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", HeadError::Length),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", HeadError::Length),
        ("Content-Length: 5, 5\r\n", HeadError::Length),
        ("Content-Length: +5\r\n", HeadError::Length),
        ("Content-Length: -1\r\n", HeadError::Length),
        ("Content-Length: 0x5\r\n", HeadError::Length),
        ("Content-Length:\r\n", HeadError::Length),
        ("Content-Length: 9999999999999999999\r\n", HeadError::Length),
        ("Transfer-Encoding: identity\r\n", HeadError::Coding),
        ("Transfer-Encoding: gzip, chunked\r\n", HeadError::Coding),
        ("Transfer-Encoding: chunked, chunked\r\n", HeadError::Coding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", HeadError::Coding),
        ("Transfer-Encoding: xchunked\r\n", HeadError::Coding),
        ("Transfer-Encoding : chunked\r\n", HeadError::Field),
        ("Content-Length : 5\r\n", HeadError::Field),
        ("Content-Length\r\n", HeadError::Field),
        (": x\r\n", HeadError::Field),
        ("A: b\0c\r\n", HeadError::Field),
        ("A: b\x7fc\r\n", HeadError::Field),
        ("A b: c\r\n", HeadError::Field),
        ("Transfer-Encoding:\x0cchunked\r\n", HeadError::Field),
        ("Content-Length: 3\x0c\r\n", HeadError::Field),
        ("A: b\r\n c\r\n", HeadError::Folded),
        ("A: b\r\n\tc\r\n", HeadError::Folded),
        ("Host: b\r\n", HeadError::Host),
        ("Connection: close, content-length\r\nContent-Length: 5\r\n", HeadError::Connection),
        ("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", HeadError::Connection),
    ] {
        assert_eq!(framing(fields), Err(error), "{fields:?}");
    }
}

#[test]
fn lengths_and_chunks_are_read() {
    assert_eq!(framing(""), Ok(Framing::Length(0)));
    assert_eq!(framing("content-LENGTH: 007\r\n"), Ok(Framing::Length(7)));
    assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
}

#[test]
fn http_1_0_has_no_chunks_and_needs_no_host() {
    assert!(request("GET http://a/ HTTP/1.0\r\n\r\n").is_ok());
    let chunked = request("POST http://a/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    assert_eq!(chunked.framing(), Err(HeadError::Coding));
    assert_eq!(request("GET http://a/ HTTP/1.1\r\n\r\n"), Err(HeadError::Host));
    assert!(request("CONNECT a:443 HTTP/1.1\r\n\r\n").is_ok());
}

#[test]
fn too_many_fields_are_refused() {
    let fields = |n: usize| "A: b\r\n".repeat(n);
    assert_eq!(framing(&fields(limits::HEADER_FIELDS - 1)), Ok(Framing::Length(0)));
    assert_eq!(framing(&fields(limits::HEADER_FIELDS)), Err(HeadError::TooLarge));
}

#[test]
fn responses_end_as_rfc_9112_says() {
    let parse = |head: &str| ResponseHead::parse(head.as_bytes()).unwrap();
    let plain = parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(plain.framing("GET"), Ok(Framing::Length(5)));
    assert_eq!(plain.framing("HEAD"), Ok(Framing::Length(0)));
    assert_eq!(parse("HTTP/1.1 200\r\n\r\n").framing("GET"), Ok(Framing::UntilClose));
    assert_eq!(parse("HTTP/1.0 200 \r\n\r\n").framing("GET"), Ok(Framing::UntilClose));
    assert_eq!(parse("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n").framing("GET"), Ok(Framing::Length(0)));
    assert_eq!(parse("HTTP/1.1 204 No\r\n\r\n").framing("POST"), Ok(Framing::Length(0)));
    for bad in ["HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1  200 OK", "ICY 200 OK", "HTTP/1.1", "HTTP/1.1 200\0"] {
        assert!(ResponseHead::parse(format!("{bad}\r\n\r\n").as_bytes()).is_err(), "{bad:?}");
    }
}
