//! `odyn-host local`: both sides on one machine, without an enclave.
//!
//! Starts `odyn` with a simulated Nitro Secure Module and UNIX sockets in a private folder, and is its host. At the
//! end, however it comes about, every process that was started from here is ended and reaped, and the folder removed.

use std::net::Ipv4Addr;
use std::time::Instant;

use super::bridges::Bound;
use super::cli::Local;
use super::error::Error;
use super::inbox::{Event, Inbox, asks_to_end};
use super::plan::Plan;
use super::temp::TempDir;
use super::watch::{self, End, Target};
use super::{odyn, publish, say};
use crate::app::shutdown::{descendants, end_leftovers};
use crate::config::limits;
use crate::report::logger;
use crate::sync::Latch;
use crate::sys::process::{Exit, Pid, Reaped, become_subreaper, reap};
use crate::sys::signal::Signal;
use crate::transport::parent::Enclave;

/// Added to an ingress port for its default place: the application itself holds the port on this machine.
const OFFSET: u16 = 10_000;

/// Runs until the application has ended, by itself or because a signal asked it to; returns the status to exit with.
///
/// # Errors
/// See [`Error`].
pub fn run(options: &Local) -> Result<u8, Error> {
    let (inbox, notifier) = Inbox::new()?;
    logger::install("odyn-host", options.verbosity);
    let plan = Plan::load(&options.config)?;
    let ports = publish::arrange(&plan.ingress, &options.publish, OFFSET)?;
    become_subreaper().map_err(Error::Resources)?;
    let temp = TempDir::new()?;
    let enclave = Enclave::Uds(odyn::vsock_path(&temp));
    let up = Latch::default();
    let bound = Bound::open(Some(&enclave), Ipv4Addr::LOCALHOST.into(), &ports, plan.egress)?;
    let bridges = bound.bridge(&enclave, &up)?;
    // Dropped first, whatever ends this function: the folder goes when nobody uses it any more.
    let _family = Family;
    let session = Session::new(odyn::start(options, &temp)?);
    for open in bridges.published() {
        say(format_args!("{open} -> app's 127.0.0.1:{}", open.port));
    }
    if plan.attests {
        let root = odyn::root_path(&temp);
        say(format_args!("attestation is simulated: odyn-host verify --root {} accepts it", root.display()));
    }
    let target = Target { enclave, status: plan.status, log: plan.log };
    let report = notifier.clone();
    watch::spawn(target.clone(), up, move |event| report.send(Event::Watch(event))).map_err(Error::Resources)?;
    let result = session.until_end(&inbox, &target);
    // What odyn sent before it ended may still be on its way to a client.
    bridges.drain(limits::DRAIN, move || notifier.send(Event::Drained))?;
    while !matches!(inbox.event(), Some(Event::Drained)) && !inbox.wait(None)?.is_some_and(asks_to_end) {}
    result
}

/// Every process started from here. Dropping it ends and reaps them.
struct Family;

impl Drop for Family {
    fn drop(&mut self) {
        end_leftovers();
    }
}

/// One run of odyn.
struct Session {
    odyn: Pid,
    /// How the application ended, once odyn told.
    told: Option<End>,
    /// How odyn ended, and when we learnt of it.
    exit: Option<(Exit, Instant)>,
    /// The first signal that asked to end.
    stop: Option<Signal>,
    /// When whatever still lives is killed.
    kill_at: Option<Instant>,
    killed: bool,
}

impl Session {
    fn new(odyn: Pid) -> Self {
        Self { odyn, told: None, exit: None, stop: None, kill_at: None, killed: false }
    }

    fn until_end(mut self, inbox: &Inbox, target: &Target) -> Result<u8, Error> {
        loop {
            while let Some(event) = inbox.event() {
                self.take(event, target)?;
            }
            self.reap();
            let settled = self.exit.map(|(_, at)| at + limits::STATUS_AFTER_END);
            if let Some((exit, _)) = self.exit
                && (self.told.is_some() || self.killed || settled.is_some_and(|at| Instant::now() >= at))
            {
                return self.conclude(exit);
            }
            if self.exit.is_none() && self.kill_at.is_some_and(|at| Instant::now() >= at) {
                self.kill();
            }
            if let Some(signal) = inbox.wait(settled.or(self.kill_at))? {
                self.pass_on(signal);
            }
        }
    }

    fn take(&mut self, event: Event, target: &Target) -> Result<(), Error> {
        match event {
            Event::Watch(watch::Event::Over(end)) => {
                self.told = Some(end);
                // It has nothing more to wait for.
                self.kill_at.get_or_insert(Instant::now() + limits::LOCAL_STOP);
            }
            Event::Watch(watch::Event::Unreached(e)) if self.exit.is_none() => {
                return Err(Error::Unreached(target.enclave.clone(), target.status, e));
            }
            Event::Watch(watch::Event::Gone) if self.exit.is_none() => return Err(Error::Gone(target.enclave.clone())),
            // Starting takes a moment; and when odyn has ended, that says more than its silence.
            Event::Watch(_) | Event::Drained => {}
        }
        Ok(())
    }

    /// Reaps whoever has ended: odyn, or orphans of the application.
    fn reap(&mut self) {
        while let Ok(Reaped::Ended(pid, exit)) = reap() {
            if pid == self.odyn && self.exit.is_none() {
                self.exit = Some((exit, Instant::now()));
            }
        }
    }

    /// The application gets every signal through odyn; the second that asks to end is not asking any more.
    fn pass_on(&mut self, signal: Signal) {
        if asks_to_end(signal) && self.stop.is_some() {
            self.kill_at = Some(Instant::now());
            return;
        }
        if asks_to_end(signal) {
            say(format_args!(
                "{signal}: ending the application, killing it in {} seconds or with the next signal",
                limits::LOCAL_STOP.as_secs()
            ));
            self.stop = Some(signal);
            self.kill_at = Some(Instant::now() + limits::LOCAL_STOP);
        }
        // Gone already, and then its end is about to be reaped.
        let _ = self.odyn.kill(signal);
    }

    fn kill(&mut self) {
        log::info!("killing odyn and everything below it");
        descendants(Pid::this()).into_iter().for_each(|pid| drop(pid.kill(Signal::KILL)));
        self.killed = true;
        self.kill_at = None;
    }

    fn conclude(self, exit: Exit) -> Result<u8, Error> {
        match (self.told, self.stop) {
            (Some(End::Code(code)), _) => Ok(code),
            // odyn knows whether the manifest is to blame.
            (Some(End::Fatal(reason)), _) => Err(Error::Fatal(reason, if exit == Exit::Code(2) { 2 } else { 1 })),
            (None, Some(signal)) if self.killed => Err(Error::Killed(signal)),
            (None, _) => Err(Error::OdynEnded(exit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(told: Option<End>, stop: Option<Signal>, killed: bool, exit: Exit) -> Result<u8, String> {
        let session = Session { told, stop, killed, ..Session::new(Pid::this()) };
        session.conclude(exit).map_err(|e| format!("{} {e}", e.exit_code()))
    }

    #[test]
    fn the_exit_status_is_the_applications_as_odyn_told_it() {
        let code = Exit::Code(0);
        assert_eq!(ended(Some(End::Code(130)), Some(Signal::INT), false, code), Ok(130));
        assert_eq!(ended(Some(End::Code(3)), None, true, Exit::Signal(Signal::KILL)), Ok(3));
        let fatal = || Some(End::Fatal("no".into()));
        assert_eq!(ended(fatal(), None, false, Exit::Code(2)).unwrap_err(), "2 the enclave failed: no");
        assert_eq!(ended(fatal(), None, false, Exit::Code(1)).unwrap_err(), "1 the enclave failed: no");
    }

    #[test]
    fn an_odyn_that_told_nothing_is_an_error_of_its_own() {
        assert_eq!(
            ended(None, None, false, Exit::Signal(Signal::KILL)).unwrap_err(),
            "1 odyn died of SIGKILL without telling how the application did"
        );
        assert_eq!(
            ended(None, Some(Signal::INT), true, Exit::Signal(Signal::KILL)).unwrap_err(),
            "137 the application did not end on SIGINT and was killed"
        );
    }
}
