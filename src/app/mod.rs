//! The application: what to run, running it, learning of its end, ending what it left behind. Beside it the light
//! client, a process of odyn's own.
//!
//! Promises: the application starts in a session of its own with a clean signal mask, no descriptor but the standard
//! three, `no_new_privs`, no capability that it does not need and an environment built for it (this process's own is never
//! changed); every orphan is reaped; signals that concern the application reach its process group; its exit is reported
//! as it was.

#![forbid(unsafe_code)]

pub mod command;
pub mod light_client;
pub mod shutdown;
pub mod spawn;
pub mod supervise;
pub mod user;
