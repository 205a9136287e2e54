use std::sync::Arc;

use super::super::samples::{CHECKPOINT, Recorded, Recording, mainnet};
use super::super::{follow, json, ssz};
use super::*;
use crate::helios::clock::Clock;
use crate::helios::head::Heads;
use crate::http::service::JSON;

const SSZ: &str = "application/octet-stream";
const BOTH: &str = "/eth/v1/beacon/light_client/updates?start_period=1421&count=2";

fn bootstrap_path() -> String {
    format!("/eth/v1/beacon/light_client/bootstrap/{CHECKPOINT:#x}")
}

/// The recording's day, at `slot`.
fn start(recording: &Recording, slot: u64) -> Start {
    let spec = mainnet();
    let clock = Arc::new(Clock::fixed(spec.slot_time(slot) + 5));
    Start {
        checkpoint: Checkpoint::Root(CHECKPOINT.0),
        allow_old_checkpoint: false,
        server: recording.serve(),
        clock,
        heads: Arc::new(Heads::default()),
        spec,
    }
}

fn recording(recorded: &Recorded) -> Recording {
    let mut recording = Recording::default();
    recording.answer(&bootstrap_path(), SSZ, Some("deneb"), &recorded.bootstrap);
    recording.answer(BOTH, SSZ, None, &recorded.updates.concat());
    recording
}

fn slots(start: &Start) -> Option<[u64; 2]> {
    start.heads.current().map(|heads| [heads.finalized.slot, heads.latest.slot])
}

#[test]
fn updates_alone_lead_to_heads_and_what_is_missing_is_told() {
    let Some(recorded) = Recorded::load() else { return };
    let start = start(&recording(&recorded), 11_651_080);
    let mut follower = Follower::begin(&start).unwrap();
    assert_eq!(slots(&start), None, "a checkpoint alone is no head");
    let error = follower.sync_once().unwrap_err();
    assert!(error.to_string().contains("finality_update") && error.to_string().contains("404"), "{error}");
    assert_eq!(slots(&start), Some([11_651_008, 11_651_078]));
    let finalized = start.heads.current().unwrap().finalized;
    assert_eq!((finalized.number, finalized.timestamp), (22_432_991, start.spec.slot_time(11_651_008)));
}

#[test]
fn json_leads_to_the_same_heads() {
    let Some(recorded) = Recorded::load() else { return };
    let spec = mainnet();
    let mut recording = Recording::default();
    let bootstrap = ssz::bootstrap(&spec, &recorded.bootstrap).unwrap();
    let text = json::tests::bootstrap_json(&bootstrap, "deneb").to_string();
    recording.answer(&bootstrap_path(), "application/json; charset=utf-8", Some("deneb"), text.as_bytes());
    let [first, second] = [0, 1].map(|which| recorded.update(which));
    let both = [json::tests::update_json(&first, "deneb"), json::tests::update_json(&second, "electra")];
    recording.answer(BOTH, JSON, None, serde_json::json!(both).to_string().as_bytes());
    let newest = Update { next: None, ..second };
    let finality = json::tests::update_json(&newest, "electra").to_string();
    recording.answer("/eth/v1/beacon/light_client/finality_update", JSON, None, finality.as_bytes());
    let optimistic = json::tests::update_json(&Update { finalized: None, ..newest }, "electra").to_string();
    recording.answer("/eth/v1/beacon/light_client/optimistic_update", JSON, None, optimistic.as_bytes());
    let start = start(&recording, 11_651_080);
    let mut follower = Follower::begin(&start).unwrap();
    follower.sync_once().unwrap();
    assert_eq!(slots(&start), Some([11_651_008, 11_651_078]));
    follower.sync_once().unwrap();
    assert_eq!(slots(&start), Some([11_651_008, 11_651_078]), "the same again is nothing new, and nothing wrong");
}

#[test]
fn nothing_is_published_before_the_current_period() {
    let Some(recorded) = Recorded::load() else { return };
    let mut recording = recording(&recorded);
    let path = "/eth/v1/beacon/light_client/updates?start_period=1421&count=3";
    recording.answer(path, SSZ, None, &recorded.updates[0]);
    let start = start(&recording, 1423 * 8192 + 100);
    let mut follower = Follower::begin(&start).unwrap();
    assert!(follower.sync_once().is_err());
    assert!(follower.store().knows_next(), "the first step was made");
    assert_eq!(slots(&start), None);
    // A server that repeats itself leads nowhere, and is not asked for ever.
    let path = "/eth/v1/beacon/light_client/updates?start_period=1422&count=2";
    recording.answer(path, SSZ, None, &recorded.updates[0]);
    let start = Start { server: recording.serve(), ..start };
    let mut follower = Follower::begin(&start).unwrap();
    assert!(matches!(follower.sync_once(), Err(ConsensusError::Stuck(1421))));
    assert_eq!(slots(&start), None);
}

#[test]
fn a_checkpoint_beyond_weak_subjectivity_is_refused_with_what_to_do() {
    let Some(recorded) = Recorded::load() else { return };
    let (recording, age) = (recording(&recorded), 14 * 7200);
    let start = start(&recording, 11_640_864 + age);
    follow(&start);
    let trouble = start.heads.trouble().unwrap();
    assert!(trouble.contains("14 days") && trouble.contains("newer finalized block"), "{trouble}");
    assert_eq!(start.heads.current(), None);
    let allowed = Start { allow_old_checkpoint: true, ..start };
    assert!(Follower::begin(&allowed).is_ok());
    let young = self::start(&recording, 11_640_864 + age - 1);
    assert!(Follower::begin(&young).is_ok());
}

#[test]
fn a_bootstrap_of_another_block_is_refused_and_asked_for_again() {
    let Some(recorded) = Recorded::load() else { return };
    let mut recording = Recording::default();
    let other = Checkpoint::Root([7; 32]);
    let path = format!("/eth/v1/beacon/light_client/bootstrap/0x{}", "07".repeat(32));
    recording.answer(&path, SSZ, Some("deneb"), &recorded.bootstrap);
    let start = Start { checkpoint: other, ..start(&recording, 11_651_080) };
    let error = Follower::begin(&start).unwrap_err();
    assert!(matches!(error, ConsensusError::Refused(_, Refusal::Checkpoint)));
    assert!(!is_final(&start, &error), "the server may be another one next time");
}

#[test]
fn unsafe_latest_takes_the_servers_word_for_the_checkpoint() {
    let Some(recorded) = Recorded::load() else { return };
    let mut recording = recording(&recorded);
    let text = serde_json::json!({ "data": { "root": CHECKPOINT, "canonical": true }, "finalized": true }).to_string();
    recording.answer("/eth/v1/beacon/headers/finalized", JSON, None, text.as_bytes());
    let start = Start { checkpoint: Checkpoint::UnsafeLatest, ..start(&recording, 11_651_080) };
    assert_eq!(Follower::begin(&start).unwrap().store().finalized().beacon.slot, 11_640_864);
}

#[test]
fn a_clock_that_lags_is_named() {
    let Some(recorded) = Recorded::load() else { return };
    let mut recording = recording(&recorded);
    let path = "/eth/v1/beacon/light_client/updates?start_period=1421&count=1";
    recording.answer(path, SSZ, None, &recorded.updates[0]);
    let start = start(&recording, 11_640_870);
    let error = Follower::begin(&start).unwrap().sync_once().unwrap_err();
    assert!(matches!(error, ConsensusError::Refused(_, Refusal::Future(_, 11_640_870))), "{error}");
}
