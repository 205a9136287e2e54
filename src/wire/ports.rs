//! The wire's fixed numbers and names. Ports that the manifest can change have their defaults in [`crate::config::port`].

/// The parent instance's CID as an enclave sees it (AWS Nitro Enclaves documentation; `VMADDR_CID_HOST` is 2).
pub const PARENT_CID: u32 = 3;

/// Port on the parent where AWS's tools wait for the first sign of life.
pub const HEARTBEAT_PORT: u32 = 9000;

/// The byte sent to [`HEARTBEAT_PORT`] and expected back.
pub const HEARTBEAT: u8 = 0xB7;

/// The host name that means the parent's own loopback.
pub const PARENT_LOOPBACK_NAME: &str = "host";
