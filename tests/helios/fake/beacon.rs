//! The beacon node of the generated chain.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use alloy_primitives::{B256, hex};
use serde_json::{Value, json};

use super::http::{Answer, Asked, Counter, HttpServer};
use crate::chain::light::Update;
use crate::chain::{Chain, UPDATES};

/// Makes of a path and the true answer's body what is sent.
pub type Tamper = Arc<dyn Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync>;

/// Makes of a path and a true update the one that is sent, in whichever encoding.
pub type TamperUpdate = Arc<dyn Fn(&str, Update) -> Update + Send + Sync>;

struct Shared {
    chain: Arc<Chain>,
    head: Arc<AtomicU64>,
    counter: Counter,
    json_only: AtomicBool,
    tamper: Mutex<Option<Tamper>>,
    tamper_update: Mutex<Option<TamperUpdate>>,
    version: Mutex<String>,
}

/// The server.
pub struct FakeBeacon {
    shared: Arc<Shared>,
    http: HttpServer,
}

impl FakeBeacon {
    /// Serves the chain as it is when the block at the slot `head` has been signed for.
    pub fn start(chain: Arc<Chain>, head: Arc<AtomicU64>) -> Self {
        let shared = Arc::new(Shared {
            chain,
            head,
            counter: Counter::default(),
            json_only: AtomicBool::new(false),
            tamper: Mutex::default(),
            tamper_update: Mutex::default(),
            version: Mutex::new("fulu".into()),
        });
        let answering = Arc::clone(&shared);
        Self { shared, http: HttpServer::start(move |asked| answering.answer(asked)) }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.http.url()
    }

    /// Whether it answers in JSON even where SSZ is asked for.
    pub fn json_only(&self, only: bool) {
        self.shared.json_only.store(only, Ordering::SeqCst);
    }

    /// The fork that answers are said to be of.
    pub fn set_version(&self, version: &str) {
        *self.shared.version.lock().unwrap() = version.into();
    }

    /// Alters every answer of status 200 from now on.
    pub fn tamper(&self, tamper: impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync + 'static) {
        *self.shared.tamper.lock().unwrap() = Some(Arc::new(tamper));
    }

    /// Alters every update, finality update and optimistic update from now on, before it is encoded.
    pub fn tamper_update(&self, tamper: impl Fn(&str, Update) -> Update + Send + Sync + 'static) {
        *self.shared.tamper_update.lock().unwrap() = Some(Arc::new(tamper));
    }

    /// Tells the truth again.
    pub fn honest(&self) {
        *self.shared.tamper.lock().unwrap() = None;
        *self.shared.tamper_update.lock().unwrap() = None;
    }

    /// Requests by the last part of the path that has no root in it: `bootstrap`, `updates`, `finality_update`,
    /// `optimistic_update`, `headers`.
    pub fn counter(&self) -> &Counter {
        &self.shared.counter
    }
}

/// One update as the answer to `updates` frames it.
pub fn frame(digest: [u8; 4], ssz: &[u8]) -> Vec<u8> {
    let length = (ssz.len() as u64 + 4).to_le_bytes();
    [&length[..], &digest, ssz].concat()
}

impl Shared {
    fn answer(&self, asked: &Asked) -> Answer {
        let ssz = asked.accept.contains("application/octet-stream") && !self.json_only.load(Ordering::SeqCst);
        let mut answer = self.truth(&asked.path, ssz);
        let tamper = self.tamper.lock().unwrap().clone();
        if let (200, Some(tamper)) = (answer.status, tamper) {
            answer.body = tamper(&asked.path, answer.body);
        }
        answer
    }

    fn truth(&self, whole: &str, ssz: bool) -> Answer {
        let beacon = &self.chain.beacon;
        let (path, query) = whole.split_once('?').unwrap_or((whole, ""));
        let head = self.head.load(Ordering::SeqCst);
        if let Some(root) = path.strip_prefix("/eth/v1/beacon/light_client/bootstrap/") {
            self.counter.add("bootstrap");
            let Ok(root) = root.parse::<B256>() else { return Answer::error(400, "no block root") };
            let Some(block) = beacon.by_root(root.0) else { return Answer::error(404, "no bootstrap") };
            let bootstrap = beacon.bootstrap(block.header.beacon.slot);
            return self.object(ssz, bootstrap.ssz(), || bootstrap.json());
        }
        let kind = path.rsplit('/').next().unwrap_or_default();
        match path {
            "/eth/v1/beacon/light_client/updates" => {
                self.counter.add(kind);
                self.updates(whole, query, ssz)
            }
            "/eth/v1/beacon/light_client/finality_update" => {
                self.counter.add(kind);
                let update = self.update(whole, head);
                self.object(ssz, update.finality_ssz(), || update.finality_json())
            }
            "/eth/v1/beacon/light_client/optimistic_update" => {
                self.counter.add(kind);
                let update = self.update(whole, head);
                self.object(ssz, update.optimistic_ssz(), || update.optimistic_json())
            }
            "/eth/v1/beacon/headers/finalized" => {
                self.counter.add("headers");
                let finalized = beacon.at(beacon.at(head).finalized.unwrap());
                let message = finalized.header.beacon.json();
                Answer::json(&json!({
                    "execution_optimistic": false,
                    "finalized": true,
                    "data": {
                        "root": hex::encode_prefixed(finalized.root),
                        "canonical": true,
                        "header": { "message": message, "signature": hex::encode_prefixed([0xc0; 96]) },
                    },
                }))
            }
            _ => Answer::error(404, "no such endpoint"),
        }
    }

    fn update(&self, path: &str, slot: u64) -> Update {
        let update = self.chain.beacon.update(slot);
        let tamper = self.tamper_update.lock().unwrap().clone();
        match tamper {
            Some(tamper) => tamper(path, update),
            None => update,
        }
    }

    fn version(&self) -> String {
        self.version.lock().unwrap().clone()
    }

    fn object(&self, ssz: bool, bytes: Vec<u8>, data: impl Fn() -> Value) -> Answer {
        let version = Some(self.version());
        if ssz {
            Answer { status: 200, content_type: "application/octet-stream", version, body: bytes }
        } else {
            Answer { version, ..Answer::json(&json!({ "version": self.version(), "data": data() })) }
        }
    }

    /// The updates of as many periods as are asked for and known; their attested headers are [`UPDATES`].
    fn updates(&self, whole: &str, query: &str, ssz: bool) -> Answer {
        let field = |name: &str| {
            let value = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
            value.and_then(|(_, value)| value.parse::<u64>().ok())
        };
        let (Some(start), Some(count)) = (field("start_period"), field("count")) else {
            return Answer::error(400, "start_period and count");
        };
        let beacon = &self.chain.beacon;
        let head = self.head.load(Ordering::SeqCst);
        let wanted = start..start.saturating_add(count.min(128));
        let slots = UPDATES.iter().filter(|slot| **slot <= head && wanted.contains(&beacon.spec.period(**slot)));
        let updates: Vec<Update> = slots.map(|slot| self.update(whole, *slot)).collect();
        if ssz {
            let body = updates.iter().flat_map(|update| frame(beacon.digest(), &update.ssz())).collect();
            Answer { status: 200, content_type: "application/octet-stream", version: Some(self.version()), body }
        } else {
            let one = |update: &Update| json!({ "version": self.version(), "data": update.json() });
            Answer::json(&updates.iter().map(one).collect())
        }
    }
}
