//! The beacon API's light-client endpoints. Nothing they say is believed here: answers are read, not checked.
//!
//! Asks for SSZ, which is half as large, and takes JSON, which is all that some servers have. Which one came, its media
//! type says.

use std::time::Instant;

use alloy_primitives::B256;

use super::error::{ConsensusError, Malformed};
use super::types::{Bootstrap, Update};
use super::{json, ssz};
use crate::helios::http::{Fetched, Server};
use crate::helios::limits::{BEACON_OBJECT, BEACON_UPDATES, FETCH, SMALL_ANSWER};
use crate::helios::network::Spec;
use crate::http::service::JSON;

const SSZ: &str = "application/octet-stream";

/// A beacon API.
#[derive(Clone, Copy, Debug)]
pub struct Beacon<'a> {
    /// The network whose objects are read.
    pub spec: &'a Spec,
    /// Who is asked.
    pub server: &'a Server,
}

impl Beacon<'_> {
    /// The root of the block that the server takes for the newest finalized one. Whoever uses it trusts the server.
    ///
    /// # Errors
    /// See [`ConsensusError`].
    pub fn finalized_root(&self) -> Result<B256, ConsensusError> {
        let what = "headers/finalized";
        let fetched = self.get(what, "/eth/v1/beacon/headers/finalized", JSON, SMALL_ANSWER)?;
        json::block_root(&fetched.body).map_err(|e| ConsensusError::Malformed(what, e))
    }

    /// The bootstrap of the block with `root`.
    ///
    /// # Errors
    /// See [`ConsensusError`].
    pub fn bootstrap(&self, root: B256) -> Result<Bootstrap, ConsensusError> {
        let path = format!("/eth/v1/beacon/light_client/bootstrap/{root:#x}");
        self.object("light_client/bootstrap", &path, BEACON_OBJECT, ssz::bootstrap, json::bootstrap)
    }

    /// The best updates of `count` sync-committee periods from `start` on, of at most [`BEACON_UPDATES`].
    ///
    /// # Errors
    /// See [`ConsensusError`].
    pub fn updates(&self, start: u64, count: u64) -> Result<Vec<Update>, ConsensusError> {
        let count = count.clamp(1, BEACON_UPDATES);
        let path = format!("/eth/v1/beacon/light_client/updates?start_period={start}&count={count}");
        let most = BEACON_OBJECT.saturating_mul(usize::try_from(count).unwrap_or(1));
        let from_ssz = |spec: &Spec, bytes: &[u8]| ssz::framed_updates(spec, bytes, count);
        let from_json = |spec: &Spec, text: &[u8]| json::updates(spec, text, count);
        self.object("light_client/updates", &path, most, from_ssz, from_json)
    }

    /// The newest update that finalizes something.
    ///
    /// # Errors
    /// See [`ConsensusError`].
    pub fn finality_update(&self) -> Result<Update, ConsensusError> {
        let path = "/eth/v1/beacon/light_client/finality_update";
        self.object("light_client/finality_update", path, BEACON_OBJECT, ssz::finality_update, json::finality_update)
    }

    /// The newest update of all.
    ///
    /// # Errors
    /// See [`ConsensusError`].
    pub fn optimistic_update(&self) -> Result<Update, ConsensusError> {
        let (what, path) = ("light_client/optimistic_update", "/eth/v1/beacon/light_client/optimistic_update");
        self.object(what, path, BEACON_OBJECT, ssz::optimistic_update, json::optimistic_update)
    }

    fn object<T>(
        &self,
        what: &'static str,
        path: &str,
        most: usize,
        from_ssz: impl Fn(&Spec, &[u8]) -> Result<T, Malformed>,
        from_json: impl Fn(&Spec, &[u8]) -> Result<T, Malformed>,
    ) -> Result<T, ConsensusError> {
        let fetched = self.get(what, path, &format!("{SSZ};q=1,{JSON};q=0.9"), most)?;
        let known = fetched.version.as_deref().map_or(Ok(()), json::known_fork);
        let read = || match fetched.content_type.as_str() {
            SSZ => from_ssz(self.spec, &fetched.body),
            JSON => from_json(self.spec, &fetched.body),
            _ => Err(Malformed::ContentType),
        };
        known.and_then(|()| read()).map_err(|e| ConsensusError::Malformed(what, e))
    }

    fn get(&self, what: &'static str, path: &str, accept: &str, most: usize) -> Result<Fetched, ConsensusError> {
        let deadline = Instant::now() + FETCH;
        self.server.get(path, accept, most, deadline).map_err(|e| ConsensusError::Fetch(what, e))
    }
}

#[cfg(test)]
mod tests;
