//! What we were told: the manifest, and the limits nobody may change.
//!
//! Text becomes checked types here and nowhere else. `structure` refuses what no manifest may hold (duplicate keys,
//! exploding aliases), `raw` is the shape of the file, [`manifest`] its meaning: every rule that spans fields is checked
//! before a [`manifest::Manifest`] exists, so no later module repeats one. Errors name the file, the line and the field.
//! Nothing here opens a socket or reads anything but the one file it is given.
#![forbid(unsafe_code)]

pub mod limits;
pub mod manifest;
pub mod port;
pub mod value;

pub mod error;
pub mod locate;
pub mod services;

mod check;
mod describe;
mod environment;
mod raw;
mod structure;
