//! The certificates of a SIMULATED Nitro Secure Module: root, intermediate and leaf, all P-384, made anew each time.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P384_SHA384, date_time_ymd,
};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};

use super::nsm::MARK;

/// How long before its making the chain is valid: clocks differ.
const SLACK: Duration = Duration::from_secs(60 * 60);

/// How long after: longer than anybody develops without a restart. A real leaf lives about three hours.
const LIFE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A chain and the key of its leaf.
pub struct Chain {
    root_pem: String,
    above: Vec<Vec<u8>>,
    leaf: Vec<u8>,
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Chain {
    /// A new one, with random keys that exist nowhere else.
    ///
    /// # Errors
    /// What a library says of its failure; none is expected.
    pub fn new() -> Result<Self, String> {
        let authority = |role, below| params(role, IsCa::Ca(BasicConstraints::Constrained(below)));
        let root = CertifiedIssuer::self_signed(authority("root", 1)?, key()?).map_err(text)?;
        let intermediate = CertifiedIssuer::signed_by(authority("intermediate", 0)?, key()?, &root).map_err(text)?;
        let leaf_key = key()?;
        let leaf = params("module", IsCa::ExplicitNoCa)?.signed_by(&leaf_key, &intermediate).map_err(text)?;
        let random = SystemRandom::new();
        Ok(Self {
            root_pem: root.pem(),
            above: vec![root.der().to_vec(), intermediate.der().to_vec()],
            leaf: leaf.der().to_vec(),
            key: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, leaf_key.serialized_der(), &random)
                .map_err(text)?,
            random,
        })
    }

    /// The root certificate.
    #[must_use]
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// Everything above the leaf in DER, the root first, as real documents have it.
    #[must_use]
    pub fn above(&self) -> Vec<Vec<u8>> {
        self.above.clone()
    }

    /// The certificate that documents are signed with, in DER.
    #[must_use]
    pub fn leaf(&self) -> Vec<u8> {
        self.leaf.clone()
    }

    /// ES384 over `message`: r and s, 48 bytes each.
    ///
    /// # Errors
    /// When the machine gives no random bytes.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        self.key.sign(&self.random, message).map(|signature| signature.as_ref().to_vec()).map_err(text)
    }
}

fn key() -> Result<KeyPair, String> {
    KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).map_err(text)
}

fn params(role: &str, is_ca: IsCa) -> Result<CertificateParams, String> {
    let mut params = CertificateParams::new(Vec::new()).map_err(text)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "odyn");
    name.push(DnType::CommonName, format!("{MARK} Nitro Secure Module {role}"));
    params.distinguished_name = name;
    params.key_usages = match is_ca {
        IsCa::Ca(_) => vec![KeyUsagePurpose::KeyCertSign],
        _ => vec![KeyUsagePurpose::DigitalSignature],
    };
    params.is_ca = is_ca;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(text)?;
    params.not_before = date_time_ymd(1970, 1, 1) + now.saturating_sub(SLACK);
    params.not_after = date_time_ymd(1970, 1, 1) + now + LIFE;
    Ok(params)
}

fn text(e: impl ToString) -> String {
    e.to_string()
}
