//! The light client as a user meets it: real HTTP, recorded mainnet data, a generated chain, servers that lie.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

#[allow(dead_code, reason = "what a test may build or alter is more than what the tests of today do")]
mod chain;
mod clients;
#[allow(dead_code, reason = "as above")]
mod fake;
mod lying;
mod network;
mod process;
mod recorded;
mod stack;
#[allow(dead_code, reason = "the other tests need more of it")]
mod support;
