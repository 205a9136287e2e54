//! What the proxy says itself, when no upstream does.

use serde::Serialize;

use super::dial::DialError;
use super::hostname::Target;
use super::policy::Denied;

/// Sent when a tunnel is open.
pub const TUNNEL_OPEN: &[u8] = b"HTTP/1.1 200 Connection Established\r\n\r\n";

const METHODS: &str = "CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, TRACE";

/// The answer to `OPTIONS *`. `close`: say that the connection ends with it.
#[must_use]
pub fn about_proxy(close: bool) -> Vec<u8> {
    let close = if close { "Connection: close\r\n" } else { "" };
    format!("HTTP/1.1 200 OK\r\nAllow: {METHODS}\r\nContent-Length: 0\r\n{close}\r\n").into_bytes()
}

/// Body of an error answer. Fields that do not apply are absent.
#[derive(Debug, Serialize)]
struct Body<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
}

/// 400, or what else fits a request that cannot be served.
#[must_use]
pub fn refused(status: u16, error: &str, with_body: bool) -> Vec<u8> {
    render(status, &Body { error, host: None, port: None, rule: None }, with_body)
}

/// 403: the policy says no.
#[must_use]
pub fn denied(denied: &Denied, with_body: bool) -> Vec<u8> {
    let rule = Some(denied.reason.to_string());
    let host = Some(denied.target.host().to_string());
    render(403, &Body { error: "egress denied", host, port: Some(denied.target.port()), rule }, with_body)
}

/// 502 or 504: there is no upstream.
#[must_use]
pub fn unreachable(target: &Target, error: &DialError, with_body: bool) -> Vec<u8> {
    upstream_failed(if error.is_timeout() { 504 } else { 502 }, target, &error.to_string(), with_body)
}

/// 502 or 504: the upstream answered nothing, or nothing usable.
#[must_use]
pub fn upstream_failed(status: u16, target: &Target, error: &str, with_body: bool) -> Vec<u8> {
    let host = Some(target.host().to_string());
    render(status, &Body { error, host, port: Some(target.port()), rule: None }, with_body)
}

fn render(status: u16, body: &Body<'_>, with_body: bool) -> Vec<u8> {
    // Strings and a number always serialise.
    let json = serde_json::to_vec(body).unwrap_or_default();
    let reason = match status {
        400 => "Bad Request",
        403 => "Forbidden",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    };
    let allow = if status == 405 { format!("Allow: {METHODS}\r\n") } else { String::new() };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\n{allow}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        json.len()
    );
    let mut out = head.into_bytes();
    if with_body {
        out.extend_from_slice(&json);
    }
    out
}
