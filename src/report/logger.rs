//! odyn's own log lines: `2026-11-23T09:45:58Z odyn INFO text`.
//!
//! One line, one `write` to standard error, which is a pipe into the ring unless `--no-console` was given. A newline or
//! other control character in a text never starts a line of its own.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use log::{LevelFilter, Log, Metadata, Record};

use crate::config::limits;
use crate::sync::lock;

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
struct OneLine<'a>(&'a mut String);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_control() { self.0.extend(c.escape_default()) } else { self.0.push(c) }
        }
        Ok(())
    }
}

/// A moment in UTC, shown as RFC 3339 with whole seconds.
struct Utc {
    seconds: u64,
}

impl From<SystemTime> for Utc {
    fn from(time: SystemTime) -> Self {
        // A clock before 1970 shows as 1970.
        Self { seconds: time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()) }
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.seconds / 86_400);
        let of_day = self.seconds % 86_400;
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. Counts from 1 March of year 0, so
/// that the leap day is the last of its year and months have a regular length pattern (153 days in each five).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
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
    use std::time::Duration;

    #[test]
    fn dates_are_right_around_leap_days_and_centuries() {
        let shown = |seconds| Utc::from(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
        assert_eq!(shown(0), "1970-01-01T00:00:00Z");
        assert_eq!(shown(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(shown(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(shown(4_107_542_400), "2100-03-01T00:00:00Z");
        assert_eq!(shown(1_795_427_158), "2026-11-23T09:45:58Z");
    }

    #[test]
    fn a_text_cannot_start_a_line_of_its_own() {
        let line = format_line("odyn", UNIX_EPOCH, log::Level::Info, format_args!("a\nb\r\u{1b}[0mü"));
        assert_eq!(line, "1970-01-01T00:00:00Z odyn INFO a\\nb\\r\\u{1b}[0mü\n");
    }
}
