use super::super::tests::api;
use super::*;

const ADDRESS: &str = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F";

fn attested(answer: Result<Answer, ApiError>) -> String {
    let answer = answer.unwrap();
    assert_eq!(answer.content_type, "application/cbor");
    String::from_utf8(answer.body().to_vec()).unwrap()
}

fn expected(nonce: Option<&[u8]>, public_key: &[u8], user_data: &[u8]) -> String {
    let owned = |bytes: &[u8]| Some(bytes.to_vec());
    let (nonce, public_key, user_data) = (nonce.map(<[u8]>::to_vec), owned(public_key), owned(user_data));
    format!("{:?}", AttestationRequest { user_data, nonce, public_key })
}

fn default_data() -> Vec<u8> {
    format!("{{\"eth_addr\":\"{ADDRESS}\"}}").into_bytes()
}

fn defaults(nonce: Option<&[u8]>) -> String {
    expected(nonce, &api().keys.public().agreement_der, &default_data())
}

#[test]
fn a_request_without_anything_gets_the_defaults() {
    for body in ["", "{}", r#"{"nonce":null,"public_key":null,"user_data":null}"#] {
        assert_eq!(attested(full(&api(), body.as_bytes())), defaults(None), "{body}");
        assert_eq!(attested(nonce_only(&api(), body.as_bytes())), defaults(None), "{body}");
    }
}

#[test]
fn the_three_fields_are_taken_as_the_contract_says() {
    let der = api().keys.public().agreement_der.clone();
    let pem = api().keys.public().agreement_pem.clone();
    let object = r#"{"b":1,"eth_addr":"0xforged","a":[true]}"#;
    let body = serde_json::json!({ "nonce": "AQID", "public_key": pem, "user_data": "aGk=" }).to_string();
    assert_eq!(attested(full(&api(), body.as_bytes())), expected(Some(&[1, 2, 3]), &der, b"hi"));
    let body = format!("{{\"user_data\":{object}}}");
    let data = format!("{{\"a\":[true],\"b\":1,\"eth_addr\":\"{ADDRESS}\"}}");
    assert_eq!(attested(full(&api(), body.as_bytes())), expected(None, &der, data.as_bytes()));
}

#[test]
fn a_key_of_any_algorithm_is_embedded_as_its_spki() {
    // RFC 8410, section 10.1: an Ed25519 key.
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";
    let der = decode_base64("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=").unwrap();
    let body = serde_json::json!({ "public_key": pem }).to_string();
    assert_eq!(attested(full(&api(), body.as_bytes())), expected(None, &der, &default_data()));
}

#[test]
fn the_sizes_are_checked_before_the_module_is_asked() {
    let base64 = |size| super::super::json::encode_base64(&vec![7; size]);
    for field in ["nonce", "user_data"] {
        let body = |size| serde_json::json!({ field: base64(size) }).to_string();
        assert!(full(&api(), body(512).as_bytes()).is_ok());
        let error = full(&api(), body(513).as_bytes()).unwrap_err();
        assert_eq!((error.status(), error.to_string()), (400, format!("{field}: must be at most 512 bytes")));
    }
    let error = nonce_only(&api(), serde_json::json!({ "nonce": base64(513) }).to_string().as_bytes());
    assert_eq!(error.unwrap_err().to_string(), "nonce: must be at most 512 bytes");
    // With the address put in it is too large.
    let body = serde_json::json!({ "user_data": { "x": "y".repeat(480) } }).to_string();
    assert_eq!(full(&api(), body.as_bytes()).unwrap_err().to_string(), "user_data: must be at most 512 bytes");
}

#[test]
fn bad_fields_are_named() {
    for (body, error) in [
        (r#"{"nonce":"a"}"#, "nonce: not padded standard base64"),
        (r#"{"nonce":"AQI"}"#, "nonce: not padded standard base64"),
        (r#"{"nonce":5}"#, "nonce: must be text"),
        (r#"{"public_key":"x"}"#, "public_key: not a public key as SubjectPublicKeyInfo in PEM"),
        (r#"{"user_data":["a"]}"#, "user_data: must be base64 text or an object"),
        (r#"{"user_data":"{}"}"#, "user_data: not padded standard base64"),
        (r#"{"userdata":"aGk="}"#, "userdata: no such field"),
    ] {
        let told = full(&api(), body.as_bytes()).unwrap_err();
        assert_eq!((told.status(), told.to_string().as_str()), (400, error), "{body}");
    }
    assert_eq!(full(&api(), b"{").unwrap_err().status(), 400);
}

#[test]
fn the_auxiliary_api_drops_all_but_the_nonce_whatever_its_shape() {
    for body in [
        r#"{"nonce":"AQID","public_key":"x","user_data":{"eth_addr":"0xforged"}}"#,
        r#"{"public_key":"x","public_key":"y","user_data":[1],"user_data":{},"nonce":"AQID"}"#,
        r#"{"Public_Key":1,"USER_DATA":"aGk=","nonce":"AQID","userData":null}"#,
        r#"{"public\u005fkey":"x","user\u005fdata":"aGk=","\u006eonce":"AQID"}"#,
        r#"{"request":{"user_data":"aGk=","public_key":"x"},"nonce":"AQID"}"#,
        r#"{"user_data":5e400,"public_key":true,"nonce":"AQID"}"#,
    ] {
        assert_eq!(attested(nonce_only(&api(), body.as_bytes())), defaults(Some(&[1, 2, 3])), "{body}");
    }
    for body in ["{", "[]", "\"x\"", "null", r#"{"nonce":5}"#, r#"{"nonce":"AQ==","nonce":"AQ=="}"#, "{} x"] {
        assert_eq!(nonce_only(&api(), body.as_bytes()).unwrap_err().status(), 400, "{body}");
    }
}
