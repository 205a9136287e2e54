use alloy_consensus::Header;
use serde_json::{Value, json};

use crate::chain::ssz::sha256;
use crate::fake::recorded::{CHECKPOINT, Recorded};

const FOLDERS: [&str; 5] = [
    "eth_blockNumber_electra",
    "eth_call_electra",
    "eth_getBalance_electra",
    "eth_getLogs_electra",
    "eth_getStorageAt_electra",
];

#[test]
fn recorded_blocks_of_the_chain_hash_to_what_their_children_name() {
    for folder in FOLDERS {
        let Some(recorded) = Recorded::start(folder) else { return };
        let mut children = 0;
        for block in recorded.shared.blocks() {
            let header = &block.header;
            assert_eq!(block.block.hash.0, header.execution.block_hash, "{folder}: slot {}", header.beacon.slot);
            let leaf = header.execution.root();
            let branch = header.execution_branch.iter().zip([true, false, false, true]);
            let root = branch.fold(
                leaf,
                |node, (sibling, right)| {
                    if right { sha256(&[sibling, &node]) } else { sha256(&[&node, sibling]) }
                },
            );
            assert_eq!(root, header.beacon.body_root);
            children += recorded.shared.blocks().iter().filter(|b| b.header.beacon.parent_root == block.root).count();
        }
        assert_eq!(children, 1, "{folder}");
        assert!(recorded.shared.head.bits.iter().filter(|bit| **bit).count() > 342);
    }
}

#[test]
fn recorded_servers_of_the_chain_repeat_what_was_recorded() {
    let Some(recorded) = Recorded::start("eth_getLogs_electra") else { return };
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let get = |path: &str| {
        let mut answer =
            agent.get(format!("{}/eth/v1/beacon/light_client/{path}", recorded.beacon_url())).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_vec().unwrap())
    };
    assert_eq!(get(&format!("bootstrap/{CHECKPOINT}")).1.len(), 25_635);
    assert_eq!(get("updates?start_period=1421&count=2").1.len(), 26_868 + 26_921);
    assert_eq!(get("updates?start_period=1421&count=1").1.len(), 26_868);
    assert_eq!(get("bootstrap/0x00").0, 404);
    assert_eq!(get("finality_update").1.len(), 26_868 - 12 - 512 * 48 - 48 - 5 * 32);
    let call = |method: &str, params: Value| {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let mut answer = agent.post(recorded.execution_url()).send(request).unwrap();
        serde_json::from_slice::<Value>(&answer.body_mut().read_to_vec().unwrap()).unwrap()["result"].clone()
    };
    let block = call("eth_getBlockByNumber", json!(["latest", true]));
    let header: Header = serde_json::from_value(block.clone()).unwrap();
    assert_eq!(block["hash"], json!(header.hash_slow()));
    assert_eq!(block["number"], "0x1564966");
    let receipts = call("eth_getBlockReceipts", json!(["0x1564966"]));
    assert_eq!(receipts.as_array().unwrap().len(), block["transactions"].as_array().unwrap().len());
    assert!(call("eth_getProof", json!([CHECKPOINT, [], "latest"])).is_null());
}
