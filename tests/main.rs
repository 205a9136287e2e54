//! odyn as a user meets it: real processes, real sockets, real clients. One file for each folder of `src`.
//!
//! Plain `cargo test` needs cargo and a C compiler alone; tests that need more say what they skip. `scripts/test.sh`
//! installs it all and lets nothing be skipped.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod api;
mod aws;
mod console;
mod egress;
mod egress_clients;
mod eif;
mod faults;
mod host;
mod ingress;
mod ingress_tls;
mod kubernetes;
mod light_client;
mod local;
mod nitro;
mod pid1;
mod promises;
mod release;
mod start;
mod supervision;
mod supply_chain;
mod support;
mod transport;
mod verify;
