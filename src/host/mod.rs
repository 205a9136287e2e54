//! `odyn-host`: the other ends of everything that crosses vsock, on the parent instance or a developer's laptop.
//!
//! The story runs the way a request does: a client's TCP connection enters by [`ingress`] and meets `inbound` in the
//! enclave; what the application asks of the world arrives at [`egress`], from `outbound`, and is dialled here; what
//! the enclave reports is read by [`watch`] (or, one stream at a time, by [`follow`]). [`run`] puts these together for
//! an enclave that exists or that [`nitro`] starts, [`local`] for one that it plays itself by starting `odyn` beside
//! it; [`check`] only reads a manifest, [`verify`] an attestation document.
//!
//! Promises: exits as the application did; a failed connection ends that connection and nothing else; everything this
//! side waits for has a bound. Never decides what the application may reach: the policy is inside the measured image,
//! and this side is not trusted with it.

#![forbid(unsafe_code)]

pub mod cli;
pub mod error;
pub mod usage;

pub mod address;
pub mod plan;
pub mod publish;

pub mod bridges;
pub mod egress;
pub mod ingress;
pub mod lookup;

pub mod follow;
pub mod watch;

pub mod inbox;

pub mod check;
pub mod local;
pub mod nitro;
pub mod odyn;
pub mod run;
pub mod temp;

pub mod verify;

use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::report::logger::OneLine;
use cli::Request;
use error::Error;

/// Everything `odyn-host` does, from its arguments (without the program's own name) to its exit status: that of the
/// application, or 2 for usage and a bad manifest, or 1.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Each bridged connection takes two; what cannot be raised shows as refused connections, in the log.
    let _ = crate::sys::process::raise_descriptor_limit(crate::config::limits::DESCRIPTORS);
    let done = match cli::parse(args) {
        Ok(Request::Run(options)) => run::run(&options),
        Ok(Request::Local(options)) => local::run(&options),
        Ok(Request::Follow(options)) => follow::run(&options),
        Ok(Request::Verify(options)) => verify::run(&options),
        Ok(Request::Check(manifest)) => check::run(&manifest),
        Ok(Request::Help(text)) => print(text),
        Ok(Request::Version) => print(concat!("odyn-host ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(e) => Err(Error::Usage(e)),
    };
    done.unwrap_or_else(|e| {
        say(format_args!("{e}"));
        e.exit_code()
    })
    .into()
}

/// Writes `text` to standard output. A reader that went away has read what it wanted.
fn print(text: &str) -> Result<u8, Error> {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::Stdout(e)),
        _ => Ok(0),
    }
}

/// Tells the operator one sentence. What an enclave says may be part of it, so control characters are escaped: they
/// would be the terminal's.
fn say(sentence: fmt::Arguments<'_>) {
    let mut line = String::from("odyn-host: ");
    // Writing to a String cannot fail.
    let _ = write!(OneLine(&mut line), "{sentence}");
    line.push('\n');
    // Nobody is left to be told of a failure to tell.
    let _ = io::stderr().write_all(line.as_bytes());
}
