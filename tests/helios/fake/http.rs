//! A small HTTP server on a port of the system's choosing: a thread for each request, none after it is dropped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use tiny_http::{Header, Method, Request, Response, Server};

/// What was asked.
pub struct Asked {
    pub post: bool,
    /// The path with its query.
    pub path: String,
    pub accept: String,
    pub body: Vec<u8>,
}

/// What is answered.
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    /// `Eth-Consensus-Version`.
    pub version: Option<String>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Status 200 with JSON.
    pub fn json(value: &serde_json::Value) -> Self {
        Self { status: 200, content_type: "application/json", version: None, body: value.to_string().into_bytes() }
    }

    /// A beacon node's error.
    pub fn error(status: u16, message: &str) -> Self {
        Self { status, ..Self::json(&serde_json::json!({ "code": status, "message": message })) }
    }
}

/// The server.
pub struct HttpServer {
    server: Arc<Server>,
    acceptor: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Answers with what `handler` makes of each request.
    pub fn start(handler: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let server = Arc::new(Server::http("127.0.0.1:0").unwrap());
        let (accepting, handler) = (Arc::clone(&server), Arc::new(handler));
        let acceptor = thread::spawn(move || {
            for request in accepting.incoming_requests() {
                let handler = Arc::clone(&handler);
                thread::spawn(move || serve(request, &*handler));
            }
        });
        Self { server, acceptor: Some(acceptor) }
    }

    /// Where it listens: scheme, address and port.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.server_addr())
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn serve(mut request: Request, handler: &dyn Fn(&Asked) -> Answer) {
    let field = |request: &Request, name: &'static str| {
        let found = request.headers().iter().find(|header| header.field.equiv(name));
        found.map(|header| header.value.to_string()).unwrap_or_default()
    };
    let mut asked = Asked {
        post: *request.method() == Method::Post,
        path: request.url().to_owned(),
        accept: field(&request, "accept"),
        body: Vec::new(),
    };
    if request.as_reader().read_to_end(&mut asked.body).is_err() {
        return;
    }
    let answer = handler(&asked);
    let header = |name: &str, value: &str| Header::from_bytes(name, value).unwrap();
    let mut response = Response::from_data(answer.body)
        .with_status_code(answer.status)
        .with_header(header("content-type", answer.content_type));
    if let Some(version) = answer.version {
        response.add_header(header("eth-consensus-version", &version));
    }
    let _ = request.respond(response);
}

/// How often something was asked, by name.
#[derive(Default)]
pub struct Counter(Mutex<BTreeMap<String, u64>>);

impl Counter {
    pub fn add(&self, name: &str) {
        *self.0.lock().unwrap().entry(name.into()).or_default() += 1;
    }

    pub fn of(&self, name: &str) -> u64 {
        self.0.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    pub fn total(&self) -> u64 {
        self.0.lock().unwrap().values().sum()
    }

    pub fn all(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap().clone()
    }

    pub fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}
