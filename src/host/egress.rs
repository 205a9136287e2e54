//! From the application to the world: the enclave asks for a connection, this side makes it.
//!
//! One framed request, one framed answer, then bytes both ways. Which targets are allowed was decided inside the
//! enclave; here every request is served.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use super::lookup::Lookups;
use crate::config::limits;
use crate::pump::{self, Early, Outcome};
use crate::report::logger::Throttle;
use crate::serve::Gate;
use crate::sys::connect::connect_tcp;
use crate::sys::socket::Socket;
use crate::transport::Listener;
use crate::wire::frame::{self, ConnectFailure, ConnectReply, ConnectRequest};

/// Linux's number, for a failure the kernel had no part in.
const ETIMEDOUT: i32 = 110;

/// Serves connect requests that arrive at `listener` until `gate` is closed.
///
/// # Errors
/// When the accept thread cannot be started.
pub fn spawn(listener: Listener, gate: &Arc<Gate>) -> io::Result<()> {
    let egress = Egress::default();
    crate::serve::spawn("egress", listener, gate, move |socket| egress.serve(socket))
}

#[derive(Debug, Default)]
struct Egress {
    lookups: Lookups,
    troubles: Throttle,
}

impl Egress {
    fn serve(&self, enclave: Socket) {
        let request: ConnectRequest = match frame::receive(&enclave, Instant::now() + limits::FRAME) {
            Ok(request) => request,
            Err(e) => {
                return self.troubles.warn(format_args!("egress: closed a connection without a request: {e}"));
            }
        };
        let ConnectRequest { host, port } = &request;
        let (reply, upstream) = match self.dial(&request, Instant::now() + limits::UPSTREAM_CONNECT) {
            Ok(stream) => (ConnectReply::Ok, Some(Socket::from(stream))),
            Err(failure) => {
                log::info!("egress: {}", failure.message);
                (ConnectReply::Err(failure), None)
            }
        };
        match (frame::send(&enclave, &reply, Instant::now() + limits::FRAME), upstream) {
            (Ok(()), Some(upstream)) => {
                log::debug!("egress: connected to {host}:{port}");
                note(&request, &pump::run(enclave, upstream, Early::default(), limits::IDLE_TUNNEL));
            }
            (Ok(()), None) => {}
            // The application gave up meanwhile.
            (Err(e), _) => log::debug!("egress: {host}:{port} is not wanted any more: {e}"),
        }
    }

    /// Connects to the first address that answers. All of them share the time until `deadline`, so that one that stays
    /// silent leaves some to the next.
    fn dial(&self, request: &ConnectRequest, deadline: Instant) -> Result<TcpStream, ConnectFailure> {
        let addresses =
            self.lookups.find(&request.host, request.port, deadline).map_err(|e| unresolved(&request.host, &e))?;
        let mut failure = None;
        for (address, left_to_try) in addresses.iter().zip((1..=addresses.len()).rev()) {
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(left_to_try).unwrap_or(u32::MAX);
            match connect(address, share) {
                Ok(stream) => return Ok(stream),
                Err(e) => failure = Some(unconnected(request, address, &e)),
            }
        }
        // `find` returns one address at least.
        failure.map_or_else(|| Err(unresolved(&request.host, &io::ErrorKind::NotFound.into())), Err)
    }
}

fn connect(address: &SocketAddr, patience: std::time::Duration) -> io::Result<TcpStream> {
    if patience.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    connect_tcp(address, patience)
}

fn unresolved(host: &str, e: &io::Error) -> ConnectFailure {
    let (host, cut) = match host.char_indices().nth(limits::HOST_NAME) {
        Some((at, _)) => (&host[..at], "…"),
        None => (host, ""),
    };
    ConnectFailure { os_code: code(e), message: format!("cannot resolve {host:?}{cut}: {e}") }
}

fn unconnected(request: &ConnectRequest, address: &SocketAddr, e: &io::Error) -> ConnectFailure {
    let ConnectRequest { host, port } = request;
    ConnectFailure { os_code: code(e), message: format!("cannot connect to {host}:{port} ({}): {e}", address.ip()) }
}

fn code(e: &io::Error) -> Option<i32> {
    match e.kind() {
        io::ErrorKind::TimedOut => Some(ETIMEDOUT),
        _ => e.raw_os_error(),
    }
}

fn note(request: &ConnectRequest, outcome: &Outcome) {
    let ConnectRequest { host, port } = request;
    outcome.log(format_args!("egress to {host}:{port}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::thread;
    use std::time::Duration;

    /// The enclave's end of a connection that is being served.
    fn served() -> (UnixStream, thread::JoinHandle<()>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let socket = Socket::from(OwnedFd::from(theirs));
        (ours, thread::spawn(move || Egress::default().serve(socket)))
    }

    fn ask(enclave: &UnixStream, host: &str, port: u16) -> Vec<u8> {
        let body = format!("{{\"host\":\"{host}\",\"port\":{port}}}");
        // Data right behind the request, in the same write: it must reach the upstream and nobody else.
        let message = [&(body.len() as u16).to_le_bytes(), body.as_bytes(), b"early"].concat();
        (&*enclave).write_all(&message).unwrap();
        let mut length = [0; 2];
        (&*enclave).read_exact(&mut length).unwrap();
        let mut reply = vec![0; usize::from(u16::from_le_bytes(length))];
        (&*enclave).read_exact(&mut reply).unwrap();
        reply
    }

    #[test]
    fn the_name_host_reaches_this_machines_loopback_and_no_early_byte_is_lost() {
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = upstream.local_addr().unwrap().port();
        let (enclave, serving) = served();
        assert_eq!(ask(&enclave, "host", port), b"\"Ok\"");
        let (mut world, _) = upstream.accept().unwrap();
        enclave.shutdown(std::net::Shutdown::Write).unwrap();
        let mut got = String::new();
        world.read_to_string(&mut got).unwrap();
        assert_eq!(got, "early");
        world.write_all(b"answer after the other half was closed").unwrap();
        drop(world);
        let mut answer = String::new();
        (&enclave).read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "answer after the other half was closed");
        serving.join().unwrap();
    }

    #[test]
    fn a_refused_connection_is_told_with_its_errno() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (enclave, serving) = served();
        let reply: ConnectReply = serde_json::from_slice(&ask(&enclave, "127.0.0.1", port)).unwrap();
        let ConnectReply::Err(ConnectFailure { os_code, message }) = reply else { panic!() };
        assert_eq!(os_code, Some(111));
        assert!(message.starts_with(&format!("cannot connect to 127.0.0.1:{port} (127.0.0.1): ")), "{message}");
        serving.join().unwrap();
    }

    #[test]
    fn the_next_address_is_tried_when_one_refuses() {
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = upstream.local_addr().unwrap().port();
        // `localhost` is ::1 first on many machines, where nobody listens.
        let request = ConnectRequest { host: "localhost".into(), port };
        assert!(Egress::default().dial(&request, Instant::now() + limits::UPSTREAM_CONNECT).is_ok());
    }

    #[test]
    fn no_time_left_is_a_timeout_with_its_errno() {
        let request = ConnectRequest { host: "127.0.0.1".into(), port: 9 };
        let failure = Egress::default().dial(&request, Instant::now()).unwrap_err();
        assert_eq!(failure.os_code, Some(110));
    }

    #[test]
    fn a_name_that_cannot_be_one_has_no_errno_and_does_not_fill_the_log() {
        let (enclave, serving) = served();
        let reply: ConnectReply = serde_json::from_slice(&ask(&enclave, &"x".repeat(60_000), 1)).unwrap();
        let ConnectReply::Err(ConnectFailure { os_code, message }) = reply else { panic!() };
        assert_eq!(os_code, None);
        assert!(message.len() < 400, "{} bytes", message.len());
        serving.join().unwrap();
    }

    #[test]
    fn what_is_no_request_closes_the_connection() {
        let (mut enclave, serving) = served();
        enclave.write_all(b"\x04\x00null").unwrap();
        let mut answer = Vec::new();
        enclave.read_to_end(&mut answer).unwrap();
        assert!(answer.is_empty());
        serving.join().unwrap();
    }
}
