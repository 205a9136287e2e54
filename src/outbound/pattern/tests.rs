use super::*;

fn target(text: &str) -> Target {
    Target::parse(text, crate::config::port::Port::new(443)).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Each row: a pattern, targets it matches, targets just outside. A target without a port has 443.
#[test]
fn every_form_matches_what_the_contract_says_and_not_its_neighbours() {
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            "example.com",
            &["example.com", "EXAMPLE.com", "example.com.", "example.com:1", "example.com:65535"],
            &["a.example.com", "xexample.com", "example.co", "example.comm", "com", "example.com.evil.org"],
        ),
        ("Example.COM.", &["example.com"], &["a.example.com"]),
        ("host", &["host", "HOST."], &["a.host", "hosts", "127.0.0.1"]),
        ("1.2.3.a", &["1.2.3.a"], &["1.2.3.b"]),
        (
            "*.example.com",
            &["a.example.com", "A.Example.Com.", "_x.example.com"],
            &["example.com", "b.a.example.com", "aexample.com", "a.example.org", "1.2.3.4"],
        ),
        (
            "**.example.com",
            &["a.example.com", "b.a.example.com", "c.b.a.example.com."],
            &["example.com", "aexample.com", "b.aexample.com", "a.example.com.org", "1.2.3.4"],
        ),
        ("*.com", &["example.com"], &["com", "a.example.com"]),
        (
            "**",
            &["example.com", "a.b.c", "localhost", "host"],
            &["1.2.3.4", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:1.2.3.4]"],
        ),
        (
            "10.0.0.0/8",
            &["10.0.0.0", "10.255.255.255", "10.1", "0xa000001", "[::ffff:10.9.8.7]"],
            &["9.255.255.255", "11.0.0.0", "[::10.0.0.0]", "10.example.com", "[64:ff9b::10.0.0.1]"],
        ),
        ("192.0.2.128/25", &["192.0.2.128", "192.0.2.255"], &["192.0.2.127", "192.0.3.0"]),
        ("192.0.2.4/31", &["192.0.2.4", "192.0.2.5"], &["192.0.2.3", "192.0.2.6"]),
        ("192.0.2.4/32", &["192.0.2.4"], &["192.0.2.3", "192.0.2.5"]),
        ("0.0.0.0/0", &["0.0.0.0", "255.255.255.255", "[::ffff:1.2.3.4]"], &["[::]", "[::1.2.3.4]", "example.com"]),
        ("::/0", &["[::]", "[::1]", "[ffff::]"], &["1.2.3.4", "[::ffff:1.2.3.4]", "example.com"]),
        (
            "fd00::/8",
            &["[fd00::]", "[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]"],
            &["[fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", "[fe00::]"],
        ),
        ("2001:db8::8/127", &["[2001:db8::8]", "[2001:db8::9]"], &["[2001:db8::7]", "[2001:db8::a]"]),
        ("1.2.3.4", &["1.2.3.4", "16909060", "[::ffff:1.2.3.4]", "1.2.3.4."], &["1.2.3.3", "1.2.3.5", "1.2.3.4.a"]),
        ("::1", &["[::1]", "[0:0::1]"], &["[::]", "[::2]", "127.0.0.1", "0.0.0.1"]),
        ("[::1]", &["[::1]", "[::1]:80"], &["[::2]"]),
        ("::ffff:1.2.3.4", &["1.2.3.4", "[::ffff:1.2.3.4]"], &["1.2.3.5", "[::1.2.3.4]"]),
        ("::ffff:10.0.0.0/104", &["10.0.0.0", "10.255.255.255"], &["9.255.255.255", "11.0.0.0"]),
        ("::ffff:0:0/96", &["0.0.0.0", "255.255.255.255"], &["[::]", "[::1:0:0:0]"]),
        ("::fffe:0:0/95", &["[::fffe:1.2.3.4]"], &["1.2.3.4", "[::fffd:1.2.3.4]"]),
        ("example.com:443", &["example.com:443"], &["example.com:442", "example.com:444", "a.example.com:443"]),
        (
            "*.example.com:8000-8010",
            &["a.example.com:8000", "a.example.com:8005", "a.example.com:8010"],
            &["a.example.com:7999", "a.example.com:8011", "example.com:8000"],
        ),
        ("**.example.com:1", &["b.a.example.com:1"], &["b.a.example.com:2", "example.com:1"]),
        ("**:443", &["a:443"], &["a:80", "1.2.3.4:443"]),
        ("10.0.0.0/8:80", &["10.1.2.3:80"], &["10.1.2.3:81", "10.1.2.3:79", "11.1.2.3:80"]),
        ("1.2.3.4:80", &["1.2.3.4:80"], &["1.2.3.4:81", "1.2.3.5:80"]),
        ("::/0:443", &["[::1]:443"], &["[::1]:444", "1.2.3.4:443"]),
        ("[fd00::/8]:443", &["[fd00::1]:443"], &["[fd00::1]:442", "[fe00::1]:443"]),
        ("[::1]:443", &["[::1]:443"], &["[::1]:444", "[::2]:443", "[::1:443]:443"]),
        ("::1:443", &["[::1:443]:80"], &["[::1]:443"]),
        ("[::ffff:1.2.3.4]:80-65535", &["1.2.3.4:80", "1.2.3.4:65535"], &["1.2.3.4:79"]),
    ];
    for (pattern, inside, outside) in table {
        let parsed = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        assert_eq!(parsed.to_string(), *pattern, "a pattern displays as it was written");
        for text in *inside {
            assert!(parsed.matches(&target(text)), "{pattern} must match {text}");
        }
        for text in *outside {
            assert!(!parsed.matches(&target(text)), "{pattern} must not match {text}");
        }
    }
}

#[test]
fn what_is_no_pattern_is_refused_with_the_reason() {
    let table = [
        ("", "a pattern is not empty"),
        (" ", "a pattern has no blanks"),
        ("example.com ", "a pattern has no blanks"),
        ("a b.com", "a pattern has no blanks"),
        ("bücher.example", "a pattern is ASCII: write the A-label (xn--…)"),
        ("http://x", "a pattern is a host, not a URL: leave out the scheme and the path"),
        ("example.com/path", "only an address has a \"/\" after it, and a pattern has no path"),
        ("127.1/8", "only an address has a \"/\" after it, and a pattern has no path"),
        ("*/8", "only an address has a \"/\" after it, and a pattern has no path"),
        ("/8", "only an address has a \"/\" after it, and a pattern has no path"),
        ("10.0.0.0/33", "the prefix length is a number from 0 to 32"),
        ("10.0.0.0/", "the prefix length is a number from 0 to 32"),
        ("10.0.0.0/+8", "the prefix length is a number from 0 to 32"),
        ("10.0.0.0/8/8", "the prefix length is a number from 0 to 32"),
        ("10.0.0.0/255.0.0.0", "the prefix length is a number from 0 to 32"),
        ("::/129", "the prefix length is a number from 0 to 128"),
        ("10.0.0.1/8", "the address has bits set after its prefix: write 10.0.0.0/8"),
        ("192.0.2.4/30", ""),
        ("192.0.2.4/29", "the address has bits set after its prefix: write 192.0.2.0/29"),
        ("::1/64", "the address has bits set after its prefix: write ::/64"),
        ("::ffff:10.0.0.1/104", "the address has bits set after its prefix: write ::ffff:10.0.0.0/104"),
        ("::ffff:0:0/90", "the address has bits set after its prefix: write ::ffc0:0:0/90"),
        ("*", "a wildcard is \"*.\" or \"**.\" before a name, or \"**\" alone"),
        ("***", "a wildcard is \"*.\" or \"**.\" before a name, or \"**\" alone"),
        ("*foo.com", "a wildcard is \"*.\" or \"**.\" before a name, or \"**\" alone"),
        ("a.*.com", "a wildcard is \"*.\" or \"**.\" before a name, or \"**\" alone"),
        ("*.*.com", "a wildcard is \"*.\" or \"**.\" before a name, or \"**\" alone"),
        ("***.com", "a wildcard is \"*.\" or \"**.\" before a name, or \"**\" alone"),
        ("example.*", "a wildcard is \"*.\" or \"**.\" before a name, or \"**\" alone"),
        ("*:443", "a wildcard is \"*.\" or \"**.\" before a name, or \"**\" alone"),
        ("*.1.2.3.4", "a wildcard stands before a name, not an address"),
        ("**.127.1", "a wildcard stands before a name, not an address"),
        ("*.", "the host is empty"),
        ("**.", "the host is empty"),
        ("*..com", "the host has an empty label"),
        (".example.com", "the host has an empty label"),
        ("127.1", "an address is written in full: 127.0.0.1"),
        ("0x7f.1", "an address is written in full: 127.0.0.1"),
        ("0177.0.0.1", "an address is written in full: 127.0.0.1"),
        ("010.0.0.1", "an address is written in full: 8.0.0.1"),
        ("2130706433", "an address is written in full: 127.0.0.1"),
        ("1.2.3.4.", "an address is written in full: 1.2.3.4"),
        ("127.1:443", "an address is written in full: 127.0.0.1"),
        ("1.2.3.256", "the host ends in a number but is no IPv4 address"),
        ("example.1", "the host ends in a number but is no IPv4 address"),
        ("user@example.com", "a host holds no '@'"),
        ("ex%61mple.com", "the host is percent-encoded"),
        ("[::1", "brackets go around a whole IPv6 address or network: [::1]:443"),
        ("[::1]443", "brackets go around a whole IPv6 address or network: [::1]:443"),
        ("[1.2.3.4]:443", "brackets go around a whole IPv6 address or network: [::1]:443"),
        ("[::]/0", "brackets go around a whole IPv6 address or network: [::1]:443"),
        ("[example.com]", "brackets go around a whole IPv6 address or network: [::1]:443"),
        ("[fe80::1%eth0]:80", "brackets go around a whole IPv6 address or network: [::1]:443"),
        ("fe80::1%eth0", "a host holds no ':'"),
        ("::g", "a host holds no ':'"),
        ("example.com:", "after the \":\" stands a port from 1 to 65535 or a range 8000-8010"),
        ("example.com:0", "after the \":\" stands a port from 1 to 65535 or a range 8000-8010"),
        ("example.com:65536", "after the \":\" stands a port from 1 to 65535 or a range 8000-8010"),
        ("example.com:https", "after the \":\" stands a port from 1 to 65535 or a range 8000-8010"),
        ("example.com:443-", "after the \":\" stands a port from 1 to 65535 or a range 8000-8010"),
        ("example.com:-443", "after the \":\" stands a port from 1 to 65535 or a range 8000-8010"),
        ("example.com:1-2-3", "after the \":\" stands a port from 1 to 65535 or a range 8000-8010"),
        ("example.com:80,443", "after the \":\" stands a port from 1 to 65535 or a range 8000-8010"),
        ("10.0.0.0/8:80:81", "after the \":\" stands a port from 1 to 65535 or a range 8000-8010"),
        ("example.com:8010-8000", "a range of ports goes upwards"),
        ("::1:80-90", "a host holds no ':'"),
    ];
    for (text, reason) in table {
        match (Pattern::parse(text), reason) {
            (Ok(_), "") => {}
            (Ok(pattern), _) => panic!("{text:?} was read as {pattern:?}"),
            (Err(error), _) => assert_eq!(error.to_string(), reason, "{text:?}"),
        }
    }
}
