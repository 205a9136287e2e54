use super::*;

fn canonical(text: &str) -> String {
    match Host::parse(text) {
        Ok(host) => host.to_string(),
        Err(error) => panic!("{text}: {error}"),
    }
}

fn refusal(text: &str) -> HostError {
    match Host::parse(text) {
        Ok(host) => panic!("{text} was read as {host:?}"),
        Err(error) => error,
    }
}

#[test]
fn names_become_lower_case_without_their_trailing_dot() {
    for spelling in ["evil.com", "EVIL.com", "evil.com.", "eViL.CoM."] {
        assert_eq!(canonical(spelling), "evil.com");
        assert!(matches!(Host::parse(spelling), Ok(Host::Name(_))));
    }
    for name in [
        "localhost",
        "host",
        "xn--bcher-kva.example",
        "_dmarc.example.com",
        "a-.b",
        "1a",
        "1.2.3.a",
        "0xg",
        "1.2.3.0x1g",
    ] {
        assert_eq!(canonical(name), name);
        assert!(matches!(Host::parse(name), Ok(Host::Name(_))), "{name}");
    }
}

#[test]
fn every_form_inet_aton_reads_is_that_address() {
    let table = [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0X7F.1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0x7f.0.0.0x1", "127.0.0.1"),
        ("0000000000000177.0.0.01", "127.0.0.1"),
        ("2852039166", "169.254.169.254"),
        ("169.254.43518", "169.254.169.254"),
        ("169.16689662", "169.254.169.254"),
        ("0251.0376.0251.0376", "169.254.169.254"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("0", "0.0.0.0"),
        ("00", "0.0.0.0"),
        ("255.255.255.255", "255.255.255.255"),
        ("4294967295", "255.255.255.255"),
        ("255.16777215", "255.255.255.255"),
        ("255.255.65535", "255.255.255.255"),
        ("0xffffffff", "255.255.255.255"),
        ("037777777777", "255.255.255.255"),
    ];
    for (spelling, address) in table {
        assert_eq!(canonical(spelling), address, "{spelling}");
        assert!(matches!(Host::parse(spelling), Ok(Host::V4(_))), "{spelling}");
    }
}

#[test]
fn what_ends_in_a_number_but_is_no_address_is_refused() {
    let table = [
        "256.0.0.1",
        "1.2.3.256",
        "1.2.65536",
        "1.16777216",
        "4294967296",
        "0x100000000",
        "040000000000",
        "1.2.3.4.5",
        "08",
        "1.2.3.09",
        "0x",
        "1.0x",
        "1.0x.3",
        "0x.1",
        "example.1",
        "example.com.0x7f",
        "1.2.3.4.0",
        "-1.2",
        "0x1g.1",
        "99999999999999999999999999",
        "1e3.5",
    ];
    for text in table {
        assert_eq!(refusal(text), HostError::NotIpv4, "{text}");
    }
}

#[test]
fn ipv6_stands_in_brackets_and_mapped_addresses_fold_to_ipv4() {
    assert_eq!(canonical("[::1]"), "::1");
    assert_eq!(canonical("[2001:DB8:0:0:0:0:0:1]"), "2001:db8::1");
    assert_eq!(Host::parse("[::1]").unwrap().authority().to_string(), "[::1]");
    for mapped in ["[::ffff:169.254.169.254]", "[::FFFF:a9fe:a9fe]", "[0:0:0:0:0:ffff:169.254.169.254]"] {
        assert_eq!(Host::parse(mapped), Ok(Host::V4(Ipv4Addr::new(169, 254, 169, 254))), "{mapped}");
    }
    assert!(matches!(Host::parse("[::fffe:169.254.169.254]"), Ok(Host::V6(_))), "one bit beside the mapped range");
    assert_eq!(refusal("::1"), HostError::BareIpv6);
    assert_eq!(refusal("[::1"), HostError::Bracket);
    assert_eq!(refusal("[::1]."), HostError::Bracket);
    for inner in ["[]", "[127.0.0.1]", "[example.com]", "[::1::]", "[[::1]]", "[ ::1]", "[v1.x]"] {
        assert_eq!(refusal(inner), HostError::NotIpv6, "{inner}");
    }
    assert_eq!(refusal("[fe80::1%eth0]"), HostError::Zone);
    assert_eq!(refusal("[fe80::1%251]"), HostError::Zone);
    assert!(matches!(refusal("::1]"), HostError::Character(':')));
}

#[test]
fn lengths_and_characters_stop_where_rfc_1035_stops() {
    let label = "a".repeat(63);
    assert_eq!(canonical(&format!("{label}.com")), format!("{label}.com"));
    assert_eq!(refusal(&format!("{label}a.com")), HostError::LabelTooLong);
    let longest = format!("{label}.{label}.{label}.{}", "b".repeat(61));
    assert_eq!(longest.len(), 253);
    assert_eq!(canonical(&format!("{longest}.")), longest);
    assert_eq!(refusal(&format!("{longest}b")), HostError::NameTooLong);

    assert_eq!(refusal(""), HostError::Empty);
    assert_eq!(refusal("."), HostError::Empty);
    assert_eq!(refusal("evil.com.."), HostError::EmptyLabel);
    assert_eq!(refusal(".evil.com"), HostError::EmptyLabel);
    assert_eq!(refusal("evil..com"), HostError::EmptyLabel);
    assert_eq!(refusal("ev%69l.com"), HostError::PercentEncoded);
    assert_eq!(refusal("bücher.example"), HostError::NonAscii);
    assert_eq!(refusal("evil。com"), HostError::NonAscii, "an ideographic full stop is a dot to some resolvers");
    assert_eq!(refusal("１27.0.0.1"), HostError::NonAscii, "a full-width digit is a digit to some resolvers");
    for character in [' ', '\t', '\0', '\r', '\n', '/', '\\', '@', '*', ':', '?', '#', '+', '\x7f'] {
        assert_eq!(refusal(&format!("evil{character}.com")), HostError::Character(character));
    }
}

#[test]
fn a_target_is_a_host_and_a_port_from_1_to_65535() {
    let read = |text: &str, default: Option<u16>| {
        Target::parse(text, default.and_then(Port::new)).map(|target| target.to_string())
    };
    assert_eq!(read("Example.com.:443", None).as_deref(), Ok("example.com:443"));
    assert_eq!(read("127.1:80", None).as_deref(), Ok("127.0.0.1:80"));
    assert_eq!(read("[::1]:65535", None).as_deref(), Ok("[::1]:65535"));
    assert_eq!(read("[::ffff:1.2.3.4]:1", None).as_deref(), Ok("1.2.3.4:1"));
    assert_eq!(read("[::1]", Some(80)).as_deref(), Ok("[::1]:80"));
    assert_eq!(read("example.com", Some(80)).as_deref(), Ok("example.com:80"));

    assert_eq!(read("example.com", None), Err(TargetError::NoPort));
    assert_eq!(read("[::1]", None), Err(TargetError::NoPort));
    for port in ["", "0", "65536", "+80", "-1", " 80", "80 ", "0x50", "000080", "٨٠"] {
        assert_eq!(read(&format!("example.com:{port}"), Some(80)), Err(TargetError::Port), "{port:?}");
        assert_eq!(read(&format!("[::1]:{port}"), Some(80)), Err(TargetError::Port), "{port:?}");
    }
    assert_eq!(read("::1:80", None), Err(TargetError::Host(HostError::BareIpv6)));
    assert_eq!(read("a:b:80", None), Err(TargetError::Host(HostError::Character(':'))));
    assert_eq!(read("[::1]x:80", None), Err(TargetError::Host(HostError::Bracket)));
    assert_eq!(read("user@example.com:80", None), Err(TargetError::Host(HostError::Character('@'))));
    assert_eq!(read(":80", None), Err(TargetError::Host(HostError::Empty)));
    assert_eq!(read("", Some(80)), Err(TargetError::Host(HostError::Empty)));
}
