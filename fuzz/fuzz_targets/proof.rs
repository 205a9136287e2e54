//! Whatever nodes a proof has, looking a key up in them ends, and ends in a value only if they hash to the root.

#![no_main]

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use libfuzzer_sys::fuzz_target;
use odyn::helios::execution::proof::{Answer, verify};
use serde_json::json;

fuzz_target!(|data: &[u8]| {
    let Some((cut, nodes)) = data.split_first() else { return };
    // Two nodes, so that a branch can lead somewhere.
    let (first, second) = nodes.split_at(usize::from(*cut).min(nodes.len()));
    let proof: Vec<Bytes> = [first, second].map(Bytes::copy_from_slice).to_vec();
    let root = keccak256(first);
    let slot = json!([{ "key": "0x0", "value": "0x0", "proof": proof }]);
    let answer = json!({
        "address": Address::ZERO, "accountProof": proof, "balance": "0x0", "codeHash": B256::ZERO, "nonce": "0x0",
        "storageHash": B256::ZERO, "storageProof": slot,
    });
    let answer: Answer = serde_json::from_value(answer).unwrap();
    let _ = verify(answer, root, Address::ZERO, &[U256::ZERO]);
});
