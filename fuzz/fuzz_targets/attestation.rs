//! Whatever is given as an attestation document, verifying it ends; and of all that the fuzzer makes of a document with
//! a good signature, nothing passes but that document.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use odyn::host::verify::chain::Root;
use odyn::host::verify::check::{Expected, verify};
use odyn::host::verify::document::Document;
use odyn::host::verify::print;
use odyn::nsm::{AttestationRequest, Nsm};
use odyn::sim::nsm::Simulated;
use odyn::wire::cose;

/// A document of a simulated module, and what it is to be held against.
static GOOD: LazyLock<(Vec<u8>, Expected)> = LazyLock::new(|| {
    let nsm = Simulated::new().unwrap();
    let nonce = Some(vec![7; 32]);
    let request = AttestationRequest { nonce: nonce.clone(), public_key: Some(vec![8; 97]), user_data: None };
    let document = nsm.attest(&request).unwrap();
    let certificates = Document::parse(&document).unwrap().cabundle;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let expected = Expected {
        root: Root::chosen(&certificates[0]),
        pcrs: BTreeMap::from([(0, vec![0; 48])]),
        nonce,
        now: now + Duration::from_secs(1),
    };
    verify(&document, &expected).unwrap();
    (document, expected)
});

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    let (good, expected) = &*GOOD;
    let made = match kind % 4 {
        // A document.
        0 => bytes.to_vec(),
        // A payload.
        1 => cose::sign1(bytes, &[1; cose::SIGNATURE]),
        // The good document with some of it replaced, at an offset that two bytes say.
        2 | 3 => {
            let [high, low, patch @ ..] = bytes else { return };
            let at = usize::from(u16::from_be_bytes([*high, *low])) % good.len();
            let (head, tail) = good.split_at(at);
            // By as much, or as an insertion.
            let tail = if kind % 4 == 2 { tail.get(patch.len()..).unwrap_or_default() } else { tail };
            [head, patch, tail].concat()
        }
        _ => unreachable!(),
    };
    if let Ok(document) = Document::parse(&made) {
        // What is printed is JSON whatever is in it.
        let printed = print::json(&document);
        assert!(serde_json::from_str::<serde_json::Value>(&printed).is_ok_and(|value| value.is_object()));
        // There is one encoding of a document: its parts make it again.
        assert_eq!(cose::sign1(&document.payload, &document.signature), made);
    }
    match verify(&made, expected) {
        Ok(_) => assert!(made == *good, "a changed document passes"),
        Err(failure) => assert!(failure.to_string().contains(" failed: "), "{failure}"),
    }
});
