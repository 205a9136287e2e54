//! What the endpoints' tests share.

use serde_json::Value;

use super::*;
use crate::keys::tests::{hex, keys};
use crate::nsm::{AttestationRequest, NsmError};

/// Attests by writing the request out; its random bytes count up from 1.
struct Fake;

impl Nsm for Fake {
    fn random(&self, out: &mut [u8]) -> Result<(), NsmError> {
        out.iter_mut().zip(1..).for_each(|(byte, n)| *byte = n);
        Ok(())
    }

    fn attest(&self, request: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
        Ok(format!("{request:?}").into_bytes())
    }

    fn describe(&self) -> Result<crate::nsm::Description, NsmError> {
        Err(NsmError::Unexpected)
    }
}

/// With the signing key that EIP-155's example uses, and a P-384 key of nothing but ones.
pub(super) fn api() -> Api {
    api_with_agreement(&[1; 48])
}

pub(super) fn api_with_agreement(secret: &[u8]) -> Api {
    Api::new(keys(&"46".repeat(32), secret), Arc::new(Fake), None)
}

fn ask(api: &Api, surface: Surface, method: &str, target: &str, body: &[u8]) -> Answer {
    api.answer(surface, method, target, Zeroizing::new(body.to_vec()))
}

/// The JSON of an answer that went well.
pub(super) fn call(answer: &Answer) -> Value {
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json"));
    serde_json::from_slice(answer.body()).unwrap()
}

#[test]
fn the_address_of_the_known_key_is_that_of_eip_155() {
    let answer = call(&ask(&api(), Surface::Auxiliary, "GET", "/v1/eth/address", b""));
    assert_eq!(answer["address"], "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F");
    let key = hex(&answer["public_key"].as_str().unwrap()[2..]);
    assert_eq!((key.len(), key[0]), (65, 4));
}

#[test]
fn random_bytes_are_those_of_the_module() {
    let answer = call(&ask(&api(), Surface::Internal, "GET", "/v1/random", b""));
    assert_eq!(answer["random_bytes"], "0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20");
}

#[test]
fn a_module_that_fails_is_a_503() {
    struct Broken;
    impl Nsm for Broken {
        fn random(&self, _: &mut [u8]) -> Result<(), NsmError> {
            Err(NsmError::Dry)
        }
        fn attest(&self, _: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
            Err(NsmError::Unexpected)
        }

        fn describe(&self) -> Result<crate::nsm::Description, NsmError> {
            Err(NsmError::Unexpected)
        }
    }
    let broken = Api::new(keys(&"46".repeat(32), &[1; 48]), Arc::new(Broken), None);
    assert_eq!(ask(&broken, Surface::Internal, "GET", "/v1/random", b"").status, 503);
    assert_eq!(ask(&broken, Surface::Auxiliary, "POST", "/v1/attestation", b"").status, 503);
    let body = br#"{"message":"x","include_attestation":true}"#;
    assert_eq!(ask(&broken, Surface::Internal, "POST", "/v1/eth/sign", body).status, 503);
}

#[test]
fn storage_says_that_it_is_not_configured() {
    for path in ["/v1/s3/get", "/v1/s3/put", "/v1/s3/delete", "/v1/s3/list"] {
        let answer = ask(&api(), Surface::Internal, "POST", path, b"{}");
        assert_eq!(answer.status, 400);
        assert_eq!(answer.body(), br#"{"error":"S3 storage not configured"}"#);
    }
}
