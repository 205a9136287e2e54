//! The KMS proxy (contract section 10): the application's calls to AWS KMS, with this enclave's attestation added.
//!
//! An SDK that was told of the proxy signs its request with any credentials. From the [`scope`] of that signature come
//! region and service; the [`operation`] tells whether a secret is to come back. If so, [`recipient`] adds an attestation
//! document to the request, over an RSA key of this enclave, and opens the envelope ([`cms`]) in which KMS then sends the
//! secret; the SDK finds it where it would be without all this. Everything else passes as it is.
//!
//! Promises: an attesting operation never returns a secret that KMS did not encrypt to this enclave, or to the recipient
//! that the caller named itself; KMS's own errors come back unchanged; what goes wrong here has the form of an error of AWS's. No secret is ever in a log or an error.

pub mod cms;
pub mod error;
pub mod fields;
pub mod operation;
pub mod proxy;
pub mod recipient;
pub mod scope;
