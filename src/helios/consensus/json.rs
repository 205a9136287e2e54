//! Reads the objects of the light-client protocol from the beacon API's JSON: `{version, data}`, numbers as decimal
//! digits in strings, bytes in hexadecimal digits.

use alloy_primitives::{Address, B256, Bloom, Bytes, FixedBytes, U256};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

use super::error::Malformed;
use super::types::{self, EXECUTION_DEPTH, EXTRA_DATA, Form, Key};
use crate::helios::network::Spec;

/// Forks whose objects are known here.
const FORKS: [&str; 6] = ["altair", "bellatrix", "capella", "deneb", "electra", "fulu"];

/// A fork's name, if it is a known one.
///
/// # Errors
/// [`Malformed::UnknownFork`].
pub fn known_fork(name: &str) -> Result<(), Malformed> {
    if FORKS.contains(&name) {
        return Ok(());
    }
    Err(Malformed::UnknownFork(name.chars().filter(char::is_ascii_alphanumeric).take(32).collect()))
}

/// `LightClientBootstrap`.
///
/// # Errors
/// See [`Malformed`].
pub fn bootstrap(spec: &Spec, text: &[u8]) -> Result<types::Bootstrap, Malformed> {
    let data: Bootstrap = versioned(text)?;
    let form = Form::at(spec, data.header.beacon.slot)?;
    Ok(types::Bootstrap {
        header: header(data.header, form)?,
        current: committee(data.current_sync_committee, spec)?,
        current_branch: exactly(data.current_sync_committee_branch, form.committee_depth(), "a committee's branch")?,
    })
}

/// An array of `LightClientUpdate`s, at most `most`.
///
/// # Errors
/// See [`Malformed`].
pub fn updates(spec: &Spec, text: &[u8], most: u64) -> Result<Vec<types::Update>, Malformed> {
    let values: Vec<&serde_json::value::RawValue> = parse(text)?;
    if values.len() as u64 > most {
        return Err(Malformed::TooMany);
    }
    values.into_iter().map(|value| full(spec, versioned(value.get().as_bytes())?)).collect()
}

/// `LightClientFinalityUpdate`.
///
/// # Errors
/// See [`Malformed`].
pub fn finality_update(spec: &Spec, text: &[u8]) -> Result<types::Update, Malformed> {
    let data: FinalityUpdate = versioned(text)?;
    let form = Form::at(spec, data.attested_header.beacon.slot)?;
    Ok(types::Update {
        attested: header(data.attested_header, form)?,
        next: None,
        finalized: finalized(data.finalized_header, data.finality_branch, form)?,
        aggregate: aggregate(data.sync_aggregate, spec)?,
        signature_slot: data.signature_slot,
    })
}

/// `LightClientOptimisticUpdate`.
///
/// # Errors
/// See [`Malformed`].
pub fn optimistic_update(spec: &Spec, text: &[u8]) -> Result<types::Update, Malformed> {
    let data: OptimisticUpdate = versioned(text)?;
    let form = Form::at(spec, data.attested_header.beacon.slot)?;
    Ok(types::Update {
        attested: header(data.attested_header, form)?,
        next: None,
        finalized: None,
        aggregate: aggregate(data.sync_aggregate, spec)?,
        signature_slot: data.signature_slot,
    })
}

/// The root in the answer to `headers/finalized`.
///
/// # Errors
/// See [`Malformed`].
pub fn block_root(text: &[u8]) -> Result<B256, Malformed> {
    #[derive(Deserialize)]
    struct Answer {
        data: Rooted,
    }
    #[derive(Deserialize)]
    struct Rooted {
        root: B256,
    }
    parse::<Answer>(text).map(|answer| answer.data.root)
}

fn parse<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, Malformed> {
    // The reader's own words could repeat what the server wrote.
    serde_json::from_slice(text).map_err(|e| Malformed::Json(e.line(), e.column()))
}

/// The version is looked at before the data: an unknown fork's may look like anything.
fn versioned<T: DeserializeOwned>(text: &[u8]) -> Result<T, Malformed> {
    #[derive(Deserialize)]
    struct Versioned<'a> {
        version: String,
        #[serde(borrow)]
        data: &'a serde_json::value::RawValue,
    }
    let versioned: Versioned<'_> = parse(text)?;
    known_fork(&versioned.version)?;
    parse(versioned.data.get().as_bytes())
}

fn full(spec: &Spec, data: FullUpdate) -> Result<types::Update, Malformed> {
    let form = Form::at(spec, data.attested_header.beacon.slot)?;
    let branch = exactly(data.next_sync_committee_branch, form.committee_depth(), "a committee's branch")?;
    Ok(types::Update {
        attested: header(data.attested_header, form)?,
        next: types::next(committee(data.next_sync_committee, spec)?, branch)?,
        finalized: finalized(data.finalized_header, data.finality_branch, form)?,
        aggregate: aggregate(data.sync_aggregate, spec)?,
        signature_slot: data.signature_slot,
    })
}

fn finalized(
    value: Header,
    branch: Vec<B256>,
    form: Form,
) -> Result<Option<types::Branched<types::Header>>, Malformed> {
    types::finalized(header(value, form)?, exactly(branch, form.finality_depth(), "a finality branch")?)
}

fn header(header: Header, form: Form) -> Result<types::Header, Malformed> {
    let Header { beacon, execution: e, execution_branch } = header;
    let (blob_gas_used, excess_blob_gas) = match (form >= Form::Deneb, e.blob_gas_used, e.excess_blob_gas) {
        (true, Some(used), Some(excess)) => (used.0, excess.0),
        (false, None, None) => (0, 0),
        _ => return Err(Malformed::Length("an execution header's blob gas")),
    };
    if e.extra_data.len() > EXTRA_DATA {
        return Err(Malformed::Length("extra_data"));
    }
    Ok(types::Header {
        beacon: types::BeaconHeader {
            slot: beacon.slot,
            proposer_index: beacon.proposer_index,
            parent_root: beacon.parent_root,
            state_root: beacon.state_root,
            body_root: beacon.body_root,
        },
        execution: types::ExecutionHeader {
            parent_hash: e.parent_hash,
            fee_recipient: e.fee_recipient,
            state_root: e.state_root,
            receipts_root: e.receipts_root,
            logs_bloom: e.logs_bloom,
            prev_randao: e.prev_randao,
            block_number: e.block_number,
            gas_limit: e.gas_limit,
            gas_used: e.gas_used,
            timestamp: e.timestamp,
            extra_data: e.extra_data.to_vec(),
            base_fee_per_gas: B256::new(e.base_fee_per_gas.0.to_le_bytes()),
            block_hash: e.block_hash,
            transactions_root: e.transactions_root,
            withdrawals_root: e.withdrawals_root,
            blob_gas_used,
            excess_blob_gas,
        },
        execution_branch: exactly(execution_branch, EXECUTION_DEPTH, "an execution branch")?,
    })
}

fn committee(committee: SyncCommittee, spec: &Spec) -> Result<types::SyncCommittee, Malformed> {
    let pubkeys = exactly(committee.pubkeys, spec.committee_size, "a sync committee")?;
    Ok(types::SyncCommittee { pubkeys, aggregate_pubkey: committee.aggregate_pubkey })
}

fn aggregate(aggregate: SyncAggregate, spec: &Spec) -> Result<types::SyncAggregate, Malformed> {
    let bits = exactly(aggregate.sync_committee_bits.to_vec(), spec.committee_size.div_ceil(8), "sync_committee_bits")?;
    Ok(types::SyncAggregate { bits, signature: aggregate.sync_committee_signature })
}

fn exactly<T>(list: Vec<T>, length: usize, what: &'static str) -> Result<Vec<T>, Malformed> {
    if list.len() == length { Ok(list) } else { Err(Malformed::Length(what)) }
}

/// A number in a string, of digits alone.
fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Number::deserialize(deserializer).map(|number| number.0)
}

struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wide(wide) = Wide::deserialize(deserializer)?;
        u64::try_from(wide).map(Self).map_err(|_| D::Error::custom("more than 64 bits"))
    }
}

/// 256 bits in decimal digits.
struct Wide(U256);

impl<'de> Deserialize<'de> for Wide {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() || text.len() > 78 || !text.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(D::Error::custom("not a decimal number"));
        }
        U256::from_str_radix(&text, 10).map(Self).map_err(|_| D::Error::custom("more than 256 bits"))
    }
}

#[derive(Deserialize)]
struct BeaconHeader {
    #[serde(deserialize_with = "decimal")]
    slot: u64,
    #[serde(deserialize_with = "decimal")]
    proposer_index: u64,
    parent_root: B256,
    state_root: B256,
    body_root: B256,
}

#[derive(Deserialize)]
struct ExecutionHeader {
    parent_hash: B256,
    fee_recipient: Address,
    state_root: B256,
    receipts_root: B256,
    logs_bloom: Bloom,
    prev_randao: B256,
    #[serde(deserialize_with = "decimal")]
    block_number: u64,
    #[serde(deserialize_with = "decimal")]
    gas_limit: u64,
    #[serde(deserialize_with = "decimal")]
    gas_used: u64,
    #[serde(deserialize_with = "decimal")]
    timestamp: u64,
    extra_data: Bytes,
    base_fee_per_gas: Wide,
    block_hash: B256,
    transactions_root: B256,
    withdrawals_root: B256,
    blob_gas_used: Option<Number>,
    excess_blob_gas: Option<Number>,
}

#[derive(Deserialize)]
struct Header {
    beacon: BeaconHeader,
    execution: ExecutionHeader,
    execution_branch: Vec<B256>,
}

#[derive(Deserialize)]
struct SyncCommittee {
    pubkeys: Vec<Key>,
    aggregate_pubkey: Key,
}

#[derive(Deserialize)]
struct SyncAggregate {
    sync_committee_bits: Bytes,
    sync_committee_signature: FixedBytes<96>,
}

#[derive(Deserialize)]
struct Bootstrap {
    header: Header,
    current_sync_committee: SyncCommittee,
    current_sync_committee_branch: Vec<B256>,
}

#[derive(Deserialize)]
struct FullUpdate {
    attested_header: Header,
    next_sync_committee: SyncCommittee,
    next_sync_committee_branch: Vec<B256>,
    finalized_header: Header,
    finality_branch: Vec<B256>,
    sync_aggregate: SyncAggregate,
    #[serde(deserialize_with = "decimal")]
    signature_slot: u64,
}

#[derive(Deserialize)]
struct FinalityUpdate {
    attested_header: Header,
    finalized_header: Header,
    finality_branch: Vec<B256>,
    sync_aggregate: SyncAggregate,
    #[serde(deserialize_with = "decimal")]
    signature_slot: u64,
}

#[derive(Deserialize)]
struct OptimisticUpdate {
    attested_header: Header,
    sync_aggregate: SyncAggregate,
    #[serde(deserialize_with = "decimal")]
    signature_slot: u64,
}

#[cfg(test)]
pub(super) mod tests;
