//! Servers that repeat what mainnet's said, from the recordings of one folder.
//!
//! The beacon node's newest block is the last whose child was recorded, because only the child has the signatures; its
//! optimistic update is made of the two. The finality update is made of the update of period 1421, in Deneb's form.

use std::path::PathBuf;
use std::sync::Arc;

use alloy_primitives::{Address, B256, hex};
use serde_json::{Value, json};

use super::http::{Answer, Asked, Counter, HttpServer};
use crate::chain::committee::Committee;
use crate::chain::light::Update;
use crate::chain::mainnet::Mainnet;

/// The block root that all recordings are trusted from.
pub const CHECKPOINT: B256 = B256::new(hex!("d9717ecc253684291f828688f311ba74d05af74c31654f6e14077669fca62f6a"));

/// One folder of recordings and both servers over it.
pub struct Recorded {
    pub shared: Arc<Recording>,
    beacon: HttpServer,
    execution: HttpServer,
}

/// What was recorded.
pub struct Recording {
    /// The newest block with signatures, and what was signed.
    pub head: Update,
    /// What the recordings are about: a call, and its result.
    pub test: Value,
    blocks: Vec<Mainnet>,
    bootstrap: Vec<u8>,
    updates: Vec<(u64, Vec<u8>)>,
    answers: Vec<(String, Value)>,
    pub counter: Counter,
}

/// Where the recordings are; `None` says that there are none.
fn data() -> Option<PathBuf> {
    let data = std::env::var_os("ODYN_TEST_DATA").map(PathBuf::from);
    let data = data.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")));
    let recordings = data.join("eth/colibri");
    recordings.is_dir().then_some(recordings)
}

impl Recording {
    fn read(folder: &str) -> Option<Self> {
        let data = data()?;
        let bootstrap =
            "eth_v1_beacon_light_client_bootstrap_0xd9717ecc253684291f828688f311ba74d05af74c31654f6e14077669fca62.ssz";
        let update = |folder: &str, period: u64| {
            let name = format!("eth_v1_beacon_light_client_updates_start_period_{period}_count_1.ssz");
            (period, std::fs::read(data.join(folder).join(name)).unwrap())
        };
        let (mut blocks, mut answers) = (Vec::new(), Vec::new());
        for entry in data.join(folder).read_dir().unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let bytes = std::fs::read(entry.path()).unwrap();
            if name.starts_with("eth_v2_beacon_blocks_") {
                blocks.push(Mainnet::read(&bytes));
            } else if name.starts_with("eth_get") {
                let answer: Value = serde_json::from_slice(&bytes).unwrap();
                answers.push((name, answer["result"].clone()));
            }
        }
        let test = serde_json::from_slice(&std::fs::read(data.join(folder).join("test.json")).unwrap()).unwrap();
        let child =
            blocks.iter().find(|child| blocks.iter().any(|b| b.root == child.header.beacon.parent_root)).unwrap();
        let parent = blocks.iter().find(|parent| parent.root == child.header.beacon.parent_root).unwrap();
        let head = Update {
            attested_header: parent.header.clone(),
            next_sync_committee: Committee { keys: Vec::new(), aggregate: [0; 48] },
            next_sync_committee_branch: Vec::new(),
            finalized_header: parent.header.clone(),
            finality_branch: Vec::new(),
            bits: child.bits.clone(),
            signature: child.signature,
            signature_slot: child.header.beacon.slot,
        };
        Some(Self {
            head,
            test,
            bootstrap: std::fs::read(data.join("eth_call_electra").join(bootstrap)).unwrap(),
            updates: vec![update("eth_call_electra", 1421), update("eth_blockNumber_electra", 1422)],
            blocks,
            answers,
            counter: Counter::default(),
        })
    }

    /// The newest block with signatures.
    pub fn latest(&self) -> &Mainnet {
        self.blocks.iter().find(|block| block.header == self.head.attested_header).unwrap()
    }

    /// All blocks.
    pub fn blocks(&self) -> &[Mainnet] {
        &self.blocks
    }

    /// Updates from a period on whose attested header is not after the head; framed as they were.
    fn updates(&self, query: &str) -> Vec<u8> {
        let field = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.parse::<u64>().ok());
        let (start, count) = (field("start_period=").unwrap_or_default(), field("count=").unwrap_or_default());
        let wanted = |(period, _): &&(u64, Vec<u8>)| (start..start.saturating_add(count)).contains(period);
        self.updates.iter().filter(wanted).flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    /// The update of period 1421 without its committee and its branch.
    pub fn finality(&self) -> Vec<u8> {
        let ssz = &self.updates[0].1[12..];
        let cut = 512 * 48 + 48 + 5 * 32;
        let shifted = |at: usize| {
            let offset = u32::from_le_bytes(ssz[at..at + 4].try_into().unwrap());
            (offset - u32::try_from(cut).unwrap()).to_le_bytes()
        };
        [&shifted(0)[..], &shifted(4 + cut), &ssz[8 + cut..]].concat()
    }

    fn beacon(&self, asked: &Asked) -> Answer {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let Some(kind) = path.strip_prefix("/eth/v1/beacon/light_client/") else {
            return Answer::error(404, "not recorded");
        };
        self.counter.add(kind);
        let (version, body) = match kind {
            "updates" => ("deneb", self.updates(query)),
            "finality_update" => ("deneb", self.finality()),
            "optimistic_update" => ("electra", self.head.optimistic_ssz()),
            _ if kind == format!("bootstrap/{CHECKPOINT}") => ("deneb", self.bootstrap.clone()),
            _ => return Answer::error(404, "not recorded"),
        };
        Answer { status: 200, content_type: "application/octet-stream", version: Some(version.into()), body }
    }

    fn execution(&self, asked: &Asked) -> Answer {
        let request: Value = serde_json::from_slice(&asked.body).unwrap();
        let method = request["method"].as_str().unwrap_or_default();
        self.counter.add(method);
        let mut answer = json!({ "jsonrpc": "2.0", "id": request["id"] });
        match self.result(method, &request["params"]) {
            Some(result) => answer["result"] = result,
            None => answer["error"] = json!({ "code": -32000, "message": "not recorded" }),
        }
        Answer::json(&answer)
    }

    fn result(&self, method: &str, params: &Value) -> Option<Value> {
        let address = |value: &Value| value.as_str().and_then(|text| text.parse::<Address>().ok());
        match method {
            "eth_chainId" => Some(json!("0x1")),
            "eth_getProof" => {
                let wanted = address(&params[0])?;
                let (_, proof) = self.answers.iter().find(|(_, proof)| address(&proof["address"]) == Some(wanted))?;
                let mut proof = proof.clone();
                let all = proof["storageProof"].take();
                let slot = |key: &Value| all.as_array()?.iter().find(|slot| slot["key"] == *key).cloned();
                let chosen: Option<Vec<Value>> = params[1].as_array()?.iter().map(slot).collect();
                proof["storageProof"] = chosen?.into();
                Some(proof)
            }
            "eth_getCode" => {
                let name = format!("eth_getCode_{:#x}_latest.json", address(&params[0])?);
                self.answers.iter().find(|(recorded, _)| *recorded == name).map(|(_, code)| code.clone())
            }
            "eth_getBlockByNumber" | "eth_getBlockByHash" => {
                Some(self.block(&params[0]).map_or(Value::Null, |b| b.block.json(params[1] == true)))
            }
            "eth_getBlockReceipts" => {
                let number = format!("{:#x}", self.block(&params[0])?.block.header.number);
                let name = format!("eth_getBlockReceipts_{number}.json");
                self.answers.iter().find(|(recorded, _)| *recorded == name).map(|(_, receipts)| receipts.clone())
            }
            "eth_createAccessList" => Some(json!({ "accessList": [], "gasUsed": "0x5208" })),
            _ => None,
        }
    }

    fn block(&self, id: &Value) -> Option<&Mainnet> {
        let id = if id.is_object() { &id["blockHash"] } else { id };
        let text = id.as_str()?;
        let named =
            |b: &&Mainnet| text == format!("{:#x}", b.block.header.number) || text == format!("{:#x}", b.block.hash);
        if text == "latest" { Some(self.latest()) } else { self.blocks.iter().find(named) }
    }
}

impl Recorded {
    /// Servers over a folder such as `eth_call_electra`; `None`, and a word about it, where there are no recordings.
    pub fn start(folder: &str) -> Option<Self> {
        let Some(recording) = Recording::read(folder) else {
            eprintln!("skipped: no test data");
            return None;
        };
        let shared = Arc::new(recording);
        let (beacon, execution) = (Arc::clone(&shared), Arc::clone(&shared));
        Some(Self {
            shared,
            beacon: HttpServer::start(move |asked| beacon.beacon(asked)),
            execution: HttpServer::start(move |asked| execution.execution(asked)),
        })
    }

    /// The recorded answers of `eth_getProof`.
    pub fn proofs(&self) -> Vec<Value> {
        self.shared
            .answers
            .iter()
            .map(|(_, answer)| answer)
            .filter(|answer| answer.get("accountProof").is_some())
            .cloned()
            .collect()
    }

    pub fn beacon_url(&self) -> String {
        self.beacon.url()
    }

    pub fn execution_url(&self) -> String {
        self.execution.url()
    }

    /// Unix time five seconds into the slot of the signatures.
    pub fn now(&self) -> u64 {
        1_606_824_023 + self.shared.head.signature_slot * 12 + 5
    }
}
