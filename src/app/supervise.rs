//! The main thread's loop: signals in, orphans reaped, until the application ends.

use std::time::Duration;

use crate::sys::process::{Exit, Pid, Reaped, reap};
use crate::sys::signal::{Signal, wait};

/// Passed on to the application's process group.
pub const FORWARDED: [Signal; 6] = [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::USR1, Signal::USR2];

/// Those of them that ask a program to end.
pub const ENDING: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::QUIT];

/// All that a main thread here waits for: those, and the end of a child.
pub const WATCHED: [Signal; 7] =
    [Signal::CHLD, Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::USR1, Signal::USR2];

/// How often to look even though no signal said so. Signals are not lost; this only bounds being wrong about that.
const LOOK_ANYWAY: Duration = Duration::from_secs(60);

/// Waits for the end of `app`, meanwhile forwarding signals to its process group and reaping every other child.
pub fn until_exit(app: Pid) -> Exit {
    loop {
        match wait(&WATCHED, LOOK_ANYWAY) {
            Ok(Some(Signal::CHLD) | None) => {}
            Ok(Some(signal)) => forward(app, signal),
            Err(e) => log::error!("waiting for signals failed: {e}"),
        }
        if let Some(exit) = drain(app) {
            // What is still pending was meant for the application, not for what comes after it.
            while let Ok(Some(_)) = wait(&FORWARDED, Duration::ZERO) {}
            return exit;
        }
    }
}

fn forward(app: Pid, signal: Signal) {
    match app.kill_group(signal) {
        Ok(()) => log::info!("forwarded {signal} to the application's process group"),
        Err(e) => log::warn!("{signal} not forwarded to the application's process group: {e}"),
    }
}

/// Reaps until nobody is left to reap, the application among them or not: one `SIGCHLD` may stand for a thousand ends.
fn drain(app: Pid) -> Option<Exit> {
    let mut app_exit = None;
    loop {
        match reap() {
            Ok(Reaped::Ended(pid, exit)) if pid == app => app_exit = Some(exit),
            Ok(Reaped::Ended(pid, exit)) => log::debug!("reaped orphan {pid}: {exit:?}"),
            Ok(Reaped::NoneYet | Reaped::NoChildren) => return app_exit,
            Err(e) => {
                log::error!("reaping failed: {e}");
                return app_exit;
            }
        }
    }
}
