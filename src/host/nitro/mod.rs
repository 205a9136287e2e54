//! An enclave that `odyn-host run --eif` starts with AWS's `nitro-cli`, and ends with it.
//!
//! [`mod@call`] runs `nitro-cli` once, within bounds; [`answer`] reads what it said; here is what is asked of it. Only the
//! enclave's ID and CID are taken from its answers.

#![forbid(unsafe_code)]

pub mod answer;
pub mod call;
pub mod error;

use std::ffi::OsString;
use std::fs::File;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Instant;

use super::error::Error;
use super::inbox::{Inbox, asks_to_end};
use super::plan::Plan;
use super::say;
use crate::config::limits;
use crate::sys::signal::Signal;
use crate::transport::parent::Enclave;
use answer::Said;
use call::{Interruption, call};
use error::NitroError;

/// What `run --eif` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The enclave image file.
    pub eif: PathBuf,
    /// How many CPUs it gets; the manifest's number unless given.
    pub cpu: Option<NonZeroU32>,
    /// How much memory, in MiB; the manifest's unless given.
    pub memory: Option<NonZeroU32>,
    /// Start it in debug mode, with a console and without measurements.
    pub debug: bool,
    /// Where it is to be: a CID to ask for, or a socket to reach it by whatever its CID.
    pub at: Option<Enclave>,
    /// The file to write its address into.
    pub vsock_file: Option<PathBuf>,
}

/// An enclave that `nitro-cli` has started.
#[derive(Debug)]
pub struct Started {
    /// Where to reach it.
    pub enclave: Enclave,
    /// The signal that asked to end while it was started.
    pub stop: Option<Signal>,
    id: String,
}

impl Launch {
    /// The command line for `nitro-cli`, with `plan`'s numbers where the operator gave none. Looks at the image first:
    /// nitro-cli's own word for a missing one is hard to read.
    ///
    /// # Errors
    /// [`NitroError::NoSize`], [`NitroError::Eif`].
    pub fn command(&self, plan: &Plan) -> Result<Vec<OsString>, NitroError> {
        let cpu = self.cpu.or(plan.cpu_count).ok_or(NitroError::NoSize("CPUs", "--cpu N", "defaults.cpu_count"))?;
        let memory = self.memory.or(plan.memory_mb).ok_or(NitroError::NoSize(
            "MiB of memory",
            "--memory MB",
            "defaults.memory_mb",
        ))?;
        File::open(&self.eif)
            .and_then(|file| file.metadata())
            .and_then(|meta| if meta.is_file() { Ok(()) } else { Err(std::io::ErrorKind::InvalidInput.into()) })
            .map_err(|e| NitroError::Eif(self.eif.clone(), e))?;
        let mut args: Vec<OsString> = vec!["run-enclave".into(), "--eif-path".into(), self.eif.clone().into()];
        args.extend(["--cpu-count".into(), cpu.to_string().into(), "--memory".into(), memory.to_string().into()]);
        if let Some(Enclave::Cid(cid)) = self.at {
            args.extend(["--enclave-cid".into(), cid.to_string().into()]);
        }
        if self.debug {
            args.push("--debug-mode".into());
        }
        Ok(args)
    }

    /// Starts the enclave by `command`. The first signal that asks to end is noted, for a start is best undone when it
    /// is complete; the second one kills nitro-cli.
    ///
    /// # Errors
    /// [`Error::Nitro`]. What nitro-cli started all the same has been ended then, unless the error says how to.
    pub fn start(&self, command: &[OsString], inbox: &Inbox) -> Result<Started, Error> {
        if self.debug {
            say(format_args!("debug mode: the enclave's PCRs are zeroes, so its attestation proves nothing"));
        }
        let mut stop = None;
        let on_signal = |signal: Signal| match stop {
            _ if !asks_to_end(signal) => Interruption::Ignored,
            None => {
                say(format_args!("{signal}: ending when nitro-cli is through, or with the next signal"));
                stop = Some(signal);
                Interruption::Ignored
            }
            Some(_) => Interruption::Kill(signal),
        };
        let said = call(command, Instant::now() + limits::NITRO_START, inbox, on_signal).map_err(Error::Nitro)?;
        match (said.succeeded, said.enclave()) {
            (true, (Some(id), Some(cid))) => {
                log::info!("nitro-cli started {id} with CID {cid}");
                let enclave = match &self.at {
                    Some(Enclave::Uds(path)) => Enclave::Uds(path.clone()),
                    _ => Enclave::Cid(cid),
                };
                Ok(Started { enclave, stop, id })
            }
            // It started something after all.
            (succeeded, (Some(id), _)) => {
                end(&id, inbox).map_err(Error::Nitro)?;
                Err(Error::Nitro(if succeeded {
                    NitroError::NoCid(id)
                } else {
                    NitroError::Failed("run-enclave", said.reason())
                }))
            }
            (true, (None, _)) => Err(Error::Nitro(NitroError::Rubbish("run-enclave", said.excerpt()))),
            (false, (None, _)) => Err(Error::Nitro(NitroError::Failed("run-enclave", said.reason()))),
        }
    }
}

impl Started {
    /// Ends the enclave, if it has not ended by itself.
    ///
    /// # Errors
    /// [`NitroError::NotEnded`], which says how to.
    pub fn end(self, inbox: &Inbox) -> Result<(), NitroError> {
        end(&self.id, inbox)
    }
}

fn end(id: &str, inbox: &Inbox) -> Result<(), NitroError> {
    let deadline = Instant::now() + limits::NITRO_END;
    let ask = |args: &[OsString]| call(args, deadline, inbox, |_| Interruption::Ignored);
    let mut attempt = 1;
    loop {
        let trouble = match ask(&["terminate-enclave".into(), "--enclave-id".into(), id.into()]) {
            Ok(said) if said.succeeded => return Ok(()),
            Ok(said) => said.reason(),
            Err(e) => e.to_string(),
        };
        // odyn powers its enclave off, and then there is none to end.
        let gone = |said: &Said| said.succeeded && said.lists(id) == Some(false);
        if ask(&["describe-enclaves".into()]).is_ok_and(|said| gone(&said)) {
            log::debug!("the enclave has ended by itself: {trouble}");
            return Ok(());
        }
        if attempt == limits::NITRO_ATTEMPTS || Instant::now() >= deadline {
            return Err(NitroError::NotEnded(id.to_owned(), trouble));
        }
        attempt += 1;
        std::thread::sleep(limits::NITRO_PAUSE);
    }
}
