//! From a caller's request to KMS's answer.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use base64ct::{Base64, Encoding};
use serde_json::json;
use ureq::http::HeaderMap;
use zeroize::Zeroizing;

use super::error::ProxyError;
use super::fields::Fields;
use super::operation::Operation;
use super::recipient::Recipient;
use super::scope;
use crate::aws::client::{self, Call, Client};
use crate::aws::credentials::Provider;
use crate::aws::sigv4::{AccessKey, Message, Path, Payload, Signer};
use crate::aws::url::Url;
use crate::config::limits;
use crate::config::value::{HttpUrl, Region};
use crate::http::service::{Answer, Body, Plan, Request, Service, Work};
use crate::outbound::hostname::Host;
use crate::report::logger::Throttle;
use crate::utc::Utc;

/// AWS's JSON protocol.
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// What passes back of an answer's header, apart from its media type.
const PASSED_BACK: [&str; 3] = ["x-amzn-requestid", "x-amzn-errortype", "retry-after"];

/// The KMS proxy.
pub struct Proxy {
    client: Client,
    credentials: Provider,
    recipient: Recipient,
    endpoints: BTreeMap<Region, HttpUrl>,
    /// Errors of the proxy's own so far: their number is their request id.
    errors: AtomicU64,
    troubles: Throttle,
    renewals: Throttle,
}

impl Proxy {
    /// `endpoints` says where KMS is in regions where it is not at the usual place. One without TLS is warned of.
    #[must_use]
    pub fn new(
        client: Client,
        credentials: Provider,
        recipient: Recipient,
        endpoints: BTreeMap<Region, HttpUrl>,
    ) -> Self {
        for (region, url) in endpoints.iter().filter(|(_, url)| !url.is_https()) {
            log::warn!(
                "kms_proxy.endpoints.{region}: {url} has no TLS: whoever is between can read and change secrets"
            );
        }
        let (troubles, renewals) = (Throttle::default(), Throttle::default());
        Self { client, credentials, recipient, endpoints, errors: AtomicU64::new(0), troubles, renewals }
    }

    fn serve(&self, request: &Request) -> Result<Answer, ProxyError> {
        let region = scope::region(request)?;
        let operation = Operation::of(request)?;
        let inquiry = Inquiry {
            url: self.endpoint(&region)?.at("/", ""),
            region,
            operation,
            deadline: Instant::now() + limits::KMS_REQUEST_TIME,
        };
        match inquiry.operation.secret() {
            Some(secret) => self.attested(&inquiry, request, secret),
            None => self.ask(&inquiry, &request.body).map(passed),
        }
    }

    /// Adds a recipient to the request, and puts what KMS encrypted to it where it would be without one.
    fn attested(&self, inquiry: &Inquiry, request: &Request, secret: &str) -> Result<Answer, ProxyError> {
        let fields = Fields::parse(&request.body).map_err(|_| ProxyError::Request)?;
        if fields.has("Recipient") {
            let answer = self.ask(inquiry, &request.body)?;
            check_unopened(&answer, secret)?;
            return Ok(passed(answer));
        }
        let (document, key) = self.recipient.attest()?;
        let recipient = json!({
            "AttestationDocument": Base64::encode_string(&document),
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        });
        let body = fields.replace(&["Recipient"], "Recipient", &recipient.to_string());
        let answer = self.ask(inquiry, &body)?;
        if !(200..300).contains(&answer.status) {
            check_unopened(&answer, secret)?;
            return Ok(passed(answer));
        }
        let fields = Fields::parse(&answer.body).map_err(|_| ProxyError::Malformed)?;
        let envelope = fields.text("CiphertextForRecipient").ok_or(ProxyError::Unencrypted)?;
        let envelope = Base64::decode_vec(&envelope).map_err(|_| ProxyError::Base64)?;
        let value = quoted_base64(&key.open(&envelope)?);
        let body = fields.replace(&["CiphertextForRecipient", secret], secret, &value);
        Ok(whole(answer.status, &answer.fields, body))
    }

    /// Signs and sends. Signs again, once, with new credentials when KMS says that these have ended: nobody but odyn can
    /// renew them. Everything else is the caller's to repeat, and SDKs do.
    fn ask(&self, inquiry: &Inquiry, body: &[u8]) -> Result<client::Answer, ProxyError> {
        let key = self.credentials.credentials().map_err(ProxyError::Credentials)?;
        let answer = self.ask_with(&key, inquiry, body)?;
        if !says_expired(&answer) {
            return Ok(answer);
        }
        self.renewals.warn(format_args!("KMS proxy: KMS says that the credentials have expired: renewing them"));
        self.credentials.forget(&key);
        let key = self.credentials.credentials().map_err(ProxyError::Credentials)?;
        self.ask_with(&key, inquiry, body)
    }

    fn ask_with(&self, key: &AccessKey, inquiry: &Inquiry, body: &[u8]) -> Result<client::Answer, ProxyError> {
        let (host, target) = (inquiry.url.host_field(), inquiry.operation.target());
        // Whatever type the caller named: KMS must not read the body in another way than this proxy does.
        let fields = [("host", host.as_str()), ("content-type", CONTENT_TYPE), ("x-amz-target", &target)];
        let signer = Signer {
            key,
            region: inquiry.region.as_str(),
            service: "kms",
            time: Utc::from(SystemTime::now()),
            path: Path::Normalized,
            declare_payload: false,
            token_unsigned: false,
        };
        let (path, query) = (&inquiry.url.path, &inquiry.url.query);
        let added = signer.sign(&Message { method: "POST", path, query, fields: &fields, payload: Payload::of(body) });
        let fields: Vec<(&str, &str)> =
            fields.into_iter().chain(added.iter().map(|(name, value)| (*name, value.as_str()))).collect();
        let call = Call {
            caller: "the KMS proxy",
            method: "POST",
            url: &inquiry.url,
            fields: &fields,
            body: Some(body),
            // CreateKey twice makes two keys.
            repeatable: false,
            deadline: inquiry.deadline.min(Instant::now() + limits::KMS_CALL),
        };
        let answer = self.client.call(&call, limits::KMS_ANSWER)?;
        let id = text(&answer.fields, "x-amzn-requestid").unwrap_or_default();
        let (name, region, status) = (inquiry.operation.name(), &inquiry.region, answer.status);
        log::debug!("KMS proxy: {name} in {region}: status {status}, request {id}");
        Ok(answer)
    }

    /// `kms.REGION.amazonaws.com`, in China's regions under `.com.cn`, unless the manifest has another place. Partitions
    /// that AWS keeps apart have names of their own, which the manifest must give.
    fn endpoint(&self, region: &Region) -> Result<Url, ProxyError> {
        if let Some(url) = self.endpoints.get(region) {
            return Ok(Url::from(url));
        }
        let host = Host::parse(&format!("kms.{}", region.domain()));
        host.map(Url::https).map_err(|_| ProxyError::Scope("the Credential's region is none"))
    }

    fn error(&self, e: &ProxyError) -> Answer {
        let id = format!("odyn-{}", self.errors.fetch_add(1, Ordering::Relaxed) + 1);
        log::debug!("KMS proxy: request {id}: {}: {e}", e.kind());
        self.troubles.warn(format_args!("KMS proxy: request {id}: {}: {e}", e.kind()));
        let body = json!({ "__type": e.kind(), "message": e.to_string() }).to_string();
        Answer {
            status: e.status(),
            fields: vec![("x-amzn-requestid", id)],
            ..Answer::bytes(CONTENT_TYPE, body.into_bytes())
        }
    }
}

impl Service for Proxy {
    fn name(&self) -> &'static str {
        "KMS proxy"
    }

    fn fields(&self) -> &'static [&'static str] {
        &["authorization", "x-amz-target"]
    }

    fn plan(&self, _: &str, _: &str) -> Plan {
        Plan { work: Work::Remote, body: limits::KMS_REQUEST, answer: limits::KMS_PROXY_ANSWER, ..Plan::LOCAL }
    }

    fn handlers(&self, work: Work) -> usize {
        match work {
            Work::Immediate | Work::Local => 0,
            Work::Remote => limits::KMS_HANDLERS,
        }
    }

    fn answer(&self, request: Request) -> Answer {
        self.serve(&request).unwrap_or_else(|e| self.error(&e))
    }

    fn refusal(&self, status: u16, reason: &str) -> Answer {
        self.error(&ProxyError::Server(status, reason.to_owned()))
    }
}

/// What a request turned out to be for.
struct Inquiry {
    url: Url,
    region: Region,
    operation: Operation,
    deadline: Instant,
}

/// An error, or an answer to a caller's own recipient, has nothing in the clear either. An error may be anything: what does
/// not begin as an object has no field.
fn check_unopened(answer: &client::Answer, secret: &str) -> Result<(), ProxyError> {
    let fields = match Fields::parse(&answer.body) {
        Ok(fields) => fields,
        Err(_) if (200..300).contains(&answer.status) || answer.body.trim_ascii_start().starts_with(b"{") => {
            return Err(ProxyError::Malformed);
        }
        Err(_) => return Ok(()),
    };
    let empty = !fields.has(secret) || fields.text(secret).is_some_and(|text| text.is_empty());
    if empty { Ok(()) } else { Err(ProxyError::Unencrypted) }
}

/// KMS's answer as it is.
fn passed(answer: client::Answer) -> Answer {
    whole(answer.status, &answer.fields, answer.body)
}

fn whole(status: u16, fields: &HeaderMap, body: Zeroizing<Vec<u8>>) -> Answer {
    let passed = PASSED_BACK.iter().filter_map(|name| Some((*name, text(fields, name)?.to_owned())));
    Answer {
        status,
        content_type: text(fields, "content-type").unwrap_or(CONTENT_TYPE).to_owned(),
        fields: passed.collect(),
        // Wiped once it is on its way.
        body: Body::Stream(body.len(), Box::new(Cursor::new(body))),
    }
}

/// Not of any length: the server's own answer has a limit for its head.
fn text<'a>(fields: &'a HeaderMap, name: &str) -> Option<&'a str> {
    fields.get(name)?.to_str().ok().filter(|value| value.len() <= limits::KMS_HEADER_VALUE)
}

/// Whether KMS refused the credentials because their time is over.
fn says_expired(answer: &client::Answer) -> bool {
    let kind = || Fields::parse(&answer.body).ok()?.text("__type");
    // Some services write a namespace and `#` before it.
    answer.status == 400 && kind().is_some_and(|kind| kind.rsplit('#').next() == Some("ExpiredTokenException"))
}

/// A JSON string with these bytes in base64.
fn quoted_base64(bytes: &[u8]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(Base64::encode_string(bytes));
    // Allocated once: growing would leave copies that nobody wipes.
    let mut quoted = Zeroizing::new(String::with_capacity(encoded.len() + 2));
    quoted.push('"');
    quoted.push_str(&encoded);
    quoted.push('"');
    quoted
}
