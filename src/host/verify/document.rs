//! What an attestation document says, and whether it has the form of one: the first check.

use std::collections::BTreeMap;
use std::fmt;

use rustls::pki_types::CertificateDer;

use super::cbor::{CborError, Reader};
use crate::config::limits;
use crate::wire::cose;

/// A document of the right form. Nothing in it is true yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The module that made it: instance and enclave.
    pub module_id: String,
    /// When, in milliseconds since 1970.
    pub timestamp: u64,
    /// What the registers are made with; the second check reads it.
    pub digest: String,
    /// The locked registers; 32, 48 or 64 bytes each.
    pub pcrs: BTreeMap<u8, Vec<u8>>,
    /// The certificate whose key signed this.
    pub certificate: CertificateDer<'static>,
    /// The certificates above it; the first is the root. Never empty.
    pub cabundle: Vec<CertificateDer<'static>>,
    /// What the enclave put in: a key to encrypt to.
    pub public_key: Option<Vec<u8>>,
    /// What the enclave put in: anything.
    pub user_data: Option<Vec<u8>>,
    /// What the enclave was asked to put in, which proves freshness.
    pub nonce: Option<Vec<u8>>,
    /// The bytes of the above that are signed.
    pub payload: Vec<u8>,
    /// r and s.
    pub signature: Vec<u8>,
}

/// The bytes are not an attestation document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShapeError {
    /// There are none.
    Empty,
    /// The outer structure, or the named part of it, cannot be read.
    Cose(CborError),
    /// The signed part cannot be read; bytes count from its own start.
    Payload(CborError),
    /// It is an array of so many items; a COSE_Sign1 has four.
    Items(u64),
    /// The protected header is something else than the algorithm ES384.
    Algorithm,
    /// There is something in the unprotected header.
    Unprotected,
    /// The signature has so many bytes.
    Signature(usize),
    /// No such field exists.
    Unknown(String),
    /// The field is there twice.
    Twice(&'static str),
    /// The field must be there.
    Missing(&'static str),
    /// The field's value has a size or number outside what is possible: field, value, what is possible.
    Size(&'static str, u64, &'static str),
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the document is empty"),
            Self::Cose(e) => write!(f, "{e}"),
            Self::Payload(e) => write!(f, "in the signed part, {e}"),
            Self::Items(count) => write!(f, "an array of {count} items, a COSE_Sign1 has 4"),
            Self::Algorithm => f.write_str("the protected header is not {1: -35}, the algorithm ES384"),
            Self::Unprotected => f.write_str("the unprotected header is not empty"),
            Self::Signature(length) => write!(f, "the signature has {length} bytes, not {}", cose::SIGNATURE),
            Self::Unknown(field) => write!(f, "unknown field {field:?}"),
            Self::Twice(field) => write!(f, "{field} is there twice"),
            Self::Missing(field) => write!(f, "{field} is missing"),
            Self::Size(field, value, possible) => write!(f, "{field}: {value}, but possible is {possible}"),
        }
    }
}

impl std::error::Error for ShapeError {}

/// Longest name of a module or a digest: AWS's have 39 and 6 bytes.
const NAME: usize = 256;

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// See [`ShapeError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ShapeError> {
        if bytes.is_empty() {
            return Err(ShapeError::Empty);
        }
        let mut cose = Reader::new(bytes);
        let items = cose.array().map_err(ShapeError::Cose)?;
        if items != 4 {
            return Err(ShapeError::Items(items));
        }
        if cose.bytes().map_err(ShapeError::Cose)? != cose::PROTECTED {
            return Err(ShapeError::Algorithm);
        }
        if cose.map().map_err(ShapeError::Cose)? != 0 {
            return Err(ShapeError::Unprotected);
        }
        let payload = cose.bytes().map_err(ShapeError::Cose)?;
        let signature = cose.bytes().map_err(ShapeError::Cose)?;
        if signature.len() != cose::SIGNATURE {
            return Err(ShapeError::Signature(signature.len()));
        }
        cose.end().map_err(ShapeError::Cose)?;
        Fields::parse(payload)?.complete(payload, signature)
    }

    /// True when register 0, the measurement of the whole image, is all zeroes: an enclave in debug mode, whose console
    /// and memory its host can read.
    #[must_use]
    pub fn is_debug(&self) -> bool {
        self.pcrs.get(&0).is_some_and(|value| value.iter().all(|byte| *byte == 0))
    }
}

/// Fields as they come, in any order.
#[derive(Default)]
struct Fields {
    module_id: Option<String>,
    timestamp: Option<u64>,
    digest: Option<String>,
    pcrs: Option<BTreeMap<u8, Vec<u8>>>,
    certificate: Option<CertificateDer<'static>>,
    cabundle: Option<Vec<CertificateDer<'static>>>,
    // Null and absent are the same, but each may be there once only.
    public_key: Option<Option<Vec<u8>>>,
    user_data: Option<Option<Vec<u8>>>,
    nonce: Option<Option<Vec<u8>>>,
}

impl Fields {
    fn parse(payload: &[u8]) -> Result<Self, ShapeError> {
        let mut fields = Self::default();
        let mut reader = Reader::new(payload);
        for _ in 0..reader.map().map_err(ShapeError::Payload)? {
            match reader.text().map_err(ShapeError::Payload)? {
                "module_id" => set("module_id", &mut fields.module_id, name("module_id", &mut reader)?)?,
                "digest" => set("digest", &mut fields.digest, name("digest", &mut reader)?)?,
                "timestamp" => {
                    let value = reader.unsigned().map_err(ShapeError::Payload)?;
                    set("timestamp", &mut fields.timestamp, sized("timestamp", value, 1, u64::MAX, "1 or more")?)?;
                }
                "pcrs" => set("pcrs", &mut fields.pcrs, pcrs(&mut reader)?)?,
                "certificate" => {
                    set("certificate", &mut fields.certificate, certificate("certificate", &mut reader)?)?;
                }
                "cabundle" => set("cabundle", &mut fields.cabundle, cabundle(&mut reader)?)?,
                "public_key" => set("public_key", &mut fields.public_key, optional("public_key", &mut reader)?)?,
                "user_data" => set("user_data", &mut fields.user_data, optional("user_data", &mut reader)?)?,
                "nonce" => set("nonce", &mut fields.nonce, optional("nonce", &mut reader)?)?,
                unknown => return Err(ShapeError::Unknown(unknown.chars().take(40).collect())),
            }
        }
        reader.end().map_err(ShapeError::Payload)?;
        Ok(fields)
    }

    fn complete(self, payload: &[u8], signature: &[u8]) -> Result<Document, ShapeError> {
        Ok(Document {
            module_id: self.module_id.ok_or(ShapeError::Missing("module_id"))?,
            timestamp: self.timestamp.ok_or(ShapeError::Missing("timestamp"))?,
            digest: self.digest.ok_or(ShapeError::Missing("digest"))?,
            pcrs: self.pcrs.ok_or(ShapeError::Missing("pcrs"))?,
            certificate: self.certificate.ok_or(ShapeError::Missing("certificate"))?,
            cabundle: self.cabundle.ok_or(ShapeError::Missing("cabundle"))?,
            public_key: self.public_key.flatten(),
            user_data: self.user_data.flatten(),
            nonce: self.nonce.flatten(),
            payload: payload.to_vec(),
            signature: signature.to_vec(),
        })
    }
}

fn set<T>(field: &'static str, place: &mut Option<T>, value: T) -> Result<(), ShapeError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(ShapeError::Twice(field)),
    }
}

fn sized(field: &'static str, value: u64, min: u64, max: u64, possible: &'static str) -> Result<u64, ShapeError> {
    if (min..=max).contains(&value) { Ok(value) } else { Err(ShapeError::Size(field, value, possible)) }
}

fn name(field: &'static str, reader: &mut Reader<'_>) -> Result<String, ShapeError> {
    let text = reader.text().map_err(ShapeError::Payload)?;
    sized(field, text.len() as u64, 1, NAME as u64, "1 to 256 bytes")?;
    Ok(text.to_owned())
}

fn pcrs(reader: &mut Reader<'_>) -> Result<BTreeMap<u8, Vec<u8>>, ShapeError> {
    let count = reader.map().map_err(ShapeError::Payload)?;
    sized("pcrs", count, 1, limits::PCRS as u64, "1 to 32 registers")?;
    let mut pcrs = BTreeMap::new();
    for _ in 0..count {
        let index = reader.unsigned().map_err(ShapeError::Payload)?;
        let index = sized("index in pcrs", index, 0, limits::PCRS as u64 - 1, "0 to 31")?;
        let value = reader.bytes().map_err(ShapeError::Payload)?;
        if ![32, 48, 64].contains(&value.len()) {
            return Err(ShapeError::Size("value in pcrs", value.len() as u64, "32, 48 or 64 bytes"));
        }
        let index = u8::try_from(index).map_err(|_| ShapeError::Size("index in pcrs", index, "0 to 31"))?;
        if pcrs.insert(index, value.to_vec()).is_some() {
            return Err(ShapeError::Twice("a register in pcrs"));
        }
    }
    Ok(pcrs)
}

fn cabundle(reader: &mut Reader<'_>) -> Result<Vec<CertificateDer<'static>>, ShapeError> {
    let count = reader.array().map_err(ShapeError::Payload)?;
    sized("cabundle", count, 1, limits::VERIFY_CHAIN as u64, "1 to 8 certificates")?;
    (0..count).map(|_| certificate("certificate in cabundle", reader)).collect()
}

fn certificate(field: &'static str, reader: &mut Reader<'_>) -> Result<CertificateDer<'static>, ShapeError> {
    let der = reader.bytes().map_err(ShapeError::Payload)?;
    sized(field, der.len() as u64, 1, limits::VERIFY_FIELD as u64, "1 to 1024 bytes")?;
    Ok(CertificateDer::from(der.to_vec()))
}

/// AWS's documentation gives two limits for nonce and user data; what was signed is taken up to the larger.
fn optional(field: &'static str, reader: &mut Reader<'_>) -> Result<Option<Vec<u8>>, ShapeError> {
    let Some(bytes) = reader.bytes_or_null().map_err(ShapeError::Payload)? else { return Ok(None) };
    sized(field, bytes.len() as u64, 0, limits::VERIFY_FIELD as u64, "at most 1024 bytes")?;
    Ok(Some(bytes.to_vec()))
}
