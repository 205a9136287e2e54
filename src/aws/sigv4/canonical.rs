//! The canonical request: what caller and service must write alike before they hash it.

use std::fmt::Write;

use zeroize::Zeroizing;

use super::{Message, Path};

/// A request in canonical form. Holds the session token where that is signed.
pub struct Canonical {
    /// The whole form.
    pub text: Zeroizing<String>,
    /// The signed fields' names, in lower case and order, between semicolons.
    pub signed_names: String,
}

impl Canonical {
    /// `query` and `fields` stand in for the message's own, which lack what signing adds.
    #[must_use]
    pub fn new(path: Path, message: &Message<'_>, query: &str, fields: &[(&str, &str)]) -> Self {
        let fields = merge(fields);
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        let signed_names = names.join(";");
        let mut text = Zeroizing::new(String::new());
        // Writing to a String cannot fail.
        let _ =
            write!(text, "{}\n{}\n{}\n", message.method, canonical_path(path, message.path), canonical_query(query));
        for (name, value) in &fields {
            let _ = writeln!(text, "{name}:{}", value.as_str());
        }
        let _ = write!(text, "\n{signed_names}\n{}", message.payload.text());
        Self { text, signed_names }
    }
}

/// Escapes everything but the unreserved characters of RFC 3986, byte by byte, as AWS does.
#[must_use]
pub fn encode(text: &str) -> String {
    escape(text.as_bytes(), "")
}

/// [`encode`], but slashes stay.
#[must_use]
pub fn encode_path(text: &str) -> String {
    escape(text.as_bytes(), "/")
}

fn escape(bytes: &[u8], kept: &str) -> String {
    let mut escaped = String::with_capacity(bytes.len());
    for &byte in bytes {
        let c = char::from(byte);
        if byte.is_ascii_alphanumeric() || "-._~".contains(c) || kept.contains(c) {
            escaped.push(c);
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

fn canonical_path(rule: Path, path: &str) -> String {
    let path = if path.is_empty() { "/" } else { path };
    match rule {
        Path::AsSent => path.to_owned(),
        Path::Escaped => escape(path.as_bytes(), "/"),
        Path::Normalized => escape(normalize(path).as_bytes(), "/"),
    }
}

/// RFC 3986, section 5.2.4, and no empty segments.
fn normalize(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let folder = path.ends_with('/') && !segments.is_empty();
    format!("/{}{}", segments.join("/"), if folder { "/" } else { "" })
}

/// Parameters in order of their escaped names, then values.
fn canonical_query(query: &str) -> String {
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    let mut parameters: Vec<_> = parameters
        .map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            (escape(&decode(name), ""), escape(&decode(value), ""))
        })
        .collect();
    parameters.sort();
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    parameters.join("&")
}

/// What `%XX` stands for; a `%` without two digits stands for itself.
#[must_use]
pub fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = after.split_at_checked(2).filter(|_| byte == b'%').and_then(|(digits, after)| {
            let mut decoded = [0];
            base16ct::mixed::decode(digits, &mut decoded).ok()?;
            Some((decoded[0], after))
        });
        let (byte, after) = escaped.unwrap_or((byte, after));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

/// Fields by lower-case name, values without surrounding and repeated blanks, equal names joined by commas.
fn merge(fields: &[(&str, &str)]) -> Vec<(String, Zeroizing<String>)> {
    let mut merged: Vec<(String, Zeroizing<String>)> = Vec::new();
    for (name, value) in fields {
        let name = name.to_ascii_lowercase();
        let value = Zeroizing::new(value.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
        match merged.iter_mut().find(|(other, _)| *other == name) {
            Some((_, values)) => {
                values.push(',');
                values.push_str(&value);
            }
            None => merged.push((name, value)),
        }
    }
    merged.sort_by(|(a, _), (b, _)| a.cmp(b));
    merged
}
