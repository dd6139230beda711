//! Hours of the week in which a token may be used: `Mon-Fri 06:00-20:00 +01:00`.
//!
//! In: the text of one entry of `allowed_hours`. Out: a period that recurs each week, in UTC. The offset is
//! fixed, so a bundle means the same on every machine; daylight saving time is ignored.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::engine::words::time::Time;

/// Hours in which a token may be used, on some or all days: `Mon-Fri 06:00-20:00 +01:00`. Without an offset
/// they are in UTC. They may cross midnight.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend(
        "pattern" = regex(),
        "examples" = ["Mon-Fri 06:00-20:00 +01:00", "Sat,Sun 22:00-06:00"]
    ))
)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    text: Box<str>,
    /// The days on which the period begins: bit 0 is Monday.
    days: u8,
    /// The minute of the day at which it begins, at `offset`.
    start: i64,
    /// Its length in minutes: 1 to 1,440.
    length: i64,
    /// Minutes by which local time is ahead of UTC.
    offset: i64,
}

impl Hours {
    /// Whether the hours contain `now`. The end itself is excluded.
    pub fn contain(&self, now: Time) -> bool {
        let local = now.seconds().div_euclid(SECONDS).saturating_add(self.offset);
        let since_start = local.saturating_sub(self.start);
        let (day, minute) = (since_start.div_euclid(DAY), since_start.rem_euclid(DAY));
        // Counted from 00:00 of the day on which the period began, which may be yesterday.
        minute < self.length && self.begins_on(day)
    }

    /// Whether the period begins on this day, counted from 1970-01-01, a Thursday.
    fn begins_on(&self, day: i64) -> bool {
        let weekday = day.saturating_add(THURSDAY).rem_euclid(WEEK);
        u32::try_from(weekday).is_ok_and(|weekday| self.days >> weekday & 1 == 1)
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        hours.text.into()
    }
}

impl TryFrom<String> for Hours {
    type Error = BadHours;

    fn try_from(text: String) -> Result<Self, BadHours> {
        let bad = |why| BadHours { text: text.chars().take(64).collect(), why };
        let mut parts: Vec<&str> = text.split(' ').collect();
        let days = match parts.first() {
            Some(first) if first.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                let days = days(first).ok_or_else(|| bad(Why::Days))?;
                parts.remove(0);
                days
            }
            Some(_) | None => EVERY_DAY,
        };
        let (range, offset) = match parts.as_slice() {
            [range] => (*range, 0),
            [range, zone] => (*range, offset(zone).ok_or_else(|| bad(Why::Offset))?),
            _ => return Err(bad(Why::Parts)),
        };
        let (start, end) = range.split_once('-').ok_or_else(|| bad(Why::Range))?;
        let (start, end) = (minute(start), minute(end));
        let (Some(start), Some(end)) = (start.filter(|minute| *minute < DAY), end) else {
            return Err(bad(Why::Range));
        };
        if start == end {
            return Err(bad(Why::Nothing));
        }
        let length = end.saturating_sub(start);
        let length = if length > 0 { length } else { length.saturating_add(DAY) };
        Ok(Self { days, start, length, offset, text: text.into() })
    }
}

/// The error for text that is not a valid entry of hours.
#[derive(Debug, Eq, PartialEq)]
pub struct BadHours {
    text: String,
    why: Why,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Why {
    Parts,
    Days,
    Range,
    Nothing,
    Offset,
}

impl std::error::Error for BadHours {}

impl fmt::Display for BadHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not hours of the week: ", self.text.escape_default())?;
        f.write_str(match self.why {
            Why::Parts => "write days, a range and an offset, as in `Mon-Fri 06:00-20:00 +01:00`",
            Why::Days => "write days as in `Mon-Fri` or `Sat,Sun`",
            Why::Range => "write the range as in `06:00-20:00`, from 00:00 to 24:00",
            Why::Nothing => "it begins when it ends; the whole day is `00:00-24:00`",
            Why::Offset => "write the offset as in `+01:00`; without one it is UTC",
        })
    }
}

/// Reads `Mon-Fri`, `Sat,Sun` or `Fri-Mon` as bits.
fn days(text: &str) -> Option<u8> {
    text.split(',').try_fold(0, |days, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let until = if last < first { last.checked_add(7)? } else { last };
        Some((first..=until).fold(days, |days, day| days | 1 << (day % 7)))
    })
}

fn day(name: &str) -> Option<usize> {
    DAYS.iter().position(|known| *known == name)
}

/// Reads `06:30` as minutes; at most `24:00`.
fn minute(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    let minute = hours.checked_mul(60)?.checked_add(minutes)?;
    (minutes < 60 && minute <= DAY).then_some(minute)
}

/// Reads `+01:00` as minutes.
fn offset(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = text.split_at_checked(1)?;
    let offset = minute(rest).filter(|offset| *offset < DAY)?;
    match sign {
        "+" => Some(offset),
        "-" => offset.checked_neg(),
        _ => None,
    }
}

fn two_digits(text: &str) -> Option<i64> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// The JSON Schema pattern for hours: it accepts everything that the parser accepts.
#[cfg(not(target_arch = "wasm32"))]
fn regex() -> String {
    let day = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
    let minute = "(?:[01][0-9]|2[0-3]):[0-5][0-9]";
    format!(
        "^(?:{day}(?:-{day})?(?:,{day}(?:-{day})?)* )?{minute}-(?:{minute}|24:00)(?: (?:Z|[+-]{minute}))?$"
    )
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const EVERY_DAY: u8 = 0b111_1111;
/// Days from Monday to the weekday of 1970-01-01.
const THURSDAY: i64 = 3;
const WEEK: i64 = 7;
/// Minutes in a day.
const DAY: i64 = 1_440;
/// Seconds in a minute.
const SECONDS: i64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn contain(text: &str, now: &str) -> bool {
        Hours::try_from(text.to_owned()).unwrap().contain(now.parse().unwrap())
    }

    #[test]
    fn hours_include_their_start_not_their_end() {
        // 2026-03-02 is a Monday.
        for (hours, now, inside) in [
            ("06:00-20:00", "2026-03-02T06:00:00Z", true),
            ("06:00-20:00", "2026-03-02T05:59:59.999Z", false),
            ("06:00-20:00", "2026-03-02T19:59:59.999Z", true),
            ("06:00-20:00", "2026-03-02T20:00:00Z", false),
            ("Mon-Fri 06:00-20:00 +01:00", "2026-03-02T05:00:00Z", true),
            ("Mon-Fri 06:00-20:00 +01:00", "2026-03-02T19:00:00Z", false),
            ("Mon-Fri 06:00-20:00", "2026-03-07T12:00:00Z", false),
            ("Sat,Sun 00:00-24:00", "2026-03-08T23:59:59Z", true),
            ("Sat,Sun 00:00-24:00", "2026-03-09T00:00:00Z", false),
            ("Mon 00:00-24:00 -05:30", "2026-03-02T05:29:59Z", false),
            ("Mon 00:00-24:00 -05:30", "2026-03-03T05:29:59Z", true),
        ] {
            assert_eq!(contain(hours, now), inside, "{hours} at {now}");
        }
    }

    #[test]
    fn hours_across_midnight_belong_to_their_first_day() {
        for (hours, now, inside) in [
            ("Fri 22:00-06:00", "2026-03-06T21:59:59Z", false),
            ("Fri 22:00-06:00", "2026-03-06T22:00:00Z", true),
            ("Fri 22:00-06:00", "2026-03-07T05:59:59Z", true),
            ("Fri 22:00-06:00", "2026-03-07T06:00:00Z", false),
            ("Fri 22:00-06:00", "2026-03-07T22:00:00Z", false),
            ("Sat 22:00-06:00", "2026-03-07T05:59:59Z", false),
            ("Sun 22:00-06:00", "2026-03-09T01:00:00Z", true),
            ("Fri-Mon 12:00-13:00 Z", "2026-03-08T12:30:00Z", true),
            ("Fri-Mon 12:00-13:00 Z", "2026-03-10T12:30:00Z", false),
            ("22:00-06:00", "1969-12-31T23:00:00Z", true),
            ("22:00-06:00", "1969-12-31T12:00:00Z", false),
        ] {
            assert_eq!(contain(hours, now), inside, "{hours} at {now}");
        }
    }

    #[test]
    fn invalid_hours_are_rejected() {
        for text in [
            "",
            "Mon",
            "mon 06:00-20:00",
            "Mon-Fry 06:00-20:00",
            "06:00",
            "6:00-20:00",
            "06:00-25:00",
            "24:00-06:00",
            "06:60-20:00",
            "06:00-06:00",
            "06:00-20:00 CET",
            "06:00-20:00 +1:00",
            "06:00-20:00 +24:00",
            "Mon  06:00-20:00",
            "06:00-20:00 +01:00 Mon",
            "06:00–20:00",
            "Mon, 06:00-20:00",
        ] {
            assert!(Hours::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
