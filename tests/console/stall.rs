//! A reader that stalls costs itself what it misses, and nobody else anything.

use std::io::Read;
use std::time::{Duration, Instant};

use super::log::read_to;
use crate::support::{Odyn, TempDir, wait_go};

const MIB: usize = 1 << 20;
const WRITTEN: usize = 50 * MIB;

/// The line that `yes` repeats, and thereby what byte `n` of the burst is.
const LINE: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_\n";

/// True when `bytes` are what was written from byte `from` on.
fn is_burst(bytes: &[u8], from: usize) -> bool {
    bytes.iter().zip(from..).all(|(byte, at)| *byte == LINE[at % LINE.len()])
}

/// Runs an application that says `start`, writes 50 MiB once step 1 is due, and then says `done`.
fn burst(flags: &[&str]) -> Odyn {
    let dir = TempDir::new();
    let line = std::str::from_utf8(&LINE[..63]).unwrap();
    let (begin, write) = (wait_go(&dir, 0), wait_go(&dir, 1));
    let script = format!("{begin}echo start; {write}yes {line} | head -c {WRITTEN}; echo done; exec sleep 1000");
    let odyn = Odyn::in_dir(dir, "", flags, &["/bin/sh", "-c", &script], |_| {});
    // So that odyn's own lines all come before the first of the application's.
    odyn.wait_running();
    odyn.go(0);
    odyn
}

#[test]
fn a_reader_that_stalls_through_50_mib_blocks_nobody_and_misses_exactly_what_it_is_told() {
    let odyn = burst(&[]);
    let mut stalled = odyn.log_reader();
    read_to(&mut stalled, b"start\n");
    let begun = Instant::now();
    odyn.go(1);
    // Another reader, begun during the burst, sees its end. That it comes means the application was not blocked.
    read_to(&mut odyn.log_reader(), b"\ndone\n");
    assert!(begun.elapsed() < Duration::from_secs(60), "50 MiB took {:?}", begun.elapsed());
    // And one begun after it.
    assert_eq!(read_to(&mut odyn.log_reader(), b"\ndone\n").len(), MIB);

    let text = read_to(&mut stalled, b"\ndone\n");
    let mut rest = &text[..text.len() - b"done\n".len()];
    // One loss while it stalled. A busy machine may have made its server late before that, which is another.
    let (mut at, mut losses) = (0, 0);
    while let Some(mark) = (0..rest.len()).find(|at| rest[*at..].starts_with(b"[odyn: ")) {
        let (before, marked) = rest.split_at(mark);
        assert!(before.is_empty() || before.ends_with(b"\n"), "a marker does not start a line");
        // When the loss began inside a line, a newline that nobody wrote stands before the marker.
        let in_flight = if is_burst(before, at) { before } else { &before[..before.len() - 1] };
        assert!(is_burst(in_flight, at), "what was in flight is not what was written");
        let end = marked.iter().position(|byte| *byte == b'\n').unwrap();
        let marker = std::str::from_utf8(&marked[..end]).unwrap();
        let dropped: usize =
            marker.strip_prefix("[odyn: ").unwrap().strip_suffix(" bytes dropped]").unwrap().parse().unwrap();
        at += in_flight.len() + dropped;
        losses += 1;
        rest = &marked[end + 1..];
    }
    assert!(losses > 0, "a reader that stalled lost nothing");
    assert!(is_burst(rest, at), "what follows the marker is not what was written");
    assert_eq!(at + rest.len(), WRITTEN);
}

#[test]
fn a_reader_that_stalls_does_not_keep_the_final_status_from_others_nor_odyn_from_its_operator() {
    let mut odyn = burst(&[]);
    let stalled = odyn.log_reader();
    odyn.go(1);
    read_to(&mut odyn.log_reader(), b"\ndone\n");
    odyn.signal("TERM");
    let begun = Instant::now();
    assert_eq!(odyn.final_status(), r#"{"status":"signaled","signal":15,"name":"SIGTERM"}"#);
    // Odyn would wait half a minute for the rest of the log to be read.
    odyn.signal("INT");
    assert_eq!(odyn.wait().code(), Some(143));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    drop(stalled);
}

#[test]
fn a_reader_that_keeps_up_misses_nothing() {
    // A ring that holds it all stands for a reader that is always fast enough.
    let odyn = burst(&["--log-bytes", "67108864"]);
    let mut reader = odyn.log_reader();
    read_to(&mut reader, b"start\n");
    odyn.go(1);
    let text = read_to(&mut reader, b"\ndone\n");
    assert_eq!(text.len(), WRITTEN + b"done\n".len());
    assert!(is_burst(&text[..WRITTEN], 0));
    let mut byte = [0];
    reader.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    assert!(reader.read(&mut byte).is_err(), "something follows that nobody wrote");
}
