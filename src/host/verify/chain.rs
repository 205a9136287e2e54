//! Who signed a document: the chain of certificates, and the signature itself. Path validation is webpki's, arithmetic
//! ring's; nothing of either is written here.

use std::fmt;
use std::time::Duration;

use ring::{digest, signature};
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, UnixTime, alg_id,
};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::document::Document;
use crate::wire::cose;

/// SHA-256 of the root certificate of AWS Nitro Enclaves, "G1", valid until 2049. From AWS's page "Verifying the root of
/// trust" (Nitro Enclaves user guide).
pub const AWS_ROOT: [u8; 32] = [
    0x64, 0x1a, 0x03, 0x21, 0xa3, 0xe2, 0x44, 0xef, 0xe4, 0x56, 0x46, 0x31, 0x95, 0xd6, 0x06, 0x31, 0x7e, 0xd7, 0xcd,
    0xcc, 0x3c, 0x17, 0x56, 0xe0, 0x98, 0x93, 0xf3, 0xc6, 0x8f, 0x79, 0xbb, 0x5b,
];

/// The root that documents must come from, known by its fingerprint: the certificate itself is in each document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    fingerprint: [u8; 32],
    whose: &'static str,
}

impl Root {
    /// AWS's.
    #[must_use]
    pub fn aws() -> Self {
        Self { fingerprint: AWS_ROOT, whose: "AWS's" }
    }

    /// The operator's own choice.
    #[must_use]
    pub fn chosen(certificate: &CertificateDer<'_>) -> Self {
        Self { fingerprint: fingerprint(certificate), whose: "the one of --root" }
    }
}

/// The certificates do not lead to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainError {
    /// The document has no certificates above its own.
    NoRoot,
    /// The first certificate of the bundle is another: its fingerprint, and whose it should be.
    OtherRoot([u8; 32], &'static str),
    /// It has the right fingerprint and is no certificate for webpki.
    Root(webpki::Error),
    /// The leaf is no certificate.
    Leaf(webpki::Error),
    /// No valid path at this time.
    Path(webpki::Error),
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoot => f.write_str("there is no root certificate in the document"),
            Self::OtherRoot(found, whose) => write!(
                f,
                "the root certificate is not {whose}, its SHA-256 is {}; a simulated enclave's document verifies only \
                 with --root and the file odyn wrote for --sim-root",
                super::hex::encode(found)
            ),
            Self::Root(e) => write!(f, "the root certificate cannot be used: {e}"),
            Self::Leaf(e) => write!(f, "the module's certificate cannot be read: {e}"),
            Self::Path(webpki::Error::CertExpired { time, not_after }) => {
                let late = time.as_secs().saturating_sub(not_after.as_secs());
                write!(f, "a certificate expired {} before", Span(late))
            }
            Self::Path(webpki::Error::CertNotValidYet { time, not_before }) => {
                let early = not_before.as_secs().saturating_sub(time.as_secs());
                write!(f, "a certificate becomes valid {} later", Span(early))
            }
            Self::Path(webpki::Error::UnknownIssuer) => {
                f.write_str("no path from the module's certificate to the root: an issuer is missing (UnknownIssuer)")
            }
            Self::Path(webpki::Error::InvalidSignatureForPublicKey) => f.write_str(
                "a certificate was not signed by the one above it: another's was put in its place \
                 (InvalidSignatureForPublicKey)",
            ),
            Self::Path(e) => write!(f, "no valid path from the module's certificate to the root: {e}"),
        }
    }
}

impl std::error::Error for ChainError {}

/// Seconds, for people.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds @ 0..120 => write!(f, "{seconds} seconds"),
            seconds @ 120..7200 => write!(f, "{} minutes", seconds / 60),
            seconds @ 7200..172_800 => write!(f, "{} hours", seconds / 3600),
            seconds => write!(f, "{} days", seconds / 86_400),
        }
    }
}

/// Whether the document's certificates lead to `root`, each valid at `time`, counted from 1970. ECDSA with P-384 and
/// SHA-384 throughout, as AWS specifies.
///
/// The root's own validity is not looked at: it is trusted because it is pinned.
///
/// # Errors
/// See [`ChainError`].
pub fn check(document: &Document, root: &Root, time: Duration) -> Result<(), ChainError> {
    let (first, between) = document.cabundle.split_first().ok_or(ChainError::NoRoot)?;
    let found = fingerprint(first);
    if found != root.fingerprint {
        return Err(ChainError::OtherRoot(found, root.whose));
    }
    let anchor = anchor_from_trusted_cert(first).map_err(ChainError::Root)?;
    let leaf = EndEntityCert::try_from(&document.certificate).map_err(ChainError::Leaf)?;
    // The usage counts only if a certificate limits its usage, which the module's does not. No revocation: AWS publishes
    // lists for the upper levels only, over plain HTTP, and the leaves live for hours.
    leaf.verify_for_usage(
        &[webpki::ring::ECDSA_P384_SHA384],
        &[anchor],
        between,
        UnixTime::since_unix_epoch(time),
        KeyUsage::client_auth(),
        None,
        None,
    )
    .map_err(ChainError::Path)?;
    Ok(())
}

/// Whether the key of the document's own certificate signed the document.
///
/// # Errors
/// webpki's reason: another kind of key, or a signature that is not of this text.
pub fn check_signature(document: &Document) -> Result<(), webpki::Error> {
    let signed = cose::to_be_signed(&document.payload);
    EndEntityCert::try_from(&document.certificate)?.verify_signature(&Es384, &signed, &document.signature)
}

/// ECDSA with P-384 and SHA-384, the signature as COSE has it (r and s) where certificates have it in DER.
#[derive(Debug)]
struct Es384;

impl SignatureVerificationAlgorithm for Es384 {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        signature::UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P384
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA384
    }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
    out
}
