use std::collections::BTreeSet;

use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{EthereumTxEnvelope, Header, Transaction, TxEip4844, TxReceipt, proofs};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::proof::verify_proof;
use alloy_trie::{Nibbles, TrieAccount};
use serde_json::Value;

use crate::chain::contracts::{self, HISTORY, HISTORY_SLOTS};
use crate::chain::execution::{FIRST, FORGOTTEN, next_fee};
use crate::chain::lies::lies;
use crate::chain::{Chain, HEAD, state};

#[test]
fn every_block_follows_from_the_one_before() {
    let chain = Chain::shared();
    for pair in chain.execution.blocks.windows(2) {
        let (parent, header) = (&pair[0].header, &pair[1].header);
        assert_eq!(header.parent_hash, pair[0].hash);
        assert_eq!(header.number, parent.number + 1);
        assert!(header.timestamp > parent.timestamp);
        assert_eq!(header.base_fee_per_gas, Some(next_fee(parent)));
        assert!(header.gas_used <= header.gas_limit);
    }
    let fees: BTreeSet<bool> = chain
        .execution
        .blocks
        .windows(2)
        .map(|pair| pair[0].header.base_fee_per_gas < pair[1].header.base_fee_per_gas)
        .collect();
    assert_eq!(fees.len(), 2, "fees rise and fall");
    let types: BTreeSet<u8> =
        chain.execution.blocks.iter().flat_map(|b| &b.transactions).map(|sent| sent.envelope.tx_type() as u8).collect();
    assert_eq!(types, (0..5).collect());
    assert!(chain.head().header.number > HISTORY_SLOTS, "the history contract's slots have started over");
}

#[test]
fn json_of_a_block_gives_its_header_and_transactions_back() {
    let chain = Chain::shared();
    for block in &chain.execution.blocks {
        let json = block.json(true);
        let header: Header = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(header.hash_slow(), block.hash);
        assert_eq!(json["hash"], serde_json::json!(block.hash));
        let transactions: Vec<EthereumTxEnvelope<TxEip4844>> =
            serde_json::from_value(json["transactions"].clone()).unwrap();
        assert_eq!(proofs::calculate_transaction_root(&transactions), header.transactions_root);
        for (transaction, sent) in transactions.iter().zip(&block.transactions) {
            assert_eq!(transaction.recover_signer().unwrap(), sent.from);
        }
        for (index, receipt) in block.receipts_json().as_array().unwrap().iter().enumerate() {
            assert_eq!(receipt["transactionHash"], json["transactions"][index]["hash"]);
            assert_eq!(receipt["logs"].as_array().unwrap().len(), block.receipts[index].logs().len());
        }
        assert_eq!(block.receipts.last().map_or(0, TxReceipt::cumulative_gas_used), header.gas_used);
    }
}

#[test]
fn blobs_are_counted_in_the_header() {
    let chain = Chain::shared();
    for block in &chain.execution.blocks {
        let gas: u64 = block.transactions.iter().filter_map(|sent| sent.envelope.blob_gas_used()).sum();
        assert_eq!(block.header.blob_gas_used, Some(gas));
        assert!(block.blob_price > 1);
    }
}

fn nodes(proof: &Value) -> Vec<Bytes> {
    serde_json::from_value(proof.clone()).unwrap()
}

fn check(root: B256, address: Address, keys: &[&str], proof: &Value) -> usize {
    let account = TrieAccount {
        nonce: quantity(&proof["nonce"]).to(),
        balance: quantity(&proof["balance"]),
        storage_root: serde_json::from_value(proof["storageHash"].clone()).unwrap(),
        code_hash: serde_json::from_value(proof["codeHash"].clone()).unwrap(),
    };
    let expected = (account != TrieAccount::default()).then(|| alloy_rlp::encode(account));
    let path = nodes(&proof["accountProof"]);
    verify_proof(root, Nibbles::unpack(keccak256(address)), expected, &path).unwrap();
    for (index, key) in keys.iter().enumerate() {
        let slot: U256 = key.parse().unwrap();
        let storage = &proof["storageProof"][index];
        assert_eq!(quantity(&storage["key"]), slot);
        let value = quantity(&storage["value"]);
        let expected = (!value.is_zero()).then(|| alloy_rlp::encode(value));
        let key = Nibbles::unpack(keccak256(slot.to_be_bytes::<32>()));
        verify_proof(account.storage_root, key, expected, &nodes(&storage["proof"])).unwrap();
    }
    path.len()
}

fn quantity(value: &Value) -> U256 {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn proofs_lead_to_accounts_and_slots_and_to_their_absence() {
    let chain = Chain::shared();
    let block = chain.head();
    let root = block.header.state_root;
    let there = format!("{:#066x}", contracts::balance_slot(state::person(3)));
    let absent = format!("{:#066x}", contracts::balance_slot(contracts::named("nobody")));
    for address in [contracts::token(), contracts::proxy(), HISTORY, state::person(1), contracts::looper()] {
        let keys = [there.as_str(), absent.as_str(), "0x0", "0x1"];
        let proof = block.state.proof(address, &keys);
        assert!(check(root, address, &keys, &proof) >= 2, "{address} is too near to the root");
    }
    let proof = block.state.proof(contracts::token(), &[&there]);
    assert!(quantity(&proof["storageProof"][0]["value"]) >= U256::from(1_000_003));
    assert_eq!(proof["storageProof"][0]["key"], there.as_str());
    assert!(nodes(&proof["storageProof"][0]["proof"]).len() >= 2);
    for name in 0..20 {
        let address = contracts::named(&format!("absent {name}"));
        let proof = block.state.proof(address, &["0x5"]);
        assert_eq!(quantity(&proof["balance"]), U256::ZERO);
        check(root, address, &["0x5"], &proof);
    }
}

#[test]
fn the_history_contract_knows_every_earlier_block() {
    let chain = Chain::shared();
    let head = chain.head();
    let history = &head.state.accounts[&HISTORY];
    for number in FIRST - FORGOTTEN..head.header.number {
        let known: B256 = history.slot(U256::from(number % HISTORY_SLOTS)).into();
        assert_ne!(known, B256::ZERO);
        if let Some(block) = chain.execution.number(number) {
            assert_eq!(known, block.hash);
        }
    }
    assert_eq!(history.slot(U256::from(head.header.number % HISTORY_SLOTS)), U256::ZERO);
    assert_eq!(chain.block(HEAD).header.number, head.header.number);
}

#[test]
fn lies_are_all_different_from_the_truth_and_from_each_other() {
    let truth = serde_json::json!({
        "number": 7, "text": "0x12ab", "empty": "0x", "one": "0x1", "yes": true, "nothing": null,
        "list": [{ "a": "0x01" }, { "a": "0x02" }], "none": [],
    });
    let all: Vec<(String, Value)> = lies("result", &truth).collect();
    assert!(all.len() > 40);
    let names: BTreeSet<&String> = all.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), all.len());
    assert!(all.iter().all(|(_, lie)| *lie != truth));
    for name in ["result.list[1].a: last digit changed", "result.list: [0] and the next swapped", "result.yes: removed"]
    {
        assert!(names.contains(&name.to_owned()), "{name}");
    }
}
