//! The light client over the fake servers, in this process: what `odyn-helios` starts, with the generated network.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use odyn::config::value::{Checkpoint, HttpUrl};
use odyn::helios::clock::Clock;
use odyn::helios::consensus::follower::Follower;
use odyn::helios::consensus::{self, Start};
use odyn::helios::execution::Node;
use odyn::helios::execution::error::CallError;
use odyn::helios::execution::upstream::{JsonRpc, Upstream};
use odyn::helios::head::{Anchor, Heads, Snapshot};
use odyn::helios::http::{Server, Way};
use odyn::helios::rpc::{self, Rpc};
use odyn::transport::Listener;
use serde_json::{Value, json};

use crate::chain::execution::Block;
use crate::chain::{self, Chain};
use crate::fake::Fake;
use crate::support::PATIENCE;

pub fn server(url: &str) -> Server {
    Server::new(HttpUrl::parse(url).unwrap(), &Way::Network)
}

/// A client of the JSON-RPC of a whole light client.
pub struct Client {
    pub url: String,
    pub heads: Arc<Heads>,
    agent: ureq::Agent,
}

impl Client {
    /// Follows the fake beacon node from the chain's checkpoint, at the chain's time.
    pub fn start(fake: &Fake) -> Self {
        Self::following(fake, Checkpoint::Root(fake.chain.checkpoint()), fake.chain.now(), true)
    }

    pub fn following(fake: &Fake, checkpoint: Checkpoint, now: u64, allow_old_checkpoint: bool) -> Self {
        let heads = Arc::new(Heads::default());
        let clock = Arc::new(Clock::fixed(now));
        let spec = Arc::new(chain::spec());
        let upstream = Arc::new(JsonRpc(server(&fake.execution.url())));
        let node = Node::new(Arc::clone(&spec), upstream, Arc::clone(&clock));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        rpc::spawn(Rpc::new(node, Arc::clone(&heads)), Listener::Tcp(listener)).unwrap();
        let beacon = server(&fake.beacon.url());
        let start = Start { spec, checkpoint, allow_old_checkpoint, server: beacon, clock, heads: Arc::clone(&heads) };
        std::thread::spawn(move || consensus::follow(&start));
        Self { url, heads, agent: ureq::Agent::new_with_defaults() }
    }

    /// Waits for the first head.
    pub fn synced(self) -> Self {
        let trouble = || self.heads.trouble();
        assert!(self.heads.wait(Instant::now() + PATIENCE).is_some(), "not synced: {:?}", trouble());
        self
    }

    /// The whole answer.
    pub fn ask(&self, method: &str, params: Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let mut answer = self.agent.post(&self.url).send(body).unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    /// The result of a call that has one.
    pub fn ok(&self, method: &str, params: Value) -> Value {
        let mut answer = self.ask(method, params.clone());
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].take()
    }
}

/// A fresh node that knows nothing but the chain's head: each lie meets one, so that nothing proven earlier helps.
pub fn node(fake: &Fake, upstream: Arc<dyn Upstream>) -> Node {
    Node::new(Arc::new(chain::spec()), upstream, Arc::new(Clock::fixed(fake.chain.now())))
}

/// The fake execution RPC, asked over HTTP.
pub fn over_http(fake: &Fake) -> Arc<dyn Upstream> {
    Arc::new(JsonRpc(server(&fake.execution.url())))
}

/// Begins and asks once: the head, or why there is none, or why not all of it was right.
pub fn follow_once(fake: &Fake) -> Result<Snapshot, String> {
    follow_once_at(fake, fake.chain.now())
}

/// The same at another time.
pub fn follow_once_at(fake: &Fake, now: u64) -> Result<Snapshot, String> {
    let start = Start {
        spec: Arc::new(chain::spec()),
        checkpoint: Checkpoint::Root(fake.chain.checkpoint()),
        allow_old_checkpoint: true,
        server: server(&fake.beacon.url()),
        clock: Arc::new(Clock::fixed(now)),
        heads: Arc::default(),
    };
    let mut follower = Follower::begin(&start).map_err(|e| e.to_string())?;
    let outcome = follower.sync_once();
    let head = start.heads.current();
    // Whatever was published is looked at, also when something else was wrong.
    head.map(|head| (*head).clone()).ok_or_else(|| outcome.map_or_else(|e| e.to_string(), |()| "no head".to_owned()))
}

pub fn anchor(slot: u64, block: &Block) -> Anchor {
    Anchor { slot, number: block.header.number, hash: block.hash, timestamp: block.header.timestamp }
}

/// The chain's head as consensus would tell it.
pub fn head(chain: &Chain) -> Snapshot {
    Snapshot { latest: anchor(chain::HEAD, chain.head()), finalized: anchor(chain::HEAD_FINALIZED, chain.finalized()) }
}

pub fn call(node: &Node, head: &Snapshot, method: &str, params: &Value) -> Result<Value, CallError> {
    node.call(method, params.as_array().unwrap(), head, Instant::now() + PATIENCE)
}
