//! `odyn-host run`: everything one enclave needs of its host, until its application ends.

use super::address::AddressFile;
use super::bridges::{Bound, Bridges};
use super::cli::{Run, Which};
use super::error::Error;
use super::inbox::{Event, Inbox, Notifier, asks_to_end};
use super::nitro::Launch;
use super::plan::Plan;
use super::publish;
use super::say;
use super::watch::{self, End, Target};
use crate::config::limits;
use crate::report::logger;
use crate::sync::Latch;
use crate::sys::process::{Reaped, reap};
use crate::sys::signal::Signal;
use crate::transport::parent::Enclave;

/// Runs until the application has ended, the enclave is lost or a signal asks to stop; returns the status to exit with.
///
/// # Errors
/// See [`Error`].
pub fn run(options: &Run) -> Result<u8, Error> {
    let (inbox, notifier) = Inbox::new()?;
    logger::install("odyn-host", options.verbosity);
    let plan = Plan::load(&options.config)?;
    let ports = publish::arrange(&plan.ingress, &options.publish, 0)?;
    let bind = |socket| Bound::open(socket, options.bind, &ports, plan.egress);
    match &options.which {
        Which::Existing(enclave) => {
            let target = Target { enclave: enclave.clone(), status: plan.status, log: plan.log };
            Session { inbox: &inbox, notifier, target, ends: false }.run(bind(Some(enclave))?)
        }
        Which::New(launch) => {
            let command = launch.command(&plan).map_err(Error::Nitro)?;
            // Before the enclave: its application may reach out from its first moment on.
            let bound = bind(launch.at.as_ref().filter(|at| matches!(at, Enclave::Uds(_))))?;
            let started = launch.start(&command, &inbox)?;
            let result = match started.stop {
                Some(signal) => Ok(code_of(signal)),
                None => {
                    let target = Target { enclave: started.enclave.clone(), status: plan.status, log: plan.log };
                    announced(launch, &started.enclave, || {
                        Session { inbox: &inbox, notifier, target, ends: true }.run(bound)
                    })
                }
            };
            // The application's end is what counts, whatever becomes of its enclave.
            if let Err(e) = started.end(&inbox) {
                say(format_args!("{e}"));
            }
            result
        }
    }
}

/// Does `work` while the enclave's address is in the file that was asked for.
fn announced(launch: &Launch, enclave: &Enclave, work: impl FnOnce() -> Result<u8, Error>) -> Result<u8, Error> {
    let _file = launch.vsock_file.as_deref().map(|file| AddressFile::write(file, enclave)).transpose()?;
    work()
}

fn code_of(signal: Signal) -> u8 {
    u8::try_from(128 + signal.number()).unwrap_or(1)
}

/// One enclave that runs.
struct Session<'a> {
    inbox: &'a Inbox,
    notifier: Notifier,
    target: Target,
    /// The enclave does not outlive this.
    ends: bool,
}

impl Session<'_> {
    fn run(self, bound: Bound) -> Result<u8, Error> {
        let up = Latch::default();
        let bridges = bound.bridge(&self.target.enclave, &up)?;
        for open in bridges.published() {
            say(format_args!("{open} -> the enclave's port {}", open.port));
        }
        let report = self.notifier.clone();
        watch::spawn(self.target.clone(), up, move |event| report.send(Event::Watch(event)))
            .map_err(Error::Resources)?;
        self.until_end(&bridges)
    }

    fn until_end(&self, bridges: &Bridges) -> Result<u8, Error> {
        // Known once the end has begun, and not revised: what to return when the last connections are through.
        let mut result: Option<Result<u8, Error>> = None;
        loop {
            while let Some(event) = self.inbox.event() {
                let end = match event {
                    Event::Drained => return result.unwrap_or(Ok(0)),
                    Event::Watch(watch::Event::Waiting(e)) => {
                        let Target { enclave, status, .. } = &self.target;
                        say(format_args!("waiting for {enclave} to answer on vsock port {status} (status): {e}"));
                        continue;
                    }
                    Event::Watch(watch::Event::Over(End::Code(code))) => Ok(code),
                    Event::Watch(watch::Event::Over(End::Fatal(reason))) => Err(Error::Fatal(reason, 1)),
                    Event::Watch(watch::Event::Unreached(e)) => {
                        let unreached = Error::Unreached(self.target.enclave.clone(), self.target.status, e);
                        return result.unwrap_or(Err(unreached));
                    }
                    Event::Watch(watch::Event::Gone) => {
                        return result.unwrap_or(Err(Error::Gone(self.target.enclave.clone())));
                    }
                };
                // The first reason to end stands.
                if result.is_none() {
                    result = Some(end);
                    self.start_drain(bridges)?;
                }
            }
            // In a container this is the first process, and inherits those that nitro-cli leaves.
            while matches!(reap(), Ok(Reaped::Ended(..))) {}
            match self.inbox.wait(None)? {
                Some(signal) if asks_to_end(signal) => {
                    let code = code_of(signal);
                    if result.is_some() {
                        return result.unwrap_or(Ok(code));
                    }
                    self.say_goodbye(signal);
                    result = Some(Ok(code));
                    self.start_drain(bridges)?;
                }
                Some(signal) => log::info!("ignored {signal}: signals do not cross vsock"),
                None => {}
            }
        }
    }

    fn say_goodbye(&self, signal: Signal) {
        let enclave = &self.target.enclave;
        if self.ends {
            let patience = limits::DRAIN.as_secs();
            say(format_args!(
                "{signal}: terminating the enclave in {patience} seconds, sooner when nobody is connected"
            ));
        } else {
            say(format_args!("{signal}: no longer bridging {enclave}; the enclave itself goes on"));
        }
    }

    fn start_drain(&self, bridges: &Bridges) -> Result<(), Error> {
        let notifier = self.notifier.clone();
        bridges.drain(limits::DRAIN, move || notifier.send(Event::Drained))
    }
}
