//! HTTP/1.1 as odyn reads and serves it.
//!
//! [`head`] and [`body`] understand messages, [`peer`] is a connection they come in on: the egress proxy and the servers
//! share these. [`channel`] is what the HTTP client of odyn's own calls connects with. [`server`] gives whole requests to a [`service::Service`]: the two APIs, the KMS proxy.
//!
//! Promises: a message that two readers could understand in two ways is refused; a request is whole, within size and
//! time, before a handler sees it, so that a client that is slow, silent or many holds up nobody and costs no thread.
//! Never speaks to the world: what listens here listens on the enclave's loopback.

#![forbid(unsafe_code)]

pub mod body;
pub mod channel;
pub mod head;
pub mod peer;

mod chunks;
mod client;
mod front;
mod handlers;
pub mod server;
pub mod service;
