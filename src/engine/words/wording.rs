//! Spans in words: `90 days`, `in 6 days`. Documents write them as `90d`.

use std::fmt;

use jiff::fmt::friendly::{Designator, Spacing, SpanPrinter};

use crate::engine::words::time::{Span, Time};

/// A number of seconds in words, exact: `1 day 12 hours`.
#[derive(Clone, Copy, Debug)]
pub struct Words(i64);

impl Words {
    /// The words for a number of seconds.
    pub const fn of_seconds(seconds: i64) -> Self {
        Self(seconds)
    }
}

impl Span {
    /// The span in words.
    pub fn words(self) -> Words {
        Words(i64::from(self.seconds()))
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let span = jiff::Span::new().try_days(days).and_then(|span| {
            let (hours, rest) = (rest.div_euclid(HOUR), rest.rem_euclid(HOUR));
            span.try_hours(hours)?.try_minutes(rest.div_euclid(MINUTE))?.try_seconds(rest.rem_euclid(MINUTE))
        });
        match span {
            Ok(span) => f.write_str(&PRINTER.span_to_string(&span)),
            Err(_) => write!(f, "{} seconds", self.0),
        }
    }
}

impl Time {
    /// The distance from `now` to this time, in its largest unit: `in 6 days`, `3 hours ago`.
    pub fn from_now(self, now: Self) -> String {
        let distance = self.distance(now);
        match self.cmp(&now) {
            std::cmp::Ordering::Less => format!("{distance} ago"),
            std::cmp::Ordering::Equal => "now".to_owned(),
            std::cmp::Ordering::Greater => format!("in {distance}"),
        }
    }

    /// The distance between the two times, in its largest unit.
    pub fn distance(self, other: Self) -> String {
        let seconds = i64::try_from(self.seconds().abs_diff(other.seconds())).unwrap_or(i64::MAX);
        let span = jiff::Span::new();
        // For less than two of a unit, the smaller unit is more precise: `in 47 hours`, not `in 1 day`.
        let rough = match seconds {
            TWO_DAYS.. => span.try_days(seconds.div_euclid(DAY)),
            TWO_HOURS.. => span.try_hours(seconds.div_euclid(HOUR)),
            TWO_MINUTES.. => span.try_minutes(seconds.div_euclid(MINUTE)),
            _ => span.try_seconds(seconds),
        };
        rough.map_or_else(|_| format!("{seconds} seconds"), |span| PRINTER.span_to_string(&span))
    }
}

const PRINTER: SpanPrinter =
    SpanPrinter::new().designator(Designator::Verbose).spacing(Spacing::BetweenUnitsAndDesignators);
const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;
const MINUTE: i64 = 60;
const TWO_DAYS: i64 = 2 * DAY;
const TWO_HOURS: i64 = 2 * HOUR;
const TWO_MINUTES: i64 = 2 * MINUTE;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_shown_in_words_without_loss() {
        for (text, words) in [
            ("400d", "400 days"),
            ("24h", "1 day"),
            ("36h", "1 day 12 hours"),
            ("90s", "1 minute 30 seconds"),
            ("7776001s", "90 days 1 second"),
        ] {
            assert_eq!(text.parse::<Span>().unwrap().words().to_string(), words);
        }
    }

    #[test]
    fn distance_is_shown_in_its_largest_unit() {
        let now: Time = "2026-11-02T00:00:00Z".parse().unwrap();
        for (time, words) in [
            ("2026-11-08T08:00:00Z", "in 6 days"),
            ("2026-11-03T23:59:59Z", "in 47 hours"),
            ("2026-11-02T00:02:10Z", "in 2 minutes"),
            ("2026-11-02T00:00:01Z", "in 1 second"),
            ("2026-11-02T00:00:00Z", "now"),
            ("2026-10-12T09:30:00Z", "20 days ago"),
        ] {
            assert_eq!(time.parse::<Time>().unwrap().from_now(now), words);
        }
        assert!(Time::BEGINNING.from_now(now).ends_with(" ago"));
    }
}
