//! The wall clock jumps. It is the host's to set.

use std::time::Duration;

use super::field::{Field, Steady};
use super::shim::Liar;
use crate::support::connection::Connection;
use crate::support::{TempDir, tools};

const DAY: i64 = 24 * 60 * 60;
const YEAR: i64 = 365 * DAY;

#[test]
fn a_clock_that_jumps_by_a_day_or_by_years_moves_timestamps_and_nothing_else() {
    let dir = TempDir::new();
    let Some(liar) = Liar::new(&dir) else { return };
    let field = Field::in_dir(dir, &[], |command| liar.preload(command));
    if liar.asked_for_time() == 0 {
        return tools::unfit("odyn that is linked to the C library as it starts");
    }
    let before = field.resources();
    let mut api = Connection::to(field.api.0);
    let (ingress, tunnel) = (Steady::over(field.ingress()), Steady::over(field.tunnel()));
    let mut years = Vec::new();
    // Connections stay. Before 1970 the log stands still at its beginning, and the simulated module makes no documents,
    // which have no dates before it; tiny_http's `Date` panicked there, and after 9999, which ended the APIs for good.
    for shift in [DAY, -DAY, 10 * YEAR, -10 * YEAR, 0, 8000 * YEAR, -100 * YEAR, 0] {
        let asked = field.asked();
        liar.shift_clock(shift);
        field.try_all().unwrap();
        assert!(field.asked() > asked);
        let attested = api.ask("POST", "/v1/attestation", b"{}");
        let expected = if shift == -100 * YEAR { 503 } else { 200 };
        assert_eq!(attested.status, expected, "{}", String::from_utf8_lossy(&attested.body));
        api.ask("POST", "/v1/eth/sign", br#"{"message":"x"}"#).ok();
        ingress.wait_for(1 << 18);
        tunnel.wait_for(1 << 18);
        let last = field.odyn.log();
        let last = last.lines().rfind(|line| line.contains(" odyn ")).unwrap().to_owned();
        years.push(last[..4].parse::<i64>().unwrap());
    }
    let now = years[4];
    let shifted: Vec<i64> = years.iter().map(|year| year - now).collect();
    // A day may be in another year, and ten times 365 days are not quite ten years.
    assert!((9..=10).contains(&shifted[2]) && (-11..=-10).contains(&shifted[3]), "{years:?}");
    assert!(years[5] >= 1000 && years[6] == 1970 && shifted[7] == 0, "{years:?}");
    let back = field.assert_back();
    let (up, down) = (ingress.finish(), tunnel.finish());
    assert!(up.1 < Duration::from_secs(5) && down.1 < Duration::from_secs(5), "{up:?} {down:?}");
    println!(
        "{years:?}: {up:?} and {down:?}; back after {back:?}; {before:?} before, {:?} after",
        field.settled(before)
    );
}
