//! The instance metadata service as odyn meets it: IMDSv2 alone, with a role, and with every trouble a test asks for.

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use odyn::utc::Utc;

use super::origin::{Origin, read_head};

/// What the service has and how it behaves; change it while it runs.
pub struct State {
    /// `None`: no role is attached.
    pub role: Option<String>,
    /// How long credentials live from when they are asked for.
    pub life: Duration,
    pub region: String,
    pub secret: String,
    /// Answers every request with this status instead.
    pub failing: Option<u16>,
    /// Closes every connection without an answer.
    pub down: bool,
    /// What stands in the answer for the role instead of credentials.
    pub garbage: Option<String>,
    /// Tokens up to this one are not taken.
    revoked_before: u32,
    tokens: u32,
    /// Requests for the role's credentials that were answered with some.
    pub issued: u32,
    /// Every request, as `METHOD PATH`.
    pub seen: Vec<String>,
}

/// A running service.
pub struct Imds {
    pub origin: Origin,
    pub state: Arc<Mutex<State>>,
}

/// The key whose signatures a store should take. The session changes with each issue.
pub const ACCESS_KEY: &str = "ASIAODYNTEST";
pub const SECRET_KEY: &str = "odyn-test-secret-key/+ABCDEFGH";

impl Imds {
    pub fn start() -> Self {
        let state = State {
            role: Some("enclave-role".to_owned()),
            life: Duration::from_secs(6 * 60 * 60),
            region: "eu-west-1".to_owned(),
            secret: SECRET_KEY.to_owned(),
            failing: None,
            down: false,
            garbage: None,
            revoked_before: 0,
            tokens: 0,
            issued: 0,
            seen: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let origin = Origin::serving(move |mut stream| {
            while let Some(head) = read_head(&mut stream) {
                let answer = shared.lock().unwrap().answer(&head);
                let Some((status, body)) = answer else { return };
                if respond(&mut stream, status, &body).is_err() {
                    return;
                }
            }
        });
        Self { origin, state }
    }

    /// What `AWS_EC2_METADATA_SERVICE_ENDPOINT` is set to.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.origin.port.0)
    }

    pub fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    pub fn issued(&self) -> u32 {
        self.state.lock().unwrap().issued
    }

    pub fn requests(&self) -> usize {
        self.state.lock().unwrap().seen.len()
    }
}

impl State {
    /// No longer takes the tokens that were given out.
    pub fn revoke_tokens(&mut self) {
        self.revoked_before = self.tokens;
    }

    /// `None` closes the connection.
    fn answer(&mut self, head: &str) -> Option<(u16, String)> {
        let mut words = head.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        self.seen.push(format!("{method} {path}"));
        if self.down {
            return None;
        }
        if let Some(status) = self.failing {
            return Some((status, "planned".to_owned()));
        }
        if (method.as_str(), path.as_str()) == ("PUT", "/latest/api/token") {
            let life = field(head, "x-aws-ec2-metadata-token-ttl-seconds").and_then(|life| life.parse::<u32>().ok());
            if !life.is_some_and(|life| (1..=21_600).contains(&life)) {
                return Some((400, String::new()));
            }
            self.tokens += 1;
            return Some((200, format!("token-{}==", self.tokens)));
        }
        let token = field(head, "x-aws-ec2-metadata-token").unwrap_or_default();
        let number = token.strip_prefix("token-").and_then(|token| token.strip_suffix("==")?.parse::<u32>().ok());
        if !number.is_some_and(|number| number > self.revoked_before && number <= self.tokens) {
            return Some((401, String::new()));
        }
        const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
        match (path.strip_prefix(ROLES), &self.role) {
            _ if method != "GET" => Some((405, String::new())),
            (Some(""), Some(role)) => Some((200, role.clone())),
            (Some(asked), Some(role)) if asked == role => Some((200, self.credentials())),
            _ if path == "/latest/meta-data/placement/region" => Some((200, self.region.clone())),
            _ => Some((404, "<html>Not Found</html>".to_owned())),
        }
    }

    fn credentials(&mut self) -> String {
        if let Some(garbage) = &self.garbage {
            return garbage.clone();
        }
        self.issued += 1;
        let end = Utc::from(SystemTime::now() + self.life);
        format!(
            r#"{{"Code":"Success","LastUpdated":"2026-01-01T00:00:00Z","Type":"AWS-HMAC","AccessKeyId":"{ACCESS_KEY}",
            "SecretAccessKey":"{}","Token":"session-{}=until={end}","Expiration":"{end}"}}"#,
            self.secret, self.issued
        )
    }
}

/// Whether a session token of this service had not ended when it was used.
pub fn is_live(token: &str) -> bool {
    let end = token.split_once("=until=").and_then(|(_, end)| Utc::parse(end));
    end.is_some_and(|end| SystemTime::from(end) > SystemTime::now())
}

/// The value of a header field; its name in lower case.
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn respond(stream: &mut TcpStream, status: u16, body: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
