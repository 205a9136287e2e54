//! From the world to the enclave: a published TCP port to the same vsock port the application's name for it has.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::config::limits;
use crate::pump::{self, Early};
use crate::report::logger::Throttle;
use crate::serve::Gate;
use crate::sync::Latch;
use crate::sys::socket::Socket;
use crate::transport::Listener;
use crate::transport::parent::Enclave;

/// Bridges `listener` to `port` of `enclave` until `gate` is closed. Until `up` is open, the enclave may still be
/// starting, and a client waits for it up to [`limits::UPSTREAM_CONNECT`].
///
/// # Errors
/// When the accept thread cannot be started.
pub fn spawn(listener: Listener, enclave: Enclave, port: u16, up: Latch, gate: &Arc<Gate>) -> io::Result<()> {
    let bridge = Bridge { enclave, port, up, troubles: Throttle::default() };
    crate::serve::spawn(&format!("ingress {port}"), listener, gate, move |client| bridge.serve(client))
}

struct Bridge {
    enclave: Enclave,
    port: u16,
    up: Latch,
    troubles: Throttle,
}

impl Bridge {
    fn serve(&self, client: Socket) {
        // A reset, so that the client cannot take it for an empty answer.
        let Some(enclave) = self.connect() else {
            return client.reset_on_drop();
        };
        let outcome = pump::run(client, enclave, Early::default(), limits::IDLE_TUNNEL);
        outcome.log(format_args!("ingress {}", self.port));
    }

    fn connect(&self) -> Option<Socket> {
        let deadline = Instant::now() + limits::UPSTREAM_CONNECT;
        loop {
            // Looked at before the attempt: one that fails just before the enclave is up deserves another.
            let was_up = self.up.is_open();
            match self.enclave.connect(self.port.into()) {
                Ok(socket) => return Some(socket),
                Err(_) if !was_up && Instant::now() < deadline => {
                    let _ = self.up.wait(deadline.min(Instant::now() + limits::ENCLAVE_RETRY_PAUSE));
                }
                Err(e) => {
                    let Self { enclave, port, .. } = self;
                    self.troubles.warn(format_args!(
                        "ingress {port}: closed a connection, {enclave} does not answer on vsock port {port}: {e}"
                    ));
                    return None;
                }
            }
        }
    }
}
