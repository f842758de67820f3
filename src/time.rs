//! Points in time and durations as configuration and log write them.
//!
//! The core never asks for the time: it arrives in `Request::now`. [`Clock`] is what the server asks.

use serde::Serialize;
use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

/// A point in time: whole seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The form of RFC 5322 section 3.3, in UTC: `Mon, 01 May 2006 00:00:00 +0000`.
    pub fn rfc5322(self) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (days, seconds) = (self.0.div_euclid(86_400), self.0.rem_euclid(86_400));
        // Years are counted from March, so that the leap day is the last: 719468 days lie before 1970.
        let since = days.saturating_add(719_468);
        let (era, day) = (since.div_euclid(146_097), since.rem_euclid(146_097));
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let from_march = (5 * day + 2) / 153;
        let (month, day) = ((from_march + 2) % 12, day - (153 * from_march + 2) / 5 + 1);
        let year = year + era * 400 + i64::from(month < 2);
        let name =
            |names: &[&'static str], at: i64| usize::try_from(at).ok().and_then(|at| names.get(at).copied());
        format!(
            "{}, {day:02} {} {year} {:02}:{:02}:{:02} +0000",
            name(&DAYS, days.rem_euclid(7)).unwrap_or_default(),
            name(&MONTHS, month).unwrap_or_default(),
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        )
    }
}

/// The source of the current time.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp(since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX)))
    }
}

/// A clock that stands still until it is set: for tests and replays.
#[derive(Debug, Default)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.0))
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_secs()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DurationError {
    /// It does not begin with a whole number.
    NoNumber,
    /// A number without unit.
    NoUnit,
    /// The unit is none of ms, s, m, h, d, w.
    UnknownUnit(String),
    /// Too large to be represented.
    TooLarge,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNumber => f.write_str("a duration begins with a whole number, such as \"20s\""),
            Self::NoUnit => f.write_str("a duration needs a unit: ms, s, m, h, d or w"),
            Self::UnknownUnit(unit) => write!(f, "unknown unit \"{unit}\": use ms, s, m, h, d or w"),
            Self::TooLarge => f.write_str("the duration is too large"),
        }
    }
}

impl std::error::Error for DurationError {}

/// Reads a duration as postconf(5) writes time values, with the unit required: `20s`, `4m`, `25h`, `36d`, `1w`,
/// and `500ms`, which Postfix does not have.
///
/// # Errors
/// When there is no number, no known unit, or the value does not fit.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(DurationError::NoNumber);
    }
    let number: u64 = number.parse().map_err(|_| DurationError::TooLarge)?;
    let seconds = match unit.trim() {
        "ms" => return Ok(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        "" => return Err(DurationError::NoUnit),
        other => return Err(DurationError::UnknownUnit(other.to_owned())),
    };
    number.checked_mul(seconds).map(Duration::from_secs).ok_or(DurationError::TooLarge)
}

/// Writes a duration in the largest unit that divides it, so that [`parse_duration`] reads it back.
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.subsec_millis();
    if millis != 0 {
        return format!("{}ms", duration.as_millis());
    }
    let seconds = duration.as_secs();
    let units = [(604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "m")];
    for (size, unit) in units {
        if seconds != 0 && seconds.is_multiple_of(size) {
            return format!("{}{unit}", seconds / size);
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases = [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (1_146_441_600, "Mon, 01 May 2006 00:00:00 +0000"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_795_259_531, "Sat, 21 Nov 2026 11:12:11 +0000"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 +0000"),
            (-1, "Wed, 31 Dec 1969 23:59:59 +0000"),
        ];
        for (seconds, want) in cases {
            assert_eq!(Timestamp(seconds).rfc5322(), want);
        }
    }

    #[test]
    fn durations_are_read_with_every_unit() {
        let cases = [
            ("500ms", Ok(Duration::from_millis(500))),
            ("20s", Ok(Duration::from_secs(20))),
            ("4m", Ok(Duration::from_secs(240))),
            ("25h", Ok(Duration::from_secs(90_000))),
            ("36d", Ok(Duration::from_secs(3_110_400))),
            ("1w", Ok(Duration::from_secs(604_800))),
            ("", Err(DurationError::NoNumber)),
            ("s", Err(DurationError::NoNumber)),
            ("-1s", Err(DurationError::NoNumber)),
            ("20", Err(DurationError::NoUnit)),
            ("20y", Err(DurationError::UnknownUnit("y".to_owned()))),
            ("99999999999999999999s", Err(DurationError::TooLarge)),
            ("9999999999999999999w", Err(DurationError::TooLarge)),
        ];
        for (text, want) in cases {
            assert_eq!(parse_duration(text), want, "{text}");
        }
    }

    #[test]
    fn a_printed_duration_reads_back() {
        for seconds in [0, 1, 59, 60, 61, 240, 3_600, 86_400, 90_000, 604_800] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
