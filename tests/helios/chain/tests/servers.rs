use serde_json::{Value, json};

use crate::chain::{Chain, HEAD, HEAD_FINALIZED, LAST, contracts, state};
use crate::fake::Fake;
use crate::fake::beacon::frame;

fn get(url: &str, accept: &str) -> (u16, String, Vec<u8>) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let mut answer = agent.get(url).header("accept", accept).call().unwrap();
    let version = answer.headers().get("eth-consensus-version").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), version.unwrap_or_default(), answer.body_mut().read_to_vec().unwrap())
}

fn call(fake: &Fake, method: &str, params: Value) -> Value {
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let mut answer = agent.post(fake.execution.url()).content_type("application/json").send(request).unwrap();
    serde_json::from_slice(&answer.body_mut().read_to_vec().unwrap()).unwrap()
}

const SSZ: &str = "application/octet-stream";

#[test]
fn the_beacon_node_of_the_chain_answers_in_both_encodings() {
    let fake = Fake::start();
    let chain = Chain::shared();
    let base = format!("{}/eth/v1/beacon/light_client", fake.beacon.url());
    let root = alloy_primitives::hex::encode_prefixed(chain.checkpoint());
    let (status, version, body) = get(&format!("{base}/bootstrap/{root}"), SSZ);
    assert_eq!((status, version.as_str()), (200, "fulu"));
    assert_eq!(body, chain.beacon.bootstrap(crate::chain::CHECKPOINT).ssz());

    let (_, _, body) = get(&format!("{base}/updates?start_period=10&count=32"), SSZ);
    let frames: Vec<u8> = [672, 736, 792]
        .iter()
        .flat_map(|slot| frame(chain.beacon.digest(), &chain.beacon.update(*slot).ssz()))
        .collect();
    assert_eq!(body, frames);
    let (_, _, body) = get(&format!("{base}/updates?start_period=11&count=1"), "application/json");
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body, json!([{ "version": "fulu", "data": chain.beacon.update(736).json() }]));

    fake.beacon.json_only(true);
    let (_, _, body) = get(&format!("{base}/finality_update"), SSZ);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["data"]["finalized_header"]["beacon"]["slot"], HEAD_FINALIZED.to_string());
    fake.beacon.json_only(false);
    fake.set_head(LAST);
    let (_, _, body) = get(&format!("{base}/optimistic_update"), SSZ);
    assert_eq!(body, chain.beacon.update(LAST).optimistic_ssz());
    assert_eq!(get(&format!("{base}/bootstrap/0x{}", "11".repeat(32)), SSZ).0, 404);
    let (_, _, body) = get(&format!("{}/eth/v1/beacon/headers/finalized", fake.beacon.url()), "*/*");
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["finalized"], true);
    assert_eq!((fake.beacon.counter().of("updates"), fake.beacon.counter().of("bootstrap")), (2, 2));
}

#[test]
fn the_execution_rpc_of_the_chain_names_blocks_in_every_way() {
    let fake = Fake::start();
    let head = fake.chain.head();
    let (number, hash) = (format!("{:#x}", head.header.number), head.hash);
    let holder = format!("{:#066x}", contracts::balance_slot(state::person(2)));
    let truth = head.state.proof(contracts::token(), &[&holder]);
    for id in
        [json!("latest"), json!(number), json!(hash), json!({ "blockHash": hash }), json!({ "blockNumber": number })]
    {
        let answer = call(&fake, "eth_getProof", json!([contracts::token(), [holder], id]));
        assert_eq!(answer["result"], truth);
        assert_eq!(call(&fake, "eth_getBlockReceipts", json!([id]))["result"], head.receipts_json());
    }
    assert_eq!(call(&fake, "eth_getBlockByHash", json!([hash, true]))["result"], head.json(true));
    let finalized = call(&fake, "eth_getBlockByNumber", json!(["finalized", false]));
    assert_eq!(finalized["result"], fake.chain.block(HEAD_FINALIZED).json(false));
    let code = call(&fake, "eth_getCode", json!([contracts::token(), { "blockHash": hash }]));
    assert_eq!(code["result"], json!(head.state.code(contracts::token())));
    let block = fake.chain.block(HEAD - 1);
    let sent = &block.transactions[0];
    let of = |method: &str| call(&fake, method, json!([sent.envelope.tx_hash()]))["result"].clone();
    assert_eq!(of("eth_getTransactionByHash"), block.transaction_json(0));
    assert_eq!(of("eth_getTransactionReceipt"), block.receipt_json(0));
    let above = format!("{:#x}", head.header.number + 1);
    assert_eq!(call(&fake, "eth_getBlockByNumber", json!([above, false]))["result"], Value::Null);
    assert!(call(&fake, "eth_getProof", json!([contracts::token(), [], above]))["error"]["code"].is_i64());
    assert_eq!(fake.execution.counter().of("eth_getProof"), 6);
}

#[test]
fn the_servers_of_the_chain_lie_when_told_to() {
    let fake = Fake::start();
    fake.execution.tamper(|method, _, result| if method == "eth_chainId" { json!("0x1") } else { result });
    assert_eq!(call(&fake, "eth_chainId", json!([]))["result"], "0x1");
    fake.execution.honest();
    assert_eq!(call(&fake, "eth_chainId", json!([]))["result"], format!("{:#x}", fake.chain.beacon.spec.chain_id));
    fake.beacon.tamper(|_, _| b"no".to_vec());
    let url = format!("{}/eth/v1/beacon/light_client/finality_update", fake.beacon.url());
    assert_eq!(get(&url, SSZ).2, b"no");
    fake.beacon.honest();
    fake.beacon.tamper_update(|_, mut update| {
        update.signature_slot += 1;
        update
    });
    assert_ne!(get(&url, SSZ).2, fake.chain.beacon.update(HEAD).finality_ssz());
}
