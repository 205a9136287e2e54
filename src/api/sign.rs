//! Signing with the enclave's Ethereum key: messages as EIP-191 has them, transactions of EIP-1559.

use serde_json::{Value, json};

use super::error::{ApiError, Problem};
use super::json::{Object, encode_base64, encode_hex};
use super::{Answer, Api, attest, tx};
use crate::keys::{Public, keccak256};

/// GET `/v1/eth/address`.
pub(super) fn address(public: &Public) -> Value {
    json!({ "address": public.address, "public_key": encode_hex(&public.signing_key) })
}

/// POST `/v1/eth/sign`.
pub(super) fn message(api: &Api, body: &[u8]) -> Result<Answer, ApiError> {
    let mut request = Object::parse(body)?;
    let message = request.text("message")?;
    let attested = request.flag("include_attestation")?;
    if message.is_empty() {
        return Err(request.wrong("message", Problem::Empty));
    }
    request.finish()?;
    let hash = personal_hash(&message);
    let signature = api.keys.sign(&hash);
    Ok(Answer::json(&json!({
        "signature": encode_hex(&signature.with(27 + signature.y_parity)),
        "address": api.keys.public().address,
        "attestation": attestation(api, attested, hash)?,
    })))
}

/// POST `/v1/eth/sign-tx`.
pub(super) fn transaction(api: &Api, body: &[u8]) -> Result<Answer, ApiError> {
    let mut request = Object::parse(body)?;
    let attested = request.flag("include_attestation")?;
    let transaction = tx::Transaction::from_payload(request.object("payload")?)?;
    request.finish()?;
    let hash = transaction.signing_hash();
    let signature = api.keys.sign(&hash);
    let raw = transaction.signed(&signature);
    Ok(Answer::json(&json!({
        "raw_transaction": encode_hex(&raw),
        "transaction_hash": encode_hex(&keccak256(&raw)),
        "signature": encode_hex(&signature.with(signature.y_parity)),
        "address": api.keys.public().address,
        "attestation": attestation(api, attested, hash)?,
    })))
}

/// A document whose nonce is the hash that was signed, and whose user data has the address of the key that signed it.
fn attestation(api: &Api, wanted: bool, hash: [u8; 32]) -> Result<Option<String>, ApiError> {
    if !wanted {
        return Ok(None);
    }
    attest::document(api, attest::Wanted { nonce: Some(hash.to_vec()), ..attest::Wanted::default() })
        .map(|document| Some(encode_base64(&document)))
}

/// The hash that a wallet's "personal sign" signs (EIP-191, version 0x45); the length is in bytes.
fn personal_hash(message: &str) -> [u8; 32] {
    keccak256(format!("\x19Ethereum Signed Message:\n{}{message}", message.len()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{api, call};
    use super::*;
    use crate::keys::tests::hex;

    #[test]
    fn the_hash_of_a_message_is_that_of_eip_191() {
        // From the documentation of ethers, hashMessage("Hello World").
        let expected = "a1de988600a42c4b4ab089b619297c17d53cffae5d5120d82d8a92d0bb3b78f2";
        assert_eq!(personal_hash("Hello World").to_vec(), hex(expected));
        // Two characters, four bytes.
        assert_eq!(personal_hash("éü"), keccak256("\x19Ethereum Signed Message:\n4éü".as_bytes()));
    }

    #[test]
    fn a_signed_message_recovers_to_the_address() {
        let answer = call(&message(&api(), br#"{"message":"hello"}"#).unwrap());
        let bytes = hex(&answer["signature"].as_str().unwrap()[2..]);
        assert!(matches!(bytes[64], 27 | 28));
        let signature = k256::ecdsa::Signature::from_slice(&bytes[..64]).unwrap();
        let recovery = k256::ecdsa::RecoveryId::from_byte(bytes[64] - 27).unwrap();
        let hash = personal_hash("hello");
        let key = k256::ecdsa::VerifyingKey::recover_from_prehash(&hash, &signature, recovery).unwrap();
        let point = key.to_sec1_point(false);
        assert_eq!(encode_hex(point.as_bytes()), address(api().keys.public())["public_key"]);
        assert!(answer["attestation"].is_null());
    }

    #[test]
    fn an_attested_signature_carries_the_hash_as_its_nonce() {
        let answer = call(&message(&api(), br#"{"message":"hello","include_attestation":true}"#).unwrap());
        let document = super::super::json::decode_base64(answer["attestation"].as_str().unwrap()).unwrap();
        let expected = format!("nonce: Some({:?})", personal_hash("hello"));
        assert!(String::from_utf8(document).unwrap().contains(&expected));
    }

    #[test]
    fn bad_messages_are_told() {
        let error = |body: &str| message(&api(), body.as_bytes()).unwrap_err().to_string();
        assert_eq!(error(r#"{"message":""}"#), "message: must not be empty");
        assert_eq!(error("{}"), "message: missing");
        assert_eq!(error(r#"{"message":5}"#), "message: must be text");
        assert_eq!(error(r#"{"message":"a","include_attestation":1}"#), "include_attestation: must be true or false");
        assert_eq!(error(r#"{"message":"a","mesage":"b"}"#), "mesage: no such field");
    }
}
