//! An S3 bucket, or the folder of one that the manifest names.
//!
//! Promises: no key outside the folder is asked for or told of; requests are signed with the hash of what they carry;
//! what a server is too busy for is tried again a few times within one deadline, what it refuses is not. An object is in
//! memory once here. Never follows a redirect to where a bucket has moved: the manifest says where it is.

pub mod error;
pub mod key;
mod page;

use std::collections::VecDeque;
use std::time::{Instant, SystemTime};

use zeroize::Zeroizing;

use super::backoff;
use super::client::{Call, Client, Opened};
use super::credentials::Provider;
use super::sigv4::{AccessKey, Message, Path, Payload, Signer, encode, encode_path};
use super::url::Url;
use crate::config::limits;
use crate::config::manifest::S3;
use crate::config::value::Region;
use crate::outbound::hostname::Host;
use crate::utc::Utc;
use error::{Refusal, S3Error};
use key::{Key, Start};
pub use page::Page;
/// For fuzz/: what leads to it is a connection.
#[doc(hidden)]
pub use page::code;

const CALLER: &str = "S3 storage";

/// A bucket's folder.
pub struct Store {
    client: Client,
    provider: Provider,
    settings: S3,
}

/// An object in pieces of [`limits::S3_PIECE`] bytes, the last one shorter.
pub struct Object {
    /// In order; none is empty.
    pub pieces: VecDeque<Zeroizing<Vec<u8>>>,
    /// Their bytes.
    pub length: usize,
}

/// One call, before it is signed.
struct Ask<'a> {
    method: &'static str,
    /// Below the bucket, escaped, with its `/`.
    path: &'a str,
    query: &'a str,
    content_type: Option<&'a str>,
    body: Option<&'a [u8]>,
    payload: Payload,
}

impl<'a> Ask<'a> {
    fn new(method: &'static str, path: &'a str) -> Self {
        Self { method, path, query: "", content_type: None, body: None, payload: Payload::of(&[]) }
    }
}

impl Store {
    /// Asks nothing yet.
    #[must_use]
    pub fn new(client: Client, provider: Provider, settings: S3) -> Self {
        Self { client, provider, settings }
    }

    /// The folder's name, which every key is put behind: empty, or ending in `/`.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.settings.prefix
    }

    /// Fetches an object of at most [`limits::S3_OBJECT`] bytes; `None` when there is none.
    ///
    /// # Errors
    /// See [`S3Error`].
    pub fn get(&self, key: &Key) -> Result<Option<Object>, S3Error> {
        let path = self.path(key);
        match self.attempt(&Ask::new("GET", &path), deadline(), read_object) {
            Ok(object) => Ok(Some(object)),
            Err(S3Error::Refused(refusal)) if refusal.is_absence() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Stores an object, replacing an older one.
    ///
    /// # Errors
    /// See [`S3Error`].
    pub fn put(&self, key: &Key, content_type: Option<&str>, body: &[u8]) -> Result<(), S3Error> {
        let path = self.path(key);
        let ask = Ask { content_type, body: Some(body), payload: Payload::of(body), ..Ask::new("PUT", &path) };
        self.attempt(&ask, deadline(), done)
    }

    /// Makes sure that there is no such object.
    ///
    /// # Errors
    /// See [`S3Error`].
    pub fn delete(&self, key: &Key) -> Result<(), S3Error> {
        let path = self.path(key);
        match self.attempt(&Ask::new("DELETE", &path), deadline(), done) {
            Err(S3Error::Refused(refusal)) if refusal.is_absence() => Ok(()),
            other => other,
        }
    }

    /// One page of the keys that start with `start`, in S3's order, from where `token` says.
    ///
    /// # Errors
    /// See [`S3Error`].
    pub fn list(&self, start: &Start, token: Option<&str>, most: Option<u64>) -> Result<Page, S3Error> {
        let mut query = format!(
            "list-type=2&max-keys={}&prefix={}",
            most.unwrap_or(limits::S3_PAGE).min(limits::S3_PAGE),
            encode(&format!("{}{}", self.settings.prefix, start.as_str())),
        );
        if let Some(token) = token {
            query.push_str(&format!("&continuation-token={}", encode(token)));
        }
        let deadline = deadline();
        let page = match self.page(&query, deadline) {
            // Others may have put keys there with characters that XML cannot have. Escaped it can, and S3 knows how to;
            // not always asked for, because some stores say that they escape and do not.
            Err(S3Error::NoXml) => self.page(&format!("encoding-type=url&{query}"), deadline),
            other => other,
        };
        page?.below(&self.settings.prefix)
    }

    fn page(&self, query: &str, deadline: Instant) -> Result<Page, S3Error> {
        self.attempt(&Ask { query, ..Ask::new("GET", "/") }, deadline, |opened| {
            let answer = opened.read(limits::S3_LIST_ANSWER).map_err(S3Error::Call)?;
            Page::parse(&answer.body)
        })
    }

    fn path(&self, key: &Key) -> String {
        format!("/{}{}", encode_path(&self.settings.prefix), encode_path(key.as_str()))
    }

    /// Makes the call until it succeeds, is refused, or there is no point in going on.
    fn attempt<T>(
        &self,
        ask: &Ask<'_>,
        deadline: Instant,
        read: impl Fn(Opened) -> Result<T, S3Error>,
    ) -> Result<T, S3Error> {
        let (mut attempts, mut renewed) = (1, false);
        loop {
            let key = self.provider.credentials().map_err(S3Error::Credentials)?;
            let outcome = self.once(ask, &key, deadline).and_then(|opened| match opened.status {
                // Nobody asks for a part of an object.
                206 => Err(S3Error::Malformed("a part of an object")),
                200..=299 => read(opened),
                _ => Err(S3Error::Refused(Refusal::read(opened)?)),
            });
            let error = match outcome {
                Err(e) if e.is_passing() => e,
                Err(e) if e.says_expired() && !renewed => {
                    log::warn!("{e}: renewing the credentials");
                    renewed = true;
                    self.provider.forget(&key);
                    continue;
                }
                other => return other,
            };
            let pause = backoff::pause(attempts, limits::S3_PAUSE, limits::S3_PAUSE_CAP);
            if attempts == limits::S3_ATTEMPTS || Instant::now() + pause >= deadline {
                return Err(error);
            }
            log::info!("S3: {} failed, attempt {attempts} of {}: {error}", ask.method, limits::S3_ATTEMPTS);
            std::thread::sleep(pause);
            attempts += 1;
        }
    }

    fn once(&self, ask: &Ask<'_>, key: &AccessKey, deadline: Instant) -> Result<Opened, S3Error> {
        let region = match &self.settings.region {
            Some(region) => region.clone(),
            None => (*self.provider.region().map_err(S3Error::Credentials)?).clone(),
        };
        let url = self.bucket(&region)?.at(ask.path, ask.query);
        let host = url.host_field();
        let mut fields = vec![("host", host.as_str())];
        fields.extend(ask.content_type.map(|value| ("content-type", value)));
        let signer = Signer {
            key,
            region: region.as_str(),
            service: "s3",
            time: Utc::from(SystemTime::now()),
            path: Path::AsSent,
            declare_payload: true,
            token_unsigned: false,
        };
        let message =
            Message { method: ask.method, path: &url.path, query: &url.query, fields: &fields, payload: ask.payload };
        let signed = signer.sign(&message);
        fields.extend(signed.iter().map(|(name, value)| (*name, value.as_str())));
        // A large body waits for S3's word: it refuses from the head alone, and closes, which without this looks broken.
        if ask.body.is_some_and(|body| body.len() > limits::AWS_BUFFER) {
            fields.push(("expect", "100-continue"));
        }
        let call = Call {
            caller: CALLER,
            method: ask.method,
            url: &url,
            fields: &fields,
            body: ask.body,
            // Attempts are counted here.
            repeatable: false,
            deadline,
        };
        self.client.open(&call).map_err(S3Error::Call)
    }

    /// Where the bucket is: by its own name, unless that has dots, which no certificate of AWS covers, or the store is
    /// another one, where such names need not exist.
    fn bucket(&self, region: &Region) -> Result<Url, S3Error> {
        let bucket = &self.settings.bucket;
        if let Some(endpoint) = &self.settings.endpoint {
            return Ok(Url::from(endpoint).at(&format!("/{bucket}"), ""));
        }
        let (dotted, domain) = (bucket.contains('.'), region.domain());
        let name = if dotted { format!("s3.{domain}") } else { format!("{bucket}.s3.{domain}") };
        let host = Host::parse(&name).map_err(|_| S3Error::Malformed("no host name can be made of the bucket"))?;
        Ok(if dotted { Url::https(host).at(&format!("/{bucket}"), "") } else { Url::https(host) })
    }
}

/// Of a call that begins now.
fn deadline() -> Instant {
    Instant::now() + limits::S3_CALL
}

fn done(opened: Opened) -> Result<(), S3Error> {
    opened.read(limits::S3_ERROR_ANSWER).map(drop).map_err(S3Error::Call)
}

fn read_object(mut opened: Opened) -> Result<Object, S3Error> {
    let too_large = |length: u64| length > limits::S3_OBJECT as u64;
    if opened.length.is_some_and(too_large) {
        return Err(S3Error::TooLarge);
    }
    let mut object = Object { pieces: VecDeque::new(), length: 0 };
    loop {
        // One byte more than allowed shows an object of unknown length to be too large.
        let left = opened.length.map_or(limits::S3_OBJECT, |length| usize::try_from(length).unwrap_or(0));
        // And one more than is left has the end read, without which the connection is not used again.
        let room = (left.saturating_sub(object.length) + 1).min(limits::S3_PIECE);
        let mut piece = Zeroizing::new(vec![0; room]);
        let filled = opened.fill(&mut piece).map_err(S3Error::Call)?;
        piece.truncate(filled);
        object.length += filled;
        if too_large(object.length as u64) {
            return Err(S3Error::TooLarge);
        }
        let last = filled < limits::S3_PIECE;
        if filled > 0 {
            object.pieces.push_back(piece);
        }
        if last {
            return Ok(object);
        }
    }
}

#[cfg(test)]
mod tests;
