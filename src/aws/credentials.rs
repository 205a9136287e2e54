//! The instance's credentials and region, from the metadata service (IMDSv2).
//!
//! Promises: renewed well before they end, by one attempt at a time; never used once they have ended; odyn's own
//! copies are wiped when they are replaced. What the service answers is checked before it is believed. Never asks without a token (IMDSv1).

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::client::{Answer, Call, CallError, Client};
use super::flight::{Fetched, Flight};
use super::sigv4::AccessKey;
use super::url::Url;
use crate::config::limits;
use crate::config::value::{HttpUrl, Region, UrlError};
use crate::outbound::hostname::Host;
use crate::sync::lock;
use crate::utc::Utc;

/// The variable of odyn's own environment that stands for the usual address, as the AWS SDKs have it.
pub const ENDPOINT_VARIABLE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
const REGION: &str = "/latest/meta-data/placement/region";

/// Where the metadata service is: at `variable`, what [`ENDPOINT_VARIABLE`] is set to, or at 169.254.169.254.
///
/// # Errors
/// [`EndpointError`], which names the variable.
pub fn endpoint(variable: Option<&OsStr>) -> Result<Url, EndpointError> {
    let Some(text) = variable else {
        return Ok(Url::http(Host::from(IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)))));
    };
    let url = HttpUrl::parse(text.to_str().ok_or(EndpointError(UrlError::Character))?).map_err(EndpointError)?;
    Ok(Url::from(&url))
}

/// The operator's: the variable is no URL.
#[derive(Debug)]
pub struct EndpointError(UrlError);

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ENDPOINT_VARIABLE} {}", self.0)
    }
}

impl std::error::Error for EndpointError {}

/// Credentials and region, kept for everybody. Cloning shares them.
#[derive(Clone)]
pub struct Provider {
    credentials: Arc<Flight<AccessKey>>,
    region: Arc<Flight<Region>>,
}

impl Provider {
    /// Asks nothing yet. `caller` is who errors say needs the metadata service: "S3 storage".
    #[must_use]
    pub fn new(client: Client, endpoint: Url, caller: &'static str) -> Self {
        let service = Arc::new(Service { client, endpoint, caller, token: Mutex::new(None) });
        let (for_credentials, for_region) = (Arc::clone(&service), service);
        Self {
            credentials: Arc::new(Flight::new("AWS credentials", move || for_credentials.credentials())),
            region: Arc::new(Flight::new("AWS region", move || for_region.region())),
        }
    }

    /// Credentials that have not ended, waiting for them at most [`limits::CREDENTIALS_WAIT`].
    ///
    /// # Errors
    /// See [`CredentialsError`].
    pub fn credentials(&self) -> Result<Arc<AccessKey>, Arc<CredentialsError>> {
        self.credentials.value(limits::CREDENTIALS_WAIT)
    }

    /// Has others fetched in place of `stale`: AWS says that it has expired, whatever this machine's clock says. The metadata
    /// service may still have the same ones, and is not asked more often than every [`limits::CREDENTIALS_INTERVAL`].
    pub fn forget(&self, stale: &Arc<AccessKey>) {
        self.credentials.forget(stale);
    }

    /// The instance's region, which never changes.
    ///
    /// # Errors
    /// See [`CredentialsError`].
    pub fn region(&self) -> Result<Arc<Region>, Arc<CredentialsError>> {
        self.region.value(limits::CREDENTIALS_WAIT)
    }
}

/// Why there are no credentials, or no region.
#[derive(Debug)]
pub enum CredentialsError {
    /// The manifest's, the host's or the service's: no answer.
    Call(CallError),
    /// The instance's: the service refuses to answer with this status.
    Status(u16),
    /// The operator's: the instance has no role.
    NoRole,
    /// AWS's: the role has no credentials; the service's own word for why.
    Refused(String),
    /// The service's: an answer of a kind it should not give.
    Malformed(&'static str),
    /// The service's, or that of a clock: they had ended when they came.
    Expired(String),
    /// The service's: it has not answered for this long.
    Waiting(Duration),
    /// The machine's: no thread to ask from.
    Thread(io::Error),
    /// A defect of odyn; the log has the place.
    Defect,
}

impl CredentialsError {
    /// May pass within seconds without anybody's doing.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Call(e) => e.is_passing(),
            Self::Status(status) => *status >= 500 || *status == 429,
            Self::Waiting(_) | Self::Thread(_) | Self::Expired(_) | Self::Defect => true,
            Self::NoRole | Self::Refused(_) | Self::Malformed(_) => false,
        }
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(e) => write!(f, "metadata service: {e}"),
            Self::Status(403) => f.write_str("metadata service: status 403: is it enabled for this instance?"),
            Self::Status(status) => write!(f, "metadata service: status {status}"),
            Self::NoRole => f.write_str("metadata service: the instance has no IAM role; attach one"),
            Self::Refused(code) => write!(f, "metadata service: the role has no credentials: {code}"),
            Self::Malformed(what) => write!(f, "metadata service: a malformed answer: {what}"),
            Self::Expired(at) => write!(f, "metadata service: its credentials ended at {at}, by this enclave's clock"),
            Self::Waiting(time) => write!(f, "metadata service: no answer within {time:?}"),
            Self::Thread(e) => write!(f, "no thread to ask the metadata service: {e}"),
            Self::Defect => f.write_str("a defect in odyn; its log names the place"),
        }
    }
}

impl std::error::Error for CredentialsError {}

/// The metadata service.
struct Service {
    client: Client,
    endpoint: Url,
    caller: &'static str,
    token: Mutex<Option<Token>>,
}

struct Token {
    text: Zeroizing<String>,
    end: Instant,
}

impl Service {
    fn credentials(&self) -> Result<Fetched<AccessKey>, CredentialsError> {
        let roles = self.ask(ROLES)?;
        if roles.status == 404 {
            return Err(CredentialsError::NoRole);
        }
        let roles = text(&roles)?;
        let role = roles.lines().next().unwrap_or_default().trim();
        // IAM's characters for names, which are at most 64.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
        match role.len() {
            0 => return Err(CredentialsError::NoRole),
            1..=64 if role.bytes().all(plain) => {}
            _ => return Err(CredentialsError::Malformed("a role's name")),
        }
        let answer = self.ask(&format!("{ROLES}{role}"))?;
        if answer.status == 404 {
            return Err(CredentialsError::NoRole);
        }
        parse(text(&answer)?, SystemTime::now())
    }

    fn region(&self) -> Result<Fetched<Region>, CredentialsError> {
        let answer = self.ask(REGION)?;
        let value = Region::parse(text(&answer)?.trim()).ok_or(CredentialsError::Malformed("the region"))?;
        Ok(Fetched { value, end: None })
    }

    /// The answer at `path`, with status 200 or 404. A token that is no longer taken is replaced once.
    fn ask(&self, path: &str) -> Result<Answer, CredentialsError> {
        let mut replaced = false;
        loop {
            let token = self.token()?;
            let answer = self.call("GET", path, ("x-aws-ec2-metadata-token", &token))?;
            match answer.status {
                200 | 404 => return Ok(answer),
                401 if !replaced => {
                    replaced = true;
                    *lock(&self.token) = None;
                }
                status => return Err(CredentialsError::Status(status)),
            }
        }
    }

    fn token(&self) -> Result<Zeroizing<String>, CredentialsError> {
        let now = Instant::now();
        if let Some(token) = lock(&self.token).as_ref().filter(|token| token.end > now) {
            return Ok(token.text.clone());
        }
        let life = limits::IMDS_TOKEN;
        let asked = ("x-aws-ec2-metadata-token-ttl-seconds", life.as_secs().to_string());
        let answer = self.call("PUT", "/latest/api/token", (asked.0, &asked.1))?;
        if answer.status != 200 {
            return Err(CredentialsError::Status(answer.status));
        }
        let token = Zeroizing::new(text(&answer)?.to_owned());
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CredentialsError::Malformed("the token"));
        }
        // Gone a little earlier here than there.
        *lock(&self.token) = Some(Token { text: token.clone(), end: now + life * 9 / 10 });
        Ok(token)
    }

    fn call(&self, method: &str, path: &str, field: (&str, &str)) -> Result<Answer, CredentialsError> {
        let url = self.endpoint.at(path, "");
        let body = (method == "PUT").then_some(&[][..]);
        let (caller, deadline) = (self.caller, Instant::now() + limits::IMDS_CALL);
        let call = Call { caller, method, url: &url, fields: &[field], body, repeatable: true, deadline };
        self.client.call(&call, limits::IMDS_ANSWER).map_err(CredentialsError::Call)
    }
}

fn text(answer: &Answer) -> Result<&str, CredentialsError> {
    match answer.status {
        200 => str::from_utf8(&answer.body).map_err(|_| CredentialsError::Malformed("not UTF-8")),
        status => Err(CredentialsError::Status(status)),
    }
}

/// What the service answers for a role.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    code: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<Secret>,
    token: Option<Secret>,
    expiration: Option<String>,
}

/// A text that is wiped when it is dropped, also when the rest of the document is of no use.
struct Secret(Zeroizing<String>);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// What `text` gives, which is never of the past. The parser alone, for fuzz/: what leads to it is a connection.
///
/// # Errors
/// See [`CredentialsError`].
#[doc(hidden)]
pub fn parse_alone(text: &str, now: SystemTime) -> Result<(AccessKey, Option<SystemTime>), CredentialsError> {
    parse(text, now).map(|fetched| (fetched.value, fetched.end))
}

fn parse(text: &str, now: SystemTime) -> Result<Fetched<AccessKey>, CredentialsError> {
    // serde_json's error would repeat what it does not understand.
    let document: Document = serde_json::from_str(text)
        .map_err(|_| CredentialsError::Malformed("the credentials are no JSON of their kind"))?;
    if let Some(code) = document.code.filter(|code| code != "Success") {
        return Err(CredentialsError::Refused(code.chars().filter(|c| !c.is_control()).take(100).collect()));
    }
    let (Some(id), Some(Secret(secret)), Some(Secret(token)), Some(expiration)) =
        (document.access_key_id, document.secret_access_key, document.token, document.expiration)
    else {
        return Err(CredentialsError::Malformed("a field of the credentials is missing"));
    };
    let graphic = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !graphic(&id) || id.contains('/') || !graphic(&secret) || !graphic(&token) {
        return Err(CredentialsError::Malformed("the credentials have characters they cannot have"));
    }
    let end = Utc::parse(&expiration).ok_or(CredentialsError::Malformed("Expiration is no RFC 3339 date-time"))?;
    if SystemTime::from(end) <= now {
        return Err(CredentialsError::Expired(end.to_string()));
    }
    Ok(Fetched { value: AccessKey { id, secret, token: Some(token) }, end: Some(end.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"Code":"Success","LastUpdated":"2026-11-23T09:00:00Z","Type":"AWS-HMAC",
        "AccessKeyId":"ASIA1","SecretAccessKey":"s3cret\/x","Token":"t0ken==","Expiration":"2026-11-23T15:00:00Z"}"#;

    fn now() -> SystemTime {
        Utc::parse("2026-11-23T09:45:58Z").unwrap().into()
    }

    fn error(text: &str) -> String {
        parse(text, now()).err().unwrap().to_string()
    }

    #[test]
    fn credentials_are_read_with_their_end() {
        let fetched = parse(GOOD, now()).ok().unwrap();
        assert_eq!((fetched.value.id.as_str(), fetched.value.secret.as_str()), ("ASIA1", "s3cret/x"));
        assert_eq!(fetched.value.token.unwrap().as_str(), "t0ken==");
        assert_eq!(fetched.end, Some(Utc::parse("2026-11-23T15:00:00Z").unwrap().into()));
    }

    #[test]
    fn what_cannot_be_used_is_told_without_repeating_it() {
        for (bad, expected) in [
            ("{", "no JSON"),
            ("[]", "no JSON"),
            ("<html>s3cret</html>", "no JSON"),
            (r#"{"Code":"Failed"}"#, "the role has no credentials: Failed"),
            (r#"{"Code":"Success"}"#, "a field of the credentials is missing"),
            (&GOOD.replace("\"t0ken==\"", "\"\""), "characters they cannot have"),
            (&GOOD.replace("ASIA1", "A/B"), "characters they cannot have"),
            (&GOOD.replace("s3cret", "s3 cret"), "characters they cannot have"),
            (&GOOD.replace("T15:00:00Z", " 15:00"), "no RFC 3339"),
            (&GOOD.replace("T15:00:00Z", "T09:45:58Z"), "ended at 2026-11-23T09:45:58Z"),
        ] {
            let error = error(bad);
            assert!(error.contains(expected) && !error.contains("s3cret"), "{bad}: {error}");
        }
    }

    #[test]
    fn the_endpoint_is_the_usual_address_or_what_the_variable_says() {
        assert_eq!(endpoint(None).unwrap().to_string(), "http://169.254.169.254");
        assert_eq!(endpoint(Some(OsStr::new("http://[::1]:9/"))).unwrap().at("/x", "").host_field(), "[::1]:9");
        let error = endpoint(Some(OsStr::new("localhost:9"))).unwrap_err().to_string();
        assert_eq!(error, "AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL that starts with http:// or https://");
    }
}
