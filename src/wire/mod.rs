//! What crosses vsock: the contract both ends share (contract section 4).
//!
//! Promises: bytes out of here are what the existing host side speaks, so either end can be replaced alone. Never does
//! I/O beyond one framed message.

#![forbid(unsafe_code)]

#[cfg(any(feature = "host", feature = "sim"))]
pub mod cose;
pub mod frame;
pub mod ports;
pub mod status;
