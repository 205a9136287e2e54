//! From the file's shape to its meaning: every rule that one field alone cannot break.
//!
//! Each check returns the checked section or an error placed at the field that must change.

use super::error::ManifestError;
use super::locate::FieldPath;
use super::manifest::{
    Defaults, Egress, Helios, Ingress, KmsProxy, Manifest, S3, Signature, Sources, TlsFiles, VsockPorts,
};
use super::port::Port;
use super::raw;
use super::services::{self, Origin, Origins};
use super::value::{Checkpoint, HttpUrl, Prefix, Text};
use crate::outbound::hostname::{Host, Target};
use crate::outbound::policy::{Decision, DenyReason, Policy};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// The manifest's text, to say where something is.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) file_name: &'a str,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// Gives every field its meaning, or says which one has none.
    pub(super) fn check(self, raw: raw::Manifest) -> Result<Manifest, ManifestError> {
        if raw.version != "v1" {
            return Err(self.fault("version", format!("{:?} is not known here: write v1", raw.version)));
        }
        let aux_written = raw.aux_api.as_ref().and_then(|aux| aux.listen_port);
        let egress_written = raw.egress.as_ref().and_then(|egress| egress.proxy_port);
        let helios_written = raw.helios_rpc.as_ref().and_then(|helios| helios.listen_port);
        let vsock = raw.vsock_ports.unwrap_or_default();
        let egress = raw.egress.and_then(egress);
        let api = raw.api.map(|api| api.listen_port);
        let defaults = raw.defaults.unwrap_or_default();
        let default_ports = VsockPorts::default();
        let manifest = Manifest {
            name: raw.name.0,
            target: raw.target.0,
            sources: Sources { app: raw.sources.app.0, odyn: text(raw.sources.odyn), sleeve: text(raw.sources.sleeve) },
            signature: raw.signature.map(|it| Signature { certificate: it.certificate.0, key: it.key.0 }),
            defaults: Defaults { cpu_count: defaults.cpu_count, memory_mb: defaults.memory_mb },
            ingress: raw.ingress.unwrap_or_default().into_iter().map(ingress).collect(),
            api,
            aux_api: self.aux_api(api, raw.aux_api)?,
            kms_proxy: self.kms_proxy(raw.kms_proxy, egress.as_ref())?,
            storage: self.storage(raw.storage.and_then(|storage| storage.s3), egress.as_ref())?,
            helios: self.helios(raw.helios_rpc, egress.as_ref())?,
            nsm_exposed: raw.nsm.unwrap_or_default().expose,
            egress,
            vsock_ports: VsockPorts {
                status: vsock.status_port.unwrap_or(default_ports.status),
                log: vsock.app_log_port.unwrap_or(default_ports.log),
                egress: vsock.http_egress_port.unwrap_or(default_ports.egress),
            },
            origins: Origins {
                egress: origin(egress_written),
                aux_api: aux_written.map_or(Origin::ApiPlusOne, |_| Origin::Written),
                helios: origin(helios_written),
                status: origin(vsock.status_port),
                log: origin(vsock.app_log_port),
                host_egress: origin(vsock.http_egress_port),
            },
        };
        self.no_port_twice(&manifest)?;
        Ok(manifest)
    }

    fn aux_api(self, api: Option<Port>, raw: Option<raw::AuxApi>) -> Result<Option<Port>, ManifestError> {
        match (api, raw) {
            (None, None) => Ok(None),
            (None, Some(_)) => {
                Err(self.fault("aux_api", "it runs beside the internal API: add the line api: {listen_port: 18000}"))
            }
            (Some(_), Some(raw::AuxApi { listen_port: Some(port) })) => Ok(Some(port)),
            (Some(api), _) => api.next().map(Some).ok_or_else(|| {
                let message = "65535 leaves no next port for the auxiliary API: \
                               add the line aux_api: {listen_port: 18001}";
                self.fault("api.listen_port", message)
            }),
        }
    }

    fn kms_proxy(self, raw: Option<raw::KmsProxy>, egress: Option<&Egress>) -> Result<Option<KmsProxy>, ManifestError> {
        let Some(raw) = raw else { return Ok(None) };
        self.needs_metadata("kms_proxy", "the KMS proxy", "kms.us-east-1.amazonaws.com", egress)?;
        let endpoints = raw.endpoints.unwrap_or_default();
        let endpoints: BTreeMap<_, _> = endpoints.into_iter().map(|(region, endpoint)| (region, endpoint.0)).collect();
        endpoints.values().try_for_each(|url| self.no_query("kms_proxy.endpoints", url))?;
        Ok(Some(KmsProxy { port: raw.listen_port, endpoints }))
    }

    fn storage(self, raw: Option<raw::S3>, egress: Option<&Egress>) -> Result<Option<S3>, ManifestError> {
        let Some(raw) = raw.filter(|s3| s3.enabled) else {
            return Ok(None);
        };
        let bucket = raw.bucket.ok_or_else(|| self.missing("storage.s3.bucket", "S3 storage is enabled"))?;
        self.needs_metadata("storage.s3", "S3 storage", "**.amazonaws.com", egress)?;
        raw.endpoint.iter().try_for_each(|url| self.no_query("storage.s3.endpoint", url))?;
        let Prefix(prefix) = raw.prefix.unwrap_or_default();
        Ok(Some(S3 { bucket: bucket.0, prefix, region: raw.region, endpoint: raw.endpoint }))
    }

    fn helios(self, raw: Option<raw::HeliosRpc>, egress: Option<&Egress>) -> Result<Option<Helios>, ManifestError> {
        let Some(raw) = raw.filter(|helios| helios.enabled) else {
            return Ok(None);
        };
        let enabled = "the light client is enabled";
        let network = raw.network.ok_or_else(|| self.missing("helios_rpc.network", enabled))?;
        let execution_rpc = raw.execution_rpc.ok_or_else(|| self.missing("helios_rpc.execution_rpc", enabled))?;
        let checkpoint = raw.checkpoint.ok_or_else(|| {
            let message = "is missing: write the root of a finalised beacon block, \
                           or set consensus_rpc and write unsafe-latest";
            self.fault("helios_rpc.checkpoint", message)
        })?;
        if checkpoint == Checkpoint::UnsafeLatest && raw.consensus_rpc.is_none() {
            let message = "unsafe-latest trusts the consensus RPC, so add consensus_rpc";
            return Err(self.fault("helios_rpc.checkpoint", message));
        }
        let consensus_rpc = raw.consensus_rpc.or_else(|| network.usual_consensus_rpc()).ok_or_else(|| {
            let message = format!("is missing, and {} has no usual one", network.name());
            self.fault("helios_rpc.consensus_rpc", message)
        })?;
        self.no_query("helios_rpc.consensus_rpc", &consensus_rpc)?;
        let who = "the light client";
        let lacking = format!("egress: {{allow: [\"{}\", \"{}\"]}}", execution_rpc.target(), consensus_rpc.target());
        self.needs_egress("helios_rpc.execution_rpc", who, execution_rpc.target(), &lacking, egress)?;
        self.needs_egress("helios_rpc.consensus_rpc", who, consensus_rpc.target(), &lacking, egress)?;
        Ok(Some(Helios {
            port: raw.listen_port.unwrap_or(Port::HELIOS),
            network,
            execution_rpc,
            consensus_rpc,
            checkpoint,
            allow_old_checkpoint: raw.allow_old_checkpoint,
        }))
    }

    /// Requests have a query of their own, and some sign it.
    fn no_query(self, field: &'static str, endpoint: &HttpUrl) -> Result<(), ManifestError> {
        let refused = || self.fault(field, format!("{endpoint} has a query: an endpoint ends before the \"?\""));
        if endpoint.has_query() { Err(refused()) } else { Ok(()) }
    }

    /// The calls odyn makes itself need credentials, which come from the metadata service through egress.
    fn needs_metadata(
        self,
        field: &'static str,
        who: &str,
        endpoint: &str,
        egress: Option<&Egress>,
    ) -> Result<(), ManifestError> {
        let address = Ipv4Addr::new(169, 254, 169, 254);
        let lacking = format!("egress: {{allow: [\"{address}\", \"{endpoint}\"]}}");
        match Port::new(80).map(|port| Target::new(Host::from(IpAddr::V4(address)), port)) {
            Some(target) => self.needs_egress(field, who, &target, &lacking, egress),
            None => Ok(()),
        }
    }

    /// `lacking` is the line to add where there is no egress at all.
    fn needs_egress(
        self,
        field: &'static str,
        who: &str,
        target: &Target,
        lacking: &str,
        egress: Option<&Egress>,
    ) -> Result<(), ManifestError> {
        let Some(egress) = egress else {
            return Err(self.fault(field, format!("{who} needs egress: add the line {lacking}")));
        };
        match egress.policy.decide(target.clone()) {
            Decision::Allowed(_) => Ok(()),
            Decision::Denied(denied) => Err(self.fault(
                field,
                match denied.reason {
                    DenyReason::NoAllowRule => format!("egress.allow lacks \"{}\": {who} needs it", target.host()),
                    DenyReason::DenyRule(rule) => format!("egress.deny has \"{rule}\", but {who} needs {target}"),
                },
            )),
        }
    }

    fn no_port_twice(self, manifest: &Manifest) -> Result<(), ManifestError> {
        let services = manifest.services();
        let Some(services::Clash { at, with }) = services::clash(&services) else {
            return Ok(());
        };
        let chosen = match at.origin {
            Origin::Written => "",
            Origin::Default => " (the default)",
            Origin::ApiPlusOne => " (api.listen_port + 1)",
        };
        let other = match (with.origin, with.field.line_in(self.text)) {
            (Origin::Written, Some(line)) => format!("line {line}"),
            (Origin::ApiPlusOne, _) => "api.listen_port + 1".to_owned(),
            _ => "the default".to_owned(),
        };
        let message = format!("{}{chosen} is already taken by {} ({other})", at.port, with.field);
        // A port that follows from another has that one's line.
        let line = match at.origin {
            Origin::ApiPlusOne => FieldPath::new("api.listen_port").line_in(self.text),
            _ => at.field.line_in(self.text),
        };
        let file = self.file_name.to_owned();
        Err(ManifestError::Field { file, line, field: at.field.clone(), message })
    }

    fn missing(self, field: &'static str, because: &str) -> ManifestError {
        self.fault(field, format!("is missing, and {because}"))
    }

    fn fault(self, field: &'static str, message: impl Into<String>) -> ManifestError {
        let field = FieldPath::new(field);
        let line = field.line_in(self.text);
        ManifestError::Field { file: self.file_name.to_owned(), line, field, message: message.into() }
    }
}

fn ingress(raw: raw::Ingress) -> Ingress {
    let file = |name: Option<Text>, default: &str| PathBuf::from(name.map_or(default.to_owned(), |name| name.0));
    let tls = raw
        .tls
        .map(|tls| TlsFiles { cert_file: file(tls.cert_file, "cert.pem"), key_file: file(tls.key_file, "key.pem") });
    Ingress { port: raw.listen_port, tls }
}

/// `None` without an `allow` entry; the `deny` patterns have been checked all the same.
fn egress(raw: raw::Egress) -> Option<Egress> {
    let allow = raw.allow.filter(|allow| !allow.is_empty())?;
    let policy = Policy::new(allow, raw.deny.unwrap_or_default());
    Some(Egress { proxy_port: raw.proxy_port.unwrap_or(Port::EGRESS_PROXY), policy })
}

fn text(raw: Option<Text>) -> Option<String> {
    raw.map(|text| text.0)
}

fn origin(written: Option<Port>) -> Origin {
    written.map_or(Origin::Default, |_| Origin::Written)
}
