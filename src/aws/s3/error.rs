//! Why S3 did not do what it was asked.

use std::fmt;
use std::sync::Arc;

use super::page;
use crate::aws::client::{CallError, Opened};
use crate::aws::credentials::CredentialsError;
use crate::config::limits;
use crate::config::value::Region;

/// A call to S3 that failed.
#[derive(Debug)]
pub enum S3Error {
    /// The instance's: no credentials, or no region.
    Credentials(Arc<CredentialsError>),
    /// The manifest's, the host's or S3's: no answer.
    Call(CallError),
    /// S3's: an answer that refuses.
    Refused(Refusal),
    /// The client's: an object of more than [`limits::S3_OBJECT`] bytes, put there by others.
    TooLarge,
    /// S3's: a list that is not XML.
    NoXml,
    /// S3's: an answer that is none.
    Malformed(&'static str),
}

/// An answer that refuses.
#[derive(Debug)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// S3's own word for it, such as `NoSuchKey`.
    pub code: Option<String>,
    /// Where the bucket is, if the answer says so.
    pub region: Option<Region>,
    /// The answer says nothing besides its status.
    pub bare: bool,
}

impl Refusal {
    /// Reads what an answer says; its text is not kept, because S3 puts parts of the request into it.
    pub(super) fn read(opened: Opened) -> Result<Self, S3Error> {
        let region = opened.fields.get("x-amz-bucket-region").and_then(|value| Region::parse(value.to_str().ok()?));
        let status = opened.status;
        let (code, bare) = match opened.read(limits::S3_ERROR_ANSWER) {
            Ok(answer) => (page::code(&answer.body), answer.body.is_empty()),
            // Without its code it could be an absent object or an absent bucket.
            Err(e) if status == 404 => return Err(S3Error::Call(e)),
            // The status alone says whether to try again.
            Err(_) => (None, false),
        };
        Ok(Self { status, code, region, bare })
    }

    /// There is no such object; that there is no such bucket is another thing, and so is a 404 of somebody who is no S3.
    pub(super) fn is_absence(&self) -> bool {
        self.status == 404 && (self.bare || self.code.as_deref() == Some("NoSuchKey"))
    }
}

impl S3Error {
    /// The same call may succeed a moment later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Call(e) => e.is_passing(),
            Self::Refused(refusal) => {
                refusal.status >= 500 || refusal.status == 429 || refusal.code.as_deref() == Some("SlowDown")
            }
            Self::Credentials(_) | Self::TooLarge | Self::NoXml | Self::Malformed(_) => false,
        }
    }
}

impl S3Error {
    /// S3 says that the credentials' time is over, whatever this machine's clock says.
    pub(super) fn says_expired(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code.as_deref() == Some("ExpiredToken"))
    }
}

impl fmt::Display for S3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(e) => write!(f, "S3: {e}"),
            Self::Call(e) => write!(f, "S3: {e}"),
            Self::Refused(refusal) => write!(f, "S3: {refusal}"),
            Self::TooLarge => write!(f, "the object has more than {} MiB", limits::S3_OBJECT >> 20),
            Self::NoXml => f.write_str("S3: a malformed answer: a list that is not XML"),
            Self::Malformed(what) => write!(f, "S3: a malformed answer: {what}"),
        }
    }
}

impl std::error::Error for S3Error {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        match (self.status, &self.region) {
            (301 | 307 | 400, Some(region)) => {
                write!(f, ": the bucket is in {region}; say so in storage.s3.region")
            }
            (403, _) => {
                f.write_str(": may the instance's role do this? Without s3:ListBucket an absent key is a 403 too")
            }
            _ => Ok(()),
        }
    }
}
