//! The proxy's loop: a connection, its requests one after the other, a decision for each.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer;
use super::dial::{DialError, Dialer};
use super::exchange::{self, After, ExchangeError, Failure};
use super::hostname::Target;
use super::policy::{Allowed, Decision, Policy};
use super::request::{Wish, forwarded_request, wish};
use crate::config::limits;
use crate::http::body::Follower;
use crate::http::head::{Framing, HeadError, RequestHead, Scanner};
use crate::http::peer::Peer;
use crate::pump::{self, Early};
use crate::serve::Gate;
use crate::sys::poll::{Entry, Interest, poll};
use crate::transport::Listener;

/// Serves `listener` until `gate` is closed.
///
/// # Errors
/// When the accept thread cannot be started.
pub fn spawn(listener: Listener, gate: &Arc<Gate>, policy: Policy, dialer: Dialer) -> io::Result<()> {
    let proxy = Proxy { policy, dialer };
    crate::serve::spawn("egress", listener, gate, move |socket| proxy.serve(Peer::new(socket)))
}

struct Proxy {
    policy: Policy,
    dialer: Dialer,
}

/// A connection that carried a request and may carry the next one to the same target.
struct Upstream {
    target: Target,
    peer: Peer,
}

/// What to do with the client's connection.
enum Then {
    /// Read its next request.
    Continue(Option<Upstream>),
    /// Say this last, then close.
    Say(Vec<u8>),
    /// Close so that it cannot be mistaken for a complete answer.
    Abort,
    /// Raw bytes both ways.
    Tunnel(Peer),
}

impl Proxy {
    fn serve(&self, mut client: Peer) {
        let mut upstream = None;
        let mut first = true;
        loop {
            let head = match read_request(&mut client, first) {
                Ok(Some(head)) => head,
                Ok(None) => return,
                Err(refusal) => {
                    log::warn!("egress: refused a request with {}: {}", refusal.status, refusal.reason);
                    client.output.extend(answer::refused(refusal.status, &refusal.reason, true));
                    return client.close();
                }
            };
            match self.serve_request(&mut client, &head, upstream.take()) {
                Then::Continue(kept) => upstream = kept,
                Then::Say(last) => {
                    client.output.extend(last);
                    return client.close();
                }
                Then::Abort => return client.socket.reset_after_delivery(),
                Then::Tunnel(upstream) => return tunnel(client, upstream),
            }
            first = false;
        }
    }

    fn serve_request(&self, client: &mut Peer, head: &RequestHead, kept: Option<Upstream>) -> Then {
        let with_body = head.method != "HEAD";
        let (wish, framing) = match wish(head).map_err(|e| e.to_string()).and_then(|wish| {
            let framing = head.framing().map_err(|e| e.to_string())?;
            Ok((wish, framing))
        }) {
            Ok(read) => read,
            Err(reason) => {
                log::warn!("egress: refused a request with 400: {reason}");
                return Then::Say(answer::refused(400, &reason, with_body));
            }
        };
        let target = match &wish {
            Wish::Tunnel(target) | Wish::Forward(target, _) => target.clone(),
            Wish::Proxy if head.method == "OPTIONS" && framing == Framing::Length(0) => {
                let persists = exchange::persists(head.version, &head.fields);
                client.output.extend(answer::about_proxy(!persists));
                // Sent before the next is read: a client that only asks and never reads would fill memory.
                let deadline = Instant::now() + limits::FRAME;
                if client.socket.write_all_until(&client.output, deadline).is_err() {
                    return Then::Abort;
                }
                client.output.clear();
                return if persists { Then::Continue(kept) } else { Then::Say(Vec::new()) };
            }
            Wish::Proxy => return Then::Say(answer::refused(405, "not something to ask a proxy", with_body)),
        };
        let allowed = match self.policy.decide(target) {
            Decision::Allowed(allowed) => allowed,
            Decision::Denied(denied) => {
                log_decision("denied", &head.method, &denied.target, Some(&denied.reason));
                return Then::Say(answer::denied(&denied, with_body));
            }
        };
        log_decision("allowed", &head.method, allowed.target(), None);
        match wish {
            Wish::Forward(_, path) => self.forward(client, head, framing, &allowed, &path, kept),
            _ if framing != Framing::Length(0) => Then::Say(answer::refused(400, "CONNECT has no body", true)),
            _ => match self.dial(&allowed) {
                Ok(upstream) => {
                    client.output.extend_from_slice(answer::TUNNEL_OPEN);
                    Then::Tunnel(upstream)
                }
                Err(e) => Then::Say(answer::unreachable(allowed.target(), &e, true)),
            },
        }
    }

    fn forward(
        &self,
        client: &mut Peer,
        head: &RequestHead,
        framing: Framing,
        allowed: &Allowed,
        path: &str,
        kept: Option<Upstream>,
    ) -> Then {
        let target = allowed.target();
        let with_body = head.method != "HEAD";
        let mut kept = kept.filter(|kept| kept.target == *target && is_quiet(&kept.peer)).map(|kept| kept.peer);
        loop {
            let reused = kept.is_some();
            let mut upstream = match kept.take().map_or_else(|| self.dial(allowed), Ok) {
                Ok(upstream) => upstream,
                Err(e) => return Then::Say(answer::unreachable(target, &e, with_body)),
            };
            upstream.output = forwarded_request(head, target, path);
            let failure = match exchange::run(client, &mut upstream, head, Follower::new(framing)) {
                Ok(After::Next { client: false, .. }) => return Then::Say(Vec::new()),
                Ok(After::Next { upstream: true, .. }) => {
                    return Then::Continue(Some(Upstream { target: target.clone(), peer: upstream }));
                }
                Ok(After::Next { .. }) => return Then::Continue(None),
                Ok(After::Tunnel) => return Then::Tunnel(upstream),
                Err(failure) => failure,
            };
            // The upstream closed a connection that lay idle, just as it was used again: no harm in asking anew.
            let gone = matches!(failure.error, ExchangeError::Upstream(_)) && failure.upstream_silent;
            if reused && gone && framing == Framing::Length(0) && is_idempotent(&head.method) {
                continue;
            }
            log::info!("egress: {} {target} failed: {}", head.method, failure.error);
            return after_failure(&failure, target, with_body);
        }
    }

    fn dial(&self, allowed: &Allowed) -> Result<Peer, DialError> {
        self.dialer.dial(allowed).map(Peer::new).inspect_err(|e| log::info!("egress: {}: {e}", allowed.target()))
    }
}

fn after_failure(failure: &Failure, target: &Target, with_body: bool) -> Then {
    let reason = failure.error.to_string();
    match failure.error {
        _ if failure.answer_begun => Then::Abort,
        ExchangeError::Client(_) => Then::Abort,
        ExchangeError::ClientBody => Then::Say(answer::refused(400, &reason, with_body)),
        ExchangeError::Idle => Then::Say(answer::upstream_failed(504, target, &reason, with_body)),
        _ => Then::Say(answer::upstream_failed(502, target, &reason, with_body)),
    }
}

/// One line for each decision, always with the same names.
fn log_decision(decision: &str, method: &str, target: &Target, rule: Option<&super::policy::DenyReason>) {
    let (host, port) = (target.host(), target.port());
    match rule {
        None => log::info!("egress decision={decision} method={method} host={host} port={port}"),
        Some(rule) => log::warn!("egress decision={decision} method={method} host={host} port={port} rule={rule}"),
    }
}

fn tunnel(mut client: Peer, upstream: Peer) {
    if client.socket.write_all_until(&client.output, Instant::now() + limits::FRAME).is_err() {
        return;
    }
    let mut forward = upstream.output;
    forward.append(&mut client.input);
    let early = Early { forward, backward: upstream.input };
    pump::run(client.socket, upstream.socket, early, limits::IDLE_TUNNEL).log("egress tunnel");
}

/// Nothing came on a connection that lay idle: neither its end nor bytes nobody asked for.
fn is_quiet(peer: &Peer) -> bool {
    let mut entries = [Entry::new(peer.socket.as_fd(), Interest::READ)];
    poll(&mut entries, Some(Duration::ZERO)).is_ok_and(|ready| ready == 0)
}

/// RFC 9110 section 9.2.2.
fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE")
}

/// Why a request is refused before it is understood.
struct Refusal {
    status: u16,
    reason: String,
}

impl From<HeadError> for Refusal {
    fn from(error: HeadError) -> Self {
        let status = match error {
            HeadError::TooLarge => 431,
            HeadError::Version => 505,
            _ => 400,
        };
        Self { status, reason: error.to_string() }
    }
}

/// The next request's head. `None` when the client has nothing more to say, or breaks, or says nothing in time.
fn read_request(client: &mut Peer, first: bool) -> Result<Option<RequestHead>, Refusal> {
    // Between two requests a client may take its time; once one has begun, or on a new connection, it may not.
    let mut deadline = Instant::now() + if first { limits::HEADER_READ } else { limits::KEEP_ALIVE };
    let mut begun = first;
    let mut scanner = Scanner::default();
    let mut skipped = false;
    loop {
        // RFC 9112 section 2.2: one empty line before a request is skipped; some clients send one behind a body.
        if !skipped && client.input.starts_with(b"\r\n") {
            client.take(2);
            skipped = true;
        }
        // A lone CR may become such a line.
        if (skipped || client.input != b"\r")
            && let Some(length) = scanner.head_length(&client.input, limits::REQUEST_HEAD)?
        {
            return Ok(Some(RequestHead::parse(&client.take(length))?));
        }
        if !begun && !client.input.is_empty() {
            begun = true;
            deadline = Instant::now() + limits::HEADER_READ;
        }
        if client.ended {
            return Ok(None);
        }
        if client.send().is_err() {
            return Ok(None);
        }
        let interest = Interest { readable: true, writable: !client.output.is_empty() };
        let left = deadline.saturating_duration_since(Instant::now());
        let mut entries = [Entry::new(client.socket.as_fd(), interest)];
        // A flood must not outrun the deadline: past it nothing counts as ready.
        let ready = if left.is_zero() { Ok(0) } else { poll(&mut entries, Some(left)) };
        match ready {
            Ok(0) if client.input.is_empty() => return Ok(None),
            Ok(0) => {
                let reason = format!("the request's head did not arrive within {:?}", limits::HEADER_READ);
                return Err(Refusal { status: 408, reason });
            }
            Ok(_) if entries[0].readable() => {
                if client.receive().is_err() {
                    return Ok(None);
                }
            }
            Ok(_) => {}
            Err(_) => return Ok(None),
        }
    }
}
