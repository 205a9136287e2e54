//! `odyn-host verify` end to end: documents of the simulated module, from files, pipes and an HTTP endpoint.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use odyn::nsm::{AttestationRequest, Nsm};
use odyn::sim::nsm::Simulated;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::api::Apis;
use crate::support::certificates::Certificates;
use crate::support::tools::data;
use crate::support::{Odyn, PATIENCE, TempDir};

fn verify(args: &[&str]) -> Output {
    verify_input(args, b"")
}

fn verify_input(args: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_odyn-host"));
    command.arg("verify").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may have ended before it read.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A module with its root in a file.
fn module() -> (Simulated, TempDir, String) {
    let (nsm, dir) = (Simulated::new().unwrap(), TempDir::new());
    let root = dir.path().join("root.pem");
    nsm.write_root(&root).unwrap();
    (nsm, dir, root.to_str().unwrap().to_owned())
}

fn request(nonce: &[u8]) -> AttestationRequest {
    AttestationRequest { user_data: Some(b"data".to_vec()), nonce: Some(nonce.to_vec()), public_key: None }
}

#[test]
fn a_simulated_document_verifies_with_its_root_and_is_printed_as_json() {
    let (nsm, dir, root) = module();
    let document = nsm.attest(&request(b"n")).unwrap();
    let path = dir.path().join("doc");
    std::fs::write(&path, &document).unwrap();
    let file = path.to_str().unwrap();

    let good = verify(&["--doc", file, "--root", &root, "--nonce", "6e"]);
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));
    let json: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!((json["user_data"].as_str(), json["nonce"].as_str()), (Some("64617461"), Some("6e")));
    assert_eq!(json["pcrs"].as_object().unwrap().len(), 16);
    assert!(stderr(&good).contains("PCR0 is all zeroes: this enclave runs in debug mode"));

    let zeroes = format!("0={}", "0".repeat(96));
    let asked = verify(&["--doc", file, "--root", &root, "--pcr", &zeroes]);
    assert_eq!((asked.status.code(), stderr(&asked).as_str()), (Some(0), ""));

    let text = Base64::encode_string(&document);
    let piped = verify_input(&["--doc", "-", "--root", &root], format!("{text}\n").as_bytes());
    assert_eq!((piped.status.code(), &piped.stdout), (Some(0), &good.stdout), "{}", stderr(&piped));
}

#[test]
fn a_verdict_on_any_enclave_at_all_says_that_it_is_no_more() {
    let (nsm, dir, root) = module();
    let path = dir.path().join("doc");
    std::fs::write(&path, nsm.attest(&request(b"n")).unwrap()).unwrap();
    let checked = verify(&["--doc", path.to_str().unwrap(), "--root", &root]);
    let warning = "warning: no --pcr given: an enclave made this document, but it may run any code";
    assert!(checked.status.success() && stderr(&checked).contains(warning), "{}", stderr(&checked));
}

#[test]
fn a_document_that_fails_a_check_is_not_printed_and_the_check_is_named() {
    let (nsm, dir, root) = module();
    let document = nsm.attest(&request(b"n")).unwrap();
    let path = dir.path().join("doc");
    std::fs::write(&path, &document).unwrap();
    let file = path.to_str().unwrap();
    let other = format!("4={}", "01".repeat(48));
    for (args, message) in [
        (&["--doc", file][..], "chain failed: the root certificate is not AWS's"),
        (&["--doc", file, "--root", &root, "--pcr", &other], "pcr failed: PCR4 is 0000"),
        (&["--doc", file, "--root", &root, "--nonce", "00"], "nonce failed: it is another, 6e"),
        (&["--doc", "-", "--root", &root], "shape failed: the document is empty"),
        (&["--doc", &root], " holds neither CBOR nor base64"),
        (&["--doc", file, "--root", file], " does not hold one certificate in PEM"),
        (&["--doc", "/dev/zero"], "/dev/zero gave more than 32768 bytes"),
        (&["--doc", "/no/such/file"], "cannot read /no/such/file"),
    ] {
        let bad = verify(args);
        assert_eq!((bad.status.code(), bad.stdout.as_slice()), (Some(1), &b""[..]), "{args:?}");
        let said = stderr(&bad);
        assert!(said.starts_with("odyn-host: verify: ") && said.contains(message), "{args:?}: {said}");
    }
    assert_eq!(verify(&["--url", "http://x", "--doc", "x"]).status.code(), Some(2));
}

/// Answers one request on a port of its own, with what `answer` makes of the body; returns the URL.
fn serve(answer: impl FnOnce(&[u8]) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/attestation", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).unwrap() > 2 {
            let (name, value) = line.split_once(':').unwrap_or((line.trim_end(), ""));
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            } else if value.is_empty() {
                assert_eq!(name, "POST /v1/attestation HTTP/1.1");
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        // The client closes as soon as it has heard enough.
        let _ = reader.get_mut().write_all(&answer(&body));
    });
    url
}

fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/cbor\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn a_url_is_sent_a_new_nonce_and_must_give_it_back() {
    let (nsm, _dir, root) = module();
    let url = serve(move |body| {
        let asked: serde_json::Value = serde_json::from_slice(body).unwrap();
        let nonce = Base64::decode_vec(asked["nonce"].as_str().unwrap()).unwrap();
        assert_eq!((nonce.len(), asked.as_object().unwrap().len()), (32, 1));
        ok(&nsm.attest(&request(&nonce)).unwrap())
    });
    let good = verify(&["--url", &url, "--root", &root]);
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));

    let (nsm, _dir, root) = module();
    let url = serve(move |_| ok(&nsm.attest(&request(b"recorded yesterday")).unwrap()));
    let replayed = verify(&["--url", &url, "--root", &root]);
    assert_eq!(replayed.status.code(), Some(1));
    assert!(stderr(&replayed).starts_with("odyn-host: verify: nonce failed: "), "{}", stderr(&replayed));
}

#[test]
fn a_url_that_answers_anything_else_is_an_error_that_says_so() {
    let refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy".to_vec();
    let elsewhere = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec();
    for (answer, message) in [
        (refusal, "answered with status 503: busy"),
        (elsewhere, "answered with status 302"),
        (ok(&vec![0x84; 40_000]), "gave more than 32768 bytes"),
        (b"nonsense\r\n\r\n".to_vec(), "did not answer"),
        (Vec::new(), "did not answer"),
    ] {
        let bad = verify(&["--url", &serve(move |_| answer)]);
        assert_eq!((bad.status.code(), bad.stdout.as_slice()), (Some(1), &b""[..]));
        assert!(stderr(&bad).contains(message), "{message}: {}", stderr(&bad));
    }
}

#[test]
fn both_apis_of_a_running_odyn_give_documents_that_verify_with_its_root() {
    let dir = TempDir::new();
    let root = dir.path().join("sim-root.pem");
    let root = root.to_str().unwrap();
    let apis = Apis::with_flags(&["--sim-root", root]);
    let address = apis.get("/v1/eth/address").ok()["address"].clone();
    let key = apis.get("/v1/encryption/public_key").ok()["public_key_der"].as_str().unwrap()[2..].to_owned();
    let (_nsm, _dir, other_root) = module();
    let (zeroes, ones) = (format!("0={}", "00".repeat(48)), format!("0={}", "01".repeat(48)));
    for port in [apis.port.0, apis.aux.0] {
        let url = format!("http://127.0.0.1:{port}/v1/attestation");
        let good = verify(&["--url", &url, "--root", root, "--pcr", &zeroes]);
        assert_eq!((good.status.code(), stderr(&good).as_str()), (Some(0), ""));
        let json: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
        assert_eq!((json["public_key"].as_str(), json["nonce"].as_str().unwrap().len()), (Some(key.as_str()), 64));
        let user_data = odyn::host::verify::hex::decode(json["user_data"].as_str().unwrap()).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&user_data).unwrap()["eth_addr"], address);
        for (args, message) in [
            (&["--root", root, "--pcr", &ones][..], "pcr failed: PCR0 is 0000"),
            (&["--root", &other_root], "chain failed: the root certificate is not the one of --root"),
            (&[], "chain failed: the root certificate is not AWS's"),
        ] {
            let bad = verify(&[&["--url", &url], args].concat());
            assert_eq!((bad.status.code(), bad.stdout.as_slice()), (Some(1), &b""[..]), "{args:?}");
            assert!(stderr(&bad).starts_with(&format!("odyn-host: verify: {message}")), "{args:?}: {}", stderr(&bad));
        }
    }
    let elsewhere = verify(&["--url", &format!("http://127.0.0.1:{}/v1/random", apis.port.0), "--root", root]);
    assert!(stderr(&elsewhere).contains("answered with status 405: "), "{}", stderr(&elsewhere));
}

#[test]
fn https_to_a_server_no_browser_would_trust_is_refused_with_what_to_do() {
    let site = Certificates::new(&["127.0.0.1"]);
    let chain = CertificateDer::pem_slice_iter(site.cert_pem.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(site.key_pem.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let mut session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/v1/attestation", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The client ends the handshake and asks nothing.
        session.complete_io(&mut stream).unwrap_err();
    });
    let refused = verify(&["--url", &url]);
    assert_eq!((refused.status.code(), refused.stdout.as_slice()), (Some(1), &b""[..]));
    let said = stderr(&refused);
    assert!(said.contains("its TLS certificate is not one that browsers trust: "), "{said}");
    assert!(said.contains("UnknownIssuer") && said.contains("--doc"), "{said}");
    server.join().unwrap();
}

#[test]
fn a_real_document_of_years_ago_has_expired() {
    let Some(file) = data("attestation/valid-doc.b64") else { return };
    let old = verify(&["--doc", file.to_str().unwrap()]);
    assert_eq!((old.status.code(), old.stdout.as_slice()), (Some(1), &b""[..]));
    let said = stderr(&old);
    assert!(said.starts_with("odyn-host: verify: validity failed: now, a certificate expired "), "{said}");
}

#[test]
fn odyn_writes_the_root_of_its_simulated_module() {
    let dir = TempDir::new();
    let root = dir.path().join("sim-root.pem");
    let flags = ["--sim-root", root.to_str().unwrap()];
    let odyn = Odyn::with("", &flags, &["/bin/true"], |_| {});
    let (status, _) = odyn.finish();
    assert_eq!(status, "{\"status\":\"exited\",\"code\":0}");
    assert!(std::fs::read_to_string(&root).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));

    let odyn = Odyn::with("", &["--sim-root", "/no/such/folder/root"], &["/bin/true"], |_| {});
    let (status, exit) = odyn.finish();
    assert!(status.contains("fatal") && status.contains("cannot write --sim-root: /no/such/folder/root"), "{status}");
    assert_eq!(exit.code(), Some(1));
    assert!(!Path::new("/no/such").exists());
}
