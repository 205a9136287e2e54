//! `src/boot`: failures to start, told to whoever asks, however late.

mod entrypoint;
mod files;
mod usage;
mod waiting;

use std::io::Read;

use crate::support::{Odyn, read_line};

/// Reads odyn's own standard error up to the line that says why it failed.
fn failure(stderr: &mut impl Read) -> String {
    loop {
        let line = read_line(stderr).expect("odyn ended without saying why");
        if let Some(reason) = line.strip_prefix("odyn: fatal: ") {
            return reason.trim_end_matches('\n').to_owned();
        }
    }
}

/// Waits until odyn has failed and only then connects; returns the reason and odyn's exit status.
fn fatal(mut odyn: Odyn) -> (String, i32) {
    let reason = failure(odyn.child.stderr.as_mut().unwrap());
    let line = odyn.final_status();
    assert!(line.len() < 1000, "a line of {} bytes", line.len());
    let status: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(status["status"], "fatal", "{line}");
    assert_eq!(status.as_object().unwrap().len(), 2, "{line}");
    let told = status["error"].as_str().unwrap();
    assert!(reason == told || told.len() > 900 && reason.starts_with(told), "{reason:?} became {told:?}");
    (told.to_owned(), odyn.wait().code().unwrap())
}

/// [`fatal`] of an odyn with this manifest, whose application would say so if it ran.
fn fatal_with(sections: &str) -> (String, i32) {
    fatal(Odyn::script(sections, "echo started"))
}
