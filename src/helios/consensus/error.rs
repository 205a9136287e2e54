//! What can be wrong with what the consensus RPC says. All of it is that server's fault, but for
//! [`Refusal::TooOld`] and [`Refusal::BeforeCapella`], which a checkpoint can be, and [`Refusal::Future`], which the
//! clock can be.

use std::fmt;
use std::time::Duration;

use crate::helios::http::FetchError;

/// Why nothing was learned from the consensus RPC.
#[derive(Debug)]
pub enum ConsensusError {
    /// It did not answer: what was asked for, why.
    Fetch(&'static str, FetchError),
    /// Its answer cannot be read: what was asked for, why.
    Malformed(&'static str, Malformed),
    /// Its answer fails a check: what was asked for, which.
    Refused(&'static str, Refusal),
    /// It has no update that leads from this sync-committee period on.
    Stuck(u64),
}

impl fmt::Display for ConsensusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(what, e) => write!(f, "consensus RPC, {what}: {e}"),
            Self::Malformed(what, e) => write!(f, "consensus RPC, {what}: {e}"),
            Self::Refused(what, e) => write!(f, "consensus RPC, {what}: refused: {e}"),
            Self::Stuck(period) => {
                write!(f, "consensus RPC: no update leads on from sync-committee period {period}")
            }
        }
    }
}

impl std::error::Error for ConsensusError {}

/// Why an answer is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Not the SSZ of such an object: what is wrong.
    Ssz(&'static str),
    /// Not the JSON of such an object: line and column.
    Json(usize, usize),
    /// A media type nobody asked for.
    ContentType,
    /// More objects than were asked for.
    TooMany,
    /// Of a fork of this name, which this program does not know.
    UnknownFork(String),
    /// Of this slot, before Capella: its header says nothing of the execution layer.
    BeforeCapella(u64),
    /// A list of that name has the wrong length.
    Length(&'static str),
    /// A header or a committee whose branch is empty.
    WithoutBranch(&'static str),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ssz(what) => write!(f, "not its SSZ: {what}"),
            Self::Json(line, column) => write!(f, "not its JSON: line {line} column {column}"),
            Self::ContentType => f.write_str("neither SSZ nor JSON by its content-type"),
            Self::TooMany => f.write_str("more objects than were asked for"),
            Self::UnknownFork(name) => write!(f, "unknown fork {name:?}: this odyn-helios is too old for it"),
            Self::BeforeCapella(slot) => {
                write!(f, "slot {slot} is before Capella, where no execution header is proven")
            }
            Self::Length(what) => write!(f, "wrong length of {what}"),
            Self::WithoutBranch(what) => write!(f, "{what} without a branch that proves it"),
        }
    }
}

impl std::error::Error for Malformed {}

/// The check that an object failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The bootstrap's header does not have the checkpoint's root.
    Checkpoint,
    /// The checkpoint is this old, beyond weak subjectivity.
    TooOld(Duration),
    /// The header of that name is from before Capella.
    BeforeCapella(u64),
    /// The execution header is not in the block of the header of that name.
    Execution(&'static str),
    /// The current committee is not in the state of the bootstrap's header.
    CurrentBranch,
    /// A committee has a key that is no valid point.
    Key,
    /// A committee, or its bits, are not of the network's size.
    Size,
    /// Nobody signed.
    Participation,
    /// It is signed in a slot that is not yet: slot, now.
    Future(u64, u64),
    /// Not: signature > attested >= finalized.
    SlotOrder,
    /// Signed in a period whose committee is not known: that period, the store's.
    Period(u64, u64),
    /// It says nothing new.
    Irrelevant,
    /// The finalized header is not in the state of the attested one.
    FinalityBranch,
    /// The next committee is not in the state of the attested header.
    NextBranch,
    /// The next committee is not the one already known.
    OtherNext,
    /// The signature is not that of the committee's members that it names.
    Signature,
    /// Without the next committee known, a finalized header of another period: that period, the store's.
    FinalizedPeriod(u64, u64),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint => f.write_str("the header's root is not the checkpoint"),
            Self::TooOld(age) => write!(
                f,
                "the checkpoint is {} days old, and beyond {} days a chain could be forged from it: name the root of a \
                 newer finalized block as the checkpoint",
                age.as_secs() / 86_400,
                crate::helios::limits::CHECKPOINT_AGE.as_secs() / 86_400
            ),
            Self::BeforeCapella(slot) => {
                write!(f, "slot {slot} is before Capella, where no execution header is proven")
            }
            Self::Execution(which) => write!(f, "the {which} header's execution branch"),
            Self::CurrentBranch => f.write_str("the current committee's branch"),
            Self::Key => f.write_str("a committee's key is invalid"),
            Self::Size => f.write_str("the committee's size"),
            Self::Participation => f.write_str("no committee member signed"),
            Self::Future(slot, now) => write!(f, "signed in slot {slot}, and by this clock it is slot {now}"),
            Self::SlotOrder => f.write_str("the order of its slots"),
            Self::Period(signed, store) => write!(f, "signed in period {signed}, while the store is in period {store}"),
            Self::Irrelevant => f.write_str("nothing new"),
            Self::FinalityBranch => f.write_str("the finality branch"),
            Self::NextBranch => f.write_str("the next committee's branch"),
            Self::OtherNext => f.write_str("the next committee is not the one already known"),
            Self::Signature => f.write_str("the sync committee's signature"),
            Self::FinalizedPeriod(finalized, store) => {
                write!(f, "finalizes period {finalized}, while the store is in period {store} without a next committee")
            }
        }
    }
}

impl std::error::Error for Refusal {}
