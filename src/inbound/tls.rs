//! The certificate and key of a TLS ingress port.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::config::limits;

/// A TLS file cannot be used.
#[derive(Debug)]
pub enum TlsError {
    /// It cannot be read.
    Read(PathBuf, io::Error),
    /// It is larger than [`limits::TLS_FILE`].
    TooLarge(PathBuf),
    /// It is not PEM.
    Pem(PathBuf, pem::Error),
    /// It holds no certificate.
    NoCertificate(PathBuf),
    /// Certificate and key do not go together, or rustls supports one of them not: certificate, key, rustls's reason.
    Unusable(PathBuf, PathBuf, rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, e) => write!(f, "cannot read {}: {e}", path.display()),
            Self::TooLarge(path) => write!(f, "{} is larger than {} bytes", path.display(), limits::TLS_FILE),
            Self::Pem(path, pem::Error::NoItemsFound) => write!(f, "{} holds no private key in PEM", path.display()),
            Self::Pem(path, e) => write!(f, "{} is not PEM: {e}", path.display()),
            Self::NoCertificate(path) => write!(f, "{} holds no certificate in PEM", path.display()),
            Self::Unusable(cert, key, e) => {
                write!(f, "{} and {} cannot be used together: {e}", cert.display(), key.display())
            }
        }
    }
}

impl std::error::Error for TlsError {}

/// Loads a certificate chain and its key. TLS 1.2 and 1.3, `http/1.1` for clients that negotiate a protocol by ALPN.
///
/// # Errors
/// See [`TlsError`].
pub fn load((cert_path, key_path): (PathBuf, PathBuf)) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&cert_path)?;
    let key = private_key(&key_path)?;
    let unusable = |e| TlsError::Unusable(cert_path.clone(), key_path.clone(), e);
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|e| TlsError::Pem(path.to_owned(), e))?;
    if chain.is_empty() { Err(TlsError::NoCertificate(path.to_owned())) } else { Ok(chain) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|e| TlsError::Pem(path.to_owned(), e))
}

/// A file's bytes, wiped when dropped: it may be the key's.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let failed = |e| TlsError::Read(path.to_owned(), e);
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if size > limits::TLS_FILE {
        return Err(TlsError::TooLarge(path.to_owned()));
    }
    // Sized once, so that growing leaves no copy of a key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size as usize + 1));
    file.take(limits::TLS_FILE).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
