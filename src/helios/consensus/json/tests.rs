use serde_json::{Value, json};

use super::super::samples::{Recorded, mainnet, portal};
use super::super::ssz;
use super::*;

fn decimal_text(number: u64) -> String {
    number.to_string()
}

fn header_json(header: &types::Header) -> Value {
    let (b, e) = (&header.beacon, &header.execution);
    json!({
        "beacon": {
            "slot": decimal_text(b.slot),
            "proposer_index": decimal_text(b.proposer_index),
            "parent_root": b.parent_root,
            "state_root": b.state_root,
            "body_root": b.body_root,
        },
        "execution": {
            "parent_hash": e.parent_hash,
            "fee_recipient": e.fee_recipient,
            "state_root": e.state_root,
            "receipts_root": e.receipts_root,
            "logs_bloom": e.logs_bloom,
            "prev_randao": e.prev_randao,
            "block_number": decimal_text(e.block_number),
            "gas_limit": decimal_text(e.gas_limit),
            "gas_used": decimal_text(e.gas_used),
            "timestamp": decimal_text(e.timestamp),
            "extra_data": Bytes::from(e.extra_data.clone()),
            "base_fee_per_gas": U256::from_le_bytes(e.base_fee_per_gas.0).to_string(),
            "block_hash": e.block_hash,
            "transactions_root": e.transactions_root,
            "withdrawals_root": e.withdrawals_root,
            "blob_gas_used": decimal_text(e.blob_gas_used),
            "excess_blob_gas": decimal_text(e.excess_blob_gas),
        },
        "execution_branch": header.execution_branch,
    })
}

fn committee_json(committee: &types::SyncCommittee) -> Value {
    json!({ "pubkeys": committee.pubkeys, "aggregate_pubkey": committee.aggregate_pubkey })
}

/// An update as the beacon API writes it; what it lacks is left out.
pub(in super::super) fn update_json(update: &types::Update, version: &str) -> Value {
    let mut data = json!({
        "attested_header": header_json(&update.attested),
        "sync_aggregate": {
            "sync_committee_bits": Bytes::from(update.aggregate.bits.clone()),
            "sync_committee_signature": update.aggregate.signature,
        },
        "signature_slot": decimal_text(update.signature_slot),
    });
    if let Some(next) = &update.next {
        data["next_sync_committee"] = committee_json(&next.value);
        data["next_sync_committee_branch"] = json!(next.branch);
    }
    if let Some(finalized) = &update.finalized {
        data["finalized_header"] = header_json(&finalized.value);
        data["finality_branch"] = json!(finalized.branch);
    }
    json!({ "version": version, "data": data })
}

pub(in super::super) fn bootstrap_json(bootstrap: &types::Bootstrap, version: &str) -> Value {
    let data = json!({
        "header": header_json(&bootstrap.header),
        "current_sync_committee": committee_json(&bootstrap.current),
        "current_sync_committee_branch": bootstrap.current_branch,
    });
    json!({ "version": version, "data": data })
}

#[test]
fn every_kind_of_object_reads_as_its_ssz_does() {
    let Some(recorded) = Recorded::load() else { return };
    let spec = mainnet();
    let whole = ssz::bootstrap(&spec, &recorded.bootstrap).unwrap();
    assert_eq!(bootstrap(&spec, bootstrap_json(&whole, "deneb").to_string().as_bytes()), Ok(whole));
    let both = [0, 1].map(|which| recorded.update(which));
    let text = json!([update_json(&both[0], "deneb"), update_json(&both[1], "electra")]).to_string();
    assert_eq!(updates(&spec, text.as_bytes(), 2), Ok(both.to_vec()));
    assert_eq!(updates(&spec, text.as_bytes(), 1), Err(Malformed::TooMany));
    let whole = ssz::finality_update(&spec, &portal("finality_update.yaml").unwrap().1[4..]).unwrap();
    assert_eq!(finality_update(&spec, update_json(&whole, "deneb").to_string().as_bytes()), Ok(whole));
    let whole = ssz::optimistic_update(&spec, &portal("optimistic_update.yaml").unwrap().1[4..]).unwrap();
    assert_eq!(optimistic_update(&spec, update_json(&whole, "deneb").to_string().as_bytes()), Ok(whole));
}

#[test]
fn an_unknown_fork_is_refused_by_its_name_whatever_its_data() {
    let spec = mainnet();
    let unknown = Malformed::UnknownFork("gloas".into());
    let text = br#"{"version":"gloas","data":{"attested_header":7}}"#;
    assert_eq!(finality_update(&spec, text), Err(unknown.clone()));
    assert_eq!(optimistic_update(&spec, text), Err(unknown.clone()));
    assert_eq!(bootstrap(&spec, text), Err(unknown.clone()));
    assert_eq!(updates(&spec, &[b"[", text.as_slice(), b"]"].concat(), 1), Err(unknown));
    assert_eq!(known_fork("a\nb\u{7f}"), Err(Malformed::UnknownFork("ab".into())), "nothing for a terminal");
    assert_eq!(known_fork("fulu"), Ok(()));
}

#[test]
fn each_field_is_of_its_type_and_length() {
    let Some((_, content)) = portal("finality_update.yaml") else { return };
    let spec = mainnet();
    let whole = update_json(&ssz::finality_update(&spec, &content[4..]).unwrap(), "deneb");
    let read = |pointer: &str, value: Value| {
        let mut changed = whole.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        finality_update(&spec, changed.to_string().as_bytes())
    };
    assert!(read("/data/signature_slot", json!("10248454")).is_ok());
    for wrong in [json!(10_248_454), json!(""), json!("-1"), json!("+1"), json!("0x1"), json!("1_0"), json!(null)] {
        assert!(matches!(read("/data/signature_slot", wrong), Err(Malformed::Json(..))));
    }
    assert!(matches!(read("/data/signature_slot", json!("18446744073709551616")), Err(Malformed::Json(..))));
    let fee = "/data/attested_header/execution/base_fee_per_gas";
    assert!(read(fee, json!(U256::MAX.to_string())).is_ok());
    assert!(matches!(read(fee, json!("9".repeat(78))), Err(Malformed::Json(..))), "more than 256 bits");
    let blob = read("/data/attested_header/execution/blob_gas_used", Value::Null);
    assert_eq!(blob, Err(Malformed::Length("an execution header's blob gas")));
    assert_eq!(read("/data/finality_branch", json!([])), Err(Malformed::Length("a finality branch")));
    assert_eq!(
        read("/data/sync_aggregate/sync_committee_bits", json!("0xff")),
        Err(Malformed::Length("sync_committee_bits"))
    );
    let extra = read("/data/attested_header/execution/extra_data", json!(format!("0x{}", "00".repeat(33))));
    assert_eq!(extra, Err(Malformed::Length("extra_data")));
    assert_eq!(read("/data/attested_header/beacon/slot", json!("1")), Err(Malformed::BeforeCapella(1)));
    assert!(matches!(read("/data/attested_header", json!({})), Err(Malformed::Json(..))));
    assert!(matches!(finality_update(&spec, b"{"), Err(Malformed::Json(..))));
}
