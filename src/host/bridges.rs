//! Every bridge of one enclave, opened and closed together.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::error::Error;
use super::publish::Published;
use super::{egress, ingress};
use crate::config::limits;
use crate::serve::Gates;
use crate::sync::Latch;
use crate::sys::vsock;
use crate::transport::Listener;
use crate::transport::parent::{Enclave, PortGuard, SocketFile};

/// Open bridges. Dropping them removes the socket file of the egress listener, if it has one.
#[derive(Debug)]
pub struct Bridges {
    gates: Arc<Gates>,
    open: Vec<Open>,
    _egress_file: Option<SocketFile>,
}

/// Where an ingress port was published, shown as what to give a client: `https://127.0.0.1:8443`, if it speaks HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// The address clients connect to.
    pub address: SocketAddr,
    /// The ingress port.
    pub port: u16,
    tls: bool,
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.address)
    }
}

/// Everything listens; clients of the ingress ports wait.
#[derive(Debug)]
pub struct Bound {
    gates: Gates,
    listeners: Vec<(Listener, Open)>,
    egress_file: Option<SocketFile>,
}

impl Bound {
    /// Publishes `ports` on `bind`, and serves egress requests on vsock port `egress` if there is one: an enclave asks
    /// from its first moment on, and only a socket's name, the one of `socket`, depends on which it is.
    ///
    /// # Errors
    /// [`Error::Publish`], [`Error::Egress`], [`Error::Resources`].
    pub fn open(
        socket: Option<&Enclave>,
        bind: IpAddr,
        ports: &[Published],
        egress: Option<u32>,
    ) -> Result<Self, Error> {
        let mut gates = Gates::default();
        let mut listeners = Vec::new();
        for Published { host, ingress: plan } in ports {
            let failed = |e| Error::Publish(SocketAddr::new(bind, *host), plan.port, e);
            let listener = Listener::tcp(bind, *host).map_err(failed)?;
            let address = match &listener {
                Listener::Tcp(tcp) => tcp.local_addr().map_err(failed)?,
                _ => SocketAddr::new(bind, *host),
            };
            listeners.push((listener, Open { address, port: plan.port, tls: plan.tls }));
        }
        let mut egress_file = None;
        if let Some(port) = egress {
            let guard = listen(socket, port).map_err(|e| Error::Egress(port, e))?;
            let gate = gates.open(limits::MAX_CONNECTIONS).map_err(Error::Resources)?;
            egress::spawn(guard.listener, &gate).map_err(Error::Resources)?;
            egress_file = guard.file;
        }
        Ok(Self { gates, listeners, egress_file })
    }

    /// Bridges the ingress ports to `enclave`. `up` tells when it serves them.
    ///
    /// # Errors
    /// [`Error::Resources`].
    pub fn bridge(self, enclave: &Enclave, up: &Latch) -> Result<Bridges, Error> {
        let Self { mut gates, listeners, egress_file } = self;
        let mut open = Vec::new();
        for (listener, place) in listeners {
            let gate = gates.open(limits::MAX_CONNECTIONS).map_err(Error::Resources)?;
            ingress::spawn(listener, enclave.clone(), place.port, up.clone(), &gate).map_err(Error::Resources)?;
            open.push(place);
        }
        Ok(Bridges { gates: Arc::new(gates), open, _egress_file: egress_file })
    }
}

/// Without a name for it the listener is one of AF_VSOCK, on this machine's port for every enclave.
fn listen(socket: Option<&Enclave>, port: u32) -> io::Result<PortGuard> {
    match socket {
        Some(enclave) => enclave.listen(port),
        None => Ok(PortGuard { listener: Listener::Vsock(vsock::Listener::bind(port)?), file: None }),
    }
}

impl Bridges {
    /// Where the ingress ports are.
    #[must_use]
    pub fn published(&self) -> &[Open] {
        &self.open
    }

    /// Accepts nothing from now on, and gives open connections `patience` to end, on a thread of its own; `done` is
    /// called when they have ended, or the time has.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn drain(&self, patience: Duration, done: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let gates = Arc::clone(&self.gates);
        let work = move || {
            match gates.drain(patience) {
                0 => {}
                n => log::info!("cut off {n} connections that were still open"),
            }
            done();
        };
        crate::serve::thread_builder("drain").spawn(work).map(drop).map_err(Error::Resources)
    }
}
