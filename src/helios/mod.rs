//! `odyn-helios`: Ethereum's JSON-RPC on the enclave's loopback, answered by servers that nobody believes.
//!
//! A light client. It starts from one block root that the measured manifest names, follows the signatures of the sync
//! committees from there (Altair's light-client protocol), and so knows which blocks the network agrees on. Everything
//! it is asked is fetched from an untrusted execution RPC and compared with what such a block commits to: balances,
//! code and storage by Merkle proofs, transactions, receipts and logs by their tries' roots, calls by running them here.
//!
//! Promises: an answer is proven, or it is an error that names the check it failed; a proof is judged by what was asked,
//! never by what the answer says it is about; nothing that came from a server can end the process, and what it may cost
//! (bytes, nodes, gas, time) has a bound. Never holds a key, never opens `/dev/nsm`, never reaches out but through the
//! egress proxy its environment names.
//!
//! It is a process of its own, run as nobody, so that a parser of hostile data never shares memory with a key.
//!
//! | module | what it is |
//! |---|---|
//! | [`cli`] | the command line, and the start of everything |
//! | [`network`] | what is fixed for a network: forks, genesis, committee sizes |
//! | [`clock`] | the time, which comes from outside and never runs back |
//! | [`http`] | requests to servers: caps, deadlines |
//! | [`consensus`] | from a checkpoint to signed heads |
//! | [`head`] | what consensus tells execution: the blocks that are signed for |
//! | [`execution`] | questions answered by proofs against a head |
//! | [`rpc`] | JSON-RPC: batches, errors, the server |

#![forbid(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod consensus;
pub mod execution;
pub mod head;
pub mod http;
pub mod limits;
pub mod network;
pub mod rpc;
