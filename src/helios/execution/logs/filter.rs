//! The filter of `eth_getLogs`: which blocks, which addresses, which topics.

use alloy_primitives::{Address, B256, Bloom, BloomInput, Log};
use serde_json::Value;

use super::super::error::CallError;
use super::super::params;
use super::super::view::BlockId;
use crate::helios::limits;

/// Topics of a log, at most.
const TOPICS: usize = 4;

/// What is looked for, and where.
#[derive(Debug)]
pub(in super::super) struct Filter {
    /// Where.
    pub(super) blocks: Blocks,
    /// A log's address is one of these; any, where there is none.
    addresses: Vec<Address>,
    /// A log has at least as many topics, and at each place one of these; any, where there is none. (A filter that ends
    /// in `null` so leaves out logs with fewer topics: as geth does it.)
    topics: Vec<Vec<B256>>,
}

/// Which blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Blocks {
    /// From one to another, both included.
    Range(BlockId, BlockId),
    /// The one with this hash.
    One(B256),
}

impl Filter {
    /// Reads the only parameter. A field that is not known is refused: it might leave out logs, or let them in.
    ///
    /// # Errors
    /// [`CallError::Params`], or [`CallError::Limit`] for more addresses or topics than one call may name.
    pub(in super::super) fn read(params: &[Value]) -> Result<Self, CallError> {
        let (Some(Value::Object(fields)), 1) = (params.first(), params.len()) else {
            return Err(CallError::Params("eth_getLogs takes one object".into()));
        };
        let (mut from, mut to, mut one, mut addresses, mut topics) = (None, None, None, vec![], vec![]);
        for (name, value) in fields {
            match (name.as_str(), value) {
                // What libraries write for a field that is not set.
                ("fromBlock" | "toBlock" | "blockHash" | "address" | "topics", Value::Null) => {}
                ("fromBlock", block) => from = Some(params::block(std::slice::from_ref(block), 0)?),
                ("toBlock", block) => to = Some(params::block(std::slice::from_ref(block), 0)?),
                ("blockHash", hash) => one = Some(params::hash(std::slice::from_ref(hash), 0)?),
                ("address", value) => addresses = alternatives(value, params::address)?,
                ("topics", Value::Array(places)) if places.len() <= TOPICS => {
                    topics = places.iter().map(place).collect::<Result<_, _>>()?;
                }
                _ => return Err(CallError::Params(format!("eth_getLogs: {name:?} is not known, or has no such form"))),
            }
        }
        let blocks = match (one, from, to) {
            (Some(hash), None, None) => Blocks::One(hash),
            (Some(_), ..) => {
                return Err(CallError::Params("eth_getLogs: blockHash goes without fromBlock and toBlock".into()));
            }
            (None, from, to) => Blocks::Range(from.unwrap_or(BlockId::Latest), to.unwrap_or(BlockId::Latest)),
        };
        Ok(Self { blocks, addresses, topics })
    }

    /// False only where no log in a block with this bloom can fit.
    pub(super) fn may_be_in(&self, bloom: &Bloom) -> bool {
        let has = |bytes: &[u8]| bloom.contains_input(BloomInput::Raw(bytes));
        (self.addresses.is_empty() || self.addresses.iter().any(|address| has(address.as_slice())))
            && self.topics.iter().all(|place| place.is_empty() || place.iter().any(|topic| has(topic.as_slice())))
    }

    /// True where a log is looked for.
    pub(super) fn fits(&self, log: &Log) -> bool {
        (self.addresses.is_empty() || self.addresses.contains(&log.address))
            && self.topics.len() <= log.data.topics().len()
            && self.topics.iter().zip(log.data.topics()).all(|(place, topic)| place.is_empty() || place.contains(topic))
    }
}

fn place(value: &Value) -> Result<Vec<B256>, CallError> {
    match value {
        Value::Null => Ok(vec![]),
        value => alternatives(value, params::hash),
    }
}

/// One of something, or a list of it.
fn alternatives<T>(value: &Value, read: fn(&[Value], usize) -> Result<T, CallError>) -> Result<Vec<T>, CallError> {
    match value {
        Value::Array(list) if list.len() > limits::LOG_ALTERNATIVES => {
            Err(CallError::Limit("addresses, or topics at one place, of eth_getLogs", limits::LOG_ALTERNATIVES as u64))
        }
        Value::Array(list) => (0..list.len()).map(|index| read(list, index)).collect(),
        one => Ok(vec![read(std::slice::from_ref(one), 0)?]),
    }
}

#[cfg(test)]
mod tests;
