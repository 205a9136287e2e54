//! The APIs: what the application may ask of odyn (contract section 7), and the part of it that it may pass on to others
//! (section 8). Both share their handlers, the keys and the Nitro Secure Module.
//!
//! Promises: a request is read whole, within size and time, before a handler sees it; a few handlers serve everybody, so
//! that a client that is slow, silent or many holds up nobody and costs no thread. Every failure is a status and a JSON
//! body that names the field; no secret is in it.

#![forbid(unsafe_code)]

mod attest;
mod client;
mod encrypt;
pub mod error;
mod front;
mod json;
pub mod route;
pub mod server;
mod sign;
mod tx;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::keys::Keys;
use crate::nsm::Nsm;
use error::ApiError;
use route::{Endpoint, Surface};

/// What the endpoints work with.
pub struct Api {
    keys: Keys,
    nsm: Arc<dyn Nsm>,
}

/// What goes back to a client.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    content_type: &'static str,
    allow: Option<&'static str>,
    body: Vec<u8>,
}

impl Api {
    /// With keys made from `nsm`, which is also asked for documents and random bytes later.
    #[must_use]
    pub fn new(keys: Keys, nsm: Arc<dyn Nsm>) -> Self {
        Self { keys, nsm }
    }

    /// The answer to a whole request.
    fn answer(&self, surface: Surface, method: &str, target: &str, body: &[u8]) -> Answer {
        let served = route::route(surface, method, target).and_then(|endpoint| self.serve(endpoint, body));
        served.unwrap_or_else(|e| Answer::error(&e))
    }

    fn serve(&self, endpoint: Endpoint, body: &[u8]) -> Result<Answer, ApiError> {
        match endpoint {
            Endpoint::Address => sign::address(self),
            Endpoint::Sign => sign::message(self, body),
            Endpoint::SignTransaction => sign::transaction(self, body),
            Endpoint::Random => self.random(),
            Endpoint::Attestation => attest::full(self, body),
            Endpoint::NonceAttestation => attest::nonce_only(self, body),
            Endpoint::PublicKey => encrypt::public_key(self),
            Endpoint::Encrypt => encrypt::encrypt(self, body),
            Endpoint::Decrypt => encrypt::decrypt(self, body),
            Endpoint::Storage => Err(ApiError::NoStorage),
        }
    }

    /// GET `/v1/random`.
    fn random(&self) -> Result<Answer, ApiError> {
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        self.nsm.random(&mut bytes[..])?;
        Ok(Answer::json(&json!({ "random_bytes": json::encode_hex(&bytes[..]) })))
    }
}

impl Answer {
    fn json(value: &Value) -> Self {
        Self { status: 200, content_type: "application/json", allow: None, body: value.to_string().into_bytes() }
    }

    fn cbor(body: Vec<u8>) -> Self {
        Self { status: 200, content_type: "application/cbor", allow: None, body }
    }

    fn error(e: &ApiError) -> Self {
        Self { allow: e.allow(), ..Self::refusal(e.status(), &e.to_string()) }
    }

    fn refusal(status: u16, error: &str) -> Self {
        Self { status, ..Self::json(&json!({ "error": error })) }
    }
}

#[cfg(test)]
mod tests;
