//! Moments in UTC as text: RFC 3339 both ways, the compact form of ISO 8601 that AWS signatures use, and HTTP's.
//!
//! The Gregorian calendar on whole seconds and nothing else: no time zones, no leap seconds, no clock.

#![forbid(unsafe_code)]

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;

/// A moment in UTC with whole seconds, from 1970 on; shown as RFC 3339, such as `2026-11-23T09:45:58Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utc {
    seconds: u64,
}

impl Utc {
    /// Reads an RFC 3339 date-time: `2026-11-23T09:45:58Z`, with fractions of a second, which are dropped, or an offset
    /// instead of `Z`. `None` for anything else, days that do not exist, second 60 and years before 1970 included.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let (year, month, day) = (number(date, 0, 4)?, number(date, 5, 2)?, number(date, 8, 2)?);
        let rest = rest.strip_prefix(['T', 't'])?;
        let (clock, rest) = rest.split_at_checked(8)?;
        let (hour, minute, second) = (number(clock, 0, 2)?, number(clock, 3, 2)?, number(clock, 6, 2)?);
        let separated = |text: &str, first: usize, second: usize, by: &str| {
            text.get(first..=first) == Some(by) && text.get(second..=second) == Some(by)
        };
        if !separated(date, 4, 7, "-") || !separated(clock, 2, 5, ":") {
            return None;
        }
        if !(1970..).contains(&year) || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let of_day = hour * 3600 + minute * 60 + second;
        let seconds = days(year, month, day)? * DAY + of_day;
        let seconds = match offset(after_fraction(rest)?)? {
            (false, offset) => seconds.checked_add(offset)?,
            (true, offset) => seconds.checked_sub(offset)?,
        };
        Some(Self { seconds })
    }

    /// `20261123T094558Z`, and its first eight characters for the date alone.
    #[must_use]
    pub fn compact(self) -> String {
        self.to_string().replace(['-', ':'], "")
    }

    /// As HTTP's `Date` has it (RFC 9110 section 5.6.7): `Mon, 23 Nov 2026 09:45:58 GMT`.
    #[must_use]
    pub fn http(self) -> String {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        // 1970 began on a Thursday.
        const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        let (year, month, day) = civil(self.seconds / DAY);
        let of_day = self.seconds % DAY;
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let weekday = WEEKDAYS[(self.seconds / DAY % 7) as usize];
        let month = MONTHS[(month as usize).saturating_sub(1) % 12];
        let mut text = String::with_capacity("Mon, 23 Nov 2026 09:45:58 GMT".len());
        // Writing to memory does not fail.
        let _ = write!(text, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT");
        text
    }
}

impl From<SystemTime> for Utc {
    fn from(time: SystemTime) -> Self {
        // A clock before 1970 shows as 1970.
        Self { seconds: time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()) }
    }
}

impl From<Utc> for SystemTime {
    fn from(utc: Utc) -> Self {
        // Parsing bounds the year to four digits, and a SystemTime is where every other comes from.
        UNIX_EPOCH + Duration::from_secs(utc.seconds)
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.seconds / DAY);
        let of_day = self.seconds % DAY;
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// The number that `length` digits at `at` are.
fn number(text: &str, at: usize, length: usize) -> Option<u64> {
    let digits = text.get(at..at + length)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// What follows a fraction of a second, if there is one; `None` when it has no digits.
fn after_fraction(text: &str) -> Option<&str> {
    let Some(fraction) = text.strip_prefix('.') else { return Some(text) };
    let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < fraction.len()).then_some(rest)
}

/// Whether to subtract, and how many seconds, to get to UTC.
fn offset(text: &str) -> Option<(bool, u64)> {
    if matches!(text, "Z" | "z") {
        return Some((false, 0));
    }
    let east = text.starts_with('+');
    let (hours, minutes) = (number(text, 1, 2)?, number(text, 4, 2)?);
    let shaped = text.len() == 6 && text.starts_with(['+', '-']) && text.get(3..4) == Some(":");
    (shaped && hours < 24 && minutes < 60).then_some((east, hours * 3600 + minutes * 60))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; `None` when there is no such day.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (year_from_march, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let leap_days = year_from_march / 4 - year_from_march / 100 + year_from_march / 400;
    let days = (year_from_march * 365 + leap_days + of_year).checked_sub(719_468)?;
    // 31 February comes back as a day of March.
    (civil(days) == (year, month, day)).then_some(days)
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

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENTS: [(u64, &str); 6] = [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (1_795_427_158, "2026-11-23T09:45:58Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
    ];

    #[test]
    fn dates_are_right_around_leap_days_and_centuries() {
        for (seconds, text) in MOMENTS {
            let utc = Utc::from(UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!((utc.to_string().as_str(), Utc::parse(text)), (text, Some(utc)));
        }
        assert_eq!(Utc::from(UNIX_EPOCH + Duration::from_secs(1_795_427_158)).compact(), "20261123T094558Z");
    }

    #[test]
    fn http_has_weekdays_and_months_by_name() {
        let http = |text| Utc::parse(text).unwrap().http();
        // RFC 9110's own example.
        assert_eq!(http("1994-11-06T08:49:37Z"), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http("1970-01-01T00:00:00Z"), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http("9999-12-31T23:59:59Z"), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn every_day_of_four_centuries_is_read_as_it_is_written() {
        for day in 0..146_097 {
            let utc = Utc { seconds: day * DAY + 1 };
            assert_eq!(Utc::parse(&utc.to_string()), Some(utc));
        }
    }

    #[test]
    fn fractions_are_dropped_and_offsets_followed() {
        let seconds = |text| Utc::parse(text).unwrap().seconds;
        assert_eq!(seconds("2026-11-23T09:45:58.999Z"), 1_795_427_158);
        assert_eq!(seconds("2026-11-23t11:45:58+02:00"), 1_795_427_158);
        assert_eq!(seconds("2026-11-23T06:15:58.1-03:30"), 1_795_427_158);
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for bad in [
            "",
            "2026-11-23",
            "2026-11-23T09:45:58",
            "2026-11-23 09:45:58Z",
            "2026-11-23T09:45:58ZZ",
            "2026-11-23T09:45:58.Z",
            "2026-11-23T09:45:58+0200",
            "2026-11-23T09:45:58+24:00",
            "2026-11-23T24:00:00Z",
            "2026-11-23T09:60:00Z",
            "2026-11-23T09:45:60Z",
            "2026-02-29T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "+026-11-23T09:45:58Z",
            "2026/11/23T09:45:58Z",
            "2026-11-23T09.45.58Z",
            "２０26-11-23T09:45:58Z",
            "12026-11-23T09:45:58Z",
        ] {
            assert_eq!(Utc::parse(bad), None, "{bad}");
        }
    }
}
