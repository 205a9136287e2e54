//! Whatever the metadata service, KMS or S3 answers, and whatever an SDK sends the KMS proxy, it is read as what it
//! should be or refused.

#![no_main]

use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use odyn::aws::credentials;
use odyn::aws::kms::fields::Fields;
use odyn::aws::kms::operation::Operation;
use odyn::aws::kms::scope;
use odyn::aws::s3::{self, Page};
use odyn::http::service::Request;
use serde_json::Value;
use zeroize::Zeroizing;

fuzz_target!(|data: &[u8]| {
    let Some((kind, answer)) = data.split_first() else { return };
    match kind % 5 {
        0 => role(answer),
        1 => kms(answer),
        2 => asked(answer),
        3 => list(answer),
        _ => error(answer),
    }
});

/// What the metadata service answers for a role.
fn role(answer: &[u8]) {
    let Ok(text) = std::str::from_utf8(answer) else { return };
    // In 2026, as the seeds are.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_426_000);
    match credentials::parse_alone(text, now) {
        Ok((key, end)) => {
            assert!(end.is_some_and(|end| end > now));
            // They become header fields.
            let token = key.token.unwrap();
            for part in [&key.id, &*key.secret, &*token] {
                assert!(!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
        Err(e) => assert!(!e.to_string().contains(char::is_control)),
    }
}

/// A JSON object that passes through, and one with a field taken out and another put in.
fn kms(answer: &[u8]) {
    let Ok(fields) = Fields::parse(answer) else { return };
    let Ok(Value::Object(mut expected)) = serde_json::from_slice(answer) else {
        // Deeper than a reader of everything goes, or a number or an escape it does not take.
        return;
    };
    let text = |name: &str| expected.get(name).and_then(Value::as_str).map(str::to_owned);
    for name in ["Plaintext", "CiphertextForRecipient", "Recipient", "__type"] {
        assert_eq!(fields.text(name), text(name));
        assert_eq!(fields.has(name), expected.get(name).is_some_and(|value| !value.is_null()));
    }
    let replaced = fields.replace(&["Plaintext", "CiphertextForRecipient"], "Plaintext", "\"AAAA\"");
    expected.remove("CiphertextForRecipient");
    expected.insert("Plaintext".to_owned(), "AAAA".into());
    assert_eq!(serde_json::from_slice::<Value>(&replaced).unwrap(), Value::Object(expected));
    // No name twice, or it would not be read again.
    assert!(Fields::parse(&replaced).is_ok());
}

/// A request: method, target, `x-amz-target` and `authorization`, a line each.
fn asked(request: &[u8]) {
    let Ok(text) = std::str::from_utf8(request) else { return };
    let mut lines = text.split('\n').map(str::to_owned);
    let (Some(method), Some(target)) = (lines.next(), lines.next()) else { return };
    let fields = ["x-amz-target", "authorization"].map(str::to_owned).into_iter().zip(lines).collect();
    let request = Request { method, target, fields, body: Zeroizing::new(Vec::new()) };
    if let Ok(operation) = Operation::of(&request) {
        assert_eq!(request.field("x-amz-target"), Some(operation.target().as_str()));
        // The five that attest, in their own case and in no other.
        let attests = ["Decrypt", "GenerateDataKey", "GenerateRandom", "GenerateDataKeyPair", "DeriveSharedSecret"];
        let found = attests.iter().find(|name| name.eq_ignore_ascii_case(operation.name()));
        assert_eq!(found.is_some(), operation.secret().is_some(), "{operation:?}");
        assert!(found.is_none_or(|name| *name == operation.name()));
    }
    if let Ok(region) = scope::region(&request) {
        // It becomes part of a host's name.
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(region.to_string().bytes().all(plain), "{region}");
    }
}

/// Keys in a bucket, of which only those below the prefix are told.
fn list(answer: &[u8]) {
    let Ok(page) = Page::parse(answer) else { return };
    let keys = page.keys.clone();
    let below = page.below("p/");
    assert_eq!(below.is_ok(), keys.iter().all(|key| key.starts_with("p/")));
    if let Ok(below) = below {
        assert!(below.keys.iter().zip(&keys).all(|(short, key)| format!("p/{short}") == *key));
    }
}

/// The one word of an error that is told on.
fn error(answer: &[u8]) {
    if let Some(code) = s3::code(answer) {
        assert!((1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
