//! Why a call has no result, and whose fault that is.

use std::fmt;

use alloy_primitives::{B256, Bytes, U256};

use super::upstream::UpstreamError;

/// What an answer was compared with, and did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// A header's hash is the one the head, its parent or EIP-2935 names.
    HeaderHash,
    /// A header's number is the one asked for.
    HeaderNumber,
    /// A block's transactions have the header's root.
    TransactionsRoot,
    /// A block's withdrawals have the header's root.
    WithdrawalsRoot,
    /// A block has no uncles.
    Uncles,
    /// The transaction is in the block it is said to be in.
    TransactionInBlock,
    /// A transaction's signature is one.
    TransactionSignature,
    /// The hash the execution RPC names for a transaction is that of the one it was given.
    TransactionHash,
    /// A block has a receipt for each transaction.
    ReceiptCount,
    /// A block's receipts have the header's root.
    ReceiptsRoot,
    /// The proof is said to be of the account asked for.
    ProofAddress,
    /// The proof is said to be of the slots asked for, each once.
    ProofSlots,
    /// The account's proof leads from the state root to the account or to its absence.
    AccountProof,
    /// What is said of the account beside the proof is what the proof says.
    AccountFields,
    /// A slot's proof leads from the account's storage root to the slot or to its absence.
    StorageProof,
    /// What is said of the slot beside the proof is what the proof says.
    StorageValue,
    /// The code has the account's code hash.
    CodeHash,
    /// Something that exists was said not to.
    Absence,
    /// The answer has the form it must have.
    Shape,
}

impl Check {
    /// Its name in errors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HeaderHash => "header hash",
            Self::HeaderNumber => "header number",
            Self::TransactionsRoot => "transactions root",
            Self::WithdrawalsRoot => "withdrawals root",
            Self::Uncles => "uncles",
            Self::TransactionInBlock => "transaction in block",
            Self::TransactionSignature => "transaction signature",
            Self::TransactionHash => "transaction hash",
            Self::ReceiptCount => "receipt count",
            Self::ReceiptsRoot => "receipts root",
            Self::ProofAddress => "proof address",
            Self::ProofSlots => "proof slots",
            Self::AccountProof => "account proof",
            Self::AccountFields => "account fields",
            Self::StorageProof => "storage proof",
            Self::StorageValue => "storage value",
            Self::CodeHash => "code hash",
            Self::Absence => "absence",
            Self::Shape => "shape",
        }
    }
}

/// Why a call has no result.
#[derive(Debug)]
pub enum CallError {
    /// The caller's: no such method here.
    NoMethod(String),
    /// The caller's: a parameter, and what is wrong with it.
    Params(String),
    /// The caller's: it asks for more than one call may cost. What, and how much is allowed.
    Limit(&'static str, u64),
    /// The caller's or nobody's: a block that is not among those that can be proven.
    OutOfReach(String),
    /// Nobody's: the head is older than it may be, in seconds. The tag that was asked for.
    Stale(&'static str, u64),
    /// The execution RPC's: its answer does not fit.
    Unproven(Check, String),
    /// Nobody's: the execution RPC says there is no such transaction, which cannot be proven.
    UnknownTransaction(B256),
    /// The execution RPC's or the way's: no usable answer.
    Upstream(UpstreamError),
    /// The contract's: it reverted.
    Reverted(Bytes),
    /// The call's own: it cannot be run to its end.
    Halted(String),
    /// The time for the call is over.
    Deadline,
}

impl CallError {
    /// JSON-RPC's code (EIP-1474, and 3 for a revert as everybody has it).
    #[must_use]
    pub fn code(&self) -> i64 {
        match self {
            Self::NoMethod(_) => -32601,
            Self::Params(_) => -32602,
            Self::Limit(..) => -32005,
            Self::Reverted(_) => 3,
            _ => -32000,
        }
    }

    /// JSON-RPC's `data`.
    #[must_use]
    pub fn data(&self) -> Option<String> {
        match self {
            Self::Reverted(output) => Some(output.to_string()),
            Self::Unproven(check, _) => Some(check.name().to_owned()),
            _ => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMethod(method) => write!(f, "{method} is not served: its answer could not be proven"),
            Self::Params(what) => write!(f, "{what}"),
            Self::Limit(what, most) => write!(f, "more than {most} {what}"),
            Self::OutOfReach(what) => write!(f, "{what}"),
            Self::Stale(tag, age) => {
                write!(
                    f,
                    "the newest {tag} block that is signed for is {age} s old: the network, the consensus RPC or the clock is wrong"
                )
            }
            Self::Unproven(check, what) => write!(f, "not proven: {}: {what}", check.name()),
            // web3.py goes on asking when it reads these words.
            Self::UnknownTransaction(hash) => write!(
                f,
                "transaction indexing in progress: the execution RPC knows no transaction {hash}, which cannot be proven"
            ),
            Self::Upstream(e) => write!(f, "{e}"),
            Self::Reverted(output) => match reason(output) {
                Some(reason) => write!(f, "execution reverted: {reason}"),
                None => f.write_str("execution reverted"),
            },
            Self::Halted(why) => write!(f, "{why}"),
            Self::Deadline => f.write_str("not answered in time"),
        }
    }
}

impl std::error::Error for CallError {}

/// The text of Solidity's `Error(string)`, where a contract reverted with it.
fn reason(output: &[u8]) -> Option<&str> {
    let arguments = output.strip_prefix(&[0x08, 0xc3, 0x79, 0xa0])?;
    // Where the text is: behind this word. Its length, then the text itself.
    let (place, rest) = arguments.split_first_chunk::<32>()?;
    let (length, text) = rest.split_first_chunk::<32>()?;
    let number = |word: &[u8; 32]| usize::try_from(U256::from_be_bytes(*word)).ok();
    if number(place)? != 32 {
        return None;
    }
    str::from_utf8(text.get(..number(length)?)?).ok()
}

impl From<UpstreamError> for CallError {
    fn from(e: UpstreamError) -> Self {
        Self::Upstream(e)
    }
}
