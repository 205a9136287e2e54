//! From the world to the application: vsock port to the same port of its 127.0.0.1, byte for byte.
//!
//! Promises: one thread a connection, on which TLS, where the manifest asks for it, is also negotiated, so that an idle
//! client delays nobody; an application still starting is retried, one that is gone costs its client a closed
//! connection. Never looks at what passes.

#![forbid(unsafe_code)]

pub mod tls;

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use rustls::ServerConfig;

use crate::config::limits;
use crate::pump::tls::TlsEnd;
use crate::pump::{self, Early, Outcome};
use crate::report::logger::Throttle;
use crate::serve::Gate;
use crate::sys::connect::{connect_loopback, is_out_of_descriptors};
use crate::sys::socket::Socket;
use crate::transport::Listener;

/// When the application was started; not set until it is.
pub type AppStart = Arc<OnceLock<Instant>>;

/// Serves one ingress port until `gate` is closed.
///
/// # Errors
/// When the accept thread cannot be started.
pub fn spawn(
    port: u16,
    tls: Option<Arc<ServerConfig>>,
    listener: Listener,
    gate: &Arc<Gate>,
    app_start: AppStart,
) -> io::Result<()> {
    let ingress = Ingress { port, tls, app_start, troubles: Throttle::default() };
    crate::serve::spawn(&format!("ingress {port}"), listener, gate, move |socket| ingress.serve(socket))
}

struct Ingress {
    port: u16,
    tls: Option<Arc<ServerConfig>>,
    app_start: AppStart,
    troubles: Throttle,
}

impl Ingress {
    fn serve(&self, client: Socket) {
        if let Some(config) = &self.tls {
            return self.serve_tls(client, config);
        }
        match self.connect_app() {
            Some(app) => self.note(&pump::run(client, app, Early::default(), limits::IDLE_TUNNEL)),
            None => client.reset_on_drop(),
        }
    }

    /// Not inlined: a plain connection would hold what this needs of the stack.
    #[inline(never)]
    fn serve_tls(&self, client: Socket, config: &Arc<ServerConfig>) {
        // The handshake first: who does not get that far never reaches the application.
        let client = match TlsEnd::accept(client, config, Instant::now() + limits::TLS_HANDSHAKE) {
            Ok(client) => client,
            Err(e) => {
                return self.troubles.warn(format_args!("ingress {}: TLS handshake failed: {e}", self.port));
            }
        };
        if let Some(app) = self.connect_app() {
            self.note(&pump::run(client, app, Early::default(), limits::IDLE_TUNNEL));
        }
    }

    /// Connects to the application, retrying while it may still be starting.
    #[inline(never)]
    fn connect_app(&self) -> Option<Socket> {
        loop {
            match connect_loopback(self.port, limits::APP_CONNECT) {
                Ok(app) => return Some(app),
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused && self.app_may_be_starting() => {
                    std::thread::sleep(limits::APP_RETRY_PAUSE);
                }
                Err(e) => {
                    let why = if is_out_of_descriptors(&e) {
                        "odyn is out of descriptors"
                    } else {
                        "the application does not answer on this port of 127.0.0.1"
                    };
                    self.troubles.warn(format_args!("ingress {}: closed a connection, {why}: {e}", self.port));
                    return None;
                }
            }
        }
    }

    fn app_may_be_starting(&self) -> bool {
        self.app_start.get().is_none_or(|start| start.elapsed() < limits::APP_START_RETRY)
    }

    fn note(&self, outcome: &Outcome) {
        outcome.log(format_args!("ingress {}", self.port));
    }
}
