use super::*;
use crate::config::port::Port;

fn policy(allow: &[&str], deny: &[&str]) -> Policy {
    let parse = |texts: &[&str]| texts.iter().map(|text| Pattern::parse(text).unwrap()).collect();
    Policy::new(parse(allow), parse(deny))
}

fn verdict(policy: &Policy, target: &str) -> String {
    match policy.decide(Target::parse(target, Port::new(443)).unwrap()) {
        Decision::Allowed(allowed) => format!("allowed {}", allowed.target()),
        Decision::Denied(denied) => format!("{} {}", denied.reason, denied.target),
    }
}

#[test]
fn deny_beats_allow_and_nothing_is_allowed_unsaid() {
    let policy = policy(&["*.com", "**.internal.com", "1.2.3.4:80"], &["*.internal.com", "b.com:443"]);
    assert_eq!(verdict(&policy, "a.com"), "allowed a.com:443");
    assert_eq!(verdict(&policy, "x.internal.com"), "deny \"*.internal.com\" x.internal.com:443");
    assert_eq!(verdict(&policy, "y.x.internal.com"), "allowed y.x.internal.com:443");
    assert_eq!(verdict(&policy, "b.com:443"), "deny \"b.com:443\" b.com:443");
    assert_eq!(verdict(&policy, "b.com:444"), "allowed b.com:444");
    assert_eq!(verdict(&policy, "a.org"), "no allow pattern matches a.org:443");
    assert_eq!(verdict(&policy, "1.2.3.4:81"), "no allow pattern matches 1.2.3.4:81");
    assert_eq!(verdict(&self::policy(&[], &[]), "a.com"), "no allow pattern matches a.com:443");
    assert_eq!(verdict(&self::policy(&[], &["a.com"]), "a.com"), "deny \"a.com\" a.com:443");
}

#[test]
fn no_other_spelling_evades_a_deny_of_the_plain_form() {
    let everything = ["**", "0.0.0.0/0", "::/0"];
    let table: &[(&str, &[&str])] = &[
        ("evil.com", &["evil.com", "evil.com.", "EVIL.com", "eViL.CoM."]),
        (
            "127.0.0.1",
            &["127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "127.0.0.1.", "[::ffff:127.0.0.1]"],
        ),
        (
            "169.254.169.254",
            &["[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "2852039166", "0xA9FEA9FE", "169.254.43518"],
        ),
        ("::1", &["[::1]", "[0:0:0:0:0:0:0:1]"]),
    ];
    for (deny, spellings) in table {
        let policy = policy(&everything, &[deny]);
        for spelling in *spellings {
            let verdict = verdict(&policy, spelling);
            assert!(verdict.starts_with(&format!("deny \"{deny}\"")), "{spelling}: {verdict}");
        }
    }
    let policy = policy(&everything, &["evil.com", "127.0.0.1"]);
    assert_eq!(verdict(&policy, "127.2"), "allowed 127.0.0.2:443", "the neighbour is not denied");
}

#[test]
fn a_deny_binds_the_ipv4_address_inside_an_ipv6_one_and_an_allow_does_not() {
    let embedding = [
        "[64:ff9b::169.254.169.254]",
        "[64:ff9b:1::169.254.169.254]",
        "[64:ff9b:1:a9fe:a9:fe00::]",
        "[64:ff9b:1:a9:fe:a9fe::]",
        "[64:ff9b:1:2:a9:fea9:fe00:0]",
        "[::ffff:0:169.254.169.254]",
        "[2002:a9fe:a9fe::]",
        "[2002:a9fe:a9fe:1:2:3:4:5]",
        "[2001:0:1:2:3:4:5601:5601]",
        "[2001:db8::5efe:169.254.169.254]",
        "[fe80::200:5efe:169.254.169.254]",
        "[::169.254.169.254]",
    ];
    let denying = policy(&["::/0", "0.0.0.0/0"], &["169.254.0.0/16:80"]);
    let allowing = policy(&["169.254.0.0/16"], &[]);
    for target in embedding {
        let on = |port: u16| format!("{target}:{port}");
        assert!(verdict(&denying, &on(80)).starts_with("deny \"169.254.0.0/16:80\""), "{target}");
        assert!(verdict(&denying, &on(81)).starts_with("allowed"), "{target}: another port");
        assert!(verdict(&allowing, &on(80)).starts_with("no allow"), "{target}");
    }
    for outside in [
        "[64:ff9b::1:a9fe:a9fe]",
        "[64:ff9b:2::a9fe:a9fe]",
        "[::fffe:0:a9fe:a9fe]",
        "[2001:1::5601:5601]",
        "[2001:0:1:2:3:4:a9fe:a9fe]",
        "[2001:db8::5eff:169.254.169.254]",
        "[2001:db8::100:5efe:a9fe:a9fe]",
        "[64:ff9c::a9fe:a9fe]",
        "[2003:a9fe:a9fe::]",
        "[::1:a9fe:a9fe]",
        "[64:ff9b::169.253.255.255]",
    ] {
        assert!(verdict(&denying, &format!("{outside}:80")).starts_with("allowed"), "{outside}");
    }
    let loopback_is_no_embedding = policy(&["::/0"], &["0.0.0.0/8"]);
    assert!(verdict(&loopback_is_no_embedding, "[::1]").starts_with("allowed"));
    assert!(verdict(&loopback_is_no_embedding, "[::2]").starts_with("deny"));
}

#[test]
fn a_deny_of_loopback_binds_the_unspecified_address_which_connects_to_it() {
    for (deny, target, other) in [("127.0.0.1:80", "0.0.0.0", "127.0.0.2"), ("[::1]:80", "[::]", "[::2]")] {
        let denying = policy(&["0.0.0.0/0", "::/0"], &[deny]);
        for spelling in [target, if target == "[::]" { "[0:0::0]" } else { "0" }] {
            assert!(verdict(&denying, &format!("{spelling}:80")).starts_with("deny"), "{spelling}");
            assert!(verdict(&denying, &format!("{spelling}:81")).starts_with("allowed"), "{spelling}: another port");
        }
        assert!(verdict(&denying, &format!("{other}:80")).starts_with("allowed"), "{other}");
        let allowing = policy(&[deny.trim_end_matches(":80")], &[]);
        assert!(verdict(&allowing, &format!("{target}:80")).starts_with("no allow"), "{target}");
    }
}
