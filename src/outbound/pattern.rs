//! One line of `egress.allow` or `egress.deny`, parsed so that it cannot mean anything else.
//!
//! The forms are those of contract section 6. A pattern that is none of them is an error that says why: a mistyped CIDR
//! must never become a name that matches nothing, because in `deny` that lets everything through. Names are made
//! canonical exactly as targets are, by [`Host::parse`].
//!
//! A port may follow every form. With an IPv6 address it needs brackets (`[::1]:443`, `[fd00::/8]:443`), since `::1:443`
//! is itself an address; after a prefix length there is no doubt, so `::/0:443` is taken too.

use super::hostname::{DnsName, Host, HostError, Target, parse_port};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A parsed pattern. Displays as the text it was read from.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    hosts: Hosts,
    ports: Ports,
}

/// The hosts a pattern matches.
#[derive(Clone, Debug)]
enum Hosts {
    Exactly(DnsName),
    /// `*.x`: one more label.
    OneLabelUnder(DnsName),
    /// `**.x`: one or more labels more.
    AnythingUnder(DnsName),
    /// `**`: every name, no address.
    EveryName,
    Addresses(Network),
}

/// Addresses that share their first `prefix` bits. Families never mix: `::/0` holds no IPv4 address.
#[derive(Clone, Copy, Debug)]
enum Network {
    V4 { base: Ipv4Addr, prefix: u32 },
    V6 { base: Ipv6Addr, prefix: u32 },
}

/// The ports a pattern matches, both ends included.
#[derive(Clone, Copy, Debug)]
struct Ports {
    first: u16,
    last: u16,
}

impl Pattern {
    /// Reads one pattern.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if !text.is_ascii() {
            return Err(PatternError::NonAscii);
        }
        if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
            return Err(PatternError::Whitespace);
        }
        if text.contains("://") {
            return Err(PatternError::Url);
        }
        let (hosts, ports) = split(text)?;
        let ports = ports.map_or(Ok(Ports::ALL), Ports::parse)?;
        Ok(Pattern { text: text.to_owned(), hosts: Hosts::parse(hosts)?, ports })
    }

    /// Whether this pattern names the target: its host and its port.
    pub fn matches(&self, target: &Target) -> bool {
        self.ports.contain(target.port()) && self.hosts.contain(target.host())
    }

    /// Whether this pattern names a host and port. For addresses that others lead to; see [`super::policy`].
    pub(super) fn matches_host(&self, host: &Host, port: u16) -> bool {
        self.ports.contain(port) && self.hosts.contain(host)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        struct PatternVisitor;
        impl Visitor<'_> for PatternVisitor {
            type Value = Pattern;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a pattern such as \"*.example.com:443\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Pattern, E> {
                Pattern::parse(text).map_err(|error| E::custom(format_args!("{text:?}: {error}")))
            }
        }
        deserializer.deserialize_str(PatternVisitor)
    }
}

/// Splits off the ports: after a bracket, after a prefix length, or after the only colon. A bare IPv6 address has more
/// colons and no ports.
fn split(text: &str) -> Result<(&str, Option<&str>), PatternError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inner, tail) = rest.split_once(']').ok_or(PatternError::Bracket)?;
        let address = inner.split('/').next().unwrap_or(inner);
        if address.parse::<Ipv6Addr>().is_err() {
            return Err(PatternError::Bracket);
        }
        return match tail.strip_prefix(':') {
            Some(ports) => Ok((inner, Some(ports))),
            None if tail.is_empty() => Ok((inner, None)),
            None => Err(PatternError::Bracket),
        };
    }
    let from = text.find('/').unwrap_or(0);
    let (hosts, tail) = text.split_at(from);
    match tail.split_once(':') {
        Some((_, ports)) if from > 0 || !ports.contains(':') => {
            Ok((&text[..hosts.len() + tail.len() - ports.len() - 1], Some(ports)))
        }
        _ => Ok((text, None)),
    }
}

impl Hosts {
    fn parse(text: &str) -> Result<Hosts, PatternError> {
        if text == "**" {
            return Ok(Hosts::EveryName);
        }
        if let Some((address, prefix)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| PatternError::Path)?;
            return Network::parse(address, prefix).map(Hosts::Addresses);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Hosts::Addresses(Network::one(address)));
        }
        let (wildcard, name) = match text {
            _ if text.starts_with("**.") => (Some(Hosts::AnythingUnder as fn(DnsName) -> Hosts), &text[3..]),
            _ if text.starts_with("*.") => (Some(Hosts::OneLabelUnder as fn(DnsName) -> Hosts), &text[2..]),
            _ => (None, text),
        };
        if name.contains('*') {
            return Err(PatternError::Wildcard);
        }
        match Host::parse(name).map_err(PatternError::Host)? {
            Host::Name(name) => Ok(wildcard.unwrap_or(Hosts::Exactly)(name)),
            _ if wildcard.is_some() => Err(PatternError::WildcardAddress),
            Host::V4(address) => Err(PatternError::Shorthand(address)),
            // Host::parse takes brackets for IPv6, and split() has removed them.
            Host::V6(_) => Err(PatternError::Bracket),
        }
    }

    fn contain(&self, host: &Host) -> bool {
        match (self, host) {
            (Hosts::EveryName, Host::Name(_)) => true,
            (Hosts::Exactly(name), Host::Name(host)) => name == host,
            (Hosts::OneLabelUnder(name), Host::Name(host)) => {
                labels_under(host, name).is_some_and(|labels| !labels.contains('.'))
            }
            (Hosts::AnythingUnder(name), Host::Name(host)) => labels_under(host, name).is_some(),
            (Hosts::Addresses(network), Host::V4(address)) => network.contains_v4(*address),
            (Hosts::Addresses(network), Host::V6(address)) => network.contains_v6(address.address()),
            _ => false,
        }
    }
}

/// What stands before `.apex` in `host`; canonical names have no empty labels, so it is one label or more.
fn labels_under<'a>(host: &'a DnsName, apex: &DnsName) -> Option<&'a str> {
    host.as_str().strip_suffix(apex.as_str())?.strip_suffix('.')
}

impl Network {
    /// The network of one address. An IPv4-mapped address is folded to IPv4, as in a target.
    fn one(address: IpAddr) -> Network {
        match address.to_canonical() {
            IpAddr::V4(base) => Network::V4 { base, prefix: 32 },
            IpAddr::V6(base) => Network::V6 { base, prefix: 128 },
        }
    }

    /// An IPv4-mapped network (`::ffff:10.0.0.0/104`) is folded to the IPv4 network it means (`10.0.0.0/8`): targets are
    /// folded, so it would match nothing otherwise.
    fn parse(address: IpAddr, prefix: &str) -> Result<Network, PatternError> {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let digits = (1..=3).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let length: u32 = digits.then(|| prefix.parse().ok()).flatten().ok_or(PatternError::Prefix { longest })?;
        if length > longest {
            return Err(PatternError::Prefix { longest });
        }
        let base = masked(address, length);
        if base != address {
            return Err(PatternError::HostBits { network: base, prefix: length });
        }
        Ok(match base {
            IpAddr::V4(base) => Network::V4 { base, prefix: length },
            IpAddr::V6(base) => match (base.to_ipv4_mapped(), length.checked_sub(96)) {
                (Some(base), Some(prefix)) => Network::V4 { base, prefix },
                _ => Network::V6 { base, prefix: length },
            },
        })
    }

    fn contains_v4(&self, address: Ipv4Addr) -> bool {
        matches!(self, Network::V4 { base, prefix } if masked(address.into(), *prefix) == *base)
    }

    fn contains_v6(&self, address: Ipv6Addr) -> bool {
        matches!(self, Network::V6 { base, prefix } if masked(address.into(), *prefix) == *base)
    }
}

/// The address with every bit after the first `prefix` cleared. A shift by the whole width (prefix 0) clears all.
fn masked(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(address) & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask))
        }
    }
}

impl Ports {
    const ALL: Ports = Ports { first: 1, last: u16::MAX };

    fn parse(text: &str) -> Result<Ports, PatternError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (parse_port(first), parse_port(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Ports { first: first.number(), last: last.number() }),
            (Some(_), Some(_)) => Err(PatternError::PortOrder),
            _ => Err(PatternError::Ports),
        }
    }

    fn contain(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

/// Why a text is no pattern. Always the manifest's fault; says what to write instead where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// Nothing there.
    Empty,
    /// A blank anywhere.
    Whitespace,
    /// A byte beyond ASCII.
    NonAscii,
    /// A scheme before the host.
    Url,
    /// A `/` that follows no address.
    Path,
    /// Brackets missing, in the wrong place or around something that is no IPv6 address or network.
    Bracket,
    /// `*` anywhere but as `*.`, `**.` or `**`.
    Wildcard,
    /// A wildcard before an address.
    WildcardAddress,
    /// An address in a short, octal, hexadecimal or dotted form.
    Shorthand(Ipv4Addr),
    /// The prefix length is no number from 0 to `longest` (32 for IPv4, 128 for IPv6).
    Prefix {
        /// The family's longest prefix.
        longest: u32,
    },
    /// The address has bits set after its prefix.
    HostBits {
        /// The network that was probably meant.
        network: IpAddr,
        /// Its prefix length.
        prefix: u32,
    },
    /// The port part is neither a port nor a range of ports.
    Ports,
    /// The range of ports runs downwards.
    PortOrder,
    /// The name is no name.
    Host(HostError),
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PatternError::Empty => f.write_str("a pattern is not empty"),
            PatternError::Whitespace => f.write_str("a pattern has no blanks"),
            PatternError::NonAscii => f.write_str("a pattern is ASCII: write the A-label (xn--…)"),
            PatternError::Url => f.write_str("a pattern is a host, not a URL: leave out the scheme and the path"),
            PatternError::Path => f.write_str("only an address has a \"/\" after it, and a pattern has no path"),
            PatternError::Bracket => f.write_str("brackets go around a whole IPv6 address or network: [::1]:443"),
            PatternError::Wildcard => f.write_str("a wildcard is \"*.\" or \"**.\" before a name, or \"**\" alone"),
            PatternError::WildcardAddress => f.write_str("a wildcard stands before a name, not an address"),
            PatternError::Shorthand(address) => write!(f, "an address is written in full: {address}"),
            PatternError::Prefix { longest } => write!(f, "the prefix length is a number from 0 to {longest}"),
            PatternError::HostBits { network, prefix } => {
                write!(f, "the address has bits set after its prefix: write {network}/{prefix}")
            }
            PatternError::Ports => f.write_str("after the \":\" stands a port from 1 to 65535 or a range 8000-8010"),
            PatternError::PortOrder => f.write_str("a range of ports goes upwards"),
            PatternError::Host(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests;
