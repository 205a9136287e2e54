//! AWS Signature Version 4, in header fields and in the query.
//!
//! Pure: no clock, no I/O, nothing remembered. Follows AWS's "Create a signed AWS API request" and is held to AWS's own
//! cases, which include the optional parts. Secrets and what is derived from them are wiped when they are dropped.

mod canonical;

use std::time::Duration;

use base16ct::lower::encode_string as hex;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::utc::Utc;
pub use canonical::{Canonical, decode, encode, encode_path};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What signs: an access key, and the token that goes with a temporary one. No Debug: two of the three are secrets.
pub struct AccessKey {
    /// The key's name, which is in every signature.
    pub id: String,
    /// The key.
    pub secret: Zeroizing<String>,
    /// The session it belongs to.
    pub token: Option<Zeroizing<String>>,
}

/// A request as it will be sent.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// In capitals.
    pub method: &'a str,
    /// From the first `/`, without the query.
    pub path: &'a str,
    /// Without `?`; escaped as sent.
    pub query: &'a str,
    /// The fields to sign, `host` among them; others may be sent as well.
    pub fields: &'a [(&'a str, &'a str)],
    /// The body.
    pub payload: Payload,
}

/// What a signature says of the body.
#[derive(Clone, Copy, Debug)]
pub enum Payload {
    /// It has this SHA-256.
    Sha256([u8; 32]),
    /// Nothing: TLS protects it. S3 alone takes this.
    Unsigned,
}

impl Payload {
    /// Binds the signature to these bytes.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self::Sha256(Sha256::digest(body).into())
    }

    fn text(&self) -> String {
        match self {
            Self::Sha256(hash) => hex(hash),
            Self::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
        }
    }
}

/// How a service reads the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Without `.`, `..` and empty segments, then escaped as it stands: every service but S3.
    Normalized,
    /// Escaped as it stands.
    Escaped,
    /// As it is sent, which must be escaped once: S3, where `a/../b` is a key.
    AsSent,
}

/// What a signature is for, and what with.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// Whose.
    pub key: &'a AccessKey,
    /// Such as `eu-west-1`.
    pub region: &'a str,
    /// Such as `kms`.
    pub service: &'a str,
    /// AWS takes signatures for five minutes before and after.
    pub time: Utc,
    /// How the service reads paths.
    pub path: Path,
    /// Adds the field `x-amz-content-sha256`, which S3 asks for.
    pub declare_payload: bool,
    /// Adds the session token after signing instead of signing it too. A few services want this.
    pub token_unsigned: bool,
}

/// A field to add to a request. Its value may be a secret.
pub type Field = (&'static str, Zeroizing<String>);

impl Signer<'_> {
    /// The fields that make the request a signed one, in lower case: `x-amz-date`, `x-amz-security-token` and
    /// `x-amz-content-sha256` as it applies, `authorization`.
    #[must_use]
    pub fn sign(&self, message: &Message<'_>) -> Vec<Field> {
        let mut added = vec![("x-amz-date", Zeroizing::new(self.time.compact()))];
        if self.declare_payload {
            added.push(("x-amz-content-sha256", Zeroizing::new(message.payload.text())));
        }
        let token = self.key.token.as_ref().map(|token| ("x-amz-security-token", token.clone()));
        let mut unsigned_token = None;
        if self.token_unsigned {
            unsigned_token = token
        } else {
            added.extend(token)
        }
        let canonical = {
            let added = added.iter().map(|(name, value)| (*name, value.as_str()));
            let fields: Vec<_> = message.fields.iter().copied().chain(added).collect();
            Canonical::new(self.path, message, message.query, &fields)
        };
        let authorization = format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={}",
            self.key.id,
            self.scope(),
            canonical.signed_names,
            self.signature(&self.string_to_sign(&canonical)),
        );
        added.extend(unsigned_token);
        added.push(("authorization", Zeroizing::new(authorization)));
        added
    }

    /// The query, without `?`, that makes the request a signed one for as long as `expires`, seven days at most.
    #[must_use]
    pub fn presign(&self, message: &Message<'_>, expires: Duration) -> Zeroizing<String> {
        let mut query = self.query(message, expires);
        let token = self.key.token.as_ref().map(|token| format!("&X-Amz-Security-Token={}", encode(token)));
        let signed = match &token {
            Some(token) if !self.token_unsigned => Zeroizing::new(format!("{}{token}", *query)),
            _ => query.clone(),
        };
        let canonical = Canonical::new(self.path, message, &signed, message.fields);
        let signature = self.signature(&self.string_to_sign(&canonical));
        query.extend(token);
        query.push_str("&X-Amz-Signature=");
        query.push_str(&signature);
        query
    }

    /// The query with everything but token and signature.
    fn query(&self, message: &Message<'_>, expires: Duration) -> Zeroizing<String> {
        let names = Canonical::new(self.path, message, message.query, message.fields).signed_names;
        let separator = if message.query.is_empty() { "" } else { "&" };
        Zeroizing::new(format!(
            "{}{separator}X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&X-Amz-Date={}&X-Amz-SignedHeaders={}\
             &X-Amz-Expires={}",
            message.query,
            encode(&format!("{}/{}", self.key.id, self.scope())),
            self.time.compact(),
            encode(&names),
            expires.as_secs(),
        ))
    }

    /// What the signature is over.
    fn string_to_sign(&self, canonical: &Canonical) -> String {
        let hash = hex(&Sha256::digest(canonical.text.as_bytes()));
        format!("{ALGORITHM}\n{}\n{}\n{hash}", self.time.compact(), self.scope())
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date(), self.region, self.service)
    }

    fn date(&self) -> String {
        self.time.compact().chars().take(8).collect()
    }

    fn signature(&self, text: &str) -> String {
        let secret = Zeroizing::new(format!("AWS4{}", *self.key.secret));
        let parts = [self.date().as_str(), self.region, self.service, "aws4_request"].map(str::to_owned);
        let key = parts.iter().fold(Zeroizing::new(secret.as_bytes().to_vec()), |key, part| mac(&key, part));
        hex(&mac(&key, text))
    }
}

#[expect(clippy::expect_used, reason = "RFC 2104 takes keys of any length")]
fn mac(key: &[u8], text: &str) -> Zeroizing<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text.as_bytes());
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests;
