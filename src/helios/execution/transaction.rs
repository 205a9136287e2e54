//! Transactions: from the execution RPC's JSON to the bytes that a block commits to, and from those to an answer.
//!
//! Promises: an answer is made of a transaction's own bytes and of its place in a proven block; the hash and the sender
//! are computed here. Of what the execution RPC says beside them nothing is repeated.

use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{EthereumTxEnvelope, Signed, Transaction as _, TxEip4844};
use alloy_primitives::{Address, B256, U64, keccak256};
use serde::Deserialize;
use serde_json::{Value, json};

use super::block::{Block, found, hashed, numbered, proven_block};
use super::error::{CallError, Check};
use super::params;
use super::view::{BlockId, Sealed, View};
use crate::helios::limits;

/// A signed transaction of any type, as a block has it: without blobs.
pub(super) type Envelope = EthereumTxEnvelope<TxEip4844>;

/// A transaction that was read from its bytes.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    /// Keccak-256 of its bytes.
    pub(super) hash: B256,
    /// Its fields and signature.
    pub(super) envelope: Envelope,
    /// Its bytes (EIP-2718).
    pub(super) bytes: Vec<u8>,
}

impl Transaction {
    /// Reads EIP-2718's bytes. `None` where they are no transaction, have more behind them, or could be written otherwise.
    pub(super) fn read(bytes: Vec<u8>) -> Option<Self> {
        let mut rest = bytes.as_slice();
        let envelope = match bytes.first()? {
            1 => Envelope::Eip2930(Signed::eip2718_decode(&mut rest).ok()?),
            2 => Envelope::Eip1559(Signed::eip2718_decode(&mut rest).ok()?),
            3 => Envelope::Eip4844(Signed::eip2718_decode(&mut rest).ok()?),
            4 => Envelope::Eip7702(Signed::eip2718_decode(&mut rest).ok()?),
            // A list: a legacy transaction has no type.
            0xc0.. => Envelope::Legacy(Signed::eip2718_decode(&mut rest).ok()?),
            _ => return None,
        };
        let whole = rest.is_empty() && encode(&envelope) == bytes;
        whole.then(|| Self { hash: keccak256(&bytes), envelope, bytes })
    }

    /// Reads what the execution RPC says it is. Only what is in its bytes counts from there on.
    pub(super) fn of_json(said: &Envelope) -> Option<Self> {
        Self::read(encode(said))
    }

    /// Who signed it.
    ///
    /// # Errors
    /// [`Check::TransactionSignature`].
    pub(super) fn sender(&self) -> Result<Address, CallError> {
        let sender = self.envelope.recover_signer();
        sender.map_err(|_| CallError::Unproven(Check::TransactionSignature, format!("transaction {}", self.hash)))
    }

    /// Bytes it takes inside a block's RLP: those of a type are a string there.
    pub(super) fn rlp_length(&self) -> usize {
        let typed = !matches!(self.envelope, Envelope::Legacy(_));
        self.bytes.len() + if typed { alloy_rlp::length_of_length(self.bytes.len()) } else { 0 }
    }

    /// The answer that describes it, as number `index` of a block.
    fn answer(&self, block: &Sealed, index: usize) -> Result<Value, CallError> {
        let mut answer = serde_json::to_value(&self.envelope).unwrap_or_default();
        // It is an object; were it not, there is no answer rather than half of one.
        let fields = answer
            .as_object_mut()
            .ok_or_else(|| CallError::Unproven(Check::Shape, format!("transaction {}", self.hash)))?;
        let price = self.envelope.effective_gas_price(block.header.base_fee_per_gas);
        fields.insert("hash".into(), json!(self.hash));
        fields.insert("from".into(), json!(self.sender()?));
        fields.insert("gasPrice".into(), hex(price));
        fields.insert("blockHash".into(), json!(block.hash));
        fields.insert("blockNumber".into(), hex(block.header.number));
        fields.insert("transactionIndex".into(), hex(index));
        Ok(answer)
    }
}

/// EIP-2718's bytes.
pub(super) fn encode(envelope: &Envelope) -> Vec<u8> {
    let mut bytes = Vec::new();
    match envelope {
        Envelope::Legacy(tx) => tx.eip2718_encode(&mut bytes),
        Envelope::Eip2930(tx) => tx.eip2718_encode(&mut bytes),
        Envelope::Eip1559(tx) => tx.eip2718_encode(&mut bytes),
        Envelope::Eip4844(tx) => tx.eip2718_encode(&mut bytes),
        Envelope::Eip7702(tx) => tx.eip2718_encode(&mut bytes),
    }
    bytes
}

/// JSON-RPC's form of a number.
pub(super) fn hex(number: impl std::fmt::LowerHex) -> Value {
    Value::String(format!("{number:#x}"))
}

impl Block {
    /// The answer that describes its transaction number `index`; `null` beyond the last, which the whole list proves.
    ///
    /// # Errors
    /// [`Check::TransactionSignature`].
    pub(super) fn transaction(&self, index: usize) -> Result<Value, CallError> {
        match self.transactions.get(index) {
            Some(transaction) => transaction.answer(&self.sealed, index),
            None => Ok(Value::Null),
        }
    }

    /// The place of a transaction.
    ///
    /// # Errors
    /// [`Check::TransactionInBlock`].
    pub(super) fn place(&self, hash: B256) -> Result<usize, CallError> {
        let place = self.transactions.iter().position(|transaction| transaction.hash == hash);
        place.ok_or_else(|| {
            let what = format!("block {} has no transaction {hash}", self.sealed.header.number);
            CallError::Unproven(Check::TransactionInBlock, what)
        })
    }
}

/// `eth_getTransactionByHash`: the execution RPC says in which block, the block's transactions prove it.
///
/// # Errors
/// [`CallError::UnknownTransaction`] where it knows none or has it in no block yet; see [`proven_block`].
pub(super) fn by_hash(view: &View, params: &[Value]) -> Result<Value, CallError> {
    let hash = params::hash(params, 0)?;
    let number = locate(view, hash)?;
    let block = proven_block(view, &view.header(BlockId::Number(number))?)?;
    block.transaction(block.place(hash)?)
}

/// `eth_getTransactionByBlockNumberAndIndex`: proven by the block's transactions, and so is `null` beyond the last.
///
/// # Errors
/// See [`View::header`] and [`proven_block`].
pub(super) fn by_number_and_index(view: &View, params: &[Value]) -> Result<Value, CallError> {
    by_index(view, numbered(params)?, params)
}

/// `eth_getTransactionByBlockHashAndIndex`: proven by the block's transactions, and so is `null` beyond the last.
///
/// # Errors
/// See [`View::header`] and [`proven_block`].
pub(super) fn by_hash_and_index(view: &View, params: &[Value]) -> Result<Value, CallError> {
    by_index(view, hashed(params)?, params)
}

fn by_index(view: &View, block: BlockId, params: &[Value]) -> Result<Value, CallError> {
    let index = usize::try_from(params::quantity(params, 1)?).unwrap_or(usize::MAX);
    match found(view, block)? {
        Some(sealed) => proven_block(view, &sealed)?.transaction(index),
        None => Ok(Value::Null),
    }
}

/// Where the execution RPC says a transaction is: nothing that is believed, but where to look.
#[derive(Deserialize)]
struct Place {
    #[serde(rename = "blockNumber")]
    number: Option<U64>,
}

/// The number of the block that the execution RPC says a transaction is in. A block that is not signed for yet is none.
///
/// # Errors
/// [`CallError::UnknownTransaction`], or the execution RPC's.
pub(super) fn locate(view: &View, hash: B256) -> Result<u64, CallError> {
    let place: Option<Place> = view.ask("eth_getTransactionByHash", json!([hash]), limits::TRANSACTION_ANSWER)?;
    match place.and_then(|place| place.number).map(|number| number.to::<u64>()) {
        Some(number) if number <= view.head.latest.number => Ok(number),
        _ => Err(CallError::UnknownTransaction(hash)),
    }
}

#[cfg(test)]
mod tests;
