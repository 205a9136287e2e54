//! The main thread's loop: signals in, orphans reaped, until the application ends.

use std::time::Duration;

use super::light_client::LightClient;
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

/// Waits for the end of `app`, meanwhile forwarding signals to its process group, reaping every other child and keeping the
/// light client running, if there is one.
pub fn until_exit(app: Pid, mut light_client: Option<LightClient>) -> Exit {
    loop {
        let due = light_client.as_ref().and_then(LightClient::due_in).unwrap_or(LOOK_ANYWAY);
        match wait(&WATCHED, due.min(LOOK_ANYWAY)) {
            Ok(Some(Signal::CHLD) | None) => {}
            Ok(Some(signal)) => forward(app, signal),
            Err(e) => log::error!("waiting for signals failed: {e}"),
        }
        if let Some(exit) = drain(app, light_client.as_mut()) {
            // What is still pending was meant for the application, not for what comes after it.
            while let Ok(Some(_)) = wait(&FORWARDED, Duration::ZERO) {}
            if let Some(light_client) = &light_client {
                light_client.end();
            }
            return exit;
        }
        if let Some(light_client) = &mut light_client {
            light_client.restart_if_due();
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
fn drain(app: Pid, mut light_client: Option<&mut LightClient>) -> Option<Exit> {
    let mut app_exit = None;
    loop {
        match reap() {
            Ok(Reaped::Ended(pid, exit)) if pid == app => app_exit = Some(exit),
            Ok(Reaped::Ended(pid, exit)) => {
                if !light_client.as_mut().is_some_and(|light_client| light_client.ended(pid, exit)) {
                    log::debug!("reaped orphan {pid}: {exit:?}");
                }
            }
            Ok(Reaped::NoneYet | Reaped::NoChildren) => return app_exit,
            Err(e) => {
                log::error!("reaping failed: {e}");
                return app_exit;
            }
        }
    }
}
