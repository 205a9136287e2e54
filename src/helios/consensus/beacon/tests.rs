use super::super::samples::{Recorded, Recording, mainnet};
use super::*;

const OPTIMISTIC: &str = "/eth/v1/beacon/light_client/optimistic_update";

fn asked(recording: &Recording) -> Result<Update, ConsensusError> {
    let (spec, server) = (mainnet(), recording.serve());
    Beacon { spec: &spec, server: &server }.optimistic_update()
}

#[test]
fn an_unknown_fork_in_the_answers_head_is_refused_before_its_body() {
    let mut recording = Recording::default();
    recording.answer(OPTIMISTIC, SSZ, Some("gloas"), b"whatever");
    let error = asked(&recording).unwrap_err();
    assert!(error.to_string().contains(r#"unknown fork "gloas""#), "{error}");
}

#[test]
fn only_the_two_media_types_are_read() {
    for (kind, reason) in [(SSZ, "SSZ"), (JSON, "JSON"), ("text/html", "content-type"), ("", "content-type")] {
        let mut recording = Recording::default();
        recording.answer(OPTIMISTIC, kind, Some("fulu"), b"<html>");
        let error = asked(&recording).unwrap_err();
        assert!(matches!(error, ConsensusError::Malformed(..)) && error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn what_is_not_there_is_an_error_of_the_request() {
    let error = asked(&Recording::default()).unwrap_err();
    assert!(error.to_string().contains("light_client/optimistic_update"), "{error}");
    assert!(error.to_string().ends_with("status 404"), "{error}");
}

#[test]
fn more_than_an_object_can_have_is_not_read() {
    let mut recording = Recording::default();
    recording.answer(OPTIMISTIC, SSZ, None, &vec![0; BEACON_OBJECT + 1]);
    assert!(asked(&recording).unwrap_err().to_string().contains("more than"));
}

#[test]
fn updates_are_asked_for_by_period() {
    let Some(recorded) = Recorded::load() else { return };
    let mut recording = Recording::default();
    let path = "/eth/v1/beacon/light_client/updates?start_period=1421&count=2";
    recording.answer(path, SSZ, None, &recorded.updates.concat());
    let (spec, server) = (mainnet(), recording.serve());
    let updates = Beacon { spec: &spec, server: &server }.updates(1421, 2).unwrap();
    assert_eq!(updates, [0, 1].map(|which| recorded.update(which)));
}
