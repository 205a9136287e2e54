//! AWS's own cases: each folder has a request, how to sign it, and every stage of the result, in fields and in the query.

use super::*;
use std::path::PathBuf;

use serde_json::Value;

struct Case {
    folder: PathBuf,
    key: AccessKey,
    context: Value,
    method: String,
    path: String,
    query: String,
    fields: Vec<(String, String)>,
    body: String,
}

impl Case {
    fn load(folder: PathBuf) -> Self {
        let context: Value = serde_json::from_slice(&std::fs::read(folder.join("context.json")).unwrap()).unwrap();
        let credentials = &context["credentials"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let key = AccessKey {
            id: text(&credentials["access_key_id"]).unwrap(),
            secret: Zeroizing::new(text(&credentials["secret_access_key"]).unwrap()),
            token: text(&credentials["token"]).map(Zeroizing::new),
        };
        let request = std::fs::read_to_string(folder.join("request.txt")).unwrap().replace("\r\n", "\n");
        let (head, body) = request.split_once("\n\n").unwrap_or((request.trim_end(), ""));
        let (line, rest) = head.split_once('\n').unwrap();
        let (method, target) = line.trim_end_matches(" HTTP/1.1").split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in rest.lines() {
            match line.split_once(':') {
                _ if line.starts_with(' ') => fields.last_mut().unwrap().1.push_str(&format!("\n{line}")),
                Some((name, value)) => fields.push((name.to_owned(), value.to_owned())),
                None => panic!("{line:?} in {}", folder.display()),
            }
        }
        let (method, path, query, body) = (method.to_owned(), path.to_owned(), query.to_owned(), body.to_owned());
        Self { folder, key, context, method, path, query, fields, body }
    }

    fn expected(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap().replace("\r\n", "\n")
    }

    fn flag(&self, name: &str) -> bool {
        self.context[name].as_bool().unwrap_or(false)
    }

    fn check(&self) {
        let name = self.folder.display();
        let signer = Signer {
            key: &self.key,
            region: self.context["region"].as_str().unwrap(),
            service: self.context["service"].as_str().unwrap(),
            time: Utc::parse(self.context["timestamp"].as_str().unwrap()).unwrap(),
            path: if self.flag("normalize") { Path::Normalized } else { Path::Escaped },
            declare_payload: self.flag("sign_body"),
            token_unsigned: self.flag("omit_session_token"),
        };
        let fields: Vec<_> = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let message = Message {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            fields: &fields,
            payload: Payload::of(self.body.as_bytes()),
        };

        let added = signer.sign(&message);
        let signed = (added.iter())
            .filter(|(name, _)| *name != "authorization")
            .filter(|(name, _)| !(signer.token_unsigned && *name == "x-amz-security-token"))
            .map(|(name, value)| (*name, value.as_str()));
        let all: Vec<_> = fields.iter().copied().chain(signed).collect();
        let canonical = Canonical::new(signer.path, &message, message.query, &all);
        assert_eq!(*canonical.text, self.expected("header-canonical-request.txt"), "{name}");
        assert_eq!(signer.string_to_sign(&canonical), self.expected("header-string-to-sign.txt"), "{name}");
        let (_, authorization) = added.last().unwrap();
        let signature = authorization.rsplit('=').next().unwrap();
        assert_eq!(signature, self.expected("header-signature.txt"), "{name}");
        // The order of fields is nobody's business; that they are the same ones is.
        let sent = self.expected("header-signed-request.txt");
        let (head, body) = sent.split_once("\n\n").unwrap_or((sent.trim_end(), ""));
        let mut expected: Vec<String> = head.lines().skip(1).map(lower_name).collect();
        let own = rest_of_head(&self.expected("request.txt"));
        let added = added.iter().map(|(name, value)| format!("{name}:{}", value.as_str()));
        let mut ours: Vec<String> = own.iter().map(|line| lower_name(line)).chain(added).collect();
        expected.sort();
        ours.sort();
        assert_eq!((ours, body), (expected, self.body.as_str()), "{name}");

        let expires = Duration::from_secs(self.context["expiration_in_seconds"].as_u64().unwrap());
        let query = signer.presign(&message, expires);
        let line = format!("{} {}?{} HTTP/1.1", self.method, self.path, *query);
        assert_eq!(line, self.expected("query-signed-request.txt").lines().next().unwrap(), "{name}");
        let (unsigned, signature) = query.rsplit_once("&X-Amz-Signature=").unwrap();
        assert_eq!(signature, self.expected("query-signature.txt"), "{name}");
        let token_at = if signer.token_unsigned { unsigned.find("&X-Amz-Security-Token=") } else { None };
        let unsigned = &unsigned[..token_at.unwrap_or(unsigned.len())];
        let canonical = Canonical::new(signer.path, &message, unsigned, &fields);
        assert_eq!(*canonical.text, self.expected("query-canonical-request.txt"), "{name}");
        assert_eq!(signer.string_to_sign(&canonical), self.expected("query-string-to-sign.txt"), "{name}");
    }
}

fn rest_of_head(request: &str) -> Vec<String> {
    request.lines().skip(1).take_while(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn lower_name(line: &str) -> String {
    match line.split_once(':') {
        Some((name, value)) if !line.starts_with(' ') => format!("{}:{value}", name.to_ascii_lowercase()),
        _ => line.to_owned(),
    }
}

#[test]
fn every_case_of_aws_is_signed_as_aws_signs_it() {
    let data = std::env::var_os("ODYN_TEST_DATA").map_or_else(|| "../shared/data".into(), PathBuf::from);
    let Ok(folders) = std::fs::read_dir(data.join("sigv4")) else { return eprintln!("skipped: no test data") };
    let mut seen = 0;
    for folder in folders {
        Case::load(folder.unwrap().path()).check();
        seen += 1;
    }
    assert!(seen >= 38, "only {seen} cases");
}

#[test]
fn a_path_for_s3_is_taken_as_it_is_sent_and_a_body_may_stay_unsigned() {
    let key = AccessKey { id: "AKID".into(), secret: Zeroizing::new("secret".into()), token: None };
    let signer = Signer {
        key: &key,
        region: "us-east-1",
        service: "s3",
        time: Utc::parse("2026-11-23T09:45:58Z").unwrap(),
        path: Path::AsSent,
        declare_payload: true,
        token_unsigned: false,
    };
    let fields = [("host", "b.s3.us-east-1.amazonaws.com")];
    let message =
        Message { method: "PUT", path: "/a/../b%20c//", query: "", fields: &fields, payload: Payload::Unsigned };
    let added = signer.sign(&message);
    assert!(added.iter().any(|(name, value)| *name == "x-amz-content-sha256" && **value == "UNSIGNED-PAYLOAD"));
    let canonical = Canonical::new(signer.path, &message, "", &fields);
    assert!(canonical.text.starts_with("PUT\n/a/../b%20c//\n\nhost:"));
}
