//! What odyn does as an init: signals to the application, the application's orphans, its output.

use std::thread;

use crate::app::COUNTED;
use crate::support::{signal, stat};
use crate::tally::{Outcome, Turn, ensure, eventually};

/// One at a time: the kernel makes one signal of two that wait.
pub fn signals(turn: &mut Turn) -> Outcome<u64> {
    let counts = || -> Outcome<Vec<u64>> {
        let told = turn.stage.order("signals")?;
        Ok(told.split(' ').filter_map(|count| count.parse().ok()).collect())
    };
    let mut expected = counts()?;
    ensure(expected.len() == COUNTED.len(), || format!("{expected:?}"))?;
    for (at, counted) in COUNTED.iter().enumerate() {
        signal(turn.stage.odyn.pid(), counted.to_string().trim_start_matches("SIG"));
        expected[at] += 1;
        let reached = eventually(&format!("{counted} reaches the application"), || {
            counts().ok().filter(|counts| *counts == expected)
        });
        if let Err(e) = reached {
            return Err(format!("{e}: {:?} for {expected:?}", counts()));
        }
    }
    Ok(COUNTED.len() as u64)
}

pub fn orphans(turn: &mut Turn) -> Outcome<u64> {
    let odyn = turn.stage.odyn.pid();
    let made = turn.stage.answer("orphans")?;
    let pids: Vec<i32> = made.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    ensure(pids.len() == 2, || format!("orphans {made:?}"))?;
    for pid in pids {
        // A number may be another process's by then, but no other is odyn's.
        eventually("an orphan is reaped", || stat(pid).is_none_or(|(_, parent)| parent != odyn).then_some(()))?;
    }
    // As fast as they come, the machine would do nothing else.
    thread::sleep(std::time::Duration::from_millis(20));
    Ok(2)
}

/// Lines of the application's, at an application's pace. The reader in `log.rs` checks them.
pub fn lines(turn: &mut Turn) -> Outcome<u64> {
    let count = 1 + turn.dice.roll(50);
    let told = turn.stage.order(&format!("lines {count}"))?;
    ensure(told == "written", || told)?;
    thread::sleep(std::time::Duration::from_millis(20));
    Ok(count)
}
