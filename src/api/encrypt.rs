//! Messages between a client and the enclave: ECDH on P-384, HKDF-SHA256, AES-256-GCM.
//!
//! Both sides derive the same key from one's secret and the other's public key, with an empty salt and the information
//! `encryption data`; the first 12 bytes of the nonce are GCM's. Promises: a key that is none, on another curve or not on
//! the curve is a 400. The derived key is wiped.

use aes_gcm::aead::Aead;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use p384::PublicKey;
use p384::pkcs8::DecodePublicKey;
use p384::pkcs8::spki::SubjectPublicKeyInfoRef;
use serde_json::{Value, json};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::error::{ApiError, Problem};
use super::json::{Object, encode_hex};
use super::{Answer, Api};
use crate::keys::Public;

/// HKDF's information, which keeps this use of the key apart from any other.
const INFO: &[u8] = b"encryption data";

/// How much of a nonce GCM uses.
const IV: usize = 12;

/// How long the nonces made here are: as long as the protocol's first implementation has them.
const NONCE: usize = 32;

/// GET `/v1/encryption/public_key`.
pub(super) fn public_key(public: &Public) -> Value {
    json!({ "public_key_der": encode_hex(&public.agreement_der), "public_key_pem": public.agreement_pem })
}

/// POST `/v1/encryption/encrypt`.
pub(super) fn encrypt(api: &Api, body: &[u8]) -> Result<Answer, ApiError> {
    let mut request = Object::parse(body)?;
    let plaintext = request.text("plaintext").map(Zeroizing::new)?;
    let client = client_key(&mut request)?;
    request.finish()?;
    let mut nonce = [0; NONCE];
    api.nsm.random(&mut nonce)?;
    let sealed = cipher(api, &client)?.encrypt(&iv(&nonce)?, plaintext.as_bytes()).map_err(|_| ApiError::Defect)?;
    let hex = base16ct::lower::encode_string;
    Ok(Answer::json(&json!({
        "encrypted_data": hex(&sealed),
        "enclave_public_key": hex(&api.keys.public().agreement_der),
        "nonce": hex(&nonce),
    })))
}

/// POST `/v1/encryption/decrypt`.
pub(super) fn decrypt(api: &Api, body: &[u8]) -> Result<Answer, ApiError> {
    let mut request = Object::parse(body)?;
    let nonce = request.hex("nonce")?;
    if nonce.len() < IV {
        return Err(request.wrong("nonce", Problem::TooShort(IV)));
    }
    let client = client_key(&mut request)?;
    let sealed = request.hex("encrypted_data")?;
    request.finish()?;
    let opened = cipher(api, &client)?.decrypt(&iv(&nonce)?, &sealed[..]).map_err(|_| ApiError::Decryption)?;
    let opened = Zeroizing::new(opened);
    let text = std::str::from_utf8(&opened);
    let plaintext = text.map_err(|_| ApiError::field("encrypted_data", Problem::Type("the encryption of text")))?;
    Ok(Answer::json(&json!({ "plaintext": plaintext })))
}

fn client_key(request: &mut Object) -> Result<PublicKey, ApiError> {
    let der = request.hex("client_public_key")?;
    let key = PublicKey::from_public_key_der(&der).ok().filter(|_| !is_compact(&der));
    key.ok_or_else(|| request.wrong("client_public_key", Problem::PublicKey))
}

/// Whether the point of a key is in the encoding without a sign, which the curve's crate reads and RFC 5480 does not have.
fn is_compact(der: &[u8]) -> bool {
    let spki = SubjectPublicKeyInfoRef::try_from(der);
    spki.is_ok_and(|spki| spki.subject_public_key.raw_bytes().first() == Some(&0x05))
}

fn cipher(api: &Api, client: &PublicKey) -> Result<Aes256Gcm, ApiError> {
    let mut key = Zeroizing::new([0; 32]);
    // An absent salt is as many zeroes as the hash is long, which HMAC cannot tell from an empty one (RFC 5869).
    api.keys.agree(client).extract::<Sha256>(None).expand(INFO, &mut key[..]).map_err(|_| ApiError::Defect)?;
    Aes256Gcm::new_from_slice(&key[..]).map_err(|_| ApiError::Defect)
}

/// GCM's part of a nonce, whose length was checked.
fn iv(nonce: &[u8]) -> Result<Nonce<aes_gcm::aead::consts::U12>, ApiError> {
    nonce.get(..IV).and_then(|iv| iv.try_into().ok()).ok_or(ApiError::Defect)
}

#[cfg(test)]
mod tests;
