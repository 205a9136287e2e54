use super::super::tests::{api, api_with_agreement, call};
use super::*;
use crate::keys::tests::hex;
use p384::pkcs8::EncodePublicKey;

/// A client with a secret of its own, doing its side of the protocol.
fn client() -> (p384::SecretKey, String) {
    let secret = p384::SecretKey::from_slice(&[2; 48]).unwrap();
    let der = secret.public_key().to_public_key_der().unwrap();
    (secret, base16ct::lower::encode_string(der.as_bytes()))
}

fn client_cipher(secret: &p384::SecretKey, enclave_der: &[u8]) -> Aes256Gcm {
    let enclave = PublicKey::from_public_key_der(enclave_der).unwrap();
    let mut key = [0; 32];
    secret.diffie_hellman(&enclave).extract::<Sha256>(Some(b"")).expand(b"encryption data", &mut key).unwrap();
    Aes256Gcm::new_from_slice(&key).unwrap()
}

#[test]
fn what_the_enclave_encrypts_the_client_reads() {
    let (secret, public) = client();
    let body = json!({ "plaintext": "grüße", "client_public_key": public }).to_string();
    let answer = call(&encrypt(&api(), body.as_bytes()).unwrap());
    let field = |name: &str| hex(answer[name].as_str().unwrap());
    // The module's random bytes.
    assert_eq!(field("nonce"), (1..=32).collect::<Vec<u8>>());
    let cipher = client_cipher(&secret, &field("enclave_public_key"));
    let iv = field("nonce")[..12].try_into().unwrap();
    assert_eq!(cipher.decrypt(&iv, &field("encrypted_data")[..]).unwrap(), "grüße".as_bytes());
}

#[test]
fn what_the_client_encrypts_the_enclave_reads() {
    let (secret, public) = client();
    let cipher = client_cipher(&secret, &api().keys.public().agreement_der);
    for (nonce, prefix) in [(&[9_u8; 12][..], ""), (&[9; 32], "0x")] {
        let sealed = cipher.encrypt(&[9; 12].into(), &b"secret"[..]).unwrap();
        let text = |bytes: &[u8]| format!("{prefix}{}", base16ct::lower::encode_string(bytes));
        let body = json!({
            "nonce": text(nonce), "client_public_key": format!("{prefix}{public}"), "encrypted_data": text(&sealed)
        });
        assert_eq!(call(&decrypt(&api(), body.to_string().as_bytes()).unwrap())["plaintext"], "secret");
    }
}

#[test]
fn what_does_not_decrypt_is_a_400() {
    let (secret, public) = client();
    let cipher = client_cipher(&secret, &api().keys.public().agreement_der);
    let sealed = |text: &[u8]| base16ct::lower::encode_string(&cipher.encrypt(&[9; 12].into(), text).unwrap());
    let error = |nonce: &str, data: &str| {
        let body = json!({ "nonce": nonce, "client_public_key": public, "encrypted_data": data }).to_string();
        let error = decrypt(&api(), body.as_bytes()).unwrap_err();
        assert_eq!(error.status(), 400);
        error.to_string()
    };
    assert_eq!(error(&"09".repeat(11), &sealed(b"x")), "nonce: must be at least 12 bytes");
    assert!(error(&"08".repeat(12), &sealed(b"x")).contains("does not decrypt"));
    assert!(error(&"09".repeat(12), "").contains("does not decrypt"));
    assert!(error(&"09".repeat(12), &sealed(b"x")[2..]).contains("does not decrypt"));
    assert!(error(&"09".repeat(12), &sealed(b"\xff")).contains("must be the encryption of text"));
    assert!(error(&"09".repeat(12), "0x0").contains("not hexadecimal"));
}

#[test]
fn a_point_is_taken_in_the_two_encodings_of_rfc_5480_only() {
    let (_, public) = client();
    let (x, last) = (&public[48..144], public.as_bytes()[239]);
    let sign = if matches!(last, b'1' | b'3' | b'5' | b'7' | b'9' | b'b' | b'd' | b'f') { "03" } else { "02" };
    let short = |tag: &str| format!("3046301006072a8648ce3d020106052b81040022033200{tag}{x}");
    let status = |key: &str| {
        let body = json!({ "plaintext": "x", "client_public_key": key }).to_string();
        encrypt(&api(), body.as_bytes()).map_or_else(|e| e.status(), |answer| answer.status)
    };
    assert_eq!((status(&public), status(&short(sign))), (200, 200));
    assert_eq!((status(&short("05")), status(&public.replacen("0004", "0006", 1))), (400, 400));
}

#[test]
fn wycheproof_keys_agree_or_are_refused() {
    let data = std::env::var_os("ODYN_TEST_DATA").map_or_else(|| "../shared/data".into(), std::path::PathBuf::from);
    let Ok(text) = std::fs::read_to_string(data.join("wycheproof/ecdh_secp384r1_test.json")) else {
        return eprintln!("skipped: no test data");
    };
    let suite: Value = serde_json::from_str(&text).unwrap();
    let (mut agreed, mut refused) = (0, 0);
    for case in suite["testGroups"][0]["tests"].as_array().unwrap() {
        let field = |name: &str| hex(case[name].as_str().unwrap());
        let (number, result) = (&case["tcId"], case["result"].as_str().unwrap());
        let padded = [vec![0; 48], field("private")].concat();
        let secret = &padded[padded.len() - 48..];
        let body = json!({ "plaintext": "x", "client_public_key": base16ct::lower::encode_string(&field("public")) });
        let api = api_with_agreement(secret);
        let answer = encrypt(&api, body.to_string().as_bytes());
        match &answer {
            Ok(_) => {
                assert_ne!(result, "invalid", "case {number}");
                agreed += 1;
                let public = PublicKey::from_public_key_der(&field("public")).unwrap();
                let shared = api.keys.agree(&public);
                assert_eq!(shared.raw_secret_bytes().to_vec(), field("shared"), "case {number}");
            }
            Err(e) => {
                assert_ne!(result, "valid", "case {number}: {e}");
                refused += 1;
                assert_eq!(e.status(), 400, "case {number}");
            }
        }
    }
    assert!(agreed > 700 && refused > 100, "{agreed} agreed, {refused} refused");
}
