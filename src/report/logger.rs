//! odyn's own log lines: `2026-11-23T09:45:58Z odyn INFO text`.
//!
//! One line, one `write` to standard error, which is a pipe into the ring unless `--no-console` was given. A newline or
//! other control character in a text never starts a line of its own.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

use log::{LevelFilter, Log, Metadata, Record};

use crate::config::limits;
use crate::sync::lock;
use crate::utc::Utc;

/// Installs the logger under the program's name. `verbosity` counts `-v`: none logs `INFO`, one `DEBUG`, two `TRACE`.
/// Also makes a panic one log line that names the place and not the payload, which may hold anything.
pub fn install(program: &'static str, verbosity: u8) {
    static LOGGER: OnceLock<Logger> = OnceLock::new();
    let logger = LOGGER.get_or_init(|| Logger { program });
    let level = match verbosity {
        0 => LevelFilter::Info,
        1 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    // A second call, in a test, keeps the first logger.
    if log::set_logger(logger).is_ok() {
        log::set_max_level(level);
    }
    std::panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("?").to_owned();
        match info.location() {
            Some(place) => log::error!("thread {name} panicked at {}:{}", place.file(), place.line()),
            None => log::error!("thread {name} panicked"),
        }
    }));
}

#[derive(Debug)]
struct Logger {
    program: &'static str,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Other crates' INFO and below is not for operators.
        metadata.level() <= log::Level::Warn || metadata.target().starts_with("odyn")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format_line(self.program, SystemTime::now(), record.level(), *record.args());
            // Nobody is left to be told of a failure to log.
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

fn format_line(program: &str, now: SystemTime, level: log::Level, text: fmt::Arguments<'_>) -> String {
    let mut line = format!("{} {program} {level} ", Utc::from(now));
    // Writing to a String cannot fail.
    let _ = write!(OneLine(&mut line), "{text}");
    line.push('\n');
    line
}

/// Replaces control characters by their escapes.
pub(crate) struct OneLine<'a>(pub(crate) &'a mut String);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_control() { self.0.extend(c.escape_default()) } else { self.0.push(c) }
        }
        Ok(())
    }
}

/// Lets one line of a kind through each [`limits::LOG_INTERVAL`], and says with the next how many it held back.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<(Option<Instant>, u64)>);

impl Throttle {
    /// Logs `text` as a warning, or counts it.
    pub fn warn(&self, text: fmt::Arguments<'_>) {
        let mut state = lock(&self.0);
        let (last, held_back) = &mut *state;
        if last.is_some_and(|at| at.elapsed() < limits::LOG_INTERVAL) {
            *held_back += 1;
            return;
        }
        *last = Some(Instant::now());
        match std::mem::take(held_back) {
            0 => log::warn!("{text}"),
            n => log::warn!("{text} ({n} more like it since the last such line)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn a_text_cannot_start_a_line_of_its_own() {
        let line = format_line("odyn", UNIX_EPOCH, log::Level::Info, format_args!("a\nb\r\u{1b}[0mü"));
        assert_eq!(line, "1970-01-01T00:00:00Z odyn INFO a\\nb\\r\\u{1b}[0mü\n");
    }
}
