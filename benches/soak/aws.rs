//! The KMS proxy and the storage, with an AWS behind them that is Python on this machine.

use std::process::{Child, Command, Stdio};

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

use crate::http::{Answer, Client};
use crate::stream::Bytes;
use crate::support::tools::installed;
use crate::support::{Port, eventually};
use crate::tally::{Outcome, Turn, ensure};

/// A credential scope is all that odyn reads of a caller's signature.
const SCOPE: &str =
    "AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=0";

/// moto, for as long as its standard input is open.
pub struct Moto {
    child: Child,
    pub port: Port,
}

impl Moto {
    /// `None` without its tools.
    pub fn start() -> Option<Self> {
        let python = installed("bin/python3")?;
        let port = Port::reserve();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/moto_server.py");
        let mut command = Command::new(python);
        command.args(["-B", script, &port.0.to_string(), "bucket"]).stdin(Stdio::piped()).stderr(Stdio::null());
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        eventually("moto listens", || std::net::TcpStream::connect(("127.0.0.1", port.0)).ok());
        Some(Self { child, port })
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn call(client: &mut Client, operation: &str, body: &Value) -> Outcome<Answer> {
    let target = format!("TrentService.{operation}");
    let fields = [("Authorization", SCOPE), ("X-Amz-Target", &target), ("Content-Type", "application/x-amz-json-1.1")];
    client.ask("POST", "/", &fields, body.to_string().as_bytes()).map_err(|e| format!("{operation}: {e}"))
}

fn secret(answer: &Value) -> Outcome<Vec<u8>> {
    let text = answer["Plaintext"].as_str().ok_or_else(|| format!("no plaintext in {answer}"))?;
    Base64::decode_vec(text).map_err(|e| e.to_string())
}

pub fn kms(turn: &mut Turn) -> Outcome<u64> {
    let mut client = Client::to(turn.stage.kms.0)?;
    let key = "1234abcd-12ab-34cd-56ef-1234567890ab";
    for _ in 0..5 {
        let data_key =
            call(&mut client, "GenerateDataKey", &json!({ "KeyId": key, "KeySpec": "AES_256" }))?.json(200)?;
        let again = json!({ "CiphertextBlob": data_key["CiphertextBlob"], "KeyId": key });
        let again = call(&mut client, "Decrypt", &again)?.json(200)?;
        ensure(secret(&data_key)?.len() == 32 && secret(&data_key)? == secret(&again)?, || "another key".to_owned())?;
        let plain = Base64::encode_string(&Bytes::whole(turn.dice.roll(1 << 32), turn.dice.roll(4000) as usize));
        let context = json!({ "for": turn.dice.roll(1000).to_string() });
        let body = json!({ "Plaintext": plain, "KeyId": key, "EncryptionContext": context });
        let sealed = call(&mut client, "Encrypt", &body)?.json(200)?;
        let body = json!({ "CiphertextBlob": sealed["CiphertextBlob"], "KeyId": key, "EncryptionContext": context });
        let opened = call(&mut client, "Decrypt", &body)?.json(200)?;
        ensure(opened["Plaintext"] == plain.as_str(), || "decrypted to something else".to_owned())?;
        let random = call(&mut client, "GenerateRandom", &json!({ "NumberOfBytes": 64 }))?.json(200)?;
        ensure(secret(&random)?.len() == 64, || random.to_string())?;
        call(&mut client, "ListKeys", &json!({}))?.json(200)?;
    }
    Ok(30)
}

/// What is no request to KMS, and a KMS that does not answer like one.
pub fn kms_trouble(turn: &mut Turn) -> Outcome<u64> {
    let port = turn.stage.kms.0;
    let random = |key: &str| -> Outcome<Answer> {
        call(&mut Client::to(port)?, "GenerateRandom", &json!({ "NumberOfBytes": 8, "KeyId": key }))
    };
    random("nope")?.json(400)?;
    random("alias/throttle")?.json(400)?;
    for (key, least) in [
        ("alias/truncate", 500),
        ("alias/html", 500),
        ("alias/html-error", 500),
        ("alias/plain", 500),
        ("alias/other", 500),
        ("alias/garbage", 500),
        ("alias/huge", 500),
        ("alias/reset", 500),
    ] {
        let answer = random(key)?;
        ensure(answer.status >= least, || format!("{key}: {} {}", answer.status, answer.text()))?;
    }
    let openssl = random("alias/openssl")?.json(200)?;
    ensure(secret(&openssl)?.len() == 8, || openssl.to_string())?;
    for (method, path, fields, body) in [
        ("POST", "/", vec![("X-Amz-Target", "TrentService.ListKeys")], "{}"),
        ("POST", "/", vec![("X-Amz-Target", "TrentService.ListKeys"), ("Authorization", "x")], "{}"),
        ("GET", "/", vec![("Authorization", SCOPE)], ""),
        ("POST", "/", vec![("X-Amz-Target", "TrentService.Decrypt"), ("Authorization", SCOPE)], "{"),
    ] {
        Client::to(port)?.ask(method, path, &fields, body.as_bytes())?.json(400)?;
    }
    let mut gone = Client::to(port)?;
    let body = r#"{"NumberOfBytes":8}"#;
    let head = format!("POST / HTTP/1.1\r\nAuthorization: {SCOPE}\r\nX-Amz-Target: TrentService.GenerateRandom\r\n");
    gone.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
    Ok(16)
}

pub fn s3(turn: &mut Turn) -> Outcome<u64> {
    let mut client = Client::to(turn.stage.api.0)?;
    let mut ask = |call: &str, body: Value| client.post(&format!("/v1/s3/{call}"), &body);
    let prefix = format!("{}/", turn.dice.roll(1 << 40));
    let size = if turn.dice.roll(8) == 0 { turn.dice.roll(4 << 20) } else { turn.dice.roll(20_000) } as usize;
    let value = Base64::encode_string(&Bytes::whole(turn.dice.roll(1 << 32), size));
    let keys = [format!("{prefix}a b+ü"), format!("{prefix}plain")];
    for key in &keys {
        ask("get", json!({ "key": key }))?.json(404)?;
        ask("put", json!({ "key": key, "value": value, "content_type": "text/x-soak" }))?.json(200)?;
        let got = ask("get", json!({ "key": key }))?.json(200)?;
        ensure(got["value"] == value.as_str(), || format!("{key} came back as something else"))?;
    }
    let list = ask("list", json!({ "prefix": prefix }))?.json(200)?;
    ensure(list["keys"] == json!(keys) && list["is_truncated"] == false, || list.to_string())?;
    for key in &keys {
        ask("delete", json!({ "key": key }))?.json(200)?;
        ask("get", json!({ "key": key }))?.json(404)?;
    }
    for bad in ["", "a/../b", "/a", "nul\0"] {
        ask("get", json!({ "key": bad }))?.json(400)?;
    }
    Ok(15)
}
