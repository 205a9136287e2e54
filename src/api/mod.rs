//! The APIs: what the application may ask of odyn (contract section 7), and the part of it that it may pass on to others
//! (section 8). Both share their handlers, the keys and the Nitro Secure Module.
//!
//! Promises: every failure is a status and a JSON body that names the field; no secret is in it. Requests come from
//! [`http::server`](crate::http::server) whole and within their limits.

#![forbid(unsafe_code)]

mod attest;
mod encrypt;
pub mod error;
mod json;
mod large;
pub mod route;
mod sign;
mod storage;
mod tx;

use std::sync::Arc;

use serde_json::json;
use zeroize::Zeroizing;

use crate::aws::s3::Store;
use crate::config::limits;
use crate::http::service::{Answer, JSON, Plan, Request, Service, Work};
use crate::keys::Keys;
use crate::nsm::Nsm;
use error::ApiError;
use route::{Endpoint, StorageCall, Surface};

/// What the endpoints work with.
pub struct Api {
    keys: Keys,
    nsm: Arc<dyn Nsm>,
    /// `None` unless the manifest has one.
    storage: Option<Store>,
    /// What everybody is told who asks for the address.
    address: Vec<u8>,
    /// And for the encryption key.
    public_key: Vec<u8>,
}

/// The API as one of its two surfaces.
pub struct Served {
    /// Which.
    pub surface: Surface,
    /// What both share.
    pub api: Arc<Api>,
}

impl Service for Served {
    fn name(&self) -> &'static str {
        self.surface.name()
    }

    fn plan(&self, method: &str, target: &str) -> Plan {
        match route::route(self.surface, method, target) {
            Ok(Endpoint::Storage(call)) if self.has_storage() => {
                let body = if call == StorageCall::Put { limits::S3_PUT_BODY } else { limits::API_BODY };
                // An object is decoded where it is, unless its text has escapes: then it is copied as it is read, and again.
                let copies = 4;
                Plan { work: Work::Remote, body, copies, transfer: limits::S3_TRANSFER, answer: limits::S3_ANSWER }
            }
            // Both were made at start, and so is a refusal.
            Ok(Endpoint::Address | Endpoint::PublicKey) | Err(_) => Plan { work: Work::Immediate, ..Plan::LOCAL },
            _ => Plan::LOCAL,
        }
    }

    fn handlers(&self, work: Work) -> usize {
        match work {
            Work::Local => limits::API_HANDLERS,
            Work::Remote if self.has_storage() => limits::S3_HANDLERS,
            Work::Immediate | Work::Remote => 0,
        }
    }

    fn held(&self) -> usize {
        if self.has_storage() { limits::S3_HELD } else { limits::API_HELD }
    }

    fn answer(&self, request: Request) -> Answer {
        self.api.answer(self.surface, &request.method, &request.target, request.body)
    }

    fn refusal(&self, status: u16, reason: &str) -> Answer {
        refusal(status, reason)
    }
}

impl Served {
    /// Whether this surface serves the storage: the auxiliary one never does.
    fn has_storage(&self) -> bool {
        self.surface == Surface::Internal && self.api.storage.is_some()
    }
}

impl Api {
    /// With keys made from `nsm`, which is also asked for documents and random bytes later.
    #[must_use]
    pub fn new(keys: Keys, nsm: Arc<dyn Nsm>, storage: Option<Store>) -> Self {
        let (address, public_key) = (sign::address(keys.public()), encrypt::public_key(keys.public()));
        let [address, public_key] = [address, public_key].map(|value| value.to_string().into_bytes());
        Self { keys, nsm, storage, address, public_key }
    }

    /// The answer to a whole request.
    fn answer(&self, surface: Surface, method: &str, target: &str, body: Zeroizing<Vec<u8>>) -> Answer {
        let served = route::route(surface, method, target).and_then(|endpoint| self.serve(endpoint, body));
        served.unwrap_or_else(|e| {
            let allow = e.allow().map(|methods| ("Allow", methods.to_owned()));
            Answer { fields: allow.into_iter().collect(), ..refusal(e.status(), &e.to_string()) }
        })
    }

    fn serve(&self, endpoint: Endpoint, body: Zeroizing<Vec<u8>>) -> Result<Answer, ApiError> {
        match endpoint {
            Endpoint::Address => Ok(Answer::bytes(JSON, self.address.clone())),
            Endpoint::Sign => sign::message(self, &body),
            Endpoint::SignTransaction => sign::transaction(self, &body),
            Endpoint::Random => self.random(),
            Endpoint::Attestation => attest::full(self, &body),
            Endpoint::NonceAttestation => attest::nonce_only(self, &body),
            Endpoint::PublicKey => Ok(Answer::bytes(JSON, self.public_key.clone())),
            Endpoint::Encrypt => encrypt::encrypt(self, &body),
            Endpoint::Decrypt => encrypt::decrypt(self, &body),
            Endpoint::Storage(call) => {
                let store = self.storage.as_ref().ok_or(ApiError::NoStorage)?;
                storage::serve(store, call, body)
            }
        }
    }

    /// GET `/v1/random`.
    fn random(&self) -> Result<Answer, ApiError> {
        let mut bytes = Zeroizing::new([0; 32]);
        self.nsm.random(&mut bytes[..])?;
        Ok(Answer::json(&json!({ "random_bytes": json::encode_hex(&bytes[..]) })))
    }
}

fn refusal(status: u16, error: &str) -> Answer {
    Answer { status, ..Answer::json(&json!({ "error": error })) }
}

#[cfg(test)]
mod tests;
