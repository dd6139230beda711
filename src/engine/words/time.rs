//! Points in time and spans, as documents write them and decisions compare them.
//!
//! The engine has no clock: `now` always comes from the caller.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A point in time, written as `2026-03-01T00:00:00Z` (RFC 3339): milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend("format" = "date-time", "examples" = ["2026-03-01T00:00:00Z"]))
)]
#[serde(try_from = "String", into = "String")]
pub struct Time(i64);

impl Time {
    /// The earliest possible time: a secret that was never valid expired then.
    pub const BEGINNING: Self = Self(i64::MIN);

    /// 1970-01-01T00:00:00Z, the time of events without a clock.
    pub const EPOCH: Self = Self(0);

    /// Makes a time from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Makes a time from nanoseconds since the Unix epoch, the unit of proxy-wasm's host clock.
    pub fn from_nanos(nanos: u64) -> Self {
        Self(i64::try_from(nanos / NANOS_PER_MILLI).unwrap_or(i64::MAX))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(MILLIS_PER_SECOND)
    }

    /// The start of the second that contains this time.
    pub const fn whole_second(self) -> Self {
        Self(self.seconds().saturating_mul(MILLIS_PER_SECOND))
    }

    /// The time after a span has passed.
    #[must_use]
    pub fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.millis()))
    }

    /// Seconds from `earlier` to this time, rounded up.
    pub const fn seconds_after(self, earlier: Self) -> i64 {
        let millis = self.0.saturating_sub(earlier.0);
        millis.saturating_add(MILLIS_PER_SECOND).saturating_sub(1).div_euclid(MILLIS_PER_SECOND)
    }

    /// The time moved by milliseconds, forwards or backwards.
    #[must_use]
    pub const fn shifted(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// RFC 3339 in UTC with milliseconds, as audit events write it.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        if time.0.rem_euclid(MILLIS_PER_SECOND) != 0 {
            return time.to_string();
        }
        Timestamp::from_millisecond(time.0)
            .map_or_else(|_| time.to_string(), |timestamp| timestamp.to_string())
    }
}

impl TryFrom<String> for Time {
    type Error = BadTime;

    fn try_from(text: String) -> Result<Self, BadTime> {
        text.parse()
    }
}

impl std::str::FromStr for Time {
    type Err = BadTime;

    fn from_str(text: &str) -> Result<Self, BadTime> {
        let millis = text.parse::<Timestamp>().map(Timestamp::as_millisecond);
        match millis {
            // jiff parses the last second of its range but cannot format it.
            Ok(millis) if Timestamp::from_millisecond(millis).is_ok() => Ok(Self(millis)),
            Ok(_) | Err(_) => Err(BadTime(text.chars().take(64).collect())),
        }
    }
}

/// The error for text that is not a point in time.
#[derive(Debug, Eq, PartialEq)]
pub struct BadTime(String);

impl std::error::Error for BadTime {}

impl fmt::Display for BadTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a time: write it as in `2026-03-01T00:00:00Z` (RFC 3339)",
            self.0.escape_default()
        )
    }
}

/// A span of time in whole seconds, written as a number and a unit: `90d`, `24h`, `15m`, `30s`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = "^0*[1-9][0-9]*[smhd]$", "examples" = ["90d", "24h", "15m", "30s"]))
)]
#[serde(try_from = "String", into = "String")]
pub struct Span(u32);

impl Span {
    /// One second.
    pub const SECOND: Self = Self(1);

    /// Maximum difference between the clocks of two threads: a time that another thread just wrote may lie in
    /// this thread's future.
    pub(crate) const SKEW: Self = Self(60);

    /// One day.
    pub const DAY: Self = Self(86_400);

    /// The whole seconds between two times. `None` if there are none, or more than a span has.
    pub fn between(from: Time, to: Time) -> Option<Self> {
        let seconds = to.millis().saturating_sub(from.millis()).div_euclid(MILLIS_PER_SECOND);
        u32::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Self)
    }

    /// The span multiplied by a count.
    #[must_use]
    pub(crate) const fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// The span in seconds.
    pub const fn seconds(self) -> u32 {
        self.0
    }

    /// The span in milliseconds.
    pub fn millis(self) -> i64 {
        i64::from(self.0).saturating_mul(MILLIS_PER_SECOND)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, seconds)| self.0.checked_rem(*seconds) == Some(0));
        match whole {
            Some((unit, seconds)) => {
                write!(f, "{}{unit}", self.0.checked_div(*seconds).unwrap_or(0))
            }
            None => write!(f, "{}s", self.0),
        }
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl TryFrom<String> for Span {
    type Error = BadSpan;

    fn try_from(text: String) -> Result<Self, BadSpan> {
        text.parse()
    }
}

impl std::str::FromStr for Span {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Self, BadSpan> {
        let parsed = UNITS.iter().find_map(|(unit, seconds)| {
            let count = text.strip_suffix(unit)?;
            // `parse` alone would accept `+5`.
            let digits = count.bytes().all(|byte| byte.is_ascii_digit());
            count.parse::<u32>().ok().filter(|_| digits)?.checked_mul(*seconds)
        });
        match parsed {
            Some(seconds) if seconds > 0 => Ok(Self(seconds)),
            Some(_) | None => Err(BadSpan(text.chars().take(64).collect())),
        }
    }
}

/// The error for text that is not a span of time.
#[derive(Debug, Eq, PartialEq)]
pub struct BadSpan(String);

impl std::error::Error for BadSpan {}

impl fmt::Display for BadSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a span of time: write a number above 0 and one of `s m h d`, as in `24h`",
            self.0.escape_default()
        )
    }
}

const MILLIS_PER_SECOND: i64 = 1_000;
const NANOS_PER_MILLI: u64 = 1_000_000;
/// Longest first, so that a span is displayed in the largest unit that divides it.
const UNITS: [(&str, u32); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_shown_in_their_largest_unit() {
        for (text, seconds, shown) in [("90d", 7_776_000, "90d"), ("24h", 86_400, "1d"), ("90s", 90, "90s")] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.seconds(), span.to_string()), (seconds, shown.to_owned()));
        }
        for text in ["", "d", "5", "0d", "+5m", "-1h", "1.5h", "5 m", "1y", "99999999999d", "4294967295d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_accept_offsets_and_print_utc() {
        let time: Time = "2026-03-01T01:00:00+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-03-01T00:00:00.000Z");
        assert_eq!(String::from(time), "2026-03-01T00:00:00Z");
        for text in ["", "2026-03-01", "2026-03-01T00:00:00", "2026-13-01T00:00:00Z", "now"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        let last = "9999-12-30T22:00:00";
        assert_eq!(format!("{last}Z").parse::<Time>().map(String::from), Ok(format!("{last}Z")));
        assert!(format!("{last}.999Z").parse::<Time>().is_err(), "it could not be written again");
    }
}
