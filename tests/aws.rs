//! odyn's own calls to AWS, through a host side written for the tests, to servers on loopback.

mod kms;
mod s3;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use odyn::aws::client::{Answer, Call, CallError, Fault, Roots};
use odyn::aws::url::Url;
use odyn::config::value::HttpUrl;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ServerConnection, StreamOwned};

use crate::support::aws::Outside;
use crate::support::certificates::Certificates;
use crate::support::imds::{ACCESS_KEY, Imds, State, is_live};
use crate::support::origin::{Origin, read_head};
use crate::support::{PATIENCE, TempDir, eventually};

fn url(text: &str) -> Url {
    Url::from(&HttpUrl::parse(text).unwrap())
}

fn get(outside: &Outside, url: &Url) -> Result<Answer, CallError> {
    ask(outside, "GET", url, true, PATIENCE)
}

fn ask(outside: &Outside, method: &str, url: &Url, repeatable: bool, within: Duration) -> Result<Answer, CallError> {
    let body = (method == "POST").then_some(&b"body"[..]);
    let deadline = Instant::now() + within;
    let call = Call { caller: "the test", method, url, fields: &[("x-test", "1")], body, repeatable, deadline };
    outside.client.call(&call, 1000)
}

fn fault(result: Result<Answer, CallError>) -> Fault {
    result.err().expect("an error").fault
}

/// Answers `hello` over TLS.
fn tls_site(certificates: &Certificates) -> Origin {
    let dir = TempDir::new();
    let (cert, key) = (dir.write("cert.pem", &certificates.cert_pem), dir.write("key.pem", &certificates.key_pem));
    let config = odyn::inbound::tls::load((cert, key)).unwrap();
    Origin::serving(move |stream| {
        let mut tls = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        while read_head(&mut tls).is_some() {
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        }
    })
}

fn root(certificates: &Certificates) -> Roots {
    Roots::Only(vec![CertificateDer::from_pem_slice(certificates.ca_pem.as_bytes()).unwrap()])
}

#[test]
fn https_reaches_whom_the_roots_vouch_for_and_nobody_else() {
    let certificates = Certificates::new(&["site.test"]);
    let site = tls_site(&certificates);
    let port = site.port.0;
    let outside = Outside::new(&["**"], root(&certificates));
    let answer = get(&outside, &url(&format!("https://site.test:{port}/x"))).unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
    assert_eq!(outside.host.asked(), [format!("site.test:{port}")]);

    let wrong_name = fault(get(&outside, &url(&format!("https://other.test:{port}/"))));
    assert!(matches!(wrong_name, Fault::Tls(_)), "{wrong_name}");
    for roots in [root(&Certificates::new(&["site.test"])), Roots::WebPki] {
        let unknown = fault(get(&Outside::new(&["**"], roots), &url(&format!("https://site.test:{port}/"))));
        assert!(matches!(unknown, Fault::Tls(_)), "{unknown}");
    }
}

#[test]
fn a_target_that_egress_does_not_allow_is_named_with_who_needs_it() {
    let outside = Outside::new(&["a.test"], Roots::WebPki);
    let error = get(&outside, &url("https://kms.eu-west-1.amazonaws.com/")).err().unwrap().to_string();
    assert_eq!(error, "egress.allow lacks \"kms.eu-west-1.amazonaws.com\": the test needs it");
    assert!(outside.host.asked().is_empty());
}

#[test]
fn connections_are_used_again_and_one_that_broke_meanwhile_is_no_error() {
    // Each connection answers one request and breaks at the second.
    let origin = Origin::serving(|mut stream| {
        if read_head(&mut stream).is_some() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            let _ = read_head(&mut stream);
        }
    });
    let outside = Outside::new(&["**"], Roots::WebPki);
    let url = url(&format!("http://a.test:{}/", origin.port.0));
    for asked in 1..=3 {
        assert_eq!(get(&outside, &url).unwrap().status, 200);
        assert_eq!(outside.host.asked().len(), asked);
    }
    // Nobody knows whether this one arrived.
    let broken = ask(&outside, "POST", &url, false, PATIENCE).err().unwrap();
    assert!(broken.is_broken(), "{broken}");

    let kept = Origin::echoing_heads();
    let url = self::url(&format!("http://b.test:{}/path?query", kept.port.0));
    for _ in 0..5 {
        let answer = get(&outside, &url).unwrap();
        let head = String::from_utf8(answer.body.to_vec()).unwrap().to_lowercase();
        let expected =
            format!("get /path HTTP/1.1\r\nhost: b.test:{}\r\nx-test: 1\r\n\r\n", kept.port.0).to_lowercase();
        let mut lines: Vec<_> = head.lines().collect();
        let mut wanted: Vec<_> = expected.lines().collect();
        lines.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(lines, wanted);
    }
    assert_eq!(*kept.connections.lock().unwrap(), 1);
}

#[test]
fn answers_have_caps_and_an_end_that_comes_early_is_an_error() {
    let outside = Outside::new(&["**"], Roots::WebPki);
    let answer_to = |answer: &str| {
        let answer = answer.to_owned();
        let origin = Origin::serving(move |mut stream| {
            let _ = read_head(&mut stream);
            let _ = stream.write_all(answer.as_bytes());
        });
        get(&outside, &url(&format!("http://a.test:{}/", origin.port.0)))
    };
    let body = "x".repeat(1001);
    let announced = answer_to(&format!("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n{body}"));
    assert!(matches!(fault(announced), Fault::TooLarge(1000)));
    let chunked =
        answer_to(&format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n{body}\r\n0\r\n\r\n"));
    assert!(matches!(fault(chunked), Fault::TooLarge(1000)));
    let most = answer_to(&format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}", &body[1..]));
    assert_eq!(most.unwrap().body.len(), 1000);
    let short = fault(answer_to("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"));
    assert!(matches!(short, Fault::Broken(_)), "{short}");
    let short = fault(answer_to("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsho"));
    assert!(matches!(short, Fault::Broken(_)), "{short}");
    let head = fault(answer_to(&format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(40 << 10))));
    assert!(matches!(head, Fault::Protocol(_)), "{head}");
    let nonsense = fault(answer_to("220 mail.test ESMTP\r\n\r\n"));
    assert!(matches!(nonsense, Fault::Protocol(_)), "{nonsense}");
    let endless = fault(answer_to("HTTP/1.1 200 OK\r\n\r\nall of it?"));
    assert!(matches!(endless, Fault::Protocol(_)), "{endless}");
    let nothing = fault(answer_to(""));
    assert!(matches!(nothing, Fault::Broken(_)), "{nothing}");
}

#[test]
fn redirects_are_answers_like_any_other() {
    let elsewhere = Origin::echoing_heads();
    let location =
        format!("HTTP/1.1 302 Found\r\nLocation: http://b.test:{}/\r\nContent-Length: 0\r\n\r\n", elsewhere.port.0);
    let origin = Origin::answering(location.leak());
    let outside = Outside::new(&["**"], Roots::WebPki);
    assert_eq!(get(&outside, &url(&format!("http://a.test:{}/", origin.port.0))).unwrap().status, 302);
    assert_eq!(*elsewhere.connections.lock().unwrap(), 0);
}

#[test]
fn silence_ends_at_the_calls_deadline() {
    let origin = Origin::serving(|mut stream| {
        let _ = read_head(&mut stream);
        let _ = read_head(&mut stream);
    });
    let outside = Outside::new(&["**"], Roots::WebPki);
    let begun = Instant::now();
    let url = url(&format!("http://a.test:{}/", origin.port.0));
    let silent = fault(ask(&outside, "GET", &url, true, Duration::from_millis(300)));
    assert!(matches!(silent, Fault::Timeout), "{silent}");
    assert!((Duration::from_millis(300)..Duration::from_secs(10)).contains(&begun.elapsed()));
}

#[test]
fn credentials_and_region_come_from_the_metadata_service_with_one_token() {
    let imds = Imds::start();
    let outside = Outside::new(&["127.0.0.1"], Roots::WebPki);
    let provider = outside.provider(&imds);
    for _ in 0..3 {
        assert_eq!(provider.credentials().unwrap().id, ACCESS_KEY);
        assert_eq!(provider.region().unwrap().as_str(), "eu-west-1");
    }
    const ROLES: &str = "GET /latest/meta-data/iam/security-credentials/";
    let expected =
        ["PUT /latest/api/token", ROLES, &format!("{ROLES}enclave-role"), "GET /latest/meta-data/placement/region"];
    assert_eq!(imds.state.lock().unwrap().seen, expected);
    assert_eq!(*imds.origin.connections.lock().unwrap(), 1);
}

#[test]
fn a_service_that_is_down_at_first_is_waited_for() {
    let imds = Imds::start();
    imds.set(|state| state.down = true);
    let outside = Outside::new(&["127.0.0.1"], Roots::WebPki);
    let provider = outside.provider(&imds);
    thread::scope(|scope| {
        let waiting: Vec<_> =
            (0..8).map(|_| scope.spawn(|| provider.credentials().map(|key| key.id.clone()))).collect();
        eventually("it was asked twice", || (imds.requests() >= 2).then_some(()));
        imds.set(|state| state.down = false);
        for waiter in waiting {
            assert_eq!(waiter.join().unwrap().unwrap(), ACCESS_KEY);
        }
    });
    assert_eq!(imds.issued(), 1);
}

#[test]
fn trouble_with_the_service_is_told_so_that_an_operator_can_act() {
    let error = |change: fn(&mut State)| {
        let imds = Imds::start();
        imds.set(change);
        let outside = Outside::new(&["127.0.0.1"], Roots::WebPki);
        let provider = outside.provider(&imds);
        provider.credentials().err().unwrap().to_string()
    };
    assert!(error(|state| state.role = None).contains("the instance has no IAM role; attach one"));
    assert!(error(|state| state.failing = Some(403)).contains("is it enabled for this instance?"));
    assert!(error(|state| state.garbage = Some("<html>".into())).contains("malformed"));
    let refused = error(|state| state.garbage = Some(r#"{"Code":"AssumeRoleUnauthorizedAccess"}"#.into()));
    assert!(refused.contains("AssumeRoleUnauthorizedAccess"), "{refused}");
    assert!(error(|state| state.life = Duration::ZERO).contains("by this enclave's clock"));

    let imds = Imds::start();
    let outside = Outside::new(&["a.test"], Roots::WebPki);
    let provider = outside.provider(&imds);
    let denied = provider.region().err().unwrap().to_string();
    assert_eq!(denied, "metadata service: egress.allow lacks \"127.0.0.1\": S3 storage needs it");
}

#[test]
fn credentials_that_end_are_renewed_under_load_without_a_failed_call() {
    let imds = Imds::start();
    imds.set(|state| state.life = Duration::from_secs(3));
    let outside = Outside::new(&["127.0.0.1"], Roots::WebPki);
    let provider = outside.provider(&imds);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let key = provider.credentials().unwrap();
                    assert!(is_live(key.token.as_ref().unwrap()));
                    thread::yield_now();
                }
            });
        }
        scope.spawn(|| {
            eventually("two renewals", || (imds.issued() >= 3).then_some(()));
            // The next renewal meets a token that is no longer taken, and gets another one.
            imds.set(State::revoke_tokens);
            let issued = imds.issued();
            eventually("a renewal with a new token", || (imds.issued() > issued).then_some(()));
            done.store(true, Ordering::Relaxed);
        });
    });
}
