//! What the main thread waits for: signals, and events from its other threads.
//!
//! There is one wait, for signals; who sends an event also raises `SIGCHLD` in this process, which says "look" and
//! nothing more, as it does when a child ends. It is the one signal that does nothing when nobody waits for it.

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use super::error::Error;
use super::watch;
use crate::app::supervise::WATCHED;
use crate::sys::process::Pid;
use crate::sys::signal::{self, Signal};

/// How often to look even though no signal said so. Signals are not lost; this only bounds being wrong about that.
const LOOK_ANYWAY: Duration = Duration::from_secs(1);

/// Something another thread found out.
#[derive(Debug)]
pub enum Event {
    /// Of the enclave.
    Watch(watch::Event),
    /// The bridges are closed and their connections ended.
    Drained,
}

/// Receives events and signals.
#[derive(Debug)]
pub struct Inbox {
    events: Receiver<Event>,
}

/// Sends events to the main thread.
#[derive(Clone, Debug)]
pub struct Notifier(Sender<Event>);

impl Notifier {
    /// Sends `event` and wakes the main thread.
    pub fn send(&self, event: Event) {
        // Nobody receives any more when the main thread is on its way out.
        if self.0.send(event).is_ok() {
            let _ = Pid::this().kill(Signal::CHLD);
        }
    }
}

impl Inbox {
    /// An empty inbox. Blocks all signals, so that this thread and those it starts from now on leave them to
    /// [`Inbox::wait`]: call it before starting any.
    ///
    /// # Errors
    /// [`Error::Resources`] if signals cannot be blocked.
    pub fn new() -> Result<(Self, Notifier), Error> {
        signal::block().map_err(Error::Resources)?;
        let (sender, events) = mpsc::channel();
        Ok((Self { events }, Notifier(sender)))
    }

    /// The next event, if there is one.
    #[must_use]
    pub fn event(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Waits for a signal, an event, the end of a child or `deadline`. Returns the signal; `None` means: look at
    /// everything else. An event that comes between looking and waiting ends the wait at once.
    ///
    /// # Errors
    /// Cannot fail on Linux; reported rather than assumed.
    pub fn wait(&self, deadline: Option<Instant>) -> Result<Option<Signal>, Error> {
        let left = deadline.map_or(LOOK_ANYWAY, |at| at.saturating_duration_since(Instant::now()).min(LOOK_ANYWAY));
        let taken = signal::wait(&WATCHED, left).map_err(Error::Resources)?;
        Ok(taken.filter(|signal| *signal != Signal::CHLD))
    }
}

/// True for signals that ask a process to end; the others are the application's to define.
#[must_use]
pub fn asks_to_end(signal: Signal) -> bool {
    !matches!(signal, Signal::USR1 | Signal::USR2)
}
