//! Reads the objects of the light-client protocol from SSZ.
//!
//! Strict: every offset is where the specification puts it, lists are of the network's size, nothing is left over.

use alloy_primitives::{B256, FixedBytes};

use super::error::Malformed;
use super::types::{
    BeaconHeader, Bootstrap, EXECUTION_DEPTH, EXTRA_DATA, ExecutionHeader, Form, Header, SyncAggregate, SyncCommittee,
    Update, finalized, next,
};
use crate::helios::limits::BEACON_OBJECT;
use crate::helios::network::Spec;

/// Bytes of a fork digest.
const DIGEST: usize = 4;

const SHORT: Malformed = Malformed::Ssz("it ends too early");
const OFFSET: Malformed = Malformed::Ssz("an offset");
const TRAILING: Malformed = Malformed::Ssz("bytes are left over");

/// `LightClientBootstrap`.
///
/// # Errors
/// See [`Malformed`].
pub fn bootstrap(spec: &Spec, bytes: &[u8]) -> Result<Bootstrap, Malformed> {
    let mut reader = Reader::new(bytes);
    let header = reader.offset()?;
    let form = slot_at(bytes, header).and_then(|slot| Form::at(spec, slot))?;
    let current = committee(&mut reader, spec)?;
    let current_branch = reader.nodes(form.committee_depth())?;
    let [header] = reader.variable([header])?;
    Ok(Bootstrap { header: self::header(header, form)?, current, current_branch })
}

/// `LightClientUpdate`.
///
/// # Errors
/// See [`Malformed`].
pub fn update(spec: &Spec, bytes: &[u8]) -> Result<Update, Malformed> {
    let mut reader = Reader::new(bytes);
    let attested = reader.offset()?;
    let form = slot_at(bytes, attested).and_then(|slot| Form::at(spec, slot))?;
    let committee = committee(&mut reader, spec)?;
    let next = next(committee, reader.nodes(form.committee_depth())?)?;
    let finalized_at = reader.offset()?;
    let branch = reader.nodes(form.finality_depth())?;
    let aggregate = aggregate(&mut reader, spec)?;
    let signature_slot = reader.u64()?;
    let [attested, finalized_at] = reader.variable([attested, finalized_at])?;
    let finalized = finalized(header(finalized_at, form)?, branch)?;
    Ok(Update { attested: header(attested, form)?, next, finalized, aggregate, signature_slot })
}

/// `LightClientFinalityUpdate`.
///
/// # Errors
/// See [`Malformed`].
pub fn finality_update(spec: &Spec, bytes: &[u8]) -> Result<Update, Malformed> {
    let mut reader = Reader::new(bytes);
    let attested = reader.offset()?;
    let form = slot_at(bytes, attested).and_then(|slot| Form::at(spec, slot))?;
    let finalized_at = reader.offset()?;
    let branch = reader.nodes(form.finality_depth())?;
    let aggregate = aggregate(&mut reader, spec)?;
    let signature_slot = reader.u64()?;
    let [attested, finalized_at] = reader.variable([attested, finalized_at])?;
    let finalized = finalized(header(finalized_at, form)?, branch)?;
    Ok(Update { attested: header(attested, form)?, next: None, finalized, aggregate, signature_slot })
}

/// `LightClientOptimisticUpdate`.
///
/// # Errors
/// See [`Malformed`].
pub fn optimistic_update(spec: &Spec, bytes: &[u8]) -> Result<Update, Malformed> {
    let mut reader = Reader::new(bytes);
    let attested = reader.offset()?;
    let form = slot_at(bytes, attested).and_then(|slot| Form::at(spec, slot))?;
    let aggregate = aggregate(&mut reader, spec)?;
    let signature_slot = reader.u64()?;
    let [attested] = reader.variable([attested])?;
    Ok(Update { attested: header(attested, form)?, next: None, finalized: None, aggregate, signature_slot })
}

/// The beacon API's answer to `updates`: for each its length with the digest (64 bits), its fork's digest, the update; at
/// most `most`. The digest is not looked at: it says the fork of the attested header's slot once more.
///
/// # Errors
/// See [`Malformed`].
pub fn framed_updates(spec: &Spec, bytes: &[u8], most: u64) -> Result<Vec<Update>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut updates = Vec::new();
    while !reader.rest.is_empty() {
        if updates.len() as u64 >= most {
            return Err(Malformed::TooMany);
        }
        let length = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
        if length > BEACON_OBJECT {
            return Err(Malformed::Ssz("an update is too large"));
        }
        let mut frame = Reader::new(reader.take(length)?);
        frame.take(DIGEST)?;
        updates.push(update(spec, frame.rest)?);
    }
    Ok(updates)
}

/// `LightClientHeader`.
fn header(bytes: &[u8], form: Form) -> Result<Header, Malformed> {
    let mut reader = Reader::new(bytes);
    let beacon = BeaconHeader {
        slot: reader.u64()?,
        proposer_index: reader.u64()?,
        parent_root: reader.b256()?,
        state_root: reader.b256()?,
        body_root: reader.b256()?,
    };
    let execution = reader.offset()?;
    let execution_branch = reader.nodes(EXECUTION_DEPTH)?;
    let [execution] = reader.variable([execution])?;
    Ok(Header { beacon, execution: self::execution(execution, form)?, execution_branch })
}

/// `ExecutionPayloadHeader`.
fn execution(bytes: &[u8], form: Form) -> Result<ExecutionHeader, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut header = ExecutionHeader {
        parent_hash: reader.b256()?,
        fee_recipient: FixedBytes(reader.array()?).into(),
        state_root: reader.b256()?,
        receipts_root: reader.b256()?,
        logs_bloom: FixedBytes(reader.array()?).into(),
        prev_randao: reader.b256()?,
        block_number: reader.u64()?,
        gas_limit: reader.u64()?,
        gas_used: reader.u64()?,
        timestamp: reader.u64()?,
        ..ExecutionHeader::default()
    };
    let extra_data = reader.offset()?;
    header.base_fee_per_gas = reader.b256()?;
    header.block_hash = reader.b256()?;
    header.transactions_root = reader.b256()?;
    header.withdrawals_root = reader.b256()?;
    if form >= Form::Deneb {
        header.blob_gas_used = reader.u64()?;
        header.excess_blob_gas = reader.u64()?;
    }
    let [extra_data] = reader.variable([extra_data])?;
    if extra_data.len() > EXTRA_DATA {
        return Err(TRAILING);
    }
    header.extra_data = extra_data.to_vec();
    Ok(header)
}

/// `SyncCommittee`.
fn committee(reader: &mut Reader<'_>, spec: &Spec) -> Result<SyncCommittee, Malformed> {
    let pubkeys =
        (0..spec.committee_size).map(|_| Ok(FixedBytes(reader.array()?))).collect::<Result<_, Malformed>>()?;
    Ok(SyncCommittee { pubkeys, aggregate_pubkey: FixedBytes(reader.array()?) })
}

/// `SyncAggregate`.
fn aggregate(reader: &mut Reader<'_>, spec: &Spec) -> Result<SyncAggregate, Malformed> {
    let bits = reader.take(spec.committee_size.div_ceil(8))?.to_vec();
    Ok(SyncAggregate { bits, signature: FixedBytes(reader.array()?) })
}

/// The slot of the header that begins at `offset`, read ahead: it decides what the rest looks like.
fn slot_at(bytes: &[u8], offset: usize) -> Result<u64, Malformed> {
    Reader::new(bytes.get(offset..).ok_or(OFFSET)?).u64()
}

/// A container's bytes, read from the front.
struct Reader<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(whole: &'a [u8]) -> Self {
        Self { whole, rest: whole }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(SHORT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(SHORT)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    fn b256(&mut self) -> Result<B256, Malformed> {
        self.array().map(B256::new)
    }

    fn nodes(&mut self, count: usize) -> Result<Vec<B256>, Malformed> {
        (0..count).map(|_| self.b256()).collect()
    }

    fn offset(&mut self) -> Result<usize, Malformed> {
        let offset = u32::from_le_bytes(self.array()?);
        usize::try_from(offset).map_err(|_| OFFSET)
    }

    /// The fixed part is over: the variable parts, by their offsets in the order of the fields. The first begins here,
    /// each ends where the next begins, the last with the container.
    fn variable<const N: usize>(self, offsets: [usize; N]) -> Result<[&'a [u8]; N], Malformed> {
        if offsets.first() != Some(&(self.whole.len() - self.rest.len())) {
            return Err(OFFSET);
        }
        let mut parts = [self.rest; N];
        let mut end = self.whole.len();
        for (part, offset) in parts.iter_mut().zip(offsets).rev() {
            *part = self.whole.get(offset..end).ok_or(OFFSET)?;
            end = offset;
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests;
