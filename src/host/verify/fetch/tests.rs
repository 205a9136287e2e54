use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use ureq::tls::Certificate;

use super::*;

#[test]
fn raw_bytes_and_base64_with_line_ends_are_the_same_document() {
    let raw = vec![0x84, 0x44, 0xa1];
    assert_eq!(decode(raw.clone()), Some(raw.clone()));
    assert_eq!(decode(b"hES\nh\r\n".to_vec()), Some(raw));
    assert_eq!(decode(Vec::new()), Some(Vec::new()));
}

#[test]
fn base64_has_one_spelling_apart_from_its_line_ends() {
    assert_eq!(decode(b"hEQ=\n".to_vec()), Some(vec![0x84, 0x44]));
    for bad in ["no base64!", "hEQ", "hER=", "hEQ==", "hE-_", "=hEQ", "hEQ=hEQ=", "\u{1}hESh", "hES\0", "aé=="] {
        assert_eq!(decode(bad.as_bytes().to_vec()), None, "{bad:?}");
    }
}

fn certified() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap()
}

/// Answers one POST over TLS with "document"; returns the URL.
fn serve(key: &CertifiedKey<KeyPair>) -> String {
    let secret = PrivateKeyDer::Pkcs8(key.signing_key.serialize_der().into());
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![key.cert.der().clone()], secret);
    let connection = ServerConnection::new(Arc::new(config.unwrap())).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/v1/attestation", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let stream = listener.accept().unwrap().0;
        stream.set_read_timeout(Some(limits::VERIFY_FETCH)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let mut byte = [0];
        // The request ends with its JSON; a client that mistrusts the certificate sends none.
        while byte != *b"}" {
            if stream.read_exact(&mut byte).is_err() {
                return;
            }
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ndocument");
        let _ = stream.flush();
    });
    url
}

#[test]
fn https_reaches_a_server_that_a_trusted_authority_vouches_for_and_no_other() {
    let (server, other) = (certified(), certified());
    let trusting =
        |key: &CertifiedKey<KeyPair>| RootCerts::new_with_certs(&[Certificate::from_der(key.cert.der()).to_owned()]);
    assert_eq!(post_trusting(trusting(&server), &serve(&server), b"n").unwrap(), b"document");
    for authorities in [trusting(&other), RootCerts::WebPki] {
        let refused = post_trusting(authorities, &serve(&server), b"n").unwrap_err();
        assert!(matches!(refused, Error::FetchCertificate(..)), "{refused}");
    }
}
