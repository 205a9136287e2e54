//! Everything that listens because of a manifest, and the search for two on one port.
//!
//! There are two namespaces: vsock ports, and TCP on the enclave's loopback. An ingress port is in both, because the
//! application listens on the same number. The host's egress port is counted among the vsock ports although the host
//! holds it: with a UNIX-socket transport both sides share one folder of port names.

use super::locate::FieldPath;
use super::manifest::Manifest;
use super::port::Port;

/// Something that listens on a port.
#[derive(Clone, Debug)]
pub struct Service {
    /// What it is, for people.
    pub name: &'static str,
    /// The manifest field that decides the port.
    pub field: FieldPath,
    /// The port.
    pub port: Port,
    /// Where the port is.
    pub namespace: Namespace,
    /// Who chose the number.
    pub origin: Origin,
}

/// Where a port number must be unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// vsock ports of the enclave.
    Vsock,
    /// TCP ports on 127.0.0.1 inside the enclave.
    Loopback,
}

/// Who chose a port number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The manifest.
    Written,
    /// The contract's default.
    Default,
    /// `api.listen_port`, of which it is the next.
    ApiPlusOne,
}

/// Two services on one port. The first is the one to report: it is written in the manifest if either is.
#[derive(Debug)]
pub(super) struct Clash<'a> {
    pub(super) at: &'a Service,
    pub(super) with: &'a Service,
}

/// The first clash in the manifest's order.
pub(super) fn clash(services: &[Service]) -> Option<Clash<'_>> {
    services.iter().enumerate().find_map(|(index, later)| {
        let taken = |other: &&Service| other.port == later.port && other.namespace == later.namespace;
        let earlier = services.iter().take(index).find(taken)?;
        Some(match later.origin {
            Origin::Written => Clash { at: later, with: earlier },
            _ if earlier.origin == Origin::Written => Clash { at: earlier, with: later },
            _ => Clash { at: later, with: earlier },
        })
    })
}

impl Manifest {
    /// Everything that would listen, in start order of the contract's table: each ingress port in both namespaces, the
    /// services on loopback, then the streams to the host. Also lists the application's own ports, as `application`.
    pub fn services(&self) -> Vec<Service> {
        let mut services = Vec::new();
        let mut add = |name, field, port, namespace, origin| {
            services.push(Service { name, field, port, namespace, origin });
        };
        for (index, ingress) in self.ingress.iter().enumerate() {
            let field = FieldPath::new("ingress").item(index, "listen_port");
            add("ingress", field.clone(), ingress.port, Namespace::Vsock, Origin::Written);
            add("application", field, ingress.port, Namespace::Loopback, Origin::Written);
        }
        let origins = &self.origins;
        if let Some(egress) = &self.egress {
            let field = FieldPath::new("egress.proxy_port");
            add("egress proxy", field, egress.proxy_port, Namespace::Loopback, origins.egress);
        }
        if let Some(port) = self.api {
            add("internal API", FieldPath::new("api.listen_port"), port, Namespace::Loopback, Origin::Written);
        }
        if let Some(port) = self.aux_api {
            add("auxiliary API", FieldPath::new("aux_api.listen_port"), port, Namespace::Loopback, origins.aux_api);
        }
        if let Some(kms) = &self.kms_proxy {
            add("KMS proxy", FieldPath::new("kms_proxy.listen_port"), kms.port, Namespace::Loopback, Origin::Written);
        }
        if let Some(helios) = &self.helios {
            let field = FieldPath::new("helios_rpc.listen_port");
            add("light client", field, helios.port, Namespace::Loopback, origins.helios);
        }
        let vsock = &self.vsock_ports;
        let field = FieldPath::new;
        add("status", field("vsock_ports.status_port"), vsock.status, Namespace::Vsock, origins.status);
        add("log", field("vsock_ports.app_log_port"), vsock.log, Namespace::Vsock, origins.log);
        add("host egress", field("vsock_ports.http_egress_port"), vsock.egress, Namespace::Vsock, origins.host_egress);
        services
    }
}

/// Who chose each port that has a default.
#[derive(Clone, Debug)]
pub(super) struct Origins {
    pub(super) egress: Origin,
    pub(super) aux_api: Origin,
    pub(super) helios: Origin,
    pub(super) status: Origin,
    pub(super) log: Origin,
    pub(super) host_egress: Origin,
}
