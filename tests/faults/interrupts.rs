//! Calls that return before they have done anything, and signals by the thousand.

use std::process::Command;

use super::field::{CALM_APP, Field, Steady, often};
use super::shim::Liar;
use crate::support::{TempDir, tools};

#[test]
fn calls_that_are_interrupted_all_the_time_lose_no_byte_and_no_connection() {
    let goal = often(50_000, 2_000_000) as u64;
    let dir = TempDir::new();
    let Some(liar) = Liar::new(&dir) else { return };
    let field = Field::in_dir(dir, &[], |command| liar.preload(command));
    let before = field.resources();
    let (ingress, tunnel) = (Steady::over(field.ingress()), Steady::over(field.tunnel()));
    for nth in [2, 3, 7] {
        liar.interrupt_every(nth);
        let until = liar.interrupted() + goal / 3;
        while liar.interrupted() < until {
            field.try_all().unwrap();
            ingress.wait_for(1 << 20);
            tunnel.wait_for(1 << 20);
            if liar.interrupted() == 0 {
                return tools::unfit("odyn that is linked to the C library as it starts");
            }
        }
    }
    liar.interrupt_every(0);
    let back = field.assert_back();
    let (up, down) = (ingress.finish(), tunnel.finish());
    println!(
        "{} calls interrupted: {up:?} and {down:?}; back after {back:?}; {before:?} before, {:?} after",
        liar.interrupted(),
        field.settled(before)
    );
}

#[test]
fn thousands_of_signals_are_forwarded_and_disturb_nobody() {
    let times = often(3_000, 100_000);
    let field = Field::start();
    let before = field.resources();
    let (ingress, tunnel) = (Steady::over(field.ingress()), Steady::over(field.tunnel()));
    let pid = field.pid();
    // Those that odyn forwards, and others that are nobody's business.
    let script = format!(
        "i=0; while [ $i -lt {times} ]; do for s in USR1 HUP USR2 WINCH ALRM CHLD PIPE XFSZ; do kill -$s {pid}; done; \
         i=$((i+8)); done"
    );
    assert!(Command::new("/bin/sh").args(["-c", &script]).status().unwrap().success());
    ingress.wait_for(1 << 20);
    tunnel.wait_for(1 << 20);
    let back = field.assert_back();
    let (up, down) = (ingress.finish(), tunnel.finish());
    assert!(field.odyn.log().contains("forwarded SIGUSR1"));
    println!("{times} signals to {CALM_APP:?}: {up:?} and {down:?}; back after {back:?}; {:?}", field.settled(before));
}
