//! The S3 storage, against two servers written by others, and against one that is in trouble.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

use crate::api::Connection;
use crate::api::readme::snippet;
use crate::support::fake_host::FakeHost;
use crate::support::imds::{ACCESS_KEY, Imds, SECRET_KEY, field, is_live};
use crate::support::origin::{Origin, read_head};
use crate::support::proc::status_field;
use crate::support::{Odyn, Port, TempDir, eventually, tools};

/// An odyn with a storage, and everything it needs.
struct Stage {
    odyn: Odyn,
    port: Port,
    imds: Imds,
    _host: FakeHost,
}

/// What an error said, with its status.
type Refused = (u16, String);

impl Stage {
    /// `region`: as the manifest has it; without one it is the metadata service's.
    fn new(port: u16, prefix: &str, region: Option<&str>) -> Self {
        let (imds, dir, api, egress) = (Imds::start(), TempDir::new(), Port::reserve(), Port::reserve());
        let region = region.map_or(String::new(), |region| format!("    region: {region}\n"));
        let sections = format!(
            "egress:\n  proxy_port: {}\n  allow: [169.254.169.254, 127.0.0.1]\napi:\n  listen_port: {}\naux_api:\n  \
             listen_port: {}\nstorage:\n  s3:\n    enabled: true\n    bucket: bucket\n    prefix: \"{prefix}\"\n    \
             endpoint: http://127.0.0.1:{port}\n{region}",
            egress.0,
            api.0,
            Port::reserve().0,
        );
        let host = FakeHost::start(&dir.path().join("vsock"));
        let odyn = Odyn::in_dir(dir, &sections, &["-vvv"], &["/bin/sh", "-c", "exec sleep 1000"], |command| {
            command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds.endpoint());
        });
        odyn.wait_running();
        Self { odyn, port: api, imds, _host: host }
    }

    fn ask(&self, call: &str, body: &Value) -> Result<Value, Refused> {
        let answer = Connection::to(self.port.0).ask("POST", &format!("/v1/s3/{call}"), body.to_string().as_bytes());
        let json = answer.json();
        match answer.status {
            200 => Ok(json),
            status => Err((status, json["error"].as_str().unwrap().to_owned())),
        }
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, Refused> {
        self.get_text(key).map(|text| Base64::decode_vec(&text).unwrap())
    }

    fn put(&self, key: &str, value: &[u8]) -> Result<(), Refused> {
        self.put_text(key, &Base64::encode_string(value))
    }

    /// The value in base64. Not read as JSON: this also fetches large objects, in a development build.
    fn get_text(&self, key: &str) -> Result<String, Refused> {
        let body = json!({ "key": key }).to_string();
        let answer = Connection::to(self.port.0).ask("POST", "/v1/s3/get", body.as_bytes());
        if answer.status != 200 {
            return Err((answer.status, answer.json()["error"].as_str().unwrap().to_owned()));
        }
        let text = str::from_utf8(&answer.body).unwrap();
        let value = text.strip_prefix("{\"value\":\"").and_then(|text| text.strip_suffix("\"}")).unwrap();
        Ok(value.to_owned())
    }

    fn put_text(&self, key: &str, value: &str) -> Result<(), Refused> {
        let key = json!(key);
        let body = format!("{{\"key\":{key},\"value\":\"{value}\",\"content_type\":\"text/x-test\"}}");
        let answer = Connection::to(self.port.0).ask("POST", "/v1/s3/put", body.as_bytes());
        match answer.status {
            200 => assert_eq!(answer.json(), json!({ "success": true })),
            status => return Err((status, answer.json()["error"].as_str().unwrap().to_owned())),
        }
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<(), Refused> {
        let answer = self.ask("delete", &json!({ "key": key }))?;
        assert_eq!(answer, json!({ "success": true }));
        Ok(())
    }

    fn list(&self, body: &Value) -> Result<Value, Refused> {
        self.ask("list", body)
    }

    /// Most memory that odyn has ever had, in MiB.
    fn peak(&self) -> u64 {
        let peak = status_field(self.odyn.pid(), "VmHWM");
        peak.trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
    }
}

/// A server that ends with the test.
struct Server {
    child: Child,
    port: Port,
}

impl Server {
    fn start(program: &Path, args: impl FnOnce(u16) -> Vec<String>) -> Self {
        let port = Port::reserve();
        let mut command = Command::new(program);
        command.args(args(port.0)).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        eventually("the store listens", || TcpStream::connect(("127.0.0.1", port.0)).ok());
        Self { child, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status(result: Result<impl Sized, Refused>) -> u16 {
    result.map_or_else(|(status, _)| status, |_| 200)
}

fn exercise_key(stage: &Stage, key: &str) {
    let value = format!("value of {key}").into_bytes();
    assert_eq!(status(stage.get(key)), 404, "{key}");
    stage.put(key, &value).unwrap_or_else(|e| panic!("{key}: {e:?}"));
    assert_eq!(stage.get(key).unwrap_or_else(|e| panic!("{key}: {e:?}")), value);
    stage.put(key, b"another").unwrap();
    assert_eq!(stage.get(key).unwrap(), b"another");
    let list = stage.list(&json!({ "prefix": key })).unwrap();
    assert_eq!(list, json!({ "keys": [key], "continuation_token": null, "is_truncated": false }), "{key}");
    stage.delete(key).unwrap();
    stage.delete(key).unwrap();
    assert_eq!(status(stage.get(key)), 404, "{key}");
}

/// What every store must do.
fn exercise(stage: &Stage) {
    for key in ["plain", "a b+c/ü?#%", "%41", "~-._!'()*,;:@&=$", "日本語/🦀", "trailing space "] {
        exercise_key(stage, key);
    }
    stage.put("empty", b"").unwrap();
    assert_eq!(stage.get("empty").unwrap(), b"");
    stage.delete("empty").unwrap();
    let large = base64_of(64 << 20);
    let before = stage.peak();
    stage.put_text("large", &large).unwrap();
    let stored = stage.peak();
    assert!(stage.get_text("large").unwrap() == large, "the large object came back changed");
    let fetched = stage.peak();
    // In base64 it has 86 MiB. That stands in memory once, with what is on its way between two threads.
    assert!(before < 32 && stored < 128 && fetched < 128, "peaks of {before}, {stored}, {fetched} MiB");
    stage.delete("large").unwrap();
}

/// So many bytes in base64, in a pattern whose length nothing on the way is a multiple of.
fn base64_of(length: usize) -> String {
    let unit: Vec<u8> = (0..100_011_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let whole = Base64::encode_string(&unit).repeat(length / unit.len());
    whole + &Base64::encode_string(&unit[..length % unit.len()])
}

/// The 2,500 keys that [`pages`] lists.
fn names() -> Vec<String> {
    (0..2500).map(|i| format!("page/ü {i:04}")).collect()
}

fn pages(stage: &Stage) {
    for (most, pages) in [(None, 3), (Some(700), 4), (Some(5000), 3)] {
        let (mut found, mut token, mut asked) = (Vec::new(), Value::Null, 0);
        loop {
            let mut body = json!({ "prefix": "page/", "continuation_token": token });
            if let Some(most) = most {
                body["max_keys"] = most.into();
            }
            let page = stage.list(&body).unwrap();
            asked += 1;
            found.extend(page["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()));
            token = page["continuation_token"].clone();
            assert_eq!(page["is_truncated"], Value::from(!token.is_null()));
            if token.is_null() {
                break;
            }
        }
        assert_eq!(found, names());
        assert_eq!(asked, pages);
    }
}

#[test]
fn motos_store_does_all_of_it() {
    let Some(python) = tools::installed("bin/python3") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/moto_server.py").display().to_string();
    let keys = names().into_iter().map(|name| format!("app/{name}"));
    let server = Server::start(&python, |port| {
        ["-B".to_owned(), script, port.to_string(), "bucket".to_owned(), "elsewhere".to_owned()]
            .into_iter()
            .chain(keys)
            .collect()
    });
    let stage = Stage::new(server.port.0, "app/", None);
    let others = stage.list(&json!({ "prefix": "else" })).unwrap();
    assert_eq!(others["keys"], json!([]), "a key outside the prefix was told of");
    pages(&stage);
    // Segments that a file system could not have.
    for key in ["a//b", "a/./b", "folder/"] {
        exercise_key(&stage, key);
    }
    exercise(&stage);
    readme(&stage);
}

/// The README's snippet, as it stands there.
fn readme(stage: &Stage) {
    let Some(_) = tools::program("curl") else { return };
    let mut sh = Command::new("/bin/sh");
    sh.args(["-ec", &snippet("Using S3", "sh")]).env("ODYN_API_URL", format!("http://127.0.0.1:{}", stage.port.0));
    let output = sh.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let page = json!({ "keys": ["state/latest.json"], "continuation_token": null, "is_truncated": false });
    let done = json!({ "success": true });
    assert_eq!(answers, [done.clone(), json!({ "value": "e30=" }), page, done], "{:?}", output.stderr);
}

#[test]
fn a_store_that_checks_signatures_does_all_of_it() {
    let Some(program) = tools::extra("bin/s3s-server", "ODYN_TEST_S3S=1 scripts/test.sh") else { return };
    let folder = TempDir::new();
    std::fs::create_dir(folder.path().join("bucket")).unwrap();
    let root = folder.path().to_str().unwrap().to_owned();
    let server =
        Server::start(&program, |port| vec![port.to_string(), ACCESS_KEY.to_owned(), SECRET_KEY.to_owned(), root]);
    let stage = Stage::new(server.port.0, "app/", Some("eu-west-1"));
    exercise(&stage);
    std::fs::create_dir(folder.path().join("bucket/app/page")).unwrap();
    names().iter().for_each(|name| std::fs::write(folder.path().join("bucket/app").join(name), b"").unwrap());
    pages(&stage);
    // It does check: with another secret nothing is served.
    let stage = Stage::new(server.port.0, "app/", Some("eu-west-1"));
    stage.imds.set(|state| state.secret = "another-secret".to_owned());
    let (status, error) = stage.get("plain").unwrap_err();
    assert!(status == 503 && error.contains("SignatureDoesNotMatch"), "{error}");
}

/// A store that answers each request as the function says, from its number and head.
fn scripted(answer: impl Fn(u32, &str) -> Option<String> + Send + Sync + 'static) -> (Origin, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&count);
    let origin = Origin::serving(move |mut stream| {
        while let Some(head) = read_head(&mut stream) {
            let length = field(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            let _ = std::io::copy(&mut (&mut stream).take(length), &mut std::io::sink());
            let Some(answer) = answer(counter.fetch_add(1, Ordering::SeqCst) + 1, &head) else { return };
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    });
    (origin, count)
}

fn http(status: u16, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

fn refusal(status: u16, code: &str) -> Option<String> {
    http(status, &format!("<Error><Code>{code}</Code><Message>secret detail</Message></Error>"))
}

#[test]
fn a_storm_is_ridden_out_and_what_does_not_pass_is_told() {
    // Three of four calls fail, each in its own way, for every method.
    let (origin, _) = scripted(|number, _| match number % 4 {
        1 => refusal(503, "SlowDown"),
        2 => None,
        3 => refusal(500, "InternalError"),
        _ => http(200, "good"),
    });
    let stage = Stage::new(origin.port.0, "", None);
    assert_eq!(stage.get("a").unwrap(), b"good");
    stage.put("a", b"b").unwrap();
    stage.delete("a").unwrap();

    let (origin, count) = scripted(|_, _| refusal(503, "SlowDown"));
    let refused = Stage::new(origin.port.0, "", None).get("a");
    assert_eq!(refused, Err((503, "S3: status 503 SlowDown".to_owned())));
    assert_eq!(count.load(Ordering::SeqCst), 5);
}

#[test]
fn what_s3_refuses_is_asked_for_once_and_told_without_its_text() {
    for (answer, status, text) in [
        ((403, "AccessDenied"), 503, "status 403 AccessDenied"),
        ((404, "NoSuchBucket"), 503, "status 404 NoSuchBucket"),
        ((404, "NoSuchKey"), 404, "no object with this key"),
        ((301, "PermanentRedirect"), 503, "status 301 PermanentRedirect"),
    ] {
        let (origin, count) = scripted(move |_, _| refusal(answer.0, answer.1));
        let (found, said) = Stage::new(origin.port.0, "", None).get("a").unwrap_err();
        assert_eq!(found, status, "{said}");
        assert!(said.contains(text) && !said.contains("secret"), "{said}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "{said}");
    }
}

/// A 404 of a server that is no S3 was taken for an absent object, and its deletion for done.
#[test]
fn a_404_that_is_not_about_the_object_is_no_absence() {
    let (origin, _) = scripted(|_, _| http(404, "<html>no such host</html>"));
    let stage = Stage::new(origin.port.0, "", None);
    for error in [stage.get("a").err(), stage.delete("a").err()] {
        assert_eq!(error.unwrap(), (503, "S3: status 404".to_owned()));
    }
    // Where nothing else is said it can be about nothing else.
    let (origin, _) = scripted(|_, _| http(404, ""));
    let stage = Stage::new(origin.port.0, "", None);
    assert_eq!(stage.get("a").unwrap_err().0, 404);
    stage.delete("a").unwrap();
}

/// The HTTP client went by one field and the count of what was read by the other.
#[test]
fn an_object_whose_length_is_told_in_two_ways_or_in_none_is_not_passed_on() {
    let chunks = "14\r\nABCDEFGHIJKLMNOPQRST\r\n0\r\n\r\n";
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5",
        "HTTP/1.1 200 OK\r\nContent-Length: +5",
        "HTTP/1.1 200 OK",
    ] {
        let (origin, _) = scripted(move |_, _| Some(format!("{head}\r\n\r\n{chunks}")));
        let (status, error) = Stage::new(origin.port.0, "", None).get("a").expect_err(head);
        assert!(status == 503 && error.contains("not an answer in HTTP"), "{head}: {error}");
    }
    let (origin, _) =
        scripted(move |_, _| Some(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n{chunks}")));
    assert_eq!(Stage::new(origin.port.0, "", None).get("a").unwrap(), b"ABCDEFGHIJKLMNOPQRST");
}

#[test]
fn keys_and_numbers_that_are_none_are_a_400_that_names_the_field() {
    let (origin, count) = scripted(|_, _| http(200, ""));
    let stage = Stage::new(origin.port.0, "app/", None);
    for key in ["", "/a", "../a", "a/../../b", "a/..", "..", "a\0", "a\nb", &"k".repeat(1021)] {
        for error in [stage.get(key).err(), stage.put(key, b"").err(), stage.delete(key).err()] {
            let (status, error) = error.unwrap();
            assert_eq!(status, 400, "{key:?}");
            assert!(error.starts_with("key: must"), "{error}");
        }
    }
    for (body, said) in [
        (json!({ "prefix": "../" }), "prefix: must not have a \"..\" segment"),
        (json!({ "max_keys": 0 }), "max_keys: must be a whole number above 0"),
        (json!({ "max_keys": -1 }), "max_keys: must be a whole number above 0"),
        (json!({ "max_keys": "1" }), "max_keys: must be a whole number above 0"),
        (json!({ "continuation_token": "" }), "continuation_token: must not be empty"),
        (json!({ "Prefix": "a" }), "Prefix: no such field"),
    ] {
        assert_eq!(stage.list(&body), Err((400, said.to_owned())));
    }
    let typed = json!({ "key": "a", "value": "", "content_type": "a\r\nx-amz-acl: public-read" });
    let (status, error) = stage.ask("put", &typed).unwrap_err();
    assert!(status == 400 && error.starts_with("content_type: "), "{error}");
    assert_eq!(count.load(Ordering::SeqCst), 0, "something was asked for");
}

#[test]
fn an_object_that_is_too_large_or_cut_short_is_not_passed_on() {
    let (origin, _) = scripted(|_, _| Some(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\nx", (64 << 20) + 1)));
    let (_, error) = Stage::new(origin.port.0, "", None).get("a").unwrap_err();
    assert!(error.contains("more than 64 MiB"), "{error}");

    let cut = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&cut);
    let origin = Origin::serving(move |mut stream| {
        let _ = read_head(&mut stream);
        *counter.lock().unwrap() += 1;
        let text = if *counter.lock().unwrap() < 3 { "half" } else { "a whole." };
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{text}");
    });
    assert_eq!(Stage::new(origin.port.0, "", None).get("a").unwrap(), b"a whole.");
    assert_eq!(*cut.lock().unwrap(), 3);
}

#[test]
fn a_part_of_an_object_that_nobody_asked_for_is_not_passed_on_as_the_whole() {
    let (origin, _) = scripted(|_, _| http(206, "abc"));
    let (status, error) = Stage::new(origin.port.0, "", None).get("a").unwrap_err();
    assert!(status == 503 && error.contains("a part of an object"), "{error}");
}

#[test]
fn no_call_is_signed_with_credentials_that_have_ended() {
    let (origin, _) = scripted(|_, head| match field(head, "x-amz-security-token") {
        Some(token) if is_live(token) => http(200, "good"),
        _ => refusal(400, "ExpiredToken"),
    });
    let stage = Stage::new(origin.port.0, "", None);
    stage.imds.set(|state| state.life = Duration::from_secs(3));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while stage.imds.issued() < 3 {
                    assert_eq!(stage.get("a").unwrap(), b"good");
                }
            });
        }
    });
}

#[test]
fn credentials_that_s3_calls_expired_are_renewed_within_the_call() {
    let (origin, count) = scripted(|_, head| match field(head, "x-amz-security-token") {
        Some(token) if token.starts_with("session-1=") => refusal(400, "ExpiredToken"),
        _ => http(200, "good"),
    });
    let stage = Stage::new(origin.port.0, "", None);
    assert_eq!(stage.get("a").unwrap(), b"good");
    assert_eq!((count.load(Ordering::SeqCst), stage.imds.issued()), (2, 2));

    // Renewed once, and not again when that was no help.
    let (origin, count) = scripted(|_, _| refusal(400, "ExpiredToken"));
    let (status, error) = Stage::new(origin.port.0, "", None).get("a").unwrap_err();
    assert!(status == 503 && error.contains("status 400 ExpiredToken"), "{error}");
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn no_secret_of_the_storage_is_in_a_log_that_says_all_it_can() {
    let (origin, _) =
        scripted(|number, _| if number == 1 { refusal(503, "SlowDown") } else { http(200, "s3cret-value") });
    let stage = Stage::new(origin.port.0, "", None);
    stage.put("a", b"s3cret-value").unwrap();
    assert_eq!(stage.get("a").unwrap(), b"s3cret-value");
    let log = eventually("it is logged", || Some(stage.odyn.log()).filter(|log| log.contains("/v1/s3/get 200")));
    assert!(log.contains("S3: PUT failed, attempt 1 of 5: S3: status 503 SlowDown"), "{log}");
    let secrets =
        ["s3cret-value", &Base64::encode_string(b"s3cret-value"), SECRET_KEY, ACCESS_KEY, "session-1", "token-1"];
    for secret in secrets {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[test]
fn the_storage_is_not_on_the_auxiliary_api() {
    let (origin, count) = scripted(|_, _| http(200, ""));
    let stage = Stage::new(origin.port.0, "", None);
    let aux = stage.odyn.dir.path().join("enclaver.yaml");
    let manifest = std::fs::read_to_string(aux).unwrap();
    let aux = manifest.split("aux_api:\n  listen_port: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    assert_eq!(Connection::to(aux).ask("POST", "/v1/s3/get", br#"{"key":"a"}"#).status, 404);
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn keys_that_xml_cannot_write_are_asked_for_escaped() {
    let (origin, count) = scripted(|_, head| {
        let page =
            |inner: &str| format!("<ListBucketResult><IsTruncated>false</IsTruncated>{inner}</ListBucketResult>");
        let escaped = "<EncodingType>url</EncodingType><Contents><Key>app/a%01+b%2B</Key></Contents>";
        let plain = "<Contents><Key>app/a&#x1; b+</Key></Contents>";
        http(200, &page(if head.contains("encoding-type=url") { escaped } else { plain }))
    });
    let list = Stage::new(origin.port.0, "app/", None).list(&json!({})).unwrap();
    assert_eq!(list["keys"], json!(["a\u{1} b+"]));
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn one_byte_more_than_the_largest_object_is_a_413_and_never_sent() {
    let (origin, count) = scripted(|_, _| http(200, ""));
    let stage = Stage::new(origin.port.0, "", None);
    assert_eq!(stage.put_text("a", &base64_of((64 << 20) + 1)), Err((413, "value: more than 64 MiB".to_owned())));
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn a_large_object_that_s3_refuses_from_its_head_is_refused_and_not_sent_again() {
    let origin = Origin::serving(|mut stream| {
        let head = read_head(&mut stream).unwrap_or_default();
        assert_eq!(field(&head, "expect"), Some("100-continue"));
        let _ = stream.write_all(refusal(403, "AccessDenied").unwrap().as_bytes());
    });
    let (status, error) = Stage::new(origin.port.0, "", None).put_text("a", &base64_of(4 << 20)).unwrap_err();
    assert!(status == 503 && error.contains("status 403 AccessDenied"), "{error}");
    assert_eq!(*origin.connections.lock().unwrap(), 1);
}

#[test]
fn a_refusal_that_breaks_off_is_a_refusal_all_the_same() {
    let origin = Origin::serving(|mut stream| {
        let _ = read_head(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 403 X\r\nContent-Length: 500\r\n\r\n<Err");
    });
    let (status, error) = Stage::new(origin.port.0, "", None).get("a").unwrap_err();
    assert!(status == 503 && error.contains("status 403"), "{error}");
    assert_eq!(*origin.connections.lock().unwrap(), 1);
}

#[test]
fn one_connection_serves_one_object_after_another() {
    let (origin, _) = scripted(|_, _| http(200, "good"));
    let stage = Stage::new(origin.port.0, "", None);
    for _ in 0..5 {
        assert_eq!(stage.get("a").unwrap(), b"good");
        stage.put("a", b"b").unwrap();
    }
    assert_eq!(*origin.connections.lock().unwrap(), 1);
}
