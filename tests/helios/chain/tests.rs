//! The generated chain is what it says it is, and its servers say so.

mod beacon;
mod contracts;
mod execution;
mod recorded;
mod servers;
