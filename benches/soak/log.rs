//! Readers of the log and of the status: one that stays and checks every line, and others that come, stall and go.

use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::app::{LAST, line_of};
use crate::stream::Stream;
use crate::tally::{Outcome, Turn, complain, ensure};

const LOG: u16 = 17001;
const STATUS: u16 = 17000;

/// The status of an application that runs.
pub const RUNNING: &str = "{\"status\":\"running\"}\n";

/// Warnings that this provokes. Everything else above INFO is a failure.
const EXPECTED: [&str; 15] = [
    "KMS proxy: request odyn-",
    "Nitro Secure Module: for development only",
    "has no TLS",
    "egress decision=denied ",
    "egress: refused a request with ",
    "ingress port ",
    "TLS handshake",
    // Of odyn-host.
    "egress connection to ",
    "refused",
    "attempt 1 failed",
    "attempt 2 failed",
    "attempt 3 failed",
    "renewing the credentials",
    "cut ",
    "sending SIG",
];

/// Lines of the application's that were read whole, and bytes that the one reader who must read all was too slow for.
pub static LINES: AtomicU64 = AtomicU64::new(0);
pub static LOST: AtomicU64 = AtomicU64::new(0);

/// The application said goodbye.
pub static ENDED: AtomicBool = AtomicBool::new(false);

/// Reads the log to its end.
pub fn follow(reader: impl Read + Send + 'static) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut follower = Follower { next: None, suspect: None, behind_a_loss: false };
        let mut reader = BufReader::with_capacity(1 << 20, reader);
        loop {
            let mut line = Vec::new();
            match reader.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => follower.line(&String::from_utf8_lossy(&line)),
                Err(e) => return complain(&format!("reading the log: {e}")),
            }
        }
    })
}

struct Follower {
    /// The number of the application's next line.
    next: Option<u64>,
    /// A line that is none, unless bytes behind it were lost.
    suspect: Option<String>,
    behind_a_loss: bool,
}

impl Follower {
    fn line(&mut self, line: &str) {
        if let Some(lost) = lost(line) {
            LOST.fetch_add(lost, Ordering::Relaxed);
            (self.next, self.suspect, self.behind_a_loss) = (None, None, true);
            return;
        }
        if let Some(suspect) = self.suspect.take() {
            complain(&format!("a line of the log is {suspect:.200?}"));
        }
        let behind_a_loss = std::mem::take(&mut self.behind_a_loss);
        if let Err(e) = self.check(line)
            && !behind_a_loss
        {
            self.suspect = Some(e);
        }
    }

    fn check(&mut self, line: &str) -> Outcome<()> {
        if line.trim_end() == LAST {
            ENDED.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let Some(rest) = line.strip_prefix("soak ") else { return odyns_own(line) };
        let number = rest.split(' ').next().and_then(|number| number.parse().ok()).ok_or_else(|| line.to_owned())?;
        ensure(line == line_of(number), || line.to_owned())?;
        let expected = self.next.replace(number + 1);
        ensure(expected.is_none_or(|next| next == number), || format!("{number} and not {expected:?}: {line}"))?;
        LINES.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn lost(line: &str) -> Option<u64> {
    line.strip_prefix("[odyn: ")?.strip_suffix(" bytes dropped]\n")?.parse().ok()
}

/// A line of odyn's says nothing bad, but what was provoked.
pub fn odyns_own(line: &str) -> Outcome<()> {
    let level = line.split(' ').nth(2).unwrap_or_default();
    let fine = match level {
        "INFO" => true,
        "WARN" => EXPECTED.iter().any(|expected| line.contains(expected)),
        _ => false,
    };
    ensure(fine && !line.contains("panicked"), || line.to_owned())
}

/// Come, read a little, go.
pub fn visit(turn: &mut Turn) -> Outcome<u64> {
    let mut stream = log_reader(turn)?;
    let mut some = vec![0; 1 + turn.dice.roll(200_000) as usize];
    let got = stream.read(&mut some).map_err(|e| format!("reading: {e}"))?;
    ensure(got > 0, || "the log ended".to_owned())?;
    thread::sleep(Duration::from_millis(turn.dice.roll(50)));
    Ok(1)
}

fn log_reader(turn: &Turn) -> Outcome<Stream> {
    Stream::vsock(&turn.stage.odyn.vsock_path(), LOG, &[]).map_err(|e| format!("connecting: {e}"))
}

/// Stands still until the round is over, and is then told how much it missed.
pub fn stall(turn: &mut Turn) -> Outcome<u64> {
    let mut readers = Vec::new();
    for _ in 0..10 {
        let mut stream = BufReader::new(log_reader(turn)?);
        stream.fill_buf().map_err(|e| format!("reading: {e}"))?;
        readers.push(stream);
    }
    turn.stage.wait_over(turn.over);
    // Several times what the ring and the socket hold.
    turn.stage.order("lines 5000")?;
    for mut reader in readers {
        let mut line = Vec::new();
        loop {
            line.clear();
            let got = reader.read_until(b'\n', &mut line).map_err(|e| format!("reading on: {e}"))?;
            ensure(got > 0, || "the log ended".to_owned())?;
            if lost(&String::from_utf8_lossy(&line)).is_some() {
                break;
            }
        }
    }
    Ok(10)
}

/// What `odyn-host status` asks for, again and again; some stay until the round is over.
pub fn status(turn: &mut Turn) -> Outcome<u64> {
    let path = turn.stage.odyn.vsock_path();
    let mut stay = Vec::new();
    for _ in 0..20 {
        let mut stream = BufReader::new(Stream::vsock(&path, STATUS, &[]).map_err(|e| format!("connecting: {e}"))?);
        let mut line = String::new();
        stream.read_line(&mut line).map_err(|e| format!("reading: {e}"))?;
        ensure(line == RUNNING, || line)?;
        if turn.dice.roll(4) == 0 {
            stay.push(stream);
        }
    }
    thread::sleep(Duration::from_millis(turn.dice.roll(100)));
    Ok(20)
}
