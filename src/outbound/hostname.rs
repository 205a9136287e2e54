//! The canonical target: one spelling for every way to write a host.
//!
//! A resolver reads `EVIL.com.`, `127.1` and `[::ffff:127.0.0.1]` as other spellings of plainer things, so a comparison
//! on raw text can be evaded. [`Host::parse`] therefore reads what `inet_aton(3)` and the WHATWG URL standard ("ends in
//! a number") read, and keeps only the result. Text that looks like an address and is none is an error, never a name.
//! What is dialled is the canonical form too, so the host side cannot read it differently. Nothing is resolved here.

use crate::config::port::Port;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest name without its trailing dot (RFC 1035 section 2.3.4: 255 octets on the wire).
const NAME_MAX: usize = 253;
/// The longest label (RFC 1035 section 2.3.4).
const LABEL_MAX: usize = 63;

/// A host in canonical form. Two spellings that a resolver takes for one host compare equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name, and certainly no address in any spelling.
    Name(DnsName),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address that is no IPv4-mapped one.
    V6(UnmappedV6),
}

impl Host {
    /// Reads a host as it stands in a URL or a `Host` header, without a port: a name, an IPv4 address in any form
    /// `inet_aton(3)` reads, or an IPv6 address in brackets.
    pub fn parse(text: &str) -> Result<Host, HostError> {
        if let Some(rest) = text.strip_prefix('[') {
            let inner = rest.strip_suffix(']').ok_or(HostError::Bracket)?;
            let address: Ipv6Addr = inner.parse().map_err(|_| match inner.contains('%') {
                true => HostError::Zone,
                false => HostError::NotIpv6,
            })?;
            return Ok(Host::from(IpAddr::V6(address)));
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(HostError::BareIpv6);
        }
        let name = DnsName::parse(text)?;
        match inet_aton(&name.0) {
            Reading::Name => Ok(Host::Name(name)),
            Reading::Address(address) => Ok(Host::V4(address)),
            Reading::Neither => Err(HostError::NotIpv4),
        }
    }

    /// The host as a URL or a `Host` header writes it: an IPv6 address in brackets.
    pub fn authority(&self) -> impl fmt::Display + '_ {
        Authority(self)
    }
}

impl From<IpAddr> for Host {
    /// Folds an IPv4-mapped IPv6 address (`::ffff:0:0/96`) to the IPv4 address a socket would reach.
    fn from(address: IpAddr) -> Host {
        match address.to_canonical() {
            IpAddr::V4(address) => Host::V4(address),
            IpAddr::V6(address) => Host::V6(UnmappedV6(address)),
        }
    }
}

/// The host as the wire frame to the host side carries it: an IPv6 address without brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => name.fmt(f),
            Host::V4(address) => address.fmt(f),
            Host::V6(address) => address.0.fmt(f),
        }
    }
}

struct Authority<'a>(&'a Host);

impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Host::V6(address) => write!(f, "[{}]", address.0),
            other => other.fmt(f),
        }
    }
}

/// An IPv6 address outside `::ffff:0:0/96`; made by [`Host`] only, which folds the others to IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UnmappedV6(Ipv6Addr);

impl UnmappedV6 {
    /// The address.
    pub fn address(self) -> Ipv6Addr {
        self.0
    }
}

/// A name in canonical form: lower-case, no trailing dot, labels of 1 to 63 of `a-z 0-9 _ -`, at most 253 bytes.
/// Made by [`Host::parse`] only, so it never reads as an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DnsName(String);

impl DnsName {
    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Result<DnsName, HostError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(HostError::Empty);
        }
        if text.len() > NAME_MAX {
            return Err(HostError::NameTooLong);
        }
        for character in text.chars() {
            match character {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => {}
                '%' => return Err(HostError::PercentEncoded),
                other if !other.is_ascii() => return Err(HostError::NonAscii),
                other => return Err(HostError::Character(other)),
            }
        }
        for label in text.split('.') {
            match label.len() {
                0 => return Err(HostError::EmptyLabel),
                1..=LABEL_MAX => {}
                _ => return Err(HostError::LabelTooLong),
            }
        }
        Ok(DnsName(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no host. The text itself is not repeated: it may come from the network and hold anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostError {
    /// Nothing, or only a dot.
    Empty,
    /// A byte beyond ASCII: clients send the A-label (`xn--…`, RFC 5890) instead.
    NonAscii,
    /// `%`: a host is not percent-decoded here, so nobody else may decode it either.
    PercentEncoded,
    /// A character that no host name holds.
    Character(char),
    /// Two dots in a row, or a leading dot.
    EmptyLabel,
    /// A label over 63 bytes.
    LabelTooLong,
    /// A name over 253 bytes.
    NameTooLong,
    /// The last label is a number, but the whole is no IPv4 address.
    NotIpv4,
    /// Brackets around something that is no IPv6 address.
    NotIpv6,
    /// `[` without `]` at the end.
    Bracket,
    /// An IPv6 address without brackets.
    BareIpv6,
    /// An IPv6 zone (`%eth0`): it names an interface of a machine the writer cannot know.
    Zone,
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostError::Empty => f.write_str("the host is empty"),
            HostError::NonAscii => f.write_str("the host is not ASCII: write the A-label (xn--…)"),
            HostError::PercentEncoded => f.write_str("the host is percent-encoded"),
            HostError::Character(character) => write!(f, "a host holds no {character:?}"),
            HostError::EmptyLabel => f.write_str("the host has an empty label"),
            HostError::LabelTooLong => write!(f, "a label of the host is longer than {LABEL_MAX} bytes"),
            HostError::NameTooLong => write!(f, "the host is longer than {NAME_MAX} bytes"),
            HostError::NotIpv4 => f.write_str("the host ends in a number but is no IPv4 address"),
            HostError::NotIpv6 => f.write_str("only an IPv6 address stands in brackets"),
            HostError::Bracket => f.write_str("the closing bracket is missing or not at the end"),
            HostError::BareIpv6 => f.write_str("an IPv6 address stands in brackets here"),
            HostError::Zone => f.write_str("an IPv6 address with a zone is refused"),
        }
    }
}

impl std::error::Error for HostError {}

/// A host and a port: what a connection goes to, and what the policy decides on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    host: Host,
    port: Port,
}

impl Target {
    /// The target of these two.
    pub fn new(host: Host, port: Port) -> Target {
        Target { host, port }
    }

    /// Reads `host:port` as CONNECT or a `Host` header has it. `default` is the scheme's port where one may be left out;
    /// `None` requires a port.
    pub fn parse(authority: &str, default: Option<Port>) -> Result<Target, TargetError> {
        // A bracket closes the host; otherwise its only colon does. Two colons without brackets are a bare IPv6 address,
        // which Host::parse refuses by its right name.
        let after_bracket = authority.rfind(']').map_or(0, |at| at + 1);
        let (host, port) = match authority.get(after_bracket..).and_then(|tail| tail.find(':')) {
            Some(at) if after_bracket > 0 || authority.matches(':').count() == 1 => {
                let (host, port) = authority.split_at(after_bracket + at);
                (host, Some(port.get(1..).unwrap_or_default()))
            }
            _ => (authority, None),
        };
        let host = Host::parse(host).map_err(TargetError::Host)?;
        let port = match port {
            Some(digits) => parse_port(digits).ok_or(TargetError::Port)?,
            None => default.ok_or(TargetError::NoPort)?,
        };
        Ok(Target { host, port })
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, 1 to 65535.
    pub fn port(&self) -> u16 {
        self.port.number()
    }
}

/// `host:port`, an IPv6 address in brackets.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host.authority(), self.port)
    }
}

/// Why a text is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// The host is at fault.
    Host(HostError),
    /// What follows the colon is no number from 1 to 65535.
    Port,
    /// There is no port, and none may be assumed.
    NoPort,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetError::Host(error) => error.fmt(f),
            TargetError::Port => f.write_str("the port is no number from 1 to 65535"),
            TargetError::NoPort => f.write_str("the port is missing"),
        }
    }
}

impl std::error::Error for TargetError {}

/// One to five decimal digits from 1 to 65535: no sign, no space, none of what `u16::from_str` would let pass beside.
pub(crate) fn parse_port(digits: &str) -> Option<Port> {
    let plain = (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten().and_then(Port::new)
}

enum Reading {
    Name,
    Address(Ipv4Addr),
    Neither,
}

/// Reads a lower-case, dot-separated text as `inet_aton(3)` does: one to four parts, each decimal, octal (`0…`) or
/// hexadecimal (`0x…`), the last filling all bytes that are left. Whether it *must* be an address is the WHATWG rule:
/// its last label is all digits, or `0x` and hexadecimal digits or nothing.
fn inet_aton(text: &str) -> Reading {
    let last = text.rsplit('.').next().unwrap_or(text);
    let numeric = match last.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => last.bytes().all(|byte| byte.is_ascii_digit()),
    };
    if !numeric {
        return Reading::Name;
    }
    let parts: Option<Vec<u32>> = text.split('.').map(inet_aton_part).collect();
    match parts.as_deref().and_then(fill) {
        Some(address) => Reading::Address(Ipv4Addr::from(address)),
        None => Reading::Neither,
    }
}

fn inet_aton_part(part: &str) -> Option<u32> {
    let (digits, radix) = match part.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if part.len() > 1 && part.starts_with('0') => (part, 8),
        None => (part, 10),
    };
    // from_str_radix takes a sign; inet_aton does not.
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

/// Each leading part is one byte; the last fills what is left.
fn fill(parts: &[u32]) -> Option<u32> {
    let (last, leading) = parts.split_last()?;
    let mut address: u32 = 0;
    let mut free_bits: u32 = 32;
    for part in leading {
        free_bits = free_bits.checked_sub(8).filter(|left| *left > 0)?;
        address |= u32::from(u8::try_from(*part).ok()?) << free_bits;
    }
    let fits = free_bits == 32 || *last < 1 << free_bits;
    fits.then_some(address | *last)
}

#[cfg(test)]
mod tests;
