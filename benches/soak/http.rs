//! HTTP/1.1, as much of it as the clients here speak.

use std::io::{BufRead, BufReader, Read, Write};

use serde_json::Value;

use crate::stream::Stream;
use crate::tally::Outcome;

/// Longest line of a head.
const LINE: u64 = 64 << 10;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(300).collect()
    }

    /// The status must be this.
    pub fn expect(self, status: u16) -> Outcome<Self> {
        if self.status == status { Ok(self) } else { Err(format!("{} for {status}: {}", self.status, self.text())) }
    }

    pub fn json(self, status: u16) -> Outcome<Value> {
        let answer = self.expect(status)?;
        serde_json::from_slice(&answer.body).map_err(|e| format!("{e}: {}", answer.text()))
    }
}

/// One connection, its requests one after the other.
pub struct Client(pub BufReader<Stream>);

impl Client {
    pub fn to(port: u16) -> Outcome<Self> {
        Ok(Self(BufReader::new(Stream::tcp(port).map_err(|e| format!("connecting: {e}"))?)))
    }

    pub fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.0.get_mut().write_all(bytes).map_err(|e| format!("sending: {e}"))
    }

    pub fn get(&mut self, target: &str) -> Outcome<Answer> {
        self.ask("GET", target, &[], b"")
    }

    pub fn post(&mut self, target: &str, body: &Value) -> Outcome<Answer> {
        self.ask("POST", target, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    pub fn ask(&mut self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Outcome<Answer> {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        self.send(&[head.as_bytes(), b"\r\n", body].concat())?;
        self.answer(method).map_err(|e| format!("{method} {target}: {e}"))
    }

    pub fn answer(&mut self, method: &str) -> Outcome<Answer> {
        let line = self.line()?;
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| format!("no answer but {line:?}"))?;
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| format!("a field {line:?}"))?;
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, fields, body: Vec::new() };
        if method == "HEAD" || matches!(status, 101 | 204 | 304) || (method == "CONNECT" && status == 200) {
            return Ok(answer);
        }
        answer.body = match (answer.field("content-length"), answer.field("transfer-encoding")) {
            (Some(length), _) => self.exactly(length.parse().map_err(|e| format!("a length {length:?}: {e}"))?)?,
            (None, Some("chunked")) => self.chunks()?,
            (None, Some(other)) => return Err(format!("transfer encoding {other:?}")),
            (None, None) => {
                let mut rest = Vec::new();
                self.0.read_to_end(&mut rest).map_err(|e| format!("the body: {e}"))?;
                rest
            }
        };
        Ok(answer)
    }

    fn exactly(&mut self, length: u64) -> Outcome<Vec<u8>> {
        let mut body = Vec::new();
        self.0.by_ref().take(length).read_to_end(&mut body).map_err(|e| format!("the body: {e}"))?;
        if body.len() as u64 == length { Ok(body) } else { Err(format!("{} of {length} bytes", body.len())) }
    }

    fn chunks(&mut self) -> Outcome<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = u64::from_str_radix(&line, 16).map_err(|e| format!("a chunk of {line:?}: {e}"))?;
            body.extend(self.exactly(size)?);
            let end = self.line()?;
            match (size, end.as_str()) {
                (0, "") => return Ok(body),
                (_, "") => {}
                _ => return Err(format!("{end:?} behind a chunk")),
            }
        }
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = Vec::new();
        let read = self.0.by_ref().take(LINE).read_until(b'\n', &mut line);
        read.map_err(|e| format!("the answer: {e}"))?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
            None => Err(format!("the answer ended in {:?}", String::from_utf8_lossy(&line))),
        }
    }

    /// Nothing more comes.
    pub fn closed(mut self) -> Outcome<()> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(0) => Ok(()),
            // With bytes of ours unread.
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset && rest.is_empty() => Ok(()),
            Ok(_) => Err(format!("more behind the last answer: {:?}", String::from_utf8_lossy(&rest))),
            Err(e) => Err(format!("waiting for the end: {e}")),
        }
    }
}
