//! How a request gets from a socket to a handler and back.
//!
//! `tiny_http` parses requests and writes answers, but it has no deadlines and no bounds: it gives every connection a
//! thread, which reads for as long as the client likes. So it never meets a client. One thread of ours (the front) holds
//! all connections of a listener in one `poll`, reads each request whole within the limits of its
//! [`Plan`](super::service::Plan), and only then passes it on, over a private connection of its own (a lane). What
//! `tiny_http` reads is therefore always there already, its threads are as many as the lanes, and so are the handlers.
//! Answers go back the same way and wait in the front for the client to take them.
//!
//! Lanes are UNIX sockets. The name they need to find each other is in a folder that only odyn's user may enter, and is
//! removed before anything is served: nobody else can connect.

use std::fs::DirBuilder;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use tiny_http::{Header, Response, Server};
use zeroize::Zeroizing;

use super::front::Front;
use super::lane::Lane;
use super::service::{Answer, Request, Service, Work};
use crate::config::limits;
use crate::serve::{Gate, thread_builder};
use crate::sys::socket::Socket;
use crate::transport::Listener;

/// Serves on `listener` until `gate` is closed.
///
/// # Errors
/// When there is no thread, no descriptor or no folder for temporary files.
pub fn spawn(service: &Arc<dyn Service>, listener: Listener, gate: &Arc<Gate>) -> io::Result<()> {
    let folder = PrivateFolder::new()?;
    let mut lanes = Vec::new();
    for work in Work::ALL {
        let handlers = service.handlers(work);
        if handlers > 0 {
            lanes.extend(start_handlers(service, work, handlers, &folder)?);
        }
    }
    let front = Front::new(Arc::clone(service), listener, Arc::clone(gate), lanes);
    thread_builder(service.name()).spawn(move || front.run()).map(drop)
}

/// Starts a tiny_http for this kind of work and its handlers; returns the other ends of its connections.
fn start_handlers(
    service: &Arc<dyn Service>,
    work: Work,
    handlers: usize,
    folder: &PrivateFolder,
) -> io::Result<Vec<Lane>> {
    let path = folder.0.join(format!("{work:?}"));
    // tiny_http never drops this: it would connect to a name that is gone.
    let server = Server::from_listener(UnixListener::bind(&path)?, None).map_err(io::Error::other)?;
    let server = Arc::new(server);
    let mut lanes = Vec::new();
    for _ in 0..handlers {
        lanes.push(Lane::new(work, Socket::from(OwnedFd::from(UnixStream::connect(&path)?))));
        let (server, service) = (Arc::clone(&server), Arc::clone(service));
        let builder = thread_builder(service.name()).stack_size(limits::API_STACK);
        builder.spawn(move || handle_all(&server, service.as_ref()))?;
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

fn handle_all(server: &Server, service: &dyn Service) {
    loop {
        match server.recv() {
            Ok(request) => handle(request, service),
            // It has stopped accepting, which it did not have to do any more anyway.
            Err(e) => log::warn!("{}: {e}", service.name()),
        }
    }
}

fn handle(mut request: tiny_http::Request, service: &dyn Service) {
    let (method, target) = (request.method().to_string(), request.url().to_owned());
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let answer = match read_body(&mut request) {
        Ok(body) => {
            let fields = kept(&request, service.fields());
            let whole = Request { method: method.clone(), target, fields, body };
            catch_unwind(AssertUnwindSafe(|| service.answer(whole)))
                .unwrap_or_else(|_| service.refusal(503, "a defect in odyn; its log names the place"))
        }
        Err(e) => service.refusal(400, &format!("body: {e}")),
    };
    log::debug!("{}: {method} {path} {}", service.name(), answer.status);
    if let Err(e) = request.respond(response(answer)) {
        log::warn!("{}: an answer got lost: {e}", service.name());
    }
}

/// The front has seen to its size.
fn read_body(request: &mut tiny_http::Request) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut body = Zeroizing::new(Vec::with_capacity(request.body_length().unwrap_or(0)));
    request.as_reader().read_to_end(&mut body)?;
    Ok(body)
}

fn kept(request: &tiny_http::Request, names: &[&str]) -> Vec<(String, String)> {
    let field = |header: &Header| (header.field.as_str().as_str().to_ascii_lowercase(), header.value.to_string());
    request.headers().iter().map(field).filter(|(name, _)| names.contains(&name.as_str())).collect()
}

fn response(answer: Answer) -> Response<Box<dyn Read + Send>> {
    let mut headers = Vec::new();
    let own = [("Content-Type", answer.content_type), ("Server", "odyn".to_owned())];
    for (name, value) in own.into_iter().chain(answer.fields) {
        headers.extend(Header::from_bytes(name, value).ok());
    }
    let (length, reader) = answer.body.into_reader();
    // Never chunked: the front reads it by its length.
    Response::new(answer.status.into(), headers, reader, Some(length), None).with_chunked_threshold(usize::MAX)
}

/// An answer of the front's own, as bytes. The connection ends with it.
pub(super) fn refusal(answer: Answer) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = response(answer).raw_print(&mut bytes, (1, 1).into(), &[], false, None);
    announce_close(&mut bytes);
    bytes
}

/// Adds `Connection: close` to an answer, which tiny_http does not let its users do.
pub(super) fn announce_close(answer: &mut Vec<u8>) {
    if let Some(at) = answer.iter().position(|b| *b == b'\n') {
        answer.splice(at + 1..at + 1, *b"Connection: close\r\n");
    }
}
