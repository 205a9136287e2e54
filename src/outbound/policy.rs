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
use std::net::Ipv4Addr;

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

/// A deny pattern also binds the IPv4 address inside an IPv6 one: behind a NAT64 or 6to4 gateway
/// `[64:ff9b::169.254.169.254]` reaches the address that a deny of `169.254.169.254` forbids. `allow` reads no address
/// into another: it would open more than was written.
fn denies(pattern: &Pattern, target: &Target) -> bool {
    pattern.matches(target)
        || embedded_v4(target.host()).is_some_and(|address| pattern.matches_v4(address, target.port()))
}

/// The IPv4 address in a NAT64 (RFC 6052 well-known prefix `64:ff9b::/96`), 6to4 (RFC 3056, `2002::/16`) or
/// IPv4-compatible (RFC 4291, `::/96`, without `::` and `::1`) address.
fn embedded_v4(host: &Host) -> Option<Ipv4Addr> {
    let Host::V6(address) = host else { return None };
    let [s0, s1, s2, s3, s4, s5, s6, s7] = address.address().segments();
    let (high, low) = match [s0, s1, s2, s3, s4, s5] {
        [0x64, 0xff9b, 0, 0, 0, 0] => (s6, s7),
        [0, 0, 0, 0, 0, 0] if (s6, s7) > (0, 1) => (s6, s7),
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
}

#[cfg(test)]
mod tests;
