//! Targets, patterns and the decision once more, as contract section 6 has them: plainly, slowly, on lists of bits and
//! labels, with none of odyn's code and none of std's address parsers.

/// A host: a name's labels, or an address's 32 or 128 bits.
#[derive(Clone, Debug, PartialEq)]
pub enum Host {
    Name(Vec<String>),
    Address(Vec<bool>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub host: Host,
    pub port: u64,
}

#[derive(Debug)]
pub enum Hosts {
    Exactly(Vec<String>),
    OneMore(Vec<String>),
    More(Vec<String>),
    EveryName,
    /// The first bits, of an address of so many.
    Network(Vec<bool>, usize),
}

#[derive(Debug)]
pub struct Pattern {
    hosts: Hosts,
    ports: (u64, u64),
}

pub fn bits(bytes: &[u8]) -> Vec<bool> {
    bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect()
}

/// `host:port`.
pub fn target(text: &str) -> Option<Target> {
    let (host, port) = text.rsplit_once(':')?;
    Some(Target { host: self::host(host)?, port: self::port(port)? })
}

fn host(text: &str) -> Option<Host> {
    if text.starts_with('[') {
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        return Some(Host::Address(folded(ipv6(inner)?)));
    }
    name_or_ipv4(text)
}

fn name_or_ipv4(text: &str) -> Option<Host> {
    let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let labels: Vec<String> = text.split('.').map(str::to_owned).collect();
    let good = |label: &String| {
        (1..=63).contains(&label.len()) && label.chars().all(|c| "abcdefghijklmnopqrstuvwxyz0123456789-_".contains(c))
    };
    if text.len() > 253 || !labels.iter().all(good) {
        return None;
    }
    // The URL standard's "ends in a number".
    let last = labels.last()?;
    let hexadecimal = last.strip_prefix("0x").is_some_and(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()));
    if !hexadecimal && !last.chars().all(|c| c.is_ascii_digit()) {
        return Some(Host::Name(labels));
    }
    ipv4_of_any_form(&labels).map(Host::Address)
}

/// inet_aton(3): every part but the last is a byte, the last is all bytes that are left.
fn ipv4_of_any_form(parts: &[String]) -> Option<Vec<bool>> {
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 {
        return None;
    }
    let mut address = 0;
    for part in leading {
        let byte = number_of_any_form(part).filter(|n| *n < 256)?;
        address = address * 256 + byte;
    }
    let room = 256_u128.pow(4 - leading.len() as u32);
    let rest = number_of_any_form(last).filter(|n| *n < room)?;
    Some(bits(&((address * room + rest) as u32).to_be_bytes()))
}

fn number_of_any_form(text: &str) -> Option<u128> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    number(digits, radix)
}

/// At least one digit, and nothing else. Numbers that are too large for anything stay so.
fn number(digits: &str, radix: u32) -> Option<u128> {
    let mut value = 0_u128;
    for digit in digits.chars() {
        value = value.saturating_mul(radix.into()).saturating_add(digit.to_digit(radix)?.into());
    }
    (!digits.is_empty()).then_some(value)
}

/// RFC 4291 section 2.2: eight groups, one run of which may be `::`, the last two of which may be an IPv4 address.
fn ipv6(text: &str) -> Option<Vec<bool>> {
    let groups = |text: &str| -> Option<Vec<u16>> {
        if text.is_empty() {
            return Some(Vec::new());
        }
        let mut groups = Vec::new();
        let parts: Vec<&str> = text.split(':').collect();
        for (at, part) in parts.iter().enumerate() {
            if at + 1 == parts.len() && part.contains('.') {
                let [a, b, c, d] = ipv4(part)?;
                groups.extend([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]);
            } else if part.len() <= 4 {
                groups.push(number(part, 16)?.try_into().ok()?);
            } else {
                return None;
            }
        }
        Some(groups)
    };
    let all = match text.split_once("::") {
        None => groups(text)?,
        Some((head, tail)) => {
            // An IPv4 address stands at the end of the whole only.
            let (head, tail) = (groups(head).filter(|_| !head.contains('.'))?, groups(tail)?);
            let missing = 8_usize.checked_sub(head.len() + tail.len()).filter(|missing| *missing > 0)?;
            [head, vec![0; missing], tail].concat()
        }
    };
    let bytes: Vec<u8> = all.iter().flat_map(|group| group.to_be_bytes()).collect();
    (all.len() == 8).then(|| bits(&bytes))
}

/// Four decimal bytes without leading zeroes.
fn ipv4(text: &str) -> Option<[u8; 4]> {
    let byte = |part: &str| {
        let plain = part == "0" || !part.starts_with('0');
        number(part, 10).filter(|_| plain).and_then(|n| n.try_into().ok())
    };
    text.split('.').map(byte).collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// An IPv4-mapped address is the IPv4 address.
fn folded(address: Vec<bool>) -> Vec<bool> {
    let mapped = address.len() == 128 && address[..80].iter().all(|bit| !bit) && address[80..96].iter().all(|bit| *bit);
    if mapped { address[96..].to_vec() } else { address }
}

fn port(text: &str) -> Option<u64> {
    let port = number(text, 10).filter(|_| text.len() <= 5)?;
    (1..=65_535).contains(&port).then_some(port as u64)
}

pub fn pattern(text: &str) -> Option<Pattern> {
    // The ports are behind the last colon that is not within an address.
    let (hosts, ports) = match (text.rfind(']'), text.find('/')) {
        (Some(bracket), _) => {
            let (address, tail) = text.split_at(bracket + 1);
            let inner = address.strip_prefix('[')?.strip_suffix(']')?;
            // Brackets hold IPv6 alone.
            ipv6(inner.split('/').next()?)?;
            (inner, if tail.is_empty() { None } else { Some(tail.strip_prefix(':')?) })
        }
        (None, Some(slash)) => match text[slash..].find(':') {
            Some(colon) => (&text[..slash + colon], Some(&text[slash + colon + 1..])),
            None => (text, None),
        },
        (None, None) if text.matches(':').count() == 1 => {
            let (hosts, ports) = text.split_once(':')?;
            (hosts, Some(ports))
        }
        (None, None) => (text, None),
    };
    let ports = match ports.map(|ports| ports.split_once('-').unwrap_or((ports, ports))) {
        None => (1, 65_535),
        Some((first, last)) => (port(first)?, port(last)?),
    };
    (ports.0 <= ports.1).then_some(Pattern { hosts: self::hosts(hosts)?, ports })
}

fn hosts(text: &str) -> Option<Hosts> {
    let address = |text: &str| ipv4(text).map(|bytes| bits(&bytes)).or_else(|| ipv6(text));
    if text == "**" {
        return Some(Hosts::EveryName);
    }
    if let Some((base, prefix)) = text.split_once('/') {
        let base = address(base)?;
        let prefix = usize::try_from(number(prefix, 10).filter(|_| prefix.len() <= 3)?).ok()?;
        if prefix > base.len() || base[prefix..].contains(&true) {
            return None;
        }
        // A network within the IPv4-mapped addresses is the IPv4 network.
        let mapped = folded(base.clone()).len() < base.len() && prefix >= 96;
        return Some(if mapped {
            Hosts::Network(base[96..prefix].to_vec(), 32)
        } else {
            Hosts::Network(base[..prefix].to_vec(), base.len())
        });
    }
    if let Some(address) = address(text) {
        let address = folded(address);
        let size = address.len();
        return Some(Hosts::Network(address, size));
    }
    let name = |text: &str| match name_or_ipv4(text)? {
        Host::Name(labels) => Some(labels),
        Host::Address(_) => None,
    };
    match (text.strip_prefix("**."), text.strip_prefix("*.")) {
        (Some(apex), _) => name(apex).map(Hosts::More),
        (_, Some(apex)) => name(apex).map(Hosts::OneMore),
        _ => name(text).map(Hosts::Exactly),
    }
}

/// Some allow matches, and no deny does, the address within an address included.
pub fn allows(allow: &[Pattern], deny: &[Pattern], target: &Target) -> bool {
    let to = |address| Target { host: Host::Address(address), port: target.port };
    let inner: Vec<Target> = within(&target.host).into_iter().map(to).collect();
    let denied = deny.iter().any(|rule| matches(rule, target) || inner.iter().any(|target| matches(rule, target)));
    !denied && allow.iter().any(|rule| matches(rule, target))
}

fn matches(pattern: &Pattern, target: &Target) -> bool {
    let host = match (&pattern.hosts, &target.host) {
        (Hosts::Exactly(name), Host::Name(labels)) => labels == name,
        (Hosts::OneMore(apex), Host::Name(labels)) => labels.len() == apex.len() + 1 && labels.ends_with(apex),
        (Hosts::More(apex), Host::Name(labels)) => labels.len() > apex.len() && labels.ends_with(apex),
        (Hosts::EveryName, Host::Name(_)) => true,
        (Hosts::Network(prefix, size), Host::Address(address)) => address.len() == *size && address.starts_with(prefix),
        _ => false,
    };
    host && (pattern.ports.0..=pattern.ports.1).contains(&target.port)
}

/// The addresses that one leads to: loopback for the unspecified one, and what is within an IPv6 one.
fn within(host: &Host) -> Vec<Vec<bool>> {
    let Host::Address(address) = host else { return Vec::new() };
    if address.len() != 128 {
        let mut loopback = vec![false; 32];
        // 127.0.0.1.
        loopback[1..8].fill(true);
        loopback[31] = true;
        return if address.contains(&true) { Vec::new() } else { vec![loopback] };
    }
    let bits = |range: std::ops::Range<usize>| address[range].to_vec();
    let begins = |text: &str, size: usize| ipv6(text).is_some_and(|other| other[..size] == address[..size]);
    if begins("::", 128) {
        return ipv6("::1").into_iter().collect();
    }
    let mut found = Vec::new();
    if begins("64:ff9b:1::", 48) {
        // Bits 64 to 71 are no part of the address (RFC 6052).
        found.extend([48, 56, 64].map(|start| [bits(start..64), bits(72..start + 40)].concat()));
    }
    if begins("64:ff9b::", 96) || begins("64:ff9b:1::", 48) || begins("::ffff:0:0:0", 96) {
        found.push(bits(96..128));
    }
    if begins("2002::", 16) {
        found.push(bits(16..48));
    }
    if begins("2001::", 32) {
        found.push(address[96..].iter().map(|bit| !bit).collect());
    }
    let isatap =
        ["::5efe:0:0", "::200:5efe:0:0"].iter().any(|text| ipv6(text).is_some_and(|o| o[64..96] == address[64..96]));
    // Not loopback.
    if begins("::", 96) && !begins("::1", 128) || isatap {
        found.push(bits(96..128));
    }
    found
}
