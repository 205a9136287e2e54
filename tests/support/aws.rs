//! odyn's AWS client in the test's own process, going out through a host side on UNIX sockets.

use std::sync::Arc;

use odyn::aws::client::{Client, Roots};
use odyn::aws::connect::Way;
use odyn::aws::credentials::{self, Provider};
use odyn::outbound::dial::Dialer;
use odyn::outbound::pattern::Pattern;
use odyn::outbound::policy::Policy;
use odyn::transport::Transport;
use odyn::transport::guest::Guest;

use super::TempDir;
use super::fake_host::FakeHost;
use super::imds::Imds;

/// A client and the host it goes out through.
pub struct Outside {
    pub host: FakeHost,
    pub client: Client,
    _dir: TempDir,
}

impl Outside {
    /// Every name leads to this machine.
    pub fn new(allow: &[&str], roots: Roots) -> Self {
        let dir = TempDir::new();
        let path = dir.path().join("vsock");
        let host = FakeHost::start(&path);
        let transport = Arc::new(Transport::Hybrid(Guest::bind(&path).unwrap()));
        let allow = allow.iter().map(|text| Pattern::parse(text).unwrap()).collect();
        let way = Way { policy: Policy::new(allow, Vec::new()), dialer: Dialer::new(transport, 17002) };
        Self { host, client: Client::new(way, roots), _dir: dir }
    }

    /// Credentials and region from a service of the test's.
    pub fn provider(&self, imds: &Imds) -> Provider {
        let endpoint = credentials::endpoint(Some(imds.endpoint().as_ref())).unwrap();
        Provider::new(self.client.clone(), endpoint, "S3 storage")
    }
}
