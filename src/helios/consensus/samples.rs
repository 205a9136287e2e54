//! What the tests are about: recorded objects, and a chain whose committees sign whatever a test wants.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use alloy_primitives::{B256, FixedBytes};
use blst::min_pk::{AggregateSignature, SecretKey};

use super::store::{Store, signing_root};
use super::types::{
    BeaconHeader, Bootstrap, Branched, EXECUTION_INDEX, ExecutionHeader, Form, Header, SyncAggregate, SyncCommittee,
    Update,
};
use super::{merkle, ssz};
use crate::config::value::{HttpUrl, Network};
use crate::helios::http::Server;
use crate::helios::network::{Fork, Spec};

pub(super) const CHECKPOINT: B256 =
    alloy_primitives::b256!("d9717ecc253684291f828688f311ba74d05af74c31654f6e14077669fca62f6a");

/// The folder of recorded Ethereum data; says so where it is not there.
pub(super) fn data() -> Option<PathBuf> {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let data = std::env::var_os("ODYN_TEST_DATA").map_or_else(|| manifest.join("../shared/data"), PathBuf::from);
    let eth = data.join("eth");
    if eth.is_dir() {
        return Some(eth);
    }
    eprintln!("skipped: no test data");
    None
}

pub(super) fn mainnet() -> Arc<Spec> {
    Arc::new(Spec::of(Network::Mainnet))
}

/// Mainnet from Deneb into Electra, as a beacon node sent it.
pub(super) struct Recorded {
    pub(super) bootstrap: Vec<u8>,
    /// Framed, of periods 1421 and 1422.
    pub(super) updates: [Vec<u8>; 2],
}

impl Recorded {
    pub(super) fn load() -> Option<Self> {
        let folder = data()?.join("colibri");
        let read = |case: &str, name: &str| {
            std::fs::read(folder.join(case).join(format!("eth_v1_beacon_light_client_{name}.ssz"))).unwrap()
        };
        let update = |case, period| read(case, &format!("updates_start_period_{period}_count_1"));
        Some(Self {
            bootstrap: read("eth_call_electra", &format!("bootstrap_{:.63}", format!("{CHECKPOINT:#x}"))),
            updates: [update("eth_call_electra", 1421), update("eth_blockNumber_electra", 1422)],
        })
    }

    /// An update's SSZ, out of its frame.
    pub(super) fn plain(&self, which: usize) -> &[u8] {
        &self.updates[which][12..]
    }

    pub(super) fn update(&self, which: usize) -> Update {
        ssz::update(&mainnet(), self.plain(which)).unwrap()
    }

    pub(super) fn store(&self) -> Store {
        let spec = mainnet();
        Store::bootstrap(&spec, CHECKPOINT, &ssz::bootstrap(&spec, &self.bootstrap).unwrap()).unwrap()
    }
}

/// A file of portal-spec-tests: its content, and the key it is found under.
pub(super) fn portal(name: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let text = std::fs::read_to_string(data()?.join("portal-deneb").join(name)).unwrap();
    let yaml: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    let field = |name: &str| alloy_primitives::hex::decode(yaml[name].as_str().unwrap()).unwrap();
    Some((field("content_key"), field("content_value")))
}

/// The minimal preset with every fork from genesis on: 64 slots a period, 32 members.
pub(super) fn minimal() -> Spec {
    let fork = |version| Fork { epoch: 0, version: [version, 0, 0, 1] };
    Spec {
        name: "minimal".into(),
        slots_per_epoch: 8,
        epochs_per_period: 8,
        committee_size: 32,
        genesis: [0, 0, 0, 1],
        altair: fork(1),
        bellatrix: fork(2),
        capella: fork(3),
        deneb: fork(4),
        electra: fork(5),
        fulu: fork(6),
        ..Spec::of(Network::Mainnet)
    }
}

/// A committee with its secrets.
pub(super) struct Members {
    pub(super) secrets: Vec<SecretKey>,
    pub(super) committee: SyncCommittee,
}

impl Members {
    pub(super) fn new(seed: u8) -> Self {
        let secret = |i: u8| SecretKey::key_gen(&[[seed, i].as_slice(), &[7; 30]].concat(), &[]).unwrap();
        let secrets: Vec<_> = (0..32).map(secret).collect();
        let pubkeys: Vec<_> = secrets.iter().map(|secret| FixedBytes(secret.sk_to_pk().compress())).collect();
        let aggregate_pubkey = pubkeys[0];
        Self { secrets, committee: SyncCommittee { pubkeys, aggregate_pubkey } }
    }

    /// The first `count` members' signature.
    pub(super) fn sign(&self, message: B256, count: usize) -> SyncAggregate {
        let cipher = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
        let each: Vec<_> =
            self.secrets[..count].iter().map(|secret| secret.sign(message.as_slice(), cipher, &[])).collect();
        let sum = AggregateSignature::aggregate(&each.iter().collect::<Vec<_>>(), false).unwrap();
        let bits = (0..4).map(|byte| (0..8).map(|bit| u8::from(byte * 8 + bit < count) << bit).sum()).collect();
        SyncAggregate { bits, signature: FixedBytes(sum.to_signature().compress()) }
    }
}

/// A Merkle tree of a few leaves by generalized index; everything else is zero.
#[derive(Default)]
pub(super) struct Tree(pub(super) BTreeMap<u64, B256>);

impl Tree {
    pub(super) fn node(&self, index: u64) -> B256 {
        if let Some(leaf) = self.0.get(&index) {
            return *leaf;
        }
        let is_below = |leaf: &u64| leaf.ilog2() > index.ilog2() && leaf >> (leaf.ilog2() - index.ilog2()) == index;
        if self.0.keys().any(is_below) {
            return merkle::pair(self.node(2 * index), self.node(2 * index + 1));
        }
        B256::ZERO
    }

    pub(super) fn branch(&self, index: u64) -> Vec<B256> {
        std::iter::successors(Some(index), |index| Some(index >> 1))
            .take_while(|index| *index > 1)
            .map(|index| self.node(index ^ 1))
            .collect()
    }
}

/// A header of `slot` in Electra's form, whose block and state are these.
pub(super) fn header(slot: u64, state: &Tree) -> Header {
    let execution = ExecutionHeader {
        block_number: slot,
        block_hash: merkle::number(slot),
        extra_data: vec![1, 2, 3],
        ..ExecutionHeader::default()
    };
    let body = Tree([(EXECUTION_INDEX, execution.root(Form::Electra).unwrap())].into());
    let beacon = BeaconHeader { slot, state_root: state.node(1), body_root: body.node(1), ..BeaconHeader::default() };
    Header { beacon, execution, execution_branch: body.branch(EXECUTION_INDEX) }
}

/// A bootstrap at `slot`.
pub(super) fn bootstrap(slot: u64, current: &Members) -> Bootstrap {
    let state = Tree([(86, current.committee.root())].into());
    Bootstrap { header: header(slot, &state), current: current.committee.clone(), current_branch: state.branch(86) }
}

/// What an update says; [`Wish::signed`] makes it.
pub(super) struct Wish<'a> {
    pub(super) attested: u64,
    pub(super) finalized: Option<u64>,
    pub(super) next: Option<&'a Members>,
    pub(super) signature_slot: u64,
    pub(super) signers: usize,
}

impl Wish<'_> {
    pub(super) fn signed(&self, spec: &Spec, by: &Members) -> Update {
        let finalized = self.finalized.map(|slot| header(slot, &Tree::default()));
        let mut state = Tree::default();
        state.0.extend(finalized.as_ref().map(|header| (169, header.beacon.root())));
        state.0.extend(self.next.map(|next| (87, next.committee.root())));
        let attested = header(self.attested, &state);
        let message = signing_root(spec, attested.beacon.root(), self.signature_slot);
        Update {
            attested,
            next: self.next.map(|next| Branched { value: next.committee.clone(), branch: state.branch(87) }),
            finalized: finalized.map(|value| Branched { value, branch: state.branch(169) }),
            aggregate: by.sign(message, self.signers),
            signature_slot: self.signature_slot,
        }
    }
}

/// Answers by path; everything else is 404.
#[derive(Clone, Default)]
pub(super) struct Recording(BTreeMap<String, Answer>);

#[derive(Clone)]
struct Answer {
    fields: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Recording {
    pub(super) fn answer(&mut self, path: &str, kind: &str, version: Option<&str>, body: &[u8]) {
        let version = version.map(|version| ("eth-consensus-version", version.to_owned()));
        let fields = [Some(("content-type", kind.to_owned())), version].into_iter().flatten().collect();
        self.0.insert(path.to_owned(), Answer { fields, body: body.to_vec() });
    }

    /// A server of these answers, until the tests end.
    pub(super) fn serve(&self) -> Server {
        let listener = tiny_http::Server::http("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.server_addr());
        let answers = self.0.clone();
        std::thread::spawn(move || {
            for request in listener.incoming_requests() {
                let Some(answer) = answers.get(request.url()) else {
                    let _ = request.respond(tiny_http::Response::empty(404));
                    continue;
                };
                let mut response = tiny_http::Response::from_data(answer.body.clone());
                for (name, value) in &answer.fields {
                    response.add_header(tiny_http::Header::from_bytes(*name, value.as_bytes()).unwrap());
                }
                let _ = request.respond(response);
            }
        });
        Server::new(HttpUrl::parse(&url).unwrap(), &crate::helios::http::Way::Network)
    }
}
