//! What a manifest would run, as a short table for people: the output of `odyn-host check`.

use super::manifest::{Helios, Manifest, S3};
use crate::outbound::pattern::Pattern;

impl Manifest {
    /// The table, one fact a line, each line ended. Holds no secret: URLs are cut to their origin.
    pub fn describe(&self) -> String {
        let mut table = Table(String::new());
        table.row("enclave", &format!("{}, image {}", self.name, self.target));
        for ingress in &self.ingress {
            let tls = if ingress.tls.is_some() { ", TLS ends here" } else { "" };
            table.row("ingress", &format!("vsock {0} to the application on 127.0.0.1:{0}{tls}", ingress.port));
        }
        if self.ingress.is_empty() {
            table.row("ingress", "none");
        }
        match &self.egress {
            Some(egress) => {
                table.row("egress", &format!("proxy on 127.0.0.1:{}", egress.proxy_port));
                table.row("  allow", &list(egress.policy.allow()));
                table.row("  deny", &list(egress.policy.deny()));
            }
            None => table.row("egress", "none"),
        }
        table.row("internal API", &local(self.api));
        table.row("auxiliary API", &local(self.aux_api));
        table.row("KMS proxy", &local(self.kms_proxy.as_ref().map(|kms| kms.port)));
        for (region, url) in self.kms_proxy.iter().flat_map(|kms| &kms.endpoints) {
            table.row("  endpoint", &format!("{region} at {url}"));
        }
        table.row("S3 storage", &self.storage.as_ref().map_or("off".to_owned(), storage));
        table.row("light client", &self.helios.as_ref().map_or("off".to_owned(), helios));
        let nsm = if self.nsm_exposed { "open to the application" } else { "closed to the application" };
        table.row("NSM device", nsm);
        let ports = &self.vsock_ports;
        table.row("vsock", &format!("status {}, log {}, host egress {}", ports.status, ports.log, ports.egress));
        for (position, (name, value)) in self.environment().iter().enumerate() {
            table.row(if position == 0 { "environment" } else { "" }, &format!("{name}={value}"));
        }
        table.0
    }
}

/// Rows of a label and a fact.
struct Table(String);

impl Table {
    fn row(&mut self, label: &str, fact: &str) {
        self.0.push_str(&format!("{label:<15}{fact}\n"));
    }
}

fn list(patterns: &[Pattern]) -> String {
    match patterns {
        [] => "nothing".to_owned(),
        _ => patterns.iter().map(Pattern::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn local(port: Option<super::port::Port>) -> String {
    port.map_or("off".to_owned(), |port| format!("127.0.0.1:{port}"))
}

fn storage(s3: &S3) -> String {
    let region = s3.region.as_ref().map_or("the instance's region".to_owned(), |region| region.to_string());
    let endpoint = s3.endpoint.as_ref().map_or(String::new(), |url| format!(" at {url}"));
    format!("s3://{}/{}, {region}{endpoint}", s3.bucket, s3.prefix)
}

fn helios(helios: &Helios) -> String {
    let Helios { port, network, execution_rpc, consensus_rpc, checkpoint, allow_old_checkpoint } = helios;
    let name = network.name();
    let age = if *allow_old_checkpoint { ", however old" } else { "" };
    format!(
        "127.0.0.1:{port}, {name}, execution {execution_rpc}, consensus {consensus_rpc}, checkpoint {checkpoint}{age}"
    )
}

#[cfg(test)]
mod tests;
