//! The internal and the auxiliary API, every answer checked by what it means.

use std::time::{Duration, SystemTime};

use aes_gcm::aead::Aead;
use aes_gcm::{Aes256Gcm, KeyInit};
use base64ct::{Base64, Encoding};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use odyn::host::verify::check::{Expected, verify};
use odyn::host::verify::hex;
use p384::pkcs8::{DecodePublicKey, EncodePublicKey};
use serde_json::{Value, json};
use sha2::Sha256;
use sha3::{Digest, Keccak256};

use crate::http::Client;
use crate::stream::Dice;
use crate::tally::{Outcome, Turn, ensure};

fn text<'a>(answer: &'a Value, name: &str) -> Outcome<&'a str> {
    answer[name].as_str().ok_or_else(|| format!("no {name} in {answer}"))
}

fn bytes(answer: &Value, name: &str) -> Outcome<Vec<u8>> {
    let text = text(answer, name)?;
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok_or_else(|| format!("{name} is {text:?}"))
}

fn of<T, E: std::fmt::Debug>(what: &str, result: Result<T, E>) -> Outcome<T> {
    result.map_err(|e| format!("{what}: {e:?}"))
}

/// The address whose key signed this hash.
fn signer(hash: &[u8], signature: &[u8], parity: u8) -> Outcome<String> {
    let signature = of("the signature", Signature::from_slice(&signature[..64]))?;
    let parity = RecoveryId::from_byte(parity).ok_or("no parity")?;
    let key = of("no signer", VerifyingKey::recover_from_prehash(hash, &signature, parity))?;
    let point = key.to_sec1_point(false);
    Ok(hex::encode(&Keccak256::digest(&point.as_bytes()[1..])[12..]))
}

pub fn small(turn: &mut Turn) -> Outcome<u64> {
    let mut seen = String::new();
    for port in [turn.stage.api.0, turn.stage.aux.0] {
        let mut client = Client::to(port)?;
        for _ in 0..5 {
            let address = client.get("/v1/eth/address")?.json(200)?;
            let point = bytes(&address, "public_key")?;
            let expected = hex::encode(&Keccak256::digest(&point[1..])[12..]);
            let told = text(&address, "address")?.to_ascii_lowercase();
            ensure(told == format!("0x{expected}"), || format!("{told} is not the address of {expected}"))?;
            let key = client.get("/v1/encryption/public_key")?.json(200)?;
            of("the key", p384::PublicKey::from_public_key_der(&bytes(&key, "public_key_der")?))?;
        }
        if port == turn.stage.api.0 {
            for _ in 0..5 {
                let random = client.get("/v1/random")?.json(200)?;
                let random = text(&random, "random_bytes")?;
                ensure(random.len() == 66 && random != seen, || format!("{random:?} behind {seen:?}"))?;
                seen = random.to_owned();
            }
        }
    }
    Ok(25)
}

pub fn sign(turn: &mut Turn) -> Outcome<u64> {
    let mut client = Client::to(turn.stage.api.0)?;
    for _ in 0..10 {
        let message = format!("{} grüße, {}", "x".repeat(turn.dice.roll(500) as usize), turn.dice.roll(1 << 40));
        let with_document = turn.dice.roll(10) == 0;
        let body = json!({ "message": message, "include_attestation": with_document });
        let answer = client.post("/v1/eth/sign", &body)?.json(200)?;
        let signature = bytes(&answer, "signature")?;
        let hash = Keccak256::digest(format!("\x19Ethereum Signed Message:\n{}{message}", message.len()));
        let signer = signer(&hash, &signature, signature[64] - 27)?;
        let address = text(&answer, "address")?.to_ascii_lowercase();
        ensure(address == format!("0x{signer}"), || format!("signed by {signer}, not {address}"))?;
        ensure(answer["attestation"].is_string() == with_document, || format!("{}", answer["attestation"]))?;
        let to = format!("0x{:040x}", turn.dice.roll(1 << 60));
        let payload = json!({
            "kind": "structured", "chain_id": "0x1", "nonce": format!("0x{:x}", turn.dice.roll(1 << 20)), "to": to,
            "max_priority_fee_per_gas": "0x1", "max_fee_per_gas": "0x2", "gas_limit": "0x5208", "value": "0x7",
            "data": format!("0x{}", "ab".repeat(turn.dice.roll(3000) as usize)),
        });
        let answer = client.post("/v1/eth/sign-tx", &json!({ "payload": payload }))?.json(200)?;
        let raw = bytes(&answer, "raw_transaction")?;
        let hash = hex::encode(&Keccak256::digest(&raw));
        ensure(raw[0] == 2 && text(&answer, "transaction_hash")? == format!("0x{hash}"), || answer.to_string())?;
        ensure(text(&answer, "raw_transaction")?.contains(&to[2..]), || format!("no {to} in {answer}"))?;
        // The same transaction has the same signature (RFC 6979).
        let again = client.post("/v1/eth/sign-tx", &json!({ "payload": payload }))?.json(200)?;
        ensure(again == answer, || format!("{again} is not {answer}"))?;
    }
    Ok(30)
}

pub fn attest(turn: &mut Turn) -> Outcome<u64> {
    for port in [turn.stage.api.0, turn.stage.aux.0] {
        let mut client = Client::to(port)?;
        for _ in 0..3 {
            let mut nonce = vec![0; 1 + turn.dice.roll(512) as usize];
            nonce.iter_mut().for_each(|byte| *byte = turn.dice.roll(256) as u8);
            let user_data = json!({ "round": turn.dice.roll(1 << 30) });
            let body = json!({ "nonce": Base64::encode_string(&nonce), "user_data": user_data });
            let answer = client.post("/v1/attestation", &body)?.expect(200)?;
            let now = of("now", SystemTime::now().duration_since(SystemTime::UNIX_EPOCH))?;
            let expected =
                Expected { root: turn.stage.root.clone(), pcrs: Default::default(), nonce: Some(nonce), now };
            let document = verify(&answer.body, &expected).map_err(|e| e.to_string())?;
            ensure(now.abs_diff(Duration::from_millis(document.timestamp)) < Duration::from_secs(60), || {
                format!("made at {} and not at {now:?}", document.timestamp)
            })?;
            // The auxiliary API takes nothing but the nonce.
            let told: Value = of("user data", serde_json::from_slice(&document.user_data.unwrap_or_default()))?;
            let own = if port == turn.stage.api.0 { user_data["round"].clone() } else { Value::Null };
            ensure(told["round"] == own && told["eth_addr"].is_string(), || told.to_string())?;
        }
    }
    Ok(6)
}

pub fn encrypt(turn: &mut Turn) -> Outcome<u64> {
    let mut client = Client::to(turn.stage.api.0)?;
    let key = client.get("/v1/encryption/public_key")?.json(200)?;
    let enclave = of("its key", p384::PublicKey::from_public_key_der(&bytes(&key, "public_key_der")?))?;
    for _ in 0..5 {
        let mut scalar = [1; 48];
        scalar[1..].iter_mut().for_each(|byte| *byte = turn.dice.roll(256) as u8);
        let own = of("our key", p384::SecretKey::from_slice(&scalar))?;
        let mut key = [0; 32];
        of("a key", own.diffie_hellman(&enclave).extract::<Sha256>(None).expand(b"encryption data", &mut key))?;
        let cipher = of("a cipher", Aes256Gcm::new_from_slice(&key))?;
        let public = hex::encode(of("our key", own.public_key().to_public_key_der())?.as_bytes());
        let secret = format!("grüße {}", "y".repeat(turn.dice.roll(5000) as usize));

        let body = json!({ "plaintext": secret, "client_public_key": public });
        let answer = client.post("/v1/encryption/encrypt", &body)?.json(200)?;
        let iv = of("the nonce", bytes(&answer, "nonce")?[..12].try_into())?;
        let opened = of("decrypting", cipher.decrypt(&iv, &bytes(&answer, "encrypted_data")?[..]))?;
        ensure(opened == secret.as_bytes(), || "encrypted something else".to_owned())?;

        let sealed = hex::encode(&of("encrypting", cipher.encrypt(&[9; 12].into(), secret.as_bytes()))?);
        let mut body = json!({ "nonce": "09".repeat(12), "client_public_key": public, "encrypted_data": sealed });
        let answer = client.post("/v1/encryption/decrypt", &body)?.json(200)?;
        ensure(text(&answer, "plaintext")? == secret, || "decrypted something else".to_owned())?;
        body["nonce"] = json!("08".repeat(12));
        client.post("/v1/encryption/decrypt", &body)?.json(400)?;
    }
    Ok(16)
}

/// Requests that are none, and clients that go before their answer.
pub fn bad(turn: &mut Turn) -> Outcome<u64> {
    let (api, aux) = (turn.stage.api.0, turn.stage.aux.0);
    for (port, method, path, body, status) in [
        (api, "GET", "/", "", 404),
        (api, "GET", "/v1/eth/sign", "", 405),
        (api, "BREW", "/v1/random", "", 405),
        (api, "POST", "/v1/eth/sign", "{", 400),
        (api, "POST", "/v1/eth/sign", r#"{"message":"a","message":"b"}"#, 400),
        (api, "POST", "/v1/eth/sign-tx", r#"{"payload":{"kind":"raw_rlp","raw_payload":"0xf800"}}"#, 400),
        (api, "POST", "/v1/encryption/encrypt", r#"{"plaintext":"","client_public_key":"00"}"#, 400),
        (api, "POST", "/v1/attestation", r#"{"nonce":"!"}"#, 400),
        (aux, "GET", "/v1/random", "", 404),
        (aux, "POST", "/v1/eth/sign", "{}", 404),
        (aux, "POST", "/v1/attestation", "[]", 400),
    ] {
        let answer = Client::to(port)?.ask(method, path, &[], body.as_bytes())?.json(status);
        let error = answer.map_err(|e| format!("{method} {path}: {e}"))?;
        ensure(error["error"].is_string(), || error.to_string())?;
    }
    let deep = "[".repeat(1 << 20);
    Client::to(api)?.ask("POST", "/v1/eth/sign", &[], deep.as_bytes())?.json(400)?;
    for (head, status) in [
        ("POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: 10485761\r\n\r\n", 413),
        ("nonsense\r\n\r\n", 400),
        ("GET /v1/random HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
    ] {
        let mut client = Client::to(api)?;
        client.send(head.as_bytes())?;
        client.answer("GET")?.expect(status).map_err(|e| format!("{head:.30?}: {e}"))?;
        client.closed()?;
    }
    let starts: [&[u8]; 4] = [
        b"",
        b"POST /v1/eth/si",
        b"POST /v1/eth/sign HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n{",
        b"POST /v1/attestation HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
    ];
    Client::to(api)?.send(starts[turn.dice.roll(4) as usize])?;
    Ok(16)
}

/// A request that fills the largest body there may be.
pub fn large(turn: &mut Turn) -> Outcome<u64> {
    let message = "m".repeat((9 << 20) + Dice::new(turn.dice.roll(1 << 30)).roll(1 << 20) as usize);
    let hash = Keccak256::digest(format!("\x19Ethereum Signed Message:\n{}{message}", message.len()));
    let answer = Client::to(turn.stage.api.0)?.post("/v1/eth/sign", &json!({ "message": message }))?.json(200)?;
    let signature = bytes(&answer, "signature")?;
    let signer = signer(&hash, &signature, signature[64] - 27)?;
    ensure(text(&answer, "address")?.to_ascii_lowercase() == format!("0x{signer}"), || answer.to_string())?;
    Ok(1)
}
