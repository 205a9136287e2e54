//! How a request gets from a socket to a handler and back.
//!
//! One thread (the front) holds all connections of a listener in one `poll`, reads each request whole within the limits
//! of its [`Plan`](super::service::Plan), and only then passes it on to a handler's thread. Answers come back the same way
//! and wait in the front for the client to take them. What takes no time the front answers itself.
//!
//! Answers are written by `tiny_http`. Its server is not used: it gives every connection a thread, which reads for as long
//! as the client likes, without deadlines and bounds.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use tiny_http::{Header, Response};

use super::chunks::Chunks;
use super::client::Whole;
use super::front::Front;
use super::handlers::{Answers, Handlers};
use super::service::{Answer, Service, Work};
use crate::config::limits;
use crate::serve::{Gate, thread_builder};
use crate::transport::Listener;
use crate::utc::Utc;

/// Serves on `listener` until `gate` is closed.
///
/// # Errors
/// When there is no thread or no descriptor.
pub fn spawn(service: &Arc<dyn Service>, listener: Listener, gate: &Arc<Gate>) -> io::Result<()> {
    let answers = Arc::new(Answers::new()?);
    let mut handlers = Vec::new();
    for work in [Work::Local, Work::Remote] {
        handlers.push(Handlers::start(service, work, service.handlers(work), &answers)?);
    }
    let front = Front::new(Arc::clone(service), listener, Arc::clone(gate), handlers, answers);
    thread_builder(service.name()).spawn(move || front.run()).map(drop)
}

/// Why a request is refused for want of memory.
pub(super) const NO_ROOM: &str = "not enough memory for this request; try again";

/// The answer to a whole request, as bytes. A panic ends nothing but this request; one on the way to say so, too, its
/// connection, for which there is no answer then.
pub(super) fn answer(service: &dyn Service, request: Whole) -> Chunks {
    let is_head = request.is_head();
    let answered = catch_unwind(AssertUnwindSafe(|| {
        let request = request.into_request()?;
        // Not with its query, which may be somebody's.
        let what = log::log_enabled!(log::Level::Debug).then(|| format!("{} {}", request.method, request.path()));
        let answer = service.answer(request);
        if let Some(what) = what {
            log::debug!("{}: {what} {}", service.name(), answer.status);
        }
        written(answer, is_head)
    }));
    let reason = match answered {
        Ok(Ok(bytes)) => return bytes,
        // The only way in which memory fails to take something.
        Ok(Err(_)) => NO_ROOM,
        Err(_) => "a defect in odyn; its log names the place",
    };
    let refused = catch_unwind(AssertUnwindSafe(|| written(service.refusal(503, reason), is_head)));
    refused.ok().and_then(Result::ok).unwrap_or_default()
}

/// An answer of the front's own, as bytes. The connection ends with it.
pub(super) fn refusal(answer: Answer) -> Vec<u8> {
    let mut bytes = written(answer, false).unwrap_or_default().pop().unwrap_or_default();
    announce_close(&mut bytes);
    bytes
}

/// Adds `Connection: close` to an answer, which tiny_http does not let its users do.
pub(super) fn announce_close(answer: &mut Vec<u8>) {
    if let Some(at) = answer.iter().position(|b| *b == b'\n') {
        answer.splice(at + 1..at + 1, *b"Connection: close\r\n");
    }
}

/// An answer as bytes; to a request for its head alone, without its body.
///
/// # Errors
/// `OutOfMemory`: a body's reader cannot fail.
fn written(answer: Answer, is_head: bool) -> io::Result<Chunks> {
    let mut bytes = Chunks::expecting(limits::API_USUAL_ANSWER + answer.body.len())?;
    response(answer).raw_print(&mut bytes, (1, 1).into(), &[], is_head, None)?;
    Ok(bytes)
}

fn response(answer: Answer) -> Response<Box<dyn Read + Send>> {
    let mut headers = Vec::new();
    // Its own: tiny_http makes one with a function that panics when the clock stands before 1970 or after 9999.
    let date = Utc::from(SystemTime::now()).http();
    let own = [("Content-Type", answer.content_type), ("Server", "odyn".to_owned()), ("Date", date)];
    for (name, value) in own.into_iter().chain(answer.fields) {
        headers.extend(Header::from_bytes(name, value).ok());
    }
    let (length, reader) = answer.body.into_reader();
    // Never chunked: the length is known.
    Response::new(answer.status.into(), headers, reader, Some(length), None).with_chunked_threshold(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::service::{Plan, Request};
    use super::*;

    /// Panics wherever it is asked to, and when it is worse even as it refuses.
    #[derive(Default)]
    struct Clumsy {
        worse: AtomicBool,
    }

    impl Service for Clumsy {
        fn name(&self) -> &'static str {
            "clumsy"
        }

        fn plan(&self, method: &str, target: &str) -> Plan {
            assert_ne!(target, "/plan", "expected by this test");
            let work = if method == "HEAD" { Work::Immediate } else { Work::Local };
            Plan { work, ..Plan::LOCAL }
        }

        fn handlers(&self, _: Work) -> usize {
            2
        }

        fn answer(&self, request: Request) -> Answer {
            assert_ne!(request.target, "/answer", "expected by this test");
            Answer::bytes("text/plain", b"fine".to_vec())
        }

        fn refusal(&self, status: u16, reason: &str) -> Answer {
            assert!(!self.worse.load(Ordering::Relaxed), "expected by this test");
            Answer { status, ..Answer::bytes("text/plain", reason.as_bytes().to_vec()) }
        }
    }

    #[test]
    fn a_panic_ends_its_request_or_its_connection_and_costs_no_handler() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let gate = Gate::new(2).unwrap();
        let clumsy = Arc::new(Clumsy::default());
        let service: Arc<dyn Service> = Arc::clone(&clumsy) as _;
        spawn(&service, Listener::Tcp(listener), &gate).unwrap();
        let ask = |what: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(limits::API_ANSWER)).unwrap();
            write!(stream, "{what} HTTP/1.0\r\n\r\n").unwrap();
            let mut answer = String::new();
            // One that is dropped with its request unread is reset.
            let _ = stream.read_to_string(&mut answer);
            answer
        };
        // More often than there are handlers and than the gate has room.
        for _ in 0..5 {
            let answer = ask("GET /answer");
            assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("its log names the place"), "{answer}");
            assert!(ask("HEAD /answer").starts_with("HTTP/1.1 503 "));
            assert_eq!(ask("GET /plan"), "");
            clumsy.worse.store(true, Ordering::Relaxed);
            assert_eq!(ask("GET /answer") + &ask("HEAD /answer") + &ask("nonsense"), "");
            clumsy.worse.store(false, Ordering::Relaxed);
        }
        let answer = ask("GET /");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("fine"), "{answer}");
        gate.close();
    }
}
