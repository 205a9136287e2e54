//! TLS clients: both versions, with tickets and without.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, version};

use crate::stream::Stream;
use crate::support::Port;
use crate::support::certificates::Certificates;
use crate::tally::{Outcome, Turn};

/// What the certificate is for.
pub const NAME: &str = "soak.example";

pub type TlsStream = StreamOwned<ClientConnection, Stream>;

pub struct Tls {
    configs: Vec<Arc<ClientConfig>>,
    /// Where the application listens, and where `odyn-host` publishes that.
    pub port: Port,
    pub published: Port,
}

impl Tls {
    pub fn new(certificates: &Certificates) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificates.ca_pem.as_bytes()).unwrap()).unwrap();
        let config = |version, resumption| {
            let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
            let builder = builder.with_protocol_versions(&[version]).unwrap();
            let mut config = builder.with_root_certificates(roots.clone()).with_no_client_auth();
            config.resumption = resumption;
            Arc::new(config)
        };
        let configs = vec![
            config(&version::TLS13, Resumption::disabled()),
            config(&version::TLS12, Resumption::disabled()),
            config(&version::TLS13, Resumption::in_memory_sessions(16)),
            config(&version::TLS12, Resumption::in_memory_sessions(16)),
        ];
        Self { configs, port: Port::reserve(), published: Port::reserve() }
    }

    pub fn session(&self, turn: &mut Turn) -> Outcome<ClientConnection> {
        let config = Arc::clone(&self.configs[turn.dice.roll(self.configs.len() as u64) as usize]);
        ClientConnection::new(config, ServerName::try_from(NAME).unwrap()).map_err(|e| e.to_string())
    }

    /// Without a handshake.
    pub fn raw(&self, turn: &mut Turn) -> Outcome<Stream> {
        let stream = match turn.dice.roll(2) {
            0 => Stream::vsock(&turn.stage.odyn.vsock_path(), self.port.0, &[]),
            _ => Stream::tcp(self.published.0),
        };
        stream.map_err(|e| format!("connecting: {e}"))
    }

    pub fn connect(&self, turn: &mut Turn) -> Outcome<TlsStream> {
        let mut stream = StreamOwned::new(self.session(turn)?, self.raw(turn)?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|e| format!("the handshake: {e}"))?;
        }
        Ok(stream)
    }
}
