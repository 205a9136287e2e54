use super::*;

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_yaml::from_value(serde_yaml::Value::String(text.to_owned())).map_err(|error| error.to_string())
}

#[test]
fn a_url_has_a_scheme_a_host_and_no_password() {
    let origin = |text: &str| read::<HttpUrl>(text).map(|url| url.to_string());
    assert_eq!(origin("https://Example.com"), Ok("https://example.com:443".to_owned()));
    assert_eq!(origin("http://127.1/x?y=z"), Ok("http://127.0.0.1:80".to_owned()));
    assert_eq!(origin("http://[::1]:8545?x"), Ok("http://[::1]:8545".to_owned()));
    assert_eq!(origin("example.com"), Err("is no URL that starts with http:// or https://".to_owned()));
    assert!(origin("HTTPS://example.com").is_err(), "the scheme is written in lower case");
    assert!(origin("ws://example.com").is_err());
    assert_eq!(origin("https://"), Err("is no URL: the host is empty".to_owned()));
    assert_eq!(origin("https:///x"), Err("is no URL: the host is empty".to_owned()));
    assert_eq!(origin("https://example.com:0/"), Err("is no URL: the port is no number from 1 to 65535".to_owned()));
    for text in ["https://a b", "https://a/ b", "https://a/#b", "https://a\\b", "https://bücher.example"] {
        let error = "is a URL with a blank, \"#\", \"\\\" or a character beyond ASCII";
        assert_eq!(origin(text), Err(error.to_owned()), "{text}");
    }
}

#[test]
fn a_url_is_never_shown_whole() {
    let url = read::<HttpUrl>("https://rpc.example.com/v3/secret?key=secret").unwrap();
    assert_eq!(url.as_str(), "https://rpc.example.com/v3/secret?key=secret");
    assert_eq!(format!("{url} {url:?}"), "https://rpc.example.com:443 https://rpc.example.com:443");
    let error = read::<HttpUrl>("https://user:secret@example.com/").unwrap_err();
    assert_eq!(error, "is a URL with a user or password, which is not supported");
}

#[test]
fn a_kms_endpoint_is_a_host_or_a_url() {
    let origin = |text: &str| read::<Endpoint>(text).map(|endpoint| endpoint.0.to_string());
    assert_eq!(origin("KMS.us-east-1.amazonaws.com"), Ok("https://kms.us-east-1.amazonaws.com:443".to_owned()));
    assert_eq!(origin("http://127.0.0.1:4566/"), Ok("http://127.0.0.1:4566".to_owned()));
    assert_eq!(origin("kms.example.com:443"), Err("is no URL: a host holds no ':'".to_owned()));
    assert_eq!(origin("kms.example.com/path"), Err("is no URL: a host holds no '/'".to_owned()));
    assert!(origin("").is_err());
}

#[test]
fn a_prefix_ends_in_a_slash_and_starts_with_none() {
    let prefix = |text: &str| read::<Prefix>(text).map(|prefix| prefix.0);
    for text in ["apps/x", "apps/x/", "/apps/x", "//apps/x//"] {
        assert_eq!(prefix(text), Ok("apps/x/".to_owned()), "{text}");
    }
    for text in ["", "/", "//"] {
        assert_eq!(prefix(text), Ok(String::new()), "{text}");
    }
    for text in ["..", "a/../b", "a/./b", "a//b", "a/.."] {
        assert_eq!(prefix(text), Err("has an empty, \".\" or \"..\" segment".to_owned()), "{text}");
    }
    assert_eq!(prefix("a\0b"), Err("has a control character".to_owned()));
    assert!(prefix(&"a".repeat(512)).is_ok());
    assert!(prefix(&"a".repeat(513)).is_err());
}

#[test]
fn regions_and_buckets_fit_into_host_names() {
    assert!(read::<Region>("us-gov-west-1").is_ok());
    for text in ["", "us_east", "US-EAST-1", "a.b", "evil.com/", &"a".repeat(33)] {
        assert!(read::<Region>(text).is_err(), "{text}");
    }
    for text in ["abc", "my-app.data", "0ab", &"a".repeat(63)] {
        assert!(read::<Bucket>(text).is_ok(), "{text}");
    }
    for text in ["", "ab", "-abc", "abc-", ".abc", "abc.", "a..b", "a_b", "ABC", "a/b", &"a".repeat(64)] {
        assert!(read::<Bucket>(text).is_err(), "{text}");
    }
}

#[test]
fn a_checkpoint_is_32_bytes_or_openly_unsafe() {
    let digits = "0123456789abcdefABCDEF00000000000000000000000000000000000000ffFF";
    let root = read::<Checkpoint>(digits).unwrap();
    assert_eq!(read(&format!("0x{digits}")), Ok(root));
    assert_eq!(root.to_string(), format!("0x{}", digits.to_lowercase()));
    assert_eq!(read("unsafe-latest"), Ok(Checkpoint::UnsafeLatest));
    for text in ["", "latest", "0x", &digits[1..], &format!("{digits}0"), &format!("+{}", &digits[1..])] {
        assert!(read::<Checkpoint>(text).is_err(), "{text}");
    }
}
