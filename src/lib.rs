//! odyn: the supervisor of an AWS Nitro Enclave, small, synchronous and readable.
//!
//! One thread does init's duties and waits for the application; every listener has a thread that accepts, every
//! connection a thread of its own. There is no event loop, no runtime and no state machine to unwind: read a
//! connection's code from top to bottom and you have read what it does.
//!
//! # The map, as a byte travels
//!
//! | module | what it is |
//! |---|---|
//! | [`boot`] | the start order, from the first instruction to power-off: begin here |
//! | [`config`] | what we were told: the manifest as checked types, and every limit |
//! | [`transport`] | how host and enclave reach each other: vsock, or UNIX sockets that stand in for it |
//! | [`serve`] | a listener, its accept thread, the bound on its connections |
//! | [`inbound`] | host to application: ingress, with TLS where asked |
//! | [`app`] | the application: start, signals, orphans, end |
//! | [`outbound`] | application to world: canonical targets, policy, the forward proxy |
//! | [`http`] | HTTP/1.1 under outbound and the servers on loopback |
//! | [`api`] | application to odyn: signing, encryption, attestation |
//! | [`aws`] | odyn's own calls to AWS, through outbound |
//! | [`keys`] | the enclave's two keys |
//! | [`pump`] | the two-way byte copy under inbound and outbound |
//! | [`report`] | enclave to host: log and status |
//! | [`nsm`] | the Nitro Secure Module behind one trait |
//! | [`wire`] | the bytes both ends of vsock agree on |
//! | [`host`] | `odyn-host`, the other ends of all of these |
//! | [`sim`] | running without Nitro hardware |
//! | `helios` | `odyn-helios`, the Ethereum light client, a process of its own |
//! | [`sys`] | the fence: the only `unsafe` code and the only libc |
//! | [`sync`] | locks that outlive a panic |
//! | [`utc`] | moments as text |
//!
//! `host` and `sim` are cargo features, on by default and absent from the enclave's release build
//! (`cargo build --release --bin odyn --no-default-features`); `helios` is one, off by default.
//!
//! # What holds everywhere
//!
//! - `unsafe` and libc stay in [`sys`]; every other folder forbids them.
//! - What comes from outside is parsed into a type that cannot be wrong, or refused with the place named.
//! - Every read has a cap, every wait a deadline, every queue and thread count a bound: [`config::limits`].
//! - A panic ends its connection and nothing else.

#![deny(unsafe_code)]

pub mod boot;

pub mod config;

pub mod transport;

pub mod serve;

pub mod inbound;

pub mod app;

pub mod outbound;

pub mod http;

pub mod api;

pub mod aws;

pub mod keys;

pub mod pump;

pub mod report;

pub mod nsm;

pub mod wire;

#[cfg(feature = "host")]
pub mod host;

#[cfg(feature = "sim")]
pub mod sim;

#[cfg(feature = "helios")]
pub mod helios;

pub mod sys;

pub mod sync;

pub mod utc;
