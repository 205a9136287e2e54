//! Ending what the application left behind: TERM, a grace period, KILL.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::config::limits;
use crate::sys::process::{Pid, Reaped, kill_everyone, reap};
use crate::sys::signal::{Signal, wait};

/// Ends every process this one is responsible for: as PID 1 all there are, otherwise its descendants. They get TERM,
/// [`limits::TERM_GRACE`] to comply, then KILL. Returns when all are reaped, or a second after KILL: what survives that
/// is stuck in the kernel.
pub fn end_leftovers() {
    for (signal, patience) in [(Signal::TERM, limits::TERM_GRACE), (Signal::KILL, Duration::from_secs(1))] {
        if all_reaped() {
            return;
        }
        log::info!("sending {signal} to what the application left behind");
        let deadline = Instant::now() + patience;
        signal_all(signal);
        while Instant::now() < deadline {
            // A child may have been forked between our look and the signal; only KILL is worth repeating.
            if signal == Signal::KILL {
                signal_all(signal);
            }
            // Woken by SIGCHLD; the short timeout is for deaths of grandchildren, which announce nothing.
            let _ = wait(&[Signal::CHLD], limits::REAP_PAUSE);
            if all_reaped() {
                return;
            }
        }
    }
    log::error!("some processes could not be ended");
}

/// Reaps what has ended; true when no child is left.
fn all_reaped() -> bool {
    loop {
        match reap() {
            Ok(Reaped::Ended(..)) => {}
            Ok(Reaped::NoChildren) => return true,
            Ok(Reaped::NoneYet) | Err(_) => return false,
        }
    }
}

fn signal_all(signal: Signal) {
    if Pid::this().is_init() {
        let _ = kill_everyone(signal);
    } else {
        descendants(Pid::this()).into_iter().for_each(|pid| drop(pid.kill(signal)));
    }
}

/// Every living process below `root`, as `/proc` shows it at this moment; empty without `/proc`.
#[must_use]
pub fn descendants(root: Pid) -> Vec<Pid> {
    let mut children: HashMap<Pid, Vec<Pid>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::new);
        let Some(pid) = pid else { continue };
        let parent = std::fs::read_to_string(entry.path().join("stat")).ok().and_then(|stat| parent(&stat));
        if let Some(parent) = parent {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut next = vec![root];
    while let Some(pid) = next.pop() {
        let below = children.remove(&pid).unwrap_or_default();
        found.extend(&below);
        next.extend(below);
    }
    found
}

/// The parent in a line of `/proc/PID/stat`. The command's name is in parentheses and may hold anything, parentheses
/// too, so the fields are counted from the last one.
fn parent(stat: &str) -> Option<Pid> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok().and_then(Pid::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_named_like_a_stat_line_does_not_confuse_the_reading() {
        assert_eq!(parent("7 (a) R 1 (x) S 42 7 7 0"), Pid::new(42));
        assert_eq!(parent("7 (sh) S 0 0"), None);
        assert_eq!(parent(""), None);
    }

    #[test]
    fn a_child_is_found_among_the_descendants() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        assert!(descendants(Pid::this()).contains(&Pid::from(&child)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
