//! A verified document as JSON: hexadecimal digits for bytes, base64 for certificates.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use serde::Serialize;

use super::document::Document;
use super::hex;

#[derive(Serialize)]
struct Printed<'a> {
    module_id: &'a str,
    timestamp: u64,
    digest: &'a str,
    pcrs: BTreeMap<u8, String>,
    certificate: String,
    cabundle: Vec<String>,
    public_key: Option<String>,
    user_data: Option<String>,
    nonce: Option<String>,
}

/// The document, with a line end. Field names are the document's own; `timestamp` is in milliseconds since 1970.
#[must_use]
pub fn json(document: &Document) -> String {
    let bytes = |field: &Option<Vec<u8>>| field.as_deref().map(hex::encode);
    let printed = Printed {
        module_id: &document.module_id,
        timestamp: document.timestamp,
        digest: &document.digest,
        pcrs: document.pcrs.iter().map(|(index, value)| (*index, hex::encode(value))).collect(),
        certificate: Base64::encode_string(&document.certificate),
        cabundle: document.cabundle.iter().map(|der| Base64::encode_string(der)).collect(),
        public_key: bytes(&document.public_key),
        user_data: bytes(&document.user_data),
        nonce: bytes(&document.nonce),
    };
    // Text, numbers and maps with integer keys cannot fail to become JSON; an empty line would fail any reader.
    let mut text = serde_json::to_string_pretty(&printed).unwrap_or_default();
    text.push('\n');
    text
}
