//! Whatever an enclave sends as its status or its log, the host reads it to its end; and the ring that feeds the log
//! gives each reader every byte or the number of those it lost.

#![no_main]

use std::io::Write;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use odyn::config::limits::STATUS_LINE;
use odyn::host::follow::{self, Copied};
use odyn::host::watch::{Told, read_status};
use odyn::report::ring::{Read, Ring};
use odyn::sync::Latch;
use odyn::sys::socket::Socket;
use odyn::wire::status::Status;

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    match kind % 4 {
        0 => line(bytes),
        1 => status(bytes),
        2 => log(bytes),
        _ => ring(bytes),
    }
});

/// A status that is read is written as one line, and read as itself again unless its text had to be cut.
fn line(bytes: &[u8]) {
    let Some(status) = std::str::from_utf8(bytes).ok().and_then(Status::from_line) else { return };
    let line = status.to_line();
    assert_eq!(line.find('\n'), Some(line.len() - 1));
    let again = Status::from_line(&line).unwrap();
    match (&status, &again) {
        (Status::Fatal { error }, Status::Fatal { error: cut }) => {
            assert!(line.len() <= STATUS_LINE && error.starts_with(cut.as_str()));
            assert!(cut == error || line.len() > STATUS_LINE - 12);
        }
        // Its name is odyn's own.
        _ => assert_eq!(again, status),
    }
}

/// A whole status connection, against a reading of all its lines at once.
fn status(bytes: &[u8]) {
    let up = Latch::default();
    let told = read_status(&sent(bytes), &up);
    let mut understood = 0;
    let mut end = None;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        // Too long, or without its end.
        if line.len() > STATUS_LINE || !line.ends_with(b"\n") {
            break;
        }
        let Some(status) = std::str::from_utf8(line).ok().and_then(Status::from_line) else { continue };
        understood += 1;
        let can_be = match &status {
            Status::Running => false,
            Status::Exited { code } => (0..=255).contains(code),
            Status::Signaled { signal, .. } => (1..=127).contains(signal),
            Status::Fatal { .. } => true,
        };
        if can_be {
            end = Some(status);
            break;
        }
    }
    assert_eq!(up.is_open(), understood > 0);
    match (told, end) {
        (Told::Broken { lines, .. }, None) => assert_eq!(lines, understood),
        (Told::End(_), Some(_)) => {}
        (told, end) => panic!("{told:?} instead of {end:?}"),
    }
}

/// A whole log connection: every byte, and no more once nobody takes it.
fn log(bytes: &[u8]) {
    let mut copied = Vec::new();
    let full = || std::io::Error::other("full");
    let most = bytes.first().map_or(0, |most| usize::from(*most) * 64);
    let ended = follow::copy(&sent(bytes), |piece| {
        copied.extend_from_slice(piece);
        if copied.len() > most { Err(full()) } else { Ok(()) }
    });
    assert!(bytes.starts_with(&copied));
    match ended {
        Copied::Ended => assert_eq!(copied.len(), bytes.len()),
        Copied::Unwritable(_) => assert!(copied.len() > most),
        Copied::Broken(e) => panic!("{e}"),
    }
}

fn sent(bytes: &[u8]) -> Socket {
    let (mut writer, reader) = UnixStream::pair().unwrap();
    writer.write_all(bytes).unwrap();
    writer.shutdown(Shutdown::Write).unwrap();
    Socket::from(OwnedFd::from(reader))
}

/// Steps of one run: each that finds nothing to read is a system call.
const STEPS: usize = 256;

/// Writes and reads as the bytes say, against a list of all that was ever written.
fn ring(bytes: &[u8]) {
    let Some((capacity, steps)) = bytes.split_first() else { return };
    let capacity = usize::from(*capacity) + 1;
    let ring = Ring::new(capacity).unwrap();
    let mut cursor = ring.oldest();
    let mut written: Vec<u8> = Vec::new();
    let mut next = 0;
    let mut at_line_start = true;
    for step in steps.iter().take(STEPS) {
        let size = usize::from(step >> 1);
        if step & 1 == 0 {
            // Letters and line ends, so that the note of a loss is not met by chance.
            let piece: Vec<u8> = (0..size).map(|n| if n % 7 == 6 { b'\n' } else { b'a' + (n % 7) as u8 }).collect();
            ring.push(&piece);
            written.extend(&piece);
            continue;
        }
        let (mut out, mut expected) = (Vec::new(), Vec::new());
        let read = ring.read(&mut cursor, size + 1, &mut out, Duration::ZERO);
        let first = written.len().saturating_sub(capacity);
        if next < written.len() {
            if next < first {
                let newline = if at_line_start { "" } else { "\n" };
                expected.extend(format!("{newline}[odyn: {} bytes dropped]\n", first - next).bytes());
                next = first;
            }
            let end = written.len().min(next + size + 1);
            expected.extend(&written[next..end]);
            next = end;
            at_line_start = expected.ends_with(b"\n");
        }
        assert_eq!(out, expected);
        assert_eq!(read, if expected.is_empty() { Read::Nothing } else { Read::Some });
    }
    ring.close();
    let mut rest = Vec::new();
    while ring.read(&mut cursor, usize::MAX, &mut rest, Duration::ZERO) == Read::Some {}
    assert!(rest.ends_with(&written[written.len().saturating_sub(capacity).max(next)..]));
}
