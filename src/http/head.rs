//! HTTP/1.1 message heads, read strictly (RFC 9112).
//!
//! Promises: what two parties could read in two ways is refused, never repaired: a line not ended by CRLF, a CR or NUL
//! inside one, a folded line, a space before a colon, two lengths, a length and a transfer coding, two hosts. Never
//! looks at a body.

use std::fmt;

use crate::config::limits;

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// Longer than allowed, or too many fields.
    TooLarge,
    /// A line ends with LF alone, or a CR stands inside one.
    LineEnding,
    /// The first line is not of the right form.
    StartLine,
    /// A version of HTTP that is not 1.0 or 1.1.
    Version,
    /// The request target is none of the forms a proxy takes.
    Target,
    /// A field line is not `name: value` with a token for a name and no control characters.
    Field,
    /// A folded line.
    Folded,
    /// `Host` is missing in HTTP/1.1, or there are several.
    Host,
    /// `Content-Length` is not one plain number, or stands beside `Transfer-Encoding`.
    Length,
    /// `Transfer-Encoding` is something else than `chunked`, or stands in HTTP/1.0.
    Coding,
    /// `Connection` names a field that frames or routes the message.
    Connection,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "message head too large",
            Self::LineEnding => "line not ended by CRLF",
            Self::StartLine => "malformed first line",
            Self::Version => "HTTP version not supported",
            Self::Target => "request target with a character that it cannot have",
            Self::Field => "malformed header field",
            Self::Folded => "folded header line",
            Self::Host => "exactly one Host field is needed",
            Self::Length => "ambiguous Content-Length",
            Self::Coding => "Transfer-Encoding other than chunked",
            Self::Connection => "Connection names a field that frames the message",
        })
    }
}

impl std::error::Error for HeadError {}

/// HTTP's minor version; the major one is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    V10,
    /// HTTP/1.1
    V11,
}

impl Version {
    fn parse(text: &[u8]) -> Result<Self, HeadError> {
        match text {
            b"HTTP/1.1" => Ok(Self::V11),
            b"HTTP/1.0" => Ok(Self::V10),
            [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
                Err(HeadError::Version)
            }
            _ => Err(HeadError::StartLine),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V10 => "HTTP/1.0",
            Self::V11 => "HTTP/1.1",
        })
    }
}

/// Finds the end of a head in bytes that arrive piece by piece, looking at each byte once.
#[derive(Debug, Default)]
pub struct Scanner {
    line_start: usize,
    scanned: usize,
}

impl Scanner {
    /// The length of the head in `bytes`, its empty line included; `None` when more is needed. `bytes` must be what the
    /// last call saw, with more behind.
    ///
    /// # Errors
    /// A line not ended by CRLF, or a head longer than `most`.
    pub fn head_length(&mut self, bytes: &[u8], most: usize) -> Result<Option<usize>, HeadError> {
        while let Some(at) = bytes[self.scanned..].iter().position(|b| *b == b'\n').map(|at| self.scanned + at) {
            let line = &bytes[self.line_start..at];
            self.scanned = at + 1;
            match line.split_last() {
                Some((b'\r', [])) if at < most => return Ok(Some(at + 1)),
                Some((b'\r', text)) if !text.contains(&b'\r') => self.line_start = at + 1,
                _ => return Err(HeadError::LineEnding),
            }
        }
        self.scanned = bytes.len();
        if bytes.len() >= most { Err(HeadError::TooLarge) } else { Ok(None) }
    }
}

/// Header fields in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<Field>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    name: String,
    value: Vec<u8>,
}

impl Fields {
    /// Every value of the fields called `name`.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.as_slice())
    }

    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|field| (field.name.as_str(), field.value.as_slice()))
    }

    /// True when the comma-separated lists called `name` have `token` in them, in any case.
    #[must_use]
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.tokens(name).any(|found| found.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The members of the comma-separated lists called `name`.
    pub fn tokens<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name)
            .flat_map(|value| value.split(|b| *b == b','))
            .map(trim_white_space)
            .filter(|token| !token.is_empty())
    }

    fn parse<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<Self, HeadError> {
        let mut fields = Vec::new();
        for line in lines {
            if fields.len() == limits::HEADER_FIELDS {
                return Err(HeadError::TooLarge);
            }
            fields.push(Field::parse(line)?);
        }
        let fields = Self(fields);
        let framing = ["content-length", "transfer-encoding", "host"];
        if framing.iter().any(|name| fields.lists("connection", name)) {
            return Err(HeadError::Connection);
        }
        Ok(fields)
    }

    /// The one `Content-Length`, if there is any.
    fn content_length(&self) -> Result<Option<u64>, HeadError> {
        let mut values = self.all("content-length");
        let Some(value) = values.next() else { return Ok(None) };
        // More digits than this is no length of anything.
        let plain = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit) && values.next().is_none();
        let number = std::str::from_utf8(value).ok().filter(|_| plain).and_then(|text| text.parse().ok());
        number.map(Some).ok_or(HeadError::Length)
    }

    /// True when the message is chunked.
    fn chunked(&self, version: Version) -> Result<bool, HeadError> {
        let mut values = self.all("transfer-encoding");
        match (values.next(), values.next(), version) {
            (None, _, _) => Ok(false),
            (Some(value), None, Version::V11) if value.eq_ignore_ascii_case(b"chunked") => Ok(true),
            _ => Err(HeadError::Coding),
        }
    }

    /// How the message's body ends, by its fields alone; `None` when they do not say.
    ///
    /// # Errors
    /// When they say two things.
    pub fn framing(&self, version: Version) -> Result<Option<Framing>, HeadError> {
        match (self.chunked(version)?, self.content_length()?) {
            (true, None) => Ok(Some(Framing::Chunked)),
            (true, Some(_)) => Err(HeadError::Length),
            (false, Some(length)) => Ok(Some(Framing::Length(length))),
            (false, None) => Ok(None),
        }
    }
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With an empty chunk and the trailer section.
    Chunked,
    /// With the connection.
    UntilClose,
}

impl Field {
    fn parse(line: &[u8]) -> Result<Self, HeadError> {
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return Err(HeadError::Folded);
        }
        let colon = line.iter().position(|b| *b == b':').ok_or(HeadError::Field)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let value = trim_white_space(value);
        if !is_token(name) || !value.iter().copied().all(is_field_byte) {
            return Err(HeadError::Field);
        }
        let name = std::str::from_utf8(name).map_err(|_| HeadError::Field)?;
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// A request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Such as `GET`.
    pub method: String,
    /// As it came.
    pub target: String,
    /// As it came.
    pub version: Version,
    /// All of them.
    pub fields: Fields,
}

impl RequestHead {
    /// Parses a whole head, its empty line included.
    ///
    /// # Errors
    /// See [`HeadError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, HeadError> {
        let mut lines = lines(bytes);
        let start = lines.next().ok_or(HeadError::StartLine)?;
        let words: Vec<&[u8]> = start.split(|b| *b == b' ').collect();
        let [method, target, version] = words[..] else {
            return Err(HeadError::StartLine);
        };
        let version = Version::parse(version)?;
        if !is_token(method) {
            return Err(HeadError::StartLine);
        }
        if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
            return Err(HeadError::Target);
        }
        let fields = Fields::parse(lines)?;
        let hosts = fields.all("host").count();
        // RFC 9112 section 3.2 wants it of CONNECT too, but minimal tunnel clients leave it out, and nothing reads it.
        if hosts > 1 || (hosts == 0 && version == Version::V11 && method != b"CONNECT") {
            return Err(HeadError::Host);
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self { method: text(method), target: text(target), version, fields })
    }

    /// How its body ends; a request that does not say has none.
    ///
    /// # Errors
    /// When it says two things.
    pub fn framing(&self) -> Result<Framing, HeadError> {
        Ok(self.fields.framing(self.version)?.unwrap_or(Framing::Length(0)))
    }
}

/// A response's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// As it came.
    pub version: Version,
    /// 100 to 599 in practice; three digits in any case.
    pub status: u16,
    /// The words behind the number; may be empty, or hold bytes that are not ASCII.
    pub reason: Vec<u8>,
    /// All of them.
    pub fields: Fields,
}

impl ResponseHead {
    /// Parses a whole head, its empty line included.
    ///
    /// # Errors
    /// See [`HeadError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, HeadError> {
        let mut lines = lines(bytes);
        let start = lines.next().ok_or(HeadError::StartLine)?;
        let (version, rest) = start.split_at_checked(8).ok_or(HeadError::StartLine)?;
        let version = Version::parse(version)?;
        let (status, reason) = match rest {
            [b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', reason @ ..] => {
                let digit = |byte: &u8| u16::from(byte - b'0');
                (digit(a) * 100 + digit(b) * 10 + digit(c), reason)
            }
            _ => return Err(HeadError::StartLine),
        };
        let reason = match reason {
            [] => &[],
            [b' ', reason @ ..] if reason.iter().copied().all(is_field_byte) => reason,
            _ => return Err(HeadError::StartLine),
        };
        Ok(Self { version, status, reason: reason.to_owned(), fields: Fields::parse(lines)? })
    }

    /// How its body ends, as an answer to `method` (RFC 9112 section 6.3).
    ///
    /// # Errors
    /// When its fields say two things.
    pub fn framing(&self, method: &str) -> Result<Framing, HeadError> {
        let said = self.fields.framing(self.version)?;
        Ok(match (method, self.status) {
            ("HEAD", _) | (_, 100..=199 | 204 | 304) => Framing::Length(0),
            _ => said.unwrap_or(Framing::UntilClose),
        })
    }
}

/// The lines of a head without their CRLF and without the empty one at the end. [`Scanner`] made sure of the CRLFs.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let head = head.strip_suffix(b"\r\n\r\n").unwrap_or_default();
    head.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// `token` of RFC 9110 section 5.6.2.
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// Without the spaces and tabs around it (RFC 9110 section 5.6.3); std's idea of white space has more in it.
fn trim_white_space(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// What a field value may hold: visible characters, space, tab, and bytes above ASCII.
fn is_field_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

#[cfg(test)]
mod tests;
