//! The egress decision against a slow reference that shares no code with it: the first line is a target, each other one
//! a pattern behind `+` (allow) or `-` (deny).

#![no_main]

mod reference;

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use odyn::config::port::Port;
use odyn::outbound::hostname::{Host, Target};
use odyn::outbound::pattern::Pattern;
use odyn::outbound::policy::{Decision, Policy};

/// The reference is slow.
const LINES: usize = 16;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let authority = lines.next().unwrap_or_default();
    let target = Target::parse(authority, None);
    let expected = reference::target(authority);
    assert_eq!(target.as_ref().ok().map(plain), expected, "{authority:?}: {target:?}");

    let (mut allow, mut deny) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for line in lines.take(LINES) {
        let (rules, pattern) = match (line.strip_prefix('+'), line.strip_prefix('-')) {
            (Some(pattern), _) => (&mut allow, pattern),
            (_, Some(pattern)) => (&mut deny, pattern),
            _ => continue,
        };
        let (parsed, expected) = (Pattern::parse(pattern), reference::pattern(pattern));
        assert_eq!(parsed.is_ok(), expected.is_some(), "{pattern:?}: {parsed:?}, {expected:?}");
        if let (Ok(parsed), Some(expected)) = (parsed, expected) {
            assert_eq!(parsed.to_string(), pattern);
            rules.0.push(parsed);
            rules.1.push(expected);
        }
    }

    let (Ok(target), Some(expected)) = (target, expected) else { return };
    canonical(&target);
    let allowed = reference::allows(&allow.1, &deny.1, &expected);
    match Policy::new(allow.0, deny.0).decide(target.clone()) {
        Decision::Allowed(proof) => assert!(allowed && *proof.target() == target, "allowed: {text:?}"),
        Decision::Denied(denied) => assert!(!allowed && denied.target == target, "denied: {text:?}"),
    }
});

/// The target as the reference has it.
fn plain(target: &Target) -> reference::Target {
    let host = match target.host() {
        Host::Name(name) => reference::Host::Name(name.as_str().split('.').map(str::to_owned).collect()),
        Host::V4(address) => reference::Host::Address(reference::bits(&address.octets())),
        Host::V6(address) => reference::Host::Address(reference::bits(&address.address().octets())),
    };
    reference::Target { host, port: target.port().into() }
}

/// What a canonical target says is read as itself, in each of the ways it is written.
fn canonical(target: &Target) {
    assert_eq!(Target::parse(&target.to_string(), None).as_ref(), Ok(target));
    assert_eq!(Host::parse(&target.host().authority().to_string()).as_ref(), Ok(target.host()));
    // The host side gets it without brackets, and reads an address as an address.
    let wire = target.host().to_string();
    match wire.parse::<IpAddr>() {
        Ok(address) => assert_eq!(Host::from(address), *target.host()),
        Err(_) => assert!(matches!(target.host(), Host::Name(_))),
    }
    assert_eq!(Target::new(target.host().clone(), Port::new(target.port()).unwrap()), *target);
}
