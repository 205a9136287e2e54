//! The caps and deadlines of the host side (see [`super`]).

use std::time::Duration;

use super::MAX_CONNECTIONS;

/// How long `odyn-host` waits for an enclave that does not answer yet. Nitro enclaves with images of gigabytes take a
/// minute or two to boot.
pub const ENCLAVE_START: Duration = Duration::from_secs(5 * 60);

/// How long `odyn-host` looks for an enclave that answered before and does not any more. An enclave does not come back
/// from this; a broken connection is back at once.
pub const ENCLAVE_GONE: Duration = Duration::from_secs(10);

/// How long `odyn-host` pauses between two attempts to reach an enclave.
pub const ENCLAVE_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How long `odyn-host` waits for the end of the log once it knows the final status, before it lets the enclave end.
/// The log ends at about the same time; a reader of our own output that has stalled must not keep the enclave for ever.
pub const LOG_END: Duration = Duration::from_secs(5);

/// How long the final status may come after the end of the log, or of `odyn` itself, and still be taken for its reason.
pub const STATUS_AFTER_END: Duration = Duration::from_secs(2);

/// From a signal that ends `odyn-host local` to killing what is left: ten seconds for the application, as `docker stop`
/// gives, and what odyn's own end may take ([`super::DRAIN`], [`super::TERM_GRACE`]).
pub const LOCAL_STOP: Duration = Duration::from_secs(10 + 5 + 5);

/// Name look-ups `odyn-host` has under way at once. One may outlast the request it was for, because the C library's
/// resolver cannot be interrupted; this bounds how many do.
pub const LOOKUPS: usize = 2 * MAX_CONNECTIONS;

/// Stack of a look-up's thread. The C library's resolver and its plug-ins are not ours, and expect more than our own
/// threads get.
pub const LOOKUP_STACK: usize = 1 << 20;

/// How long one `nitro-cli run-enclave` may take: it copies the image into the enclave's memory and waits for the
/// enclave's heartbeat, for which it allows minutes itself when the memory is large.
pub const NITRO_START: Duration = Duration::from_secs(5 * 60);

/// How long ending an enclave by `nitro-cli` may take, all attempts and questions together. It takes about a second.
pub const NITRO_END: Duration = Duration::from_secs(20);

/// How often ending an enclave is attempted: one that is powering off at the same time refuses the first.
pub const NITRO_ATTEMPTS: u32 = 3;

/// Pause between two such attempts.
pub const NITRO_PAUSE: Duration = Duration::from_millis(500);

/// Most that `nitro-cli` may print, on each of its outputs: an enclave's description has half a kilobyte, and a parent
/// can have four enclaves.
pub const NITRO_OUTPUT: usize = 64 << 10;

/// How much of what `nitro-cli` says about a failure is passed on: its longest explanation has 500 bytes.
pub const NITRO_REASON: usize = 600;

/// Longest enclave ID: real ones have 40 bytes.
pub const NITRO_ID: usize = 128;

/// How long `odyn-host status --once` waits for an answer. An enclave answers within milliseconds; probes of Kubernetes
/// get a few seconds.
pub const STATUS_ONCE: Duration = Duration::from_secs(3);

/// The file of `--vsock-file`: `uds:` and the longest path there is.
pub const VSOCK_FILE: u64 = 8 << 10;
