//! What the KMS proxy and the S3 storage share: one client, whose connections are kept, and one set of credentials.

use std::sync::Arc;

use super::error::BootError;
use crate::aws::client::{Client, Roots};
use crate::aws::connect::Way;
use crate::aws::credentials::{self, Provider};
use crate::config::manifest::Manifest;
use crate::outbound::dial::Dialer;
use crate::transport::Transport;

/// The way to AWS and what to sign with.
pub(super) struct Aws {
    pub(super) client: Client,
    pub(super) provider: Provider,
}

impl Aws {
    /// `None` when the manifest has nothing that calls AWS. Asks nothing yet.
    pub(super) fn open(transport: &Arc<Transport>, manifest: &Manifest) -> Result<Option<Self>, BootError> {
        let caller = match (&manifest.kms_proxy, &manifest.storage) {
            (Some(_), _) => "the KMS proxy",
            (None, Some(_)) => "S3 storage",
            (None, None) => return Ok(None),
        };
        let Some(egress) = &manifest.egress else { return Ok(None) };
        let dialer = Dialer::new(Arc::clone(transport), manifest.vsock_ports.egress.number().into());
        let client = Client::new(Way { policy: egress.policy.clone(), dialer }, Roots::WebPki);
        let metadata = credentials::endpoint(std::env::var_os(credentials::ENDPOINT_VARIABLE).as_deref())?;
        let provider = Provider::new(client.clone(), metadata, caller);
        Ok(Some(Self { client, provider }))
    }
}
