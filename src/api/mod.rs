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
pub mod route;
mod sign;
mod tx;

use std::sync::Arc;

use serde_json::json;

use crate::config::limits;
use crate::http::service::{Answer, Plan, Request, Service, Work};
use crate::keys::Keys;
use crate::nsm::Nsm;
use error::ApiError;
use route::{Endpoint, Surface};

/// What the endpoints work with.
pub struct Api {
    keys: Keys,
    nsm: Arc<dyn Nsm>,
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

    fn plan(&self, _: &str, _: &str) -> Plan {
        Plan::LOCAL
    }

    fn handlers(&self, work: Work) -> usize {
        match work {
            Work::Local => limits::API_HANDLERS,
            Work::Remote => 0,
        }
    }

    fn answer(&self, request: Request) -> Answer {
        self.api.answer(self.surface, &request.method, &request.target, &request.body)
    }

    fn refusal(&self, status: u16, reason: &str) -> Answer {
        refusal(status, reason)
    }
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
        served.unwrap_or_else(|e| {
            let allow = e.allow().map(|methods| ("Allow", methods.to_owned()));
            Answer { fields: allow.into_iter().collect(), ..refusal(e.status(), &e.to_string()) }
        })
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

fn refusal(status: u16, error: &str) -> Answer {
    Answer { status, ..Answer::json(&json!({ "error": error })) }
}

#[cfg(test)]
mod tests;
