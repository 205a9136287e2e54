//! Single values of the manifest that have rules of their own: text, URLs, AWS names, light-client choices.
//!
//! Each is read straight into its checked type, so serde_yaml names its line and field. An error never repeats a URL:
//! RPC URLs often carry an access key in their path.

use crate::config::port::Port;
use crate::outbound::hostname::{Host, Target, TargetError};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;

/// Reads a scalar as text and hands it to `parse`.
fn from_text<'de, D, T, E>(
    deserializer: D,
    expecting: &'static str,
    parse: fn(&str) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    struct TextVisitor<T, E> {
        expecting: &'static str,
        parse: fn(&str) -> Result<T, E>,
    }
    impl<T, E: fmt::Display> Visitor<'_> for TextVisitor<T, E> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.expecting)
        }
        fn visit_str<F: Error>(self, text: &str) -> Result<T, F> {
            (self.parse)(text).map_err(F::custom)
        }
    }
    deserializer.deserialize_str(TextVisitor { expecting, parse })
}

/// Text that says something: not empty, no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        from_text(deserializer, "text", |text| match text {
            "" => Err("may not be empty"),
            _ if text.chars().any(char::is_control) => Err("has a control character"),
            _ => Ok(Text(text.to_owned())),
        })
    }
}

/// An `http://` or `https://` URL. Debug and Display leave out the path and query, which may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl {
    text: String,
    https: bool,
    target: Target,
}

impl HttpUrl {
    /// The whole URL as the manifest has it. May hold a secret: never for a log.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Host and port; the port is 443 or 80 when the URL has none.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// From the `/` behind the authority to the query; empty when there is none.
    pub fn path(&self) -> &str {
        let rest = self.text.split_once("://").map_or("", |(_, rest)| rest);
        let path = rest.find(['/', '?']).map_or("", |at| rest.split_at(at).1);
        path.split('?').next().unwrap_or_default()
    }

    /// Whether a query follows the path.
    pub fn has_query(&self) -> bool {
        self.text.contains('?')
    }

    /// Reads the text of a URL.
    ///
    /// # Errors
    /// See [`UrlError`].
    pub fn parse(text: &str) -> Result<HttpUrl, UrlError> {
        let (https, default, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, Port::new(443), rest),
            (_, Some(rest)) => (false, Port::new(80), rest),
            _ => return Err(UrlError::Scheme),
        };
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['#', '\\']) {
            return Err(UrlError::Character);
        }
        let authority = rest.split(['/', '?']).next().unwrap_or(rest);
        if authority.contains('@') {
            return Err(UrlError::UserInfo);
        }
        let target = Target::parse(authority, default).map_err(UrlError::Target)?;
        Ok(HttpUrl { text: text.to_owned(), https, target })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.target)
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for HttpUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HttpUrl, D::Error> {
        from_text(deserializer, "a URL", HttpUrl::parse)
    }
}

/// Why a text is no URL. Never repeats it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// It does not start with a scheme that is known.
    Scheme,
    /// It has a character that belongs into no URL, or a fragment.
    Character,
    /// It has a user or password.
    UserInfo,
    /// Its host or port is none.
    Target(TargetError),
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlError::Scheme => f.write_str("is no URL that starts with http:// or https://"),
            UrlError::Character => f.write_str("is a URL with a blank, \"#\", \"\\\" or a character beyond ASCII"),
            UrlError::UserInfo => f.write_str("is a URL with a user or password, which is not supported"),
            UrlError::Target(error) => write!(f, "is no URL: {error}"),
        }
    }
}

impl std::error::Error for UrlError {}

/// A KMS endpoint: a full URL, or a host alone for `https` on port 443.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint(pub(super) HttpUrl);

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Endpoint, D::Error> {
        from_text(deserializer, "a host or a URL", |text| {
            if text.contains("://") {
                return HttpUrl::parse(text).map(Endpoint);
            }
            let host = Host::parse(text).map_err(|error| UrlError::Target(TargetError::Host(error)))?;
            HttpUrl::parse(&format!("https://{}", host.authority())).map(Endpoint)
        })
    }
}

/// An AWS region: letters, digits and hyphens, since it becomes part of a host name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Region(String);

impl Region {
    /// Reads a region's name; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Region> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        ((1..=32).contains(&text.len()) && text.bytes().all(plain)).then(|| Region(text.to_owned()))
    }

    /// What the names of AWS's services in this region end in: `us-east-1.amazonaws.com`, in China under `.com.cn`.
    pub fn domain(&self) -> String {
        let top = if self.0.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        format!("{self}.{top}")
    }

    /// The region's text, such as `us-east-1`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Region {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Region, D::Error> {
        from_text(deserializer, "an AWS region", |text| {
            Region::parse(text).ok_or_else(|| format!("{text:?} is no AWS region such as us-east-1"))
        })
    }
}

/// An S3 bucket name, by the general purpose bucket naming rules: 3 to 63 of `a-z 0-9 . -`, a letter or digit first and
/// last, no two dots in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bucket(pub(super) String);

impl<'de> Deserialize<'de> for Bucket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bucket, D::Error> {
        from_text(deserializer, "a bucket name", |text| {
            let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
            let ends_well = !text.starts_with(['.', '-']) && !text.ends_with(['.', '-']) && !text.contains("..");
            match (3..=63).contains(&text.len()) && text.bytes().all(inner) && ends_well {
                true => Ok(Bucket(text.to_owned())),
                false => Err(format!("{text:?} is no bucket name: 3 to 63 of a-z, 0-9, dot and hyphen")),
            }
        })
    }
}

/// The folder all keys live in: empty, or ending in `/`; never starting with one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prefix(pub(super) String);

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Prefix, D::Error> {
        from_text(deserializer, "a key prefix", |text| {
            let inner = text.trim_start_matches('/').trim_end_matches('/');
            if inner.is_empty() {
                return Ok(Prefix::default());
            }
            if inner.chars().any(char::is_control) {
                return Err("has a control character");
            }
            if inner.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
                return Err("has an empty, \".\" or \"..\" segment");
            }
            match inner.len() {
                ..=512 => Ok(Prefix(format!("{inner}/"))),
                _ => Err("is longer than 512 bytes, which leaves too little of an S3 key's 1024"),
            }
        })
    }
}

/// An Ethereum network the light client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Ethereum itself.
    Mainnet,
    /// The Sepolia test network.
    Sepolia,
    /// The Holesky test network.
    Holesky,
    /// The Hoodi test network.
    Hoodi,
}

impl Network {
    /// All of them.
    pub const ALL: [Network; 4] = [Network::Mainnet, Network::Sepolia, Network::Holesky, Network::Hoodi];

    /// The name as the manifest writes it.
    pub fn name(self) -> &'static str {
        match self {
            Network::Mainnet => "mainnet",
            Network::Sepolia => "sepolia",
            Network::Holesky => "holesky",
            Network::Hoodi => "hoodi",
        }
    }

    /// The public consensus RPC taken when the manifest names none, where there is one. Nothing it says is believed.
    pub fn usual_consensus_rpc(self) -> Option<HttpUrl> {
        match self {
            Network::Mainnet => HttpUrl::parse("https://ethereum.operationsolarstorm.org").ok(),
            Network::Sepolia | Network::Holesky | Network::Hoodi => None,
        }
    }
}

/// What the light client trusts at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// The root of a finalised beacon block, 32 bytes.
    Root([u8; 32]),
    /// Whatever the consensus RPC calls its latest: trusts that server.
    UnsafeLatest,
}

impl Checkpoint {
    /// Reads `unsafe-latest` or 64 hexadecimal digits, with or without `0x`; `None` when it is neither.
    pub fn parse(text: &str) -> Option<Checkpoint> {
        match text {
            "unsafe-latest" => Some(Checkpoint::UnsafeLatest),
            _ => root(text.strip_prefix("0x").unwrap_or(text)).map(Checkpoint::Root),
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Checkpoint::UnsafeLatest => f.write_str("unsafe-latest"),
            Checkpoint::Root(root) => {
                f.write_str("0x")?;
                root.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Checkpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Checkpoint, D::Error> {
        from_text(deserializer, "a beacon block root", |text| {
            Checkpoint::parse(text).ok_or("is neither a block root of 32 bytes in hexadecimal nor unsafe-latest")
        })
    }
}

/// 64 hexadecimal digits as 32 bytes.
fn root(hex: &str) -> Option<[u8; 32]> {
    let mut root = [0; 32];
    if hex.len() != 2 * root.len() {
        return None;
    }
    for (byte, digits) in root.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(root)
}

#[cfg(test)]
mod tests;
