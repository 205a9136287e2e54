//! From a checkpoint to signed heads: the light-client protocol of the consensus specification (Altair's
//! `sync-protocol.md`, with the execution branch of Capella and the generalized indices of Electra).
//!
//! Promises: a header becomes finalized only with two thirds of a known committee's signatures and its branch, `latest`
//! only with more than half of the most seen lately; every check of the specification is made, also that a committee
//! announced again is the one already known. Never forces an update for want of a better one, never goes back.

use std::sync::Arc;

use crate::config::value::Checkpoint;
use crate::helios::clock::Clock;
use crate::helios::head::Heads;
use crate::helios::http::Server;
use crate::helios::network::Spec;

/// What following a network takes.
#[derive(Debug)]
pub struct Start {
    /// The network.
    pub spec: Arc<Spec>,
    /// What is trusted.
    pub checkpoint: Checkpoint,
    /// Whether a checkpoint beyond the weak-subjectivity age is taken.
    pub allow_old_checkpoint: bool,
    /// The beacon API, believed in nothing.
    pub server: Server,
    /// The time.
    pub clock: Arc<Clock>,
    /// Where heads go.
    pub heads: Arc<Heads>,
}

/// Follows the network. Returns only when going on makes no sense; says why in the log and in [`Heads::explain`].
pub fn follow(start: &Start) {
    todo!("{start:?}")
}
