//! The shape of `enclaver.yaml`, version `v1`: which fields there are and of what kind (contract section 2).
//!
//! Nothing here is used beyond [`super::manifest`], which gives the shape its meaning. A section whose value is empty is
//! the same as an absent one. Duplicate keys have been refused by `structure` before.

use super::port::Port;
use super::value::{Bucket, Checkpoint, Endpoint, HttpUrl, Network, Prefix, Region, Text};
use crate::outbound::pattern::Pattern;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping that starts with version: v1")]
pub(super) struct Manifest {
    pub(super) version: String,
    pub(super) name: Text,
    pub(super) target: Text,
    pub(super) sources: Sources,
    pub(super) signature: Option<Signature>,
    pub(super) defaults: Option<Defaults>,
    pub(super) ingress: Option<Vec<Ingress>>,
    pub(super) egress: Option<Egress>,
    pub(super) api: Option<Api>,
    pub(super) aux_api: Option<AuxApi>,
    pub(super) kms_proxy: Option<KmsProxy>,
    pub(super) storage: Option<Storage>,
    pub(super) helios_rpc: Option<HeliosRpc>,
    pub(super) nsm: Option<Nsm>,
    pub(super) vsock_ports: Option<VsockPorts>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping of image names")]
pub(super) struct Sources {
    pub(super) app: Text,
    pub(super) odyn: Option<Text>,
    pub(super) sleeve: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping of certificate and key")]
pub(super) struct Signature {
    pub(super) certificate: Text,
    pub(super) key: Text,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping of cpu_count and memory_mb")]
pub(super) struct Defaults {
    pub(super) cpu_count: Option<NonZeroU32>,
    pub(super) memory_mb: Option<NonZeroU32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as listen_port: 8080")]
pub(super) struct Ingress {
    pub(super) listen_port: Port,
    pub(super) tls: Option<Tls>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping of cert_file and key_file")]
pub(super) struct Tls {
    pub(super) cert_file: Option<Text>,
    pub(super) key_file: Option<Text>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping of allow, deny and proxy_port")]
pub(super) struct Egress {
    pub(super) proxy_port: Option<Port>,
    pub(super) allow: Option<Vec<Pattern>>,
    pub(super) deny: Option<Vec<Pattern>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as listen_port: 18000")]
pub(super) struct Api {
    pub(super) listen_port: Port,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as listen_port: 18001")]
pub(super) struct AuxApi {
    pub(super) listen_port: Option<Port>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as listen_port: 9000")]
pub(super) struct KmsProxy {
    pub(super) listen_port: Port,
    pub(super) endpoints: Option<BTreeMap<Region, Endpoint>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with s3")]
pub(super) struct Storage {
    pub(super) s3: Option<S3>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with enabled and bucket")]
pub(super) struct S3 {
    #[serde(default)]
    pub(super) enabled: bool,
    pub(super) bucket: Option<Bucket>,
    pub(super) prefix: Option<Prefix>,
    pub(super) region: Option<Region>,
    pub(super) endpoint: Option<HttpUrl>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping with enabled and network")]
pub(super) struct HeliosRpc {
    #[serde(default)]
    pub(super) enabled: bool,
    pub(super) listen_port: Option<Port>,
    pub(super) network: Option<Network>,
    pub(super) execution_rpc: Option<HttpUrl>,
    pub(super) consensus_rpc: Option<HttpUrl>,
    pub(super) checkpoint: Option<Checkpoint>,
    #[serde(default)]
    pub(super) allow_old_checkpoint: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as expose: true")]
pub(super) struct Nsm {
    #[serde(default)]
    pub(super) expose: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping of status_port, app_log_port and http_egress_port")]
pub(super) struct VsockPorts {
    pub(super) status_port: Option<Port>,
    pub(super) app_log_port: Option<Port>,
    pub(super) http_egress_port: Option<Port>,
}
