//! The egress decision: a pure function from a canonical target to a verdict with its reason.
//!
//! A target is allowed if some `allow` pattern matches and no `deny` pattern does. The verdict carries the target on:
//! [`Allowed`] can be made here only, so a connection that needs one has been judged.
//!
//! What this cannot promise: names are resolved by the untrusted host, so an address pattern binds only targets that are
//! written as addresses. A name that is allowed may lead to any address.

use super::hostname::{Host, Target};
use super::pattern::Pattern;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The patterns of one manifest. An empty `allow` allows nothing.
#[derive(Clone, Debug)]
pub struct Policy {
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
}

impl Policy {
    /// The policy of these patterns. Their order says only which one a refusal names.
    pub fn new(allow: Vec<Pattern>, deny: Vec<Pattern>) -> Policy {
        Policy { allow, deny }
    }

    /// Judges one target.
    pub fn decide(&self, target: Target) -> Decision {
        if let Some(rule) = self.deny.iter().find(|pattern| denies(pattern, &target)) {
            return Decision::Denied(Denied { target, reason: DenyReason::DenyRule(rule.to_string()) });
        }
        if self.allow.iter().any(|pattern| pattern.matches(&target)) {
            return Decision::Allowed(Allowed { target });
        }
        Decision::Denied(Denied { target, reason: DenyReason::NoAllowRule })
    }

    /// The `allow` patterns in the manifest's order.
    pub fn allow(&self) -> &[Pattern] {
        &self.allow
    }

    /// The `deny` patterns in the manifest's order.
    pub fn deny(&self) -> &[Pattern] {
        &self.deny
    }
}

/// What [`Policy::decide`] found.
#[derive(Debug)]
pub enum Decision {
    /// The connection may be made.
    Allowed(Allowed),
    /// It may not.
    Denied(Denied),
}

/// Proof that a policy allowed this target. Only [`Policy::decide`] makes one.
#[derive(Debug)]
pub struct Allowed {
    target: Target,
}

impl Allowed {
    /// What was allowed.
    pub fn target(&self) -> &Target {
        &self.target
    }
}

/// A refusal and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// What was refused.
    pub target: Target,
    /// Why.
    pub reason: DenyReason,
}

/// Why a target was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DenyReason {
    /// This `deny` pattern matches, as the manifest writes it.
    DenyRule(String),
    /// No `allow` pattern matches.
    NoAllowRule,
}

impl fmt::Display for DenyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DenyReason::DenyRule(pattern) => write!(f, "deny \"{pattern}\""),
            DenyReason::NoAllowRule => f.write_str("no allow pattern matches"),
        }
    }
}

/// A deny pattern also binds what a target written as an address leads to besides itself: behind a NAT64 or 6to4 gateway
/// `[64:ff9b::169.254.169.254]` reaches the address that a deny of `169.254.169.254` forbids, and `0.0.0.0` is the machine
/// itself. `allow` reads no address into another: it would open more than was written.
fn denies(pattern: &Pattern, target: &Target) -> bool {
    let binds = |address: &Host| pattern.matches_host(address, target.port());
    binds(target.host()) || leads_to(target.host()).iter().any(binds)
}

/// Connecting to the unspecified address of a family connects to its loopback address, on Linux.
fn leads_to(host: &Host) -> Vec<Host> {
    match host {
        Host::V4(Ipv4Addr::UNSPECIFIED) => vec![Host::V4(Ipv4Addr::LOCALHOST)],
        Host::V6(address) if address.address().is_unspecified() => vec![Host::from(IpAddr::V6(Ipv6Addr::LOCALHOST))],
        Host::V6(address) => embedded_v4(address.address()).into_iter().map(Host::V4).collect(),
        _ => Vec::new(),
    }
}

/// The IPv4 addresses that an IPv6 address may stand for: NAT64 with its well-known prefix (RFC 6052, `64:ff9b::/96`) and
/// with the local one, in each place that RFC 6052 has for a prefix this long (RFC 8215, `64:ff9b:1::/48`), translated
/// (RFC 2765, `::ffff:0:0:0/96`), compatible (RFC 4291, `::/96`, without `::1`), 6to4 (RFC 3056, `2002::/16`), Teredo (RFC
/// 4380, `2001::/32`, the client's address inverted), ISATAP (RFC 5214, by its last half).
fn embedded_v4(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bytes = address.octets();
    let pick = |at: [usize; 4]| Ipv4Addr::from(at.map(|at| bytes[at]));
    let last = pick([12, 13, 14, 15]);
    match address.segments() {
        [0x64, 0xff9b, 1, ..] => vec![pick([6, 7, 9, 10]), pick([7, 9, 10, 11]), pick([9, 10, 11, 12]), last],
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] | [0, 0, 0, 0, 0xffff, 0, _, _] => vec![last],
        [0, 0, 0, 0, 0, 0, high, low] if (high, low) > (0, 1) => vec![last],
        [0x2002, ..] => vec![pick([2, 3, 4, 5])],
        [0x2001, 0, ..] => vec![Ipv4Addr::from(!u32::from(last))],
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => vec![last],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
