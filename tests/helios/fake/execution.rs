//! The execution RPC of the generated chain.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use serde_json::{Value, json};

use super::http::{Answer, Asked, Counter, HttpServer};
use crate::chain::Chain;
use crate::chain::execution::{Block, FIRST};

/// Makes of a method, its parameters and the true result what is answered.
pub type Tamper = Arc<dyn Fn(&str, &Value, Value) -> Value + Send + Sync>;

/// Makes of a method and the whole answer's bytes those that are sent.
pub type TamperBody = Arc<dyn Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync>;

/// What a real node answers where it has no result.
pub struct Refusal(pub i64, pub String);

struct Shared {
    chain: Arc<Chain>,
    head: Arc<AtomicU64>,
    counter: Counter,
    tamper: Mutex<Option<Tamper>>,
    tamper_body: Mutex<Option<TamperBody>>,
    sent: Mutex<Vec<Bytes>>,
    /// Proofs that were made before: block, account and slots.
    proofs: Mutex<HashMap<String, Value>>,
}

/// The server.
pub struct FakeExecution {
    shared: Arc<Shared>,
    http: HttpServer,
}

impl FakeExecution {
    /// Serves the blocks up to the one at the slot `head`.
    pub fn start(chain: Arc<Chain>, head: Arc<AtomicU64>) -> Self {
        let shared = Arc::new(Shared {
            chain,
            head,
            counter: Counter::default(),
            tamper: Mutex::default(),
            tamper_body: Mutex::default(),
            sent: Mutex::default(),
            proofs: Mutex::default(),
        });
        let answering = Arc::clone(&shared);
        Self { shared, http: HttpServer::start(move |asked| answering.answer(asked)) }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.http.url()
    }

    /// Alters every result from now on.
    pub fn tamper(&self, tamper: impl Fn(&str, &Value, Value) -> Value + Send + Sync + 'static) {
        *self.shared.tamper.lock().unwrap() = Some(Arc::new(tamper));
    }

    /// Alters every answer's bytes from now on.
    pub fn tamper_body(&self, tamper: impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync + 'static) {
        *self.shared.tamper_body.lock().unwrap() = Some(Arc::new(tamper));
    }

    /// Tells the truth again.
    pub fn honest(&self) {
        *self.shared.tamper.lock().unwrap() = None;
        *self.shared.tamper_body.lock().unwrap() = None;
    }

    /// Requests by method.
    pub fn counter(&self) -> &Counter {
        &self.shared.counter
    }

    /// The raw transactions it got.
    pub fn sent(&self) -> Vec<Bytes> {
        self.shared.sent.lock().unwrap().clone()
    }

    /// The true result.
    pub fn truth(&self, method: &str, params: &Value) -> Value {
        self.shared.result(method, params).unwrap_or(Value::Null)
    }
}

impl Shared {
    fn answer(&self, asked: &Asked) -> Answer {
        let request: Value = match serde_json::from_slice(&asked.body) {
            Ok(request) if asked.post => request,
            _ => return Answer::error(400, "no JSON-RPC request"),
        };
        let (method, params) = (request["method"].as_str().unwrap_or_default(), &request["params"]);
        self.counter.add(method);
        let mut answer = json!({ "jsonrpc": "2.0", "id": request["id"] });
        match self.result(method, params) {
            Ok(result) => {
                let tamper = self.tamper.lock().unwrap().clone();
                answer["result"] =
                    tamper.map_or_else(|| result.clone(), |tamper| tamper(method, params, result.clone()));
            }
            Err(Refusal(code, message)) => answer["error"] = json!({ "code": code, "message": message }),
        }
        let mut answer = Answer::json(&answer);
        let tamper = self.tamper_body.lock().unwrap().clone();
        if let Some(tamper) = tamper {
            answer.body = tamper(method, answer.body);
        }
        answer
    }

    fn result(&self, method: &str, params: &Value) -> Result<Value, Refusal> {
        let block = |place: usize| self.block(&params[place]);
        let known = |place: usize| block(place)?.ok_or_else(|| Refusal(-32000, "header not found".into()));
        let hash = || parse::<B256>(&params[0]);
        let transaction = || Ok::<_, Refusal>(self.chain.execution.transaction(hash()?).filter(|(b, _)| self.seen(b)));
        Ok(match method {
            "eth_chainId" => json!(format!("{:#x}", self.chain.execution.chain_id)),
            "eth_blockNumber" => json!(format!("{:#x}", self.head().header.number)),
            "eth_getProof" => {
                let keys: Vec<&str> = params[1].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                self.proof(known(2)?, parse(&params[0])?, &keys)
            }
            "eth_getCode" => json!(known(1)?.state.code(parse::<Address>(&params[0])?)),
            "eth_getBlockByNumber" | "eth_getBlockByHash" => {
                let full = params[1].as_bool().ok_or_else(|| missing("full"))?;
                block(0)?.map_or(Value::Null, |block| block.json(full))
            }
            "eth_getBlockReceipts" => block(0)?.map_or(Value::Null, Block::receipts_json),
            "eth_getTransactionByHash" => {
                transaction()?.map_or(Value::Null, |(block, index)| block.transaction_json(index))
            }
            "eth_getTransactionReceipt" => {
                transaction()?.map_or(Value::Null, |(block, index)| block.receipt_json(index))
            }
            "eth_createAccessList" => json!({ "accessList": [], "gasUsed": "0x5208" }),
            "eth_sendRawTransaction" => {
                let raw: Bytes = parse(&params[0])?;
                let hash = keccak256(&raw);
                self.sent.lock().unwrap().push(raw);
                json!(hash)
            }
            _ => return Err(Refusal(-32601, format!("the method {method} does not exist/is not available"))),
        })
    }

    fn proof(&self, block: &Block, address: Address, keys: &[&str]) -> Value {
        let name = format!("{} {address} {keys:?}", block.hash);
        if let Some(proof) = self.proofs.lock().unwrap().get(&name) {
            return proof.clone();
        }
        let proof = block.state.proof(address, keys);
        self.proofs.lock().unwrap().insert(name, proof.clone());
        proof
    }

    fn head(&self) -> &Block {
        self.chain.block(self.head.load(Ordering::SeqCst))
    }

    fn seen(&self, block: &Block) -> bool {
        block.header.number <= self.head().header.number
    }

    /// The block that a parameter names: a tag, a number, a hash, or EIP-1898's object.
    fn block(&self, id: &Value) -> Result<Option<&Block>, Refusal> {
        let beacon = &self.chain.beacon;
        let execution = &self.chain.execution;
        let found = match id {
            Value::Object(fields) if fields.contains_key("blockHash") => return self.block(&fields["blockHash"]),
            Value::Object(fields) if fields.contains_key("blockNumber") => return self.block(&fields["blockNumber"]),
            Value::String(tag) => match tag.as_str() {
                "latest" | "pending" => Some(self.head()),
                "safe" | "finalized" => {
                    let finalized = beacon.at(self.head.load(Ordering::SeqCst)).finalized;
                    finalized.map(|slot| self.chain.block(slot))
                }
                "earliest" => execution.number(FIRST),
                hash if hash.len() == 66 => execution.hash(parse(id)?),
                number => {
                    let digits = number.strip_prefix("0x").ok_or_else(|| missing("block"))?;
                    execution.number(u64::from_str_radix(digits, 16).map_err(|_| missing("block"))?)
                }
            },
            _ => return Err(missing("block")),
        };
        Ok(found.filter(|block| self.seen(block)))
    }
}

fn missing(what: &str) -> Refusal {
    Refusal(-32602, format!("invalid argument: {what}"))
}

fn parse<T: std::str::FromStr>(param: &Value) -> Result<T, Refusal> {
    param.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| missing(&param.to_string()))
}
