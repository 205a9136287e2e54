//! The KMS proxy as applications meet it: AWS's own SDKs before it, a fake AWS behind it that checks what it is sent.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::api::{Answer, Connection};
use crate::support::fake_aws::KmsOdyn;
use crate::support::fake_host::FakeHost;
use crate::support::imds::{Imds, field};
use crate::support::origin::{Origin, read_head};
use crate::support::tools::{installed, program};
use crate::support::{Odyn, Port, TempDir};

/// Asserts that a client of `tests/clients/` ran so many cases, and a closing line.
fn assert_passed(log: &str, cases: usize) {
    let passed = log.matches("\"ok\": true").count() + log.matches("\"ok\":true").count();
    assert_eq!(passed, cases + 1, "{log}");
}

fn client(script: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script).display().to_string()
}

#[test]
fn boto3_gets_its_secrets_attested_and_none_of_them_is_in_the_log() {
    let Some(python) = installed("bin/python3") else { return };
    let app = [python.to_str().unwrap(), "-B", &client("boto3_client.py")];
    let Some(kms) = KmsOdyn::start(&app) else { return };
    let (aws, log) = kms.finish();
    assert_passed(&log, 26);
    // It says what it does, all the same.
    assert!(log.contains("KMS proxy: Decrypt in us-east-1: status 200, request "), "{log}");
    assert!(log.contains("has no TLS"), "{log}");
    aws.assert_no_secret_in(&log);
    let state = aws.control("state", "{}");
    // A new document for each attesting request.
    let documents: Vec<&Value> = state["documents"].as_array().unwrap().iter().collect();
    assert!(documents.len() > 20, "{documents:?}");
    assert_eq!(documents.iter().collect::<HashSet<_>>().len(), documents.len());
    for request in state["requests"].as_array().unwrap() {
        let expected = format!("kms.{}.test:{}", request["region"].as_str().unwrap(), aws.port);
        assert_eq!(request["host"], expected);
        assert_ne!(request["outcome"], "InvalidSignatureException");
    }
    // One set of credentials for all of it, others only where KMS said that they had expired, and the SDK's own.
    assert!(state["issued"].as_u64().unwrap() <= 4, "{state}");
}

#[test]
fn the_javascript_sdk_decrypts() {
    let (Some(node), Some(sdk)) = (program("node"), installed("node_modules/@aws-sdk/client-kms")) else { return };
    let tools = sdk.ancestors().nth(3).unwrap().to_str().unwrap().to_owned();
    let Some(kms) = KmsOdyn::start(&[node, &client("kms_client.mjs"), &tools]) else { return };
    let (aws, log) = kms.finish();
    assert_passed(&log, 2);
    aws.assert_no_secret_in(&log);
}

const SCOPE: &str =
    "AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=0";

/// A request by hand.
fn ask(kms: &KmsOdyn, method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    let mut connection = Connection::to(kms.port.0);
    connection.send(&[head.as_bytes(), b"\r\n", body].concat());
    connection.answer(method)
}

fn call(kms: &KmsOdyn, operation: &str, body: &Value) -> Answer {
    let target = format!("TrentService.{operation}");
    let fields = [("Authorization", SCOPE), ("X-Amz-Target", &target), ("Content-Type", "application/x-amz-json-1.1")];
    ask(kms, "POST", "/", &fields, body.to_string().as_bytes())
}

/// Asserts that this is an error in AWS's form, of odyn's own unless `theirs`.
fn assert_error(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.field("content-type"), Some("application/x-amz-json-1.1"), "{answer:?}");
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, body["__type"].as_str().unwrap()), (status, kind), "{body}");
    assert!(body["message"].is_string() && answer.field("x-amzn-requestid").is_some(), "{answer:?}");
}

fn started() -> Option<KmsOdyn> {
    let kms = KmsOdyn::start(&["/bin/sh", "-c", "exec sleep 1000"])?;
    kms.odyn.wait_running();
    Some(kms)
}

#[test]
fn what_is_no_signed_request_to_kms_is_a_400_in_awss_form_and_never_reaches_it() {
    let Some(kms) = started() else { return };
    let target = ("X-Amz-Target", "TrentService.ListKeys");
    let signed = ("Authorization", SCOPE);
    let error = |method, path, fields: &[(&str, &str)], body: &[u8]| ask(&kms, method, path, fields, body);
    assert_error(&error("POST", "/", &[target], b"{}"), 400, "MissingAuthenticationTokenException");
    assert_error(&error("POST", "/", &[target, signed, signed], b"{}"), 400, "MissingAuthenticationTokenException");
    let other = SCOPE.replace("/kms/", "/s3/");
    assert_error(&error("POST", "/", &[target, ("Authorization", &other)], b"{}"), 400, "InvalidSignatureException");
    assert_error(&error("POST", "/", &[target, ("Authorization", "x")], b"{}"), 400, "IncompleteSignatureException");
    assert_error(&error("GET", "/", &[signed], b""), 400, "UnknownOperationException");
    let cbor = "/service/TrentService/operation/Decrypt";
    assert_error(&error("POST", cbor, &[signed], b"\xa0"), 400, "UnknownOperationException");
    let decrypt = ("X-Amz-Target", "TrentService.Decrypt");
    for body in [b"".as_slice(), b"[]", b"{", b"{\"KeyId\":1,\"KeyId\":2}"] {
        assert_error(&error("POST", "/", &[decrypt, signed], body), 400, "SerializationException");
    }
    let large = vec![b' '; (256 << 10) + 1];
    assert_error(&error("POST", "/", &[target, signed], &large), 413, "RequestEntityTooLargeException");
    assert_eq!(kms.aws.control("state", "{}")["requests"], json!([]));
}

#[test]
fn answers_and_errors_of_kms_pass_with_their_ids() {
    let Some(kms) = started() else { return };
    let keys = call(&kms, "ListKeys", &json!({}));
    assert_eq!(keys.status, 200);
    assert!(keys.body.starts_with(b"{\"Keys\": [{"), "{keys:?}");
    let missing = call(&kms, "GenerateDataKey", &json!({ "KeyId": "nope", "KeySpec": "AES_256" }));
    assert_error(&missing, 400, "NotFoundException");
    let random = call(&kms, "GenerateRandom", &json!({ "NumberOfBytes": 32, "Recipient": null }));
    assert_eq!(random.status, 200, "{random:?}");
    let body: Value = serde_json::from_slice(&random.body).unwrap();
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["Plaintext"]);
    let ids: Vec<&str> =
        [&keys, &missing, &random].iter().map(|answer| answer.field("x-amzn-requestid").unwrap()).collect();
    let state = kms.aws.control("state", "{}");
    let seen: Vec<&str> = state["requests"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert_eq!(ids, seen);
}

#[test]
fn a_secret_that_comes_in_the_clear_is_an_error_and_not_passed_on() {
    let Some(kms) = started() else { return };
    // As from a key whose policy lacks the condition, or from whoever plays KMS.
    let answer = call(&kms, "GenerateDataKey", &json!({ "KeyId": "alias/plain", "KeySpec": "AES_256" }));
    assert_error(&answer, 500, "KMSInternalException");
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(!body.contains("Plaintext"), "{body}");
    let state = kms.aws.control("state", "{}");
    let secrets = state["secrets"].as_array().unwrap();
    assert!(!secrets.is_empty() && secrets.iter().all(|secret| !body.contains(secret.as_str().unwrap())), "{body}");
}

#[test]
fn expired_credentials_are_renewed_within_the_call_that_finds_out() {
    let Some(kms) = started() else { return };
    assert_eq!(call(&kms, "ListKeys", &json!({})).status, 200);
    kms.aws.control("revoke", "{}");
    assert_eq!(call(&kms, "GenerateRandom", &json!({ "NumberOfBytes": 8 })).status, 200);
    assert_eq!(kms.aws.control("state", "{}")["issued"], 2);
}

#[test]
fn without_the_metadata_service_a_call_says_so_and_a_later_one_works() {
    let Some(kms) = started() else { return };
    kms.aws.control("set", r#"{"imds_down": true}"#);
    let answer = call(&kms, "ListKeys", &json!({}));
    assert_error(&answer, 503, "ServiceUnavailableException");
    assert!(String::from_utf8_lossy(&answer.body).contains("metadata service"), "{answer:?}");
    kms.aws.control("set", r#"{"imds_down": false}"#);
    crate::support::eventually("credentials", || (call(&kms, "ListKeys", &json!({})).status == 200).then_some(()));
}

#[test]
fn a_secret_in_the_clear_is_not_passed_on_whatever_status_comes_with_it() {
    let says = Arc::new(Mutex::new((0, "")));
    let said = Arc::clone(&says);
    let origin = Origin::serving(move |mut stream| {
        while let Some(head) = read_head(&mut stream) {
            let length = field(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let _ = std::io::copy(&mut (&mut stream).take(length), &mut std::io::sink());
            let (status, body) = *said.lock().unwrap();
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    });
    let (imds, dir, port) = (Imds::start(), TempDir::new(), Port::reserve());
    let sections = format!(
        "egress:\n  proxy_port: {}\n  allow: [169.254.169.254, 127.0.0.1]\nkms_proxy:\n  listen_port: {}\n  \
         endpoints:\n    us-east-1: http://127.0.0.1:{}\n",
        Port::reserve().0,
        port.0,
        origin.port.0
    );
    let _host = FakeHost::start(&dir.path().join("vsock"));
    let odyn = Odyn::in_dir(dir, &sections, &[], &["/bin/sleep", "1000"], |command| {
        command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.endpoint());
    });
    odyn.wait_running();
    let call = |status, body| {
        *says.lock().unwrap() = (status, body);
        let mut connection = Connection::to(port.0);
        let head = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {SCOPE}\r\nX-Amz-Target: TrentService.Decrypt\r\n\
             Content-Length: 2\r\n\r\n{{}}"
        );
        connection.send(head.as_bytes());
        connection.answer("POST")
    };
    for status in [200, 201, 299, 300, 400, 500] {
        for body in [
            r#"{"Plaintext":"Z2VoZWlt"}"#,
            r#"{"Plaintext":["Z2VoZWlt"],"__type":"X"}"#,
            // Which is no object that can be read in one way.
            r#" {"Plaintext":"Z2VoZWlt","Plaintext":"Z2VoZWlt"}"#,
        ] {
            let answer = call(status, body);
            assert_error(&answer, 500, "KMSInternalException");
            assert!(!String::from_utf8_lossy(&answer.body).contains("Z2VoZWlt"), "{status} {body}: {answer:?}");
        }
    }
    // An error without one passes as it is, whatever it is.
    for body in [r#"{"__type":"X","Plaintext":""}"#, r#"{"Plaintext":null}"#, "<html>", ""] {
        let answer = call(503, body);
        assert_eq!((answer.status, answer.body.as_slice()), (503, body.as_bytes()));
    }
}
