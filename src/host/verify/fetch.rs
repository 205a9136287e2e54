//! Where a document comes from: a file, standard input, or an enclave's attestation endpoint.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64ct::{Base64, Encoding};
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use super::super::cli::Source;
use super::super::error::Error;
use crate::config::limits;
use crate::http::service::JSON;

/// Length of the nonce that `--url` sends: two of them meet by chance never.
pub const NONCE: usize = 32;

/// The document's bytes, from a file or standard input. Text of base64, line ends included, is decoded: raw CBOR is
/// never such text, because its first byte is above ASCII.
///
/// # Errors
/// [`Error::Document`], [`Error::DocumentSize`] or [`Error::DocumentText`].
pub fn read(source: &Source) -> Result<Vec<u8>, Error> {
    let (name, bytes) = match source {
        Source::Stdin => ("standard input".to_owned(), capped(io::stdin().lock())),
        Source::File(path) => (path.display().to_string(), File::open(path).and_then(capped)),
    };
    let bytes = bytes.map_err(|e| Error::Document(name.clone(), e))?;
    if bytes.len() > limits::VERIFY_INPUT {
        return Err(Error::DocumentSize(name, limits::VERIFY_INPUT));
    }
    decode(bytes).ok_or(Error::DocumentText(name))
}

fn capped(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(limits::VERIFY_INPUT as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn decode(bytes: Vec<u8>) -> Option<Vec<u8>> {
    if bytes.first().is_none_or(|first| !first.is_ascii()) {
        return Some(bytes);
    }
    // Of one spelling, padding included, as `base64` and openssl write it; where its lines end is up to them.
    let text: String = String::from_utf8(bytes).ok()?.split_ascii_whitespace().collect();
    Base64::decode_vec(&text).ok()
}

/// Asks the enclave behind `url` for a document with `nonce`: one POST as contract section 7 has it. Follows no redirect,
/// uses no proxy, waits [`limits::VERIFY_FETCH`] in all. Over `https`, the server's certificate must come from an
/// authority that browsers trust; what the document is worth does not depend on it.
///
/// # Errors
/// [`Error::Fetch`], [`Error::FetchCertificate`], [`Error::FetchStatus`] or [`Error::DocumentSize`].
pub fn post(url: &str, nonce: &[u8]) -> Result<Vec<u8>, Error> {
    post_trusting(RootCerts::WebPki, url, nonce)
}

fn post_trusting(authorities: RootCerts, url: &str, nonce: &[u8]) -> Result<Vec<u8>, Error> {
    let config = Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(authorities).build())
        .timeout_global(Some(limits::VERIFY_FETCH))
        .max_redirects(0)
        .max_response_header_size(limits::RESPONSE_HEAD)
        .http_status_as_error(false)
        .proxy(None)
        .user_agent(concat!("odyn-host/", env!("CARGO_PKG_VERSION")))
        .build();
    let failed = |e| match untrusted(&e) {
        Some(reason) => Error::FetchCertificate(url.to_owned(), reason.clone()),
        None => Error::Fetch(url.to_owned(), Box::new(e)),
    };
    let request = serde_json::json!({ "nonce": Base64::encode_string(nonce) }).to_string();
    let agent = Agent::new_with_config(config);
    let mut response = agent.post(url).content_type(JSON).send(request).map_err(failed)?;
    let body = response.body_mut().with_config().limit(limits::VERIFY_INPUT as u64).read_to_vec();
    let body = body.map_err(|e| match e {
        ureq::Error::BodyExceedsLimit(_) => Error::DocumentSize(url.to_owned(), limits::VERIFY_INPUT),
        e => failed(e),
    })?;
    if response.status() != 200 {
        let reason: String = String::from_utf8_lossy(&body).chars().take(200).collect();
        return Err(Error::FetchStatus(url.to_owned(), response.status().as_u16(), reason));
    }
    Ok(body)
}

/// What is wrong with the server's certificate, if that is why a request failed.
fn untrusted(e: &ureq::Error) -> Option<&CertificateError> {
    let tls = match e {
        ureq::Error::Rustls(e) => e,
        // The handshake happens within the first write.
        ureq::Error::Io(e) => e.get_ref()?.downcast_ref()?,
        _ => return None,
    };
    if let rustls::Error::InvalidCertificate(reason) = tls { Some(reason) } else { None }
}

/// Bytes nobody can have known before.
///
/// # Errors
/// [`Error::Random`].
pub fn nonce() -> Result<[u8; NONCE], Error> {
    let mut bytes = [0; NONCE];
    File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes)).map_err(Error::Random)?;
    Ok(bytes)
}

/// The one certificate in a PEM file.
///
/// # Errors
/// [`Error::RootFile`] or [`Error::RootPem`].
pub fn root(path: &Path) -> Result<CertificateDer<'static>, Error> {
    let mut pem = Vec::new();
    let file = File::open(path).map_err(|e| Error::RootFile(path.to_owned(), e))?;
    file.take(limits::ROOT_FILE as u64).read_to_end(&mut pem).map_err(|e| Error::RootFile(path.to_owned(), e))?;
    let mut certificates = CertificateDer::pem_slice_iter(&pem);
    match (certificates.next(), certificates.next()) {
        (Some(Ok(root)), None) => Ok(root),
        _ => Err(Error::RootPem(path.to_owned())),
    }
}

#[cfg(test)]
mod tests;
