use super::*;
use crate::aws::client::Roots;
use crate::aws::connect::Way;
use crate::aws::credentials;
use crate::outbound::dial::Dialer;
use crate::outbound::policy::Policy;
use crate::transport::Transport;

fn store(bucket: &str, prefix: &str, endpoint: Option<&str>) -> Store {
    let dialer = Dialer::new(std::sync::Arc::new(Transport::Vsock(3)), 17002);
    let client = Client::new(Way { policy: Policy::new(Vec::new(), Vec::new()), dialer }, Roots::Only(Vec::new()));
    let provider = Provider::new(client.clone(), credentials::endpoint(None).unwrap(), "S3 storage");
    let endpoint = endpoint.map(|text| crate::config::value::HttpUrl::parse(text).unwrap());
    let region = Region::parse("eu-west-1");
    Store::new(client, provider, S3 { bucket: bucket.into(), prefix: prefix.into(), region, endpoint })
}

fn url(store: &Store, region: &str, key: &str) -> String {
    let key = Key::parse(key.into(), store.prefix()).unwrap();
    store.bucket(&Region::parse(region).unwrap()).unwrap().at(&store.path(&key), "").text()
}

#[test]
fn buckets_are_addressed_by_name_and_dotted_ones_and_other_stores_by_path() {
    let plain = store("bucket", "app/", None);
    assert_eq!(url(&plain, "eu-west-1", "a"), "https://bucket.s3.eu-west-1.amazonaws.com/app/a");
    assert_eq!(url(&plain, "cn-north-1", "a"), "https://bucket.s3.cn-north-1.amazonaws.com.cn/app/a");
    let dotted = store("my.bucket", "", None);
    assert_eq!(url(&dotted, "eu-west-1", "a"), "https://s3.eu-west-1.amazonaws.com/my.bucket/a");
    let other = store("bucket", "a b/", Some("http://store.test:9000/base/"));
    assert_eq!(url(&other, "eu-west-1", "c/"), "http://store.test:9000/base/bucket/a%20b/c/");
}

#[test]
fn awkward_keys_are_escaped_once_and_stay_where_they_are() {
    let store = store("bucket", "", None);
    let at = |key| url(&store, "eu-west-1", key).split_off("https://bucket.s3.eu-west-1.amazonaws.com".len());
    assert_eq!(at("a b+c/ü?#%"), "/a%20b%2Bc/%C3%BC%3F%23%25");
    assert_eq!(at("a//b/./%2e%2e/"), "/a//b/./%252e%252e/");
}

#[test]
fn without_egress_the_error_names_the_line_to_add() {
    let error = store("bucket", "", None).get(&Key::parse("a".into(), "").unwrap()).err().unwrap().to_string();
    assert!(error.contains("egress.allow lacks \"169.254.169.254\": S3 storage needs it"), "{error}");
}
