//! The light client as a user meets it: real HTTP, recorded mainnet data, a generated chain, servers that lie.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]
