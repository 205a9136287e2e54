//! Certificates for one test.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};

/// A certificate authority, and a leaf for some names that it signed.
pub struct Certificates {
    pub ca_pem: String,
    pub cert_pem: String,
    pub key_pem: String,
}

impl Certificates {
    pub fn new(names: &[&str]) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = name("odyn test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = name("odyn test site");
        let leaf = params.signed_by(&key, &ca).unwrap();
        Self { ca_pem: ca.pem(), cert_pem: leaf.pem(), key_pem: key.serialize_pem() }
    }

    /// Writes `ca.pem`, and `cert.pem` and `key.pem` where odyn looks for those of a port.
    pub fn write(&self, config_dir: &Path, port: u16) -> PathBuf {
        let folder = config_dir.join(format!("tls/server/{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("cert.pem"), &self.cert_pem).unwrap();
        std::fs::write(folder.join("key.pem"), &self.key_pem).unwrap();
        let ca = config_dir.join("ca.pem");
        std::fs::write(&ca, &self.ca_pem).unwrap();
        ca
    }
}

/// Authority and leaf need names that differ: a certificate whose issuer has its own name counts as self-signed.
fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}
