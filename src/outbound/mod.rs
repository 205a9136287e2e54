//! From the application to the world: an HTTP/1.1 forward proxy on loopback whose only way out is a decision.
//!
//! Read in this order: [`hostname`] makes a target canonical, [`pattern`] and [`policy`] decide on it, [`request`] says
//! what the application's head asks for, [`dial`] turns an `Allowed` into a connection through the host,
//! [`exchange`] carries one request and its answer, [`proxy`] is the loop around them, [`answer`] what odyn says itself.
//!
//! Promises: nothing leaves without an [`policy::Allowed`], which only [`policy::Policy::decide`] makes, and what is
//! dialled is the canonical target that was decided on. One log line a decision. Never resolves names: the host does,
//! so address patterns bind only addresses that were written as such.

#![forbid(unsafe_code)]

pub mod answer;
pub mod dial;
pub mod exchange;
pub mod hostname;
pub mod pattern;
pub mod policy;
pub mod proxy;
pub mod request;
