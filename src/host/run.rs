//! `odyn-host run`: everything one enclave needs of its host, until its application ends.

use super::bridges::Bridges;
use super::cli::Run;
use super::error::Error;
use super::inbox::{Event, Inbox, Notifier, asks_to_end};
use super::plan::Plan;
use super::publish;
use super::say;
use super::watch::{self, End, Target};
use crate::config::limits;
use crate::report::logger;
use crate::sync::Latch;

/// Runs until the application has ended, the enclave is lost or a signal asks to stop; returns the status to exit with.
///
/// # Errors
/// See [`Error`].
pub fn run(options: &Run) -> Result<u8, Error> {
    let (inbox, notifier) = Inbox::new()?;
    logger::install("odyn-host", options.verbosity);
    let plan = Plan::load(&options.config)?;
    let ports = publish::arrange(&plan.ingress, &options.publish, 0)?;
    let up = Latch::default();
    let bridges = Bridges::open(&options.enclave, options.bind, &ports, plan.egress, &up)?;
    for open in bridges.published() {
        say(format_args!("{open} -> the enclave's port {}", open.port));
    }
    let target = Target { enclave: options.enclave.clone(), status: plan.status, log: plan.log };
    let report = notifier.clone();
    watch::spawn(target.clone(), up, move |event| report.send(Event::Watch(event))).map_err(Error::Resources)?;
    until_end(&inbox, &notifier, &bridges, &target)
}

fn until_end(inbox: &Inbox, notifier: &Notifier, bridges: &Bridges, target: &Target) -> Result<u8, Error> {
    // Known once the end has begun: what to return when the last connections are through.
    let mut result: Option<Result<u8, Error>> = None;
    loop {
        while let Some(event) = inbox.event() {
            let end = match event {
                Event::Drained => return result.unwrap_or(Ok(0)),
                Event::Watch(watch::Event::Waiting(e)) => {
                    let Target { enclave, status, .. } = target;
                    say(format_args!("waiting for {enclave} to answer on vsock port {status} (status): {e}"));
                    continue;
                }
                Event::Watch(watch::Event::Over(End::Code(code))) => Ok(code),
                Event::Watch(watch::Event::Over(End::Fatal(reason))) => Err(Error::Fatal(reason, 1)),
                Event::Watch(watch::Event::Unreached(e)) => {
                    return Err(Error::Unreached(target.enclave.clone(), target.status, e));
                }
                Event::Watch(watch::Event::Gone) => return Err(Error::Gone(target.enclave.clone())),
            };
            // The first reason to end stands.
            if result.is_none() {
                result = Some(end);
                start_drain(bridges, notifier)?;
            }
        }
        match inbox.wait(None)? {
            Some(signal) if asks_to_end(signal) => {
                let code = u8::try_from(128 + signal.number()).unwrap_or(1);
                if result.is_some() {
                    return result.unwrap_or(Ok(code));
                }
                say(format_args!("{signal}: no longer bridging {}; the enclave itself goes on", target.enclave));
                result = Some(Ok(code));
                start_drain(bridges, notifier)?;
            }
            Some(signal) => log::info!("ignored {signal}: signals do not cross vsock"),
            None => {}
        }
    }
}

fn start_drain(bridges: &Bridges, notifier: &Notifier) -> Result<(), Error> {
    let notifier = notifier.clone();
    bridges.drain(limits::DRAIN, move || notifier.send(Event::Drained))
}
