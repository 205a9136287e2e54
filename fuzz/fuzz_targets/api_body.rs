//! Whatever the application sends the internal API, or a stranger the auxiliary one, the answer is one that the contract
//! has: never a 5xx, since the module works.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use odyn::api::route::Surface;
use odyn::api::{Api, Served};
use odyn::http::service::{Body, Request, Service};
use odyn::keys::Keys;
use odyn::nsm::{AttestationRequest, Description, Nsm, NsmError};
use odyn::sim::nsm::Simulated;
use serde_json::Value;
use zeroize::Zeroizing;

/// The simulated module, but with the same random bytes each time, so that what is found is found again.
struct Fixed(Simulated);

impl Nsm for Fixed {
    fn random(&self, out: &mut [u8]) -> Result<(), NsmError> {
        out.iter_mut().zip((1..=251).cycle()).for_each(|(byte, n)| *byte = n);
        Ok(())
    }

    fn attest(&self, request: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
        self.0.attest(request)
    }

    fn describe(&self) -> Result<Description, NsmError> {
        self.0.describe()
    }
}

static API: LazyLock<Arc<Api>> = LazyLock::new(|| {
    let nsm = Fixed(Simulated::new().unwrap());
    let keys = Keys::generate(&nsm).unwrap();
    Arc::new(Api::new(keys, Arc::new(nsm), None))
});

/// The first takes what the fuzzer calls it.
const TARGETS: [&str; 12] = [
    "",
    "/v1/eth/address",
    "/v1/eth/sign",
    "/v1/eth/sign-tx",
    "/v1/random",
    "/v1/attestation",
    "/v1/encryption/public_key",
    "/v1/encryption/encrypt",
    "/v1/encryption/decrypt",
    "/v1/s3/get",
    "/v1/s3/put",
    "/v1/s3/list",
];

fuzz_target!(|data: &[u8]| {
    let [kind, which, body @ ..] = data else { return };
    let surface = if kind & 1 == 0 { Surface::Internal } else { Surface::Auxiliary };
    let method = if kind & 2 == 0 { "POST" } else { "GET" };
    let target = match TARGETS[usize::from(*which) % TARGETS.len()] {
        "" => String::from_utf8_lossy(body).into_owned(),
        known => known.to_owned(),
    };
    let served = Served { surface, api: Arc::clone(&API) };
    if body.len() > served.plan(method, &target).body {
        return;
    }
    let body = Zeroizing::new(body.to_vec());
    let answer = served.answer(Request { method: method.into(), target, fields: Vec::new(), body });
    let Body::Bytes(body) = answer.body else { panic!("only the storage streams") };
    assert!(matches!(answer.status, 200 | 400 | 404 | 405 | 413), "{}", answer.status);
    let json = serde_json::from_slice::<Value>(&body);
    if answer.status != 200 {
        let told = json.unwrap();
        assert!(told["error"].as_str().is_some_and(|error| !error.is_empty()), "{told}");
    } else if answer.content_type == "application/json" {
        assert!(json.is_ok_and(|value| value.is_object()));
    }
});
