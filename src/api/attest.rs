//! Attestation documents: what a request may put into one, and what is in it otherwise.
//!
//! Promises: a JSON `user_data` always has the enclave's real address as `eth_addr`, whatever it said before. The
//! auxiliary API takes a nonce and nothing else, so that whoever reaches it cannot have a statement of his own attested.

use std::fmt;

use p384::pkcs8::Document;
use p384::pkcs8::spki::SubjectPublicKeyInfoRef;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::error::{ApiError, Problem};
use super::json::{Object, Strict, decode_base64, no_object};
use super::{Answer, Api};
use crate::config::limits;
use crate::nsm::AttestationRequest;

/// What a caller wants in a document; the defaults of contract section 9 stand for what is absent.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) nonce: Option<Vec<u8>>,
    pub(super) public_key: Option<Vec<u8>>,
    pub(super) user_data: Option<Vec<u8>>,
}

/// POST `/v1/attestation`.
pub(super) fn full(api: &Api, body: &[u8]) -> Result<Answer, ApiError> {
    // Every field is optional, and so is the object around them.
    let wanted = if body.is_empty() { Wanted::default() } else { Wanted::parse(api, Object::parse(body)?)? };
    document(api, wanted).map(|document| Answer::bytes("application/cbor", document))
}

/// POST `/v1/attestation` of the auxiliary API.
pub(super) fn nonce_only(api: &Api, body: &[u8]) -> Result<Answer, ApiError> {
    let nonce = if body.is_empty() { None } else { only_nonce(body)? };
    let nonce = nonce.map(|nonce| decode_base64(&nonce)).transpose();
    let nonce = nonce.map_err(|problem| ApiError::field("nonce", problem))?;
    document(api, Wanted { nonce, ..Wanted::default() }).map(|document| Answer::bytes("application/cbor", document))
}

/// The COSE_Sign1 document for `wanted`, its sizes checked first.
pub(super) fn document(api: &Api, wanted: Wanted) -> Result<Vec<u8>, ApiError> {
    let public = api.keys.public();
    let default_data = || serde_json::json!({ "eth_addr": public.address }).to_string().into_bytes();
    let request = AttestationRequest {
        nonce: wanted.nonce,
        public_key: Some(wanted.public_key.unwrap_or_else(|| public.agreement_der.clone())),
        user_data: Some(wanted.user_data.unwrap_or_else(default_data)),
    };
    let sizes = [
        ("nonce", &request.nonce, limits::ATTESTATION_NONCE),
        ("public_key", &request.public_key, limits::ATTESTATION_PUBLIC_KEY),
        ("user_data", &request.user_data, limits::ATTESTATION_USER_DATA),
    ];
    for (name, bytes, most) in sizes {
        if bytes.as_ref().is_some_and(|bytes| bytes.len() > most) {
            return Err(ApiError::field(name, Problem::TooLong(most)));
        }
    }
    Ok(api.nsm.attest(&request)?)
}

impl Wanted {
    fn parse(api: &Api, mut request: Object) -> Result<Self, ApiError> {
        let nonce = request.optional_text("nonce")?.map(|text| decode_base64(&text)).transpose();
        let nonce = nonce.map_err(|problem| request.wrong("nonce", problem))?;
        let public_key = request.optional_text("public_key")?.map(|pem| key_der(&pem)).transpose();
        let public_key = public_key.map_err(|problem| request.wrong("public_key", problem))?;
        let user_data = match request.take("user_data") {
            None => None,
            Some(Value::String(text)) => {
                Some(decode_base64(&text).map_err(|problem| request.wrong("user_data", problem))?)
            }
            Some(Value::Object(fields)) => Some(with_address(fields, &api.keys.public().address)),
            Some(_) => return Err(request.wrong("user_data", Problem::Type("base64 text or an object"))),
        };
        request.finish()?;
        Ok(Self { nonce, public_key, user_data })
    }
}

fn with_address(mut fields: Map<String, Value>, address: &str) -> Vec<u8> {
    fields.insert("eth_addr".to_owned(), address.into());
    Value::Object(fields).to_string().into_bytes()
}

/// The SubjectPublicKeyInfo in a PEM text, of whatever algorithm.
fn key_der(pem: &str) -> Result<Vec<u8>, Problem> {
    let (label, document) = Document::from_pem(pem).map_err(|_| Problem::Pem)?;
    let spki = SubjectPublicKeyInfoRef::try_from(document.as_bytes());
    if label == "PUBLIC KEY" && spki.is_ok() { Ok(document.as_bytes().to_vec()) } else { Err(Problem::Pem) }
}

/// The `nonce` of a JSON object, every other field skipped unread, however often it stands there.
fn only_nonce(body: &[u8]) -> Result<Option<String>, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let nonce = deserializer.deserialize_any(NonceVisitor).map_err(ApiError::Json)?;
    deserializer.end().map_err(ApiError::Json)?;
    match nonce {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(ApiError::field("nonce", Problem::Type("text"))),
    }
}

struct NonceVisitor;

impl<'de> Visitor<'de> for NonceVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    /// serde's own error would repeat all of it.
    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(no_object())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let (mut nonce, mut left) = (None, limits::API_VALUES);
        while let Some(name) = entries.next_key::<String>()? {
            if name != "nonce" {
                entries.next_value::<IgnoredAny>()?;
            } else if nonce.replace(entries.next_value_seed(Strict(&mut left))?).is_some() {
                return Err(A::Error::custom("nonce: there twice"));
            }
        }
        Ok(nonce.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
