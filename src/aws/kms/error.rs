//! Why the proxy has no answer of KMS's to give, in the form of KMS's own errors, which SDKs turn into theirs.
//!
//! The type decides what an SDK does: it asks again after a status of 500 and above, never after one of 400. None of the
//! texts has anything of a request or an answer in it.

use std::fmt;
use std::sync::Arc;

use crate::aws::client::{CallError, Fault};
use crate::aws::credentials::CredentialsError;
use crate::aws::kms::recipient::RecipientError;

/// A request that KMS did not answer, or not in a way that can be passed on.
#[derive(Debug)]
pub enum ProxyError {
    /// The caller's: no signature.
    Unsigned,
    /// The caller's: a signature whose scope is none; why.
    Scope(&'static str),
    /// The caller's: signed for another service than KMS.
    Service,
    /// The caller's: it names no operation of KMS.
    Operation,
    /// The caller's: a request to an attesting operation that is no JSON object.
    Request,
    /// The manifest's, the host's or KMS's: no answer.
    Call(CallError),
    /// The instance's: no credentials to sign with.
    Credentials(Arc<CredentialsError>),
    /// The module's, or KMS's: no document, or an envelope for somebody else.
    Recipient(RecipientError),
    /// KMS's: an answer that is no JSON object.
    Malformed,
    /// KMS's: an answer with nothing for the recipient that was asked for.
    Unencrypted,
    /// KMS's: its envelope is not base64.
    Base64,
    /// The server's own: this status, for this reason.
    Server(u16, String),
}

impl ProxyError {
    /// HTTP's status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Unsigned | Self::Scope(_) | Self::Service | Self::Operation | Self::Request => 400,
            Self::Call(CallError { fault: Fault::Denied(_) | Fault::Request(_), .. }) => 400,
            Self::Call(_) | Self::Credentials(_) => 503,
            Self::Recipient(RecipientError::Cms(_)) | Self::Malformed | Self::Unencrypted | Self::Base64 => 500,
            Self::Recipient(_) => 503,
            Self::Server(status, _) => *status,
        }
    }

    /// What AWS calls such an error: `__type` in its body.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unsigned => "MissingAuthenticationTokenException",
            Self::Scope(_) => "IncompleteSignatureException",
            Self::Service => "InvalidSignatureException",
            Self::Operation => "UnknownOperationException",
            Self::Request => "SerializationException",
            Self::Call(CallError { fault: Fault::Denied(_), .. }) => "AccessDeniedException",
            Self::Call(CallError { fault: Fault::Request(_), .. }) => "ValidationException",
            Self::Call(CallError { fault: Fault::Timeout, .. }) => "DependencyTimeoutException",
            Self::Server(413, _) => "RequestEntityTooLargeException",
            Self::Server(408, _) => "RequestTimeoutException",
            Self::Server(400..500, _) => "ValidationException",
            _ if self.status() == 500 => "KMSInternalException",
            _ => "ServiceUnavailableException",
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned => f.write_str("the request is not signed: give the SDK any credentials and a region"),
            Self::Scope(why) => write!(f, "the request's signature has no scope to go by: {why}"),
            Self::Service => f.write_str("Credential should be scoped to correct service: 'kms'"),
            Self::Operation => {
                f.write_str("no operation of KMS: POST to / with x-amz-target TrentService.NAME (AWS JSON 1.1)")
            }
            Self::Request => f.write_str("the body is not a JSON object with each name once"),
            Self::Call(e) => write!(f, "{e}"),
            Self::Credentials(e) => write!(f, "{e}"),
            Self::Recipient(e) => write!(f, "{e}"),
            Self::Malformed => f.write_str("KMS did not answer with a JSON object"),
            Self::Unencrypted => {
                f.write_str("KMS answered without CiphertextForRecipient: what it sent was not meant for this enclave")
            }
            Self::Base64 => f.write_str("KMS answered with a CiphertextForRecipient that is not base64"),
            Self::Server(_, reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ProxyError {}

impl From<RecipientError> for ProxyError {
    fn from(e: RecipientError) -> Self {
        Self::Recipient(e)
    }
}

impl From<CallError> for ProxyError {
    fn from(e: CallError) -> Self {
        Self::Call(e)
    }
}
