//! What a proxy request asks for, and the head that is sent on in its place.

use std::fmt::Write as _;

use super::hostname::{Target, TargetError};
use crate::config::port::Port;
use crate::http::head::{Fields, RequestHead, ResponseHead, Version};

/// What a request wants of the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// `CONNECT host:port`: a tunnel.
    Tunnel(Target),
    /// `METHOD http://host/path`: this request, sent on. The second is the target to send, in origin-form or `*`.
    Forward(Target, String),
    /// `OPTIONS *`, or `OPTIONS`/`TRACE` with no forwards left: about the proxy itself.
    Proxy,
}

/// Why a request cannot be served, which is the client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WishError {
    /// The target is in none of the forms a proxy takes, or has user information or a fragment.
    Form,
    /// The host or port in it is unusable.
    Target(TargetError),
    /// `Max-Forwards` is not a number.
    MaxForwards,
}

impl std::fmt::Display for WishError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Form => f.write_str("request target is not one a proxy takes: CONNECT host:port, or http://host/..."),
            Self::Target(e) => e.fmt(f),
            Self::MaxForwards => f.write_str("malformed Max-Forwards"),
        }
    }
}

impl std::error::Error for WishError {}

/// Reads what `head` asks for.
///
/// # Errors
/// See [`WishError`].
pub fn wish(head: &RequestHead) -> Result<Wish, WishError> {
    match head.method.as_str() {
        "CONNECT" => {
            return Target::parse(&head.target, None).map(Wish::Tunnel).map_err(WishError::Target);
        }
        "OPTIONS" if head.target == "*" => return Ok(Wish::Proxy),
        "OPTIONS" | "TRACE" if forwards_left(&head.fields)? == Some(0) => return Ok(Wish::Proxy),
        _ => {}
    }
    let (scheme, rest) = head.target.split_once("://").ok_or(WishError::Form)?;
    if !scheme.eq_ignore_ascii_case("http") || rest.contains('#') {
        return Err(WishError::Form);
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    // User information makes one host look like another, and no client sends it.
    if authority.contains('@') {
        return Err(WishError::Form);
    }
    // RFC 3986 section 3.2.3 allows a colon without a port.
    let has_port = |text: &str| text.rsplit(']').next().is_some_and(|tail| tail.contains(':'));
    let authority = authority.strip_suffix(':').filter(|rest| !has_port(rest)).unwrap_or(authority);
    let target = Target::parse(authority, Some(Port::HTTP)).map_err(WishError::Target)?;
    let path = match path {
        // RFC 9112 section 3.2.4.
        "" if head.method == "OPTIONS" => "*".to_owned(),
        "" => "/".to_owned(),
        query if query.starts_with('?') => format!("/{query}"),
        path => path.to_owned(),
    };
    Ok(Wish::Forward(target, path))
}

/// `Max-Forwards` of RFC 9110 section 7.6.2, which counts for `OPTIONS` and `TRACE` only.
fn forwards_left(fields: &Fields) -> Result<Option<u64>, WishError> {
    let mut values = fields.all("max-forwards");
    let Some(value) = values.next() else { return Ok(None) };
    let digits = std::str::from_utf8(value).ok().filter(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()));
    match (digits, values.next()) {
        // A number too large to count down is as good as none.
        (Some(digits), None) => Ok(Some(digits.parse().unwrap_or(u64::MAX))),
        _ => Err(WishError::MaxForwards),
    }
}

/// Fields that concern one connection only and are not sent on (RFC 9110 section 7.6.1), besides those that `Connection`
/// names. Framing goes on as it came: bodies pass through unchanged.
const HOP_BY_HOP: [&str; 7] =
    ["connection", "proxy-connection", "keep-alive", "te", "upgrade", "proxy-authorization", "proxy-authenticate"];

/// True when the client asks for another protocol on this connection.
#[must_use]
pub fn wants_upgrade(head: &RequestHead) -> bool {
    head.version == Version::V11 && head.fields.lists("connection", "upgrade") && head.fields.all("upgrade").count() > 0
}

/// The head sent upstream for a request to `target`. Its `Host` is the target that was decided on, whatever the client
/// wrote (RFC 9112 section 3.2.2). The version is the client's, so that an HTTP/1.0 client gets no chunks.
#[must_use]
pub fn forwarded_request(head: &RequestHead, target: &Target, path: &str) -> Vec<u8> {
    let mut out = format!("{} {path} {}\r\n", head.method, head.version);
    let host = target.host().authority();
    // Writing to a String cannot fail.
    let _ = match target.port() {
        80 => write!(out, "Host: {host}\r\n"),
        port => write!(out, "Host: {host}:{port}\r\n"),
    };
    let mut out = out.into_bytes();
    let counts_forwards = matches!(head.method.as_str(), "OPTIONS" | "TRACE");
    for (name, value) in passed_on(&head.fields) {
        let spent = |value| Some(std::str::from_utf8(value).ok()?.parse::<u64>().ok()?.checked_sub(1)?.to_string());
        match name {
            _ if name.eq_ignore_ascii_case("host") => {}
            _ if counts_forwards && name.eq_ignore_ascii_case("max-forwards") => {
                if let Some(left) = spent(value) {
                    push(&mut out, name, left.as_bytes());
                }
            }
            _ => push(&mut out, name, value),
        }
    }
    if wants_upgrade(head) {
        push_upgrade(&mut out, &head.fields);
    } else if head.version == Version::V10 {
        push(&mut out, "Connection", b"close");
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// The head sent to the client for an upstream's response. `close`: say that the connection ends with it.
#[must_use]
pub fn forwarded_response(head: &ResponseHead, close: bool) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {:03} ", head.status).into_bytes();
    out.extend_from_slice(&head.reason);
    out.extend_from_slice(b"\r\n");
    // An interim answer, and 204, have no body and must not say how it would end (RFC 9112 section 6).
    let bodiless = matches!(head.status, 100..=199 | 204);
    for (name, value) in passed_on(&head.fields) {
        let framing = name.eq_ignore_ascii_case("transfer-encoding") || name.eq_ignore_ascii_case("content-length");
        if !(bodiless && framing) {
            push(&mut out, name, value);
        }
    }
    if head.status == 101 {
        push_upgrade(&mut out, &head.fields);
    } else if close {
        push(&mut out, "Connection", b"close");
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn passed_on(fields: &Fields) -> impl Iterator<Item = (&str, &[u8])> {
    fields.iter().filter(|(name, _)| {
        !HOP_BY_HOP.iter().any(|hop| name.eq_ignore_ascii_case(hop)) && !fields.lists("connection", name)
    })
}

fn push(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

fn push_upgrade(out: &mut Vec<u8>, fields: &Fields) {
    push(out, "Connection", b"Upgrade");
    fields.all("upgrade").for_each(|value| push(out, "Upgrade", value));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str, fields: &str) -> RequestHead {
        RequestHead::parse(format!("{line} HTTP/1.1\r\nHost: ignored\r\n{fields}\r\n").as_bytes()).unwrap()
    }

    fn asked(line: &str) -> Result<Wish, WishError> {
        wish(&request(line, ""))
    }

    fn target(text: &str) -> Target {
        Target::parse(text, None).unwrap()
    }

    #[test]
    fn the_two_forms_of_a_proxy_request_are_read() {
        assert_eq!(asked("CONNECT A.b.:443"), Ok(Wish::Tunnel(target("a.b:443"))));
        for (text, path) in [
            ("GET http://a.b", "/"),
            ("GET HTTP://a.b:80/x/y?z", "/x/y?z"),
            ("GET http://a.b:?q=http://c/", "/?q=http://c/"),
            ("OPTIONS http://a.b", "*"),
            ("OPTIONS http://a.b/", "/"),
        ] {
            assert_eq!(asked(text), Ok(Wish::Forward(target("a.b:80"), path.into())), "{text}");
        }
        assert_eq!(asked("OPTIONS *"), Ok(Wish::Proxy));
    }

    #[test]
    fn other_forms_are_refused() {
        for bad in
            ["GET /x", "GET *", "GET a.b:80", "GET https://a/", "GET ftp://a/", "GET http://u@a/", "GET http://a/#f"]
        {
            assert_eq!(asked(bad), Err(WishError::Form), "{bad}");
        }
        for bad in [
            "CONNECT a.b",
            "CONNECT a.b:0",
            "CONNECT http://a:1/",
            "GET http:///x",
            "GET http://a:x/",
            "GET http://a:80:/",
            "GET http://:80/",
        ] {
            assert!(matches!(asked(bad), Err(WishError::Target(_))), "{bad}");
        }
    }

    #[test]
    fn what_concerns_one_connection_is_not_sent_on_and_the_host_is_the_one_decided_on() {
        let head = request(
            "GET http://A.b:8080/x",
            "Proxy-Authorization: secret\r\nProxy-Connection: keep-alive\r\nConnection: x-hop, close\r\nX-Hop: 1\r\nTE: trailers\r\nAccept: */*\r\n",
        );
        let sent = forwarded_request(&head, &target("a.b:8080"), "/x");
        assert_eq!(String::from_utf8(sent).unwrap(), "GET /x HTTP/1.1\r\nHost: a.b:8080\r\nAccept: */*\r\n\r\n");
    }

    #[test]
    fn an_upgrade_is_passed_on_and_a_mere_upgrade_field_is_not() {
        let head = request("GET http://a/", "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n");
        let sent = String::from_utf8(forwarded_request(&head, &target("a:80"), "/")).unwrap();
        assert_eq!(sent, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        let head = request("GET http://a/", "Upgrade: h2c\r\n");
        assert!(!String::from_utf8(forwarded_request(&head, &target("a:80"), "/")).unwrap().contains("h2c"));
    }

    #[test]
    fn forwards_are_counted_down_and_end_here() {
        let head = request("OPTIONS http://a/", "Max-Forwards: 2\r\n");
        assert!(
            String::from_utf8(forwarded_request(&head, &target("a:80"), "/")).unwrap().contains("Max-Forwards: 1\r\n")
        );
        assert_eq!(wish(&request("TRACE http://a/", "Max-Forwards: 0\r\n")), Ok(Wish::Proxy));
        assert_eq!(wish(&request("OPTIONS http://a/", "Max-Forwards: x\r\n")), Err(WishError::MaxForwards));
        assert!(matches!(wish(&request("GET http://a/", "Max-Forwards: 0\r\n")), Ok(Wish::Forward(..))));
    }

    #[test]
    fn a_response_says_that_it_closes_only_when_it_does() {
        let head =
            ResponseHead::parse(b"HTTP/1.0 200 OK\r\nKeep-Alive: timeout=5\r\nConnection: Keep-Alive\r\nA: b\r\n\r\n")
                .unwrap();
        assert_eq!(forwarded_response(&head, false), b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n");
        assert_eq!(forwarded_response(&head, true), b"HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\n\r\n");
    }
}
