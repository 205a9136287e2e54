//! How a request gets from a socket to a handler and back.
//!
//! `tiny_http` parses requests and writes answers, but it has no deadlines and no bounds: it gives every connection a
//! thread, which reads for as long as the client likes. So it never meets a client. One thread of ours (the
//! front) holds all connections of a listener in one `poll`, reads each request whole within the limits of
//! [`limits`], and only then passes it on, over one of [`limits::API_HANDLERS`] private connections made at
//! start. What `tiny_http` reads is therefore always there already, its threads are as many as those connections, and so
//! are the handlers. Answers go back the same way and wait in the front for the client to take them.
//!
//! The private connections are UNIX sockets. The name they need to find each other is in a folder that only odyn's user
//! may enter, and is removed before anything is served: nobody else can connect.

use std::fs::DirBuilder;
use std::io::{self, Cursor};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use tiny_http::{Header, Request, Response, Server};
use zeroize::Zeroizing;

use super::error::ApiError;
use super::front::Front;
use super::route::Surface;
use super::{Answer, Api};
use crate::config::limits;
use crate::serve::{Gate, thread_builder};
use crate::sys::socket::Socket;
use crate::transport::Listener;

/// Serves `api` on `listener` until `gate` is closed.
///
/// # Errors
/// When there is no thread, no descriptor or no folder for temporary files.
pub fn spawn(surface: Surface, api: &Arc<Api>, listener: Listener, gate: &Arc<Gate>) -> io::Result<()> {
    let lanes = start_handlers(surface, api)?;
    let front = Front::new(surface, listener, Arc::clone(gate), lanes);
    thread_builder(surface.name()).spawn(move || front.run()).map(drop)
}

/// Starts tiny_http and the handlers; returns the other ends of its connections.
fn start_handlers(surface: Surface, api: &Arc<Api>) -> io::Result<Vec<Socket>> {
    let folder = PrivateFolder::new()?;
    let path = folder.0.join("lanes");
    // tiny_http never drops this: it would connect to a name that is gone.
    let server = Server::from_listener(UnixListener::bind(&path)?, None).map_err(io::Error::other)?;
    let server = Arc::new(server);
    let mut lanes = Vec::new();
    for _ in 0..limits::API_HANDLERS {
        lanes.push(Socket::from(OwnedFd::from(UnixStream::connect(&path)?)));
        let (server, api) = (Arc::clone(&server), Arc::clone(api));
        let builder = thread_builder(surface.name()).stack_size(limits::API_STACK);
        builder.spawn(move || handle_all(surface, &server, &api))?;
    }
    Ok(lanes)
}

/// A folder that only this user may enter, removed with the socket in it.
struct PrivateFolder(PathBuf);

impl PrivateFolder {
    fn new() -> io::Result<Self> {
        let base = std::env::temp_dir();
        let mut last = io::ErrorKind::AlreadyExists.into();
        // Somebody else's folder of the same name is never entered; a crash of ours may have left some.
        for attempt in 0..100 {
            let path = base.join(format!("odyn-{}-{attempt}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => last = e,
                Err(e) => return Err(io::Error::new(e.kind(), format!("{}: {e}", path.display()))),
            }
        }
        Err(last)
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn handle_all(surface: Surface, server: &Server, api: &Api) {
    loop {
        match server.recv() {
            Ok(request) => handle(surface, request, api),
            // It has stopped accepting, which it did not have to do any more anyway.
            Err(e) => log::warn!("{}: {e}", surface.name()),
        }
    }
}

fn handle(surface: Surface, mut request: Request, api: &Api) {
    let mut body = Zeroizing::new(Vec::with_capacity(request.body_length().unwrap_or(0).min(limits::API_BODY)));
    let answer = match request.as_reader().read_to_end(&mut body) {
        Ok(_) => {
            let (method, target) = (request.method().as_str(), request.url());
            // A panic in a handler is a defect, and ends nothing but this request.
            let answer = catch_unwind(AssertUnwindSafe(|| api.answer(surface, method, target, &body)));
            answer.unwrap_or_else(|_| Answer::error(&ApiError::Defect))
        }
        Err(e) => Answer::refusal(400, &format!("body: {e}")),
    };
    let path = request.url().split('?').next().unwrap_or_default();
    log::debug!("{}: {} {path} {}", surface.name(), request.method(), answer.status);
    if let Err(e) = request.respond(response(answer)) {
        log::warn!("{}: an answer got lost: {e}", surface.name());
    }
}

fn response(answer: Answer) -> Response<Cursor<Vec<u8>>> {
    let length = answer.body.len();
    let mut headers = Vec::new();
    let fields = [("Content-Type", Some(answer.content_type)), ("Allow", answer.allow), ("Server", Some("odyn"))];
    for (name, value) in fields {
        headers.extend(value.and_then(|value| Header::from_bytes(name, value).ok()));
    }
    // Never chunked: the front reads it by its length.
    Response::new(answer.status.into(), headers, Cursor::new(answer.body), Some(length), None)
        .with_chunked_threshold(usize::MAX)
}

/// An answer of the front's own, as bytes. The connection ends with it.
pub(super) fn refusal(status: u16, error: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = response(Answer::refusal(status, error)).raw_print(&mut bytes, (1, 1).into(), &[], false, None);
    announce_close(&mut bytes);
    bytes
}

/// Adds `Connection: close` to an answer, which tiny_http does not let its users do.
pub(super) fn announce_close(answer: &mut Vec<u8>) {
    if let Some(at) = answer.iter().position(|b| *b == b'\n') {
        answer.splice(at + 1..at + 1, *b"Connection: close\r\n");
    }
}
