//! When to ask the next time.

use crate::engine::time::{Span, Time};

/// When a gateway asks next: after an interval, and after failures less and less often.
///
/// The times of many gateways spread: each interval is made up to a tenth longer or shorter, by a number that the
/// caller draws.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    interval: Span,
    failures: u32,
    due: Time,
}

impl Schedule {
    /// A schedule by which the first request is due at once.
    pub fn new(interval: Span) -> Self {
        Self { interval, failures: 0, due: Time::BEGINNING }
    }

    /// Whether it is time to ask.
    pub fn is_due(&self, now: Time) -> bool {
        self.due <= now
    }

    /// Takes in that the answer was of use; `drawn` is any number.
    pub fn succeeded(&mut self, now: Time, drawn: u32) {
        self.failures = 0;
        self.due = now.shifted(spread(self.interval.millis(), drawn));
    }

    /// Takes in that it was not: the interval doubles with each failure, up to a minute.
    pub fn failed(&mut self, now: Time, drawn: u32) {
        let factor = 1_i64.checked_shl(self.failures.min(MAX_DOUBLINGS)).unwrap_or(1);
        self.failures = self.failures.saturating_add(1);
        let interval = self.interval.millis();
        let waited = interval.saturating_mul(factor).min(LONGEST_WAIT.max(interval));
        self.due = now.shifted(spread(waited, drawn));
    }

    /// Waits one more interval: somebody else asks, or an answer is on its way.
    pub fn passed(&mut self, now: Time) {
        self.due = now.shifted(self.interval.millis());
    }
}

/// The milliseconds, a tenth more at most or less.
fn spread(millis: i64, drawn: u32) -> i64 {
    let share = i64::from(drawn.checked_rem(201).unwrap_or_default()).saturating_sub(100);
    millis.saturating_add(millis.saturating_mul(share) / 1_000)
}

const MAX_DOUBLINGS: u32 = 16;
const LONGEST_WAIT: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(schedule: &Schedule, now: i64) -> i64 {
        let is_due = |wait: &i64| schedule.is_due(Time::from_millis(now).shifted(*wait));
        (0..=4_000_000).find(is_due).unwrap()
    }

    #[test]
    fn failures_are_waited_out_longer_and_longer_and_one_success_ends_that() {
        let mut schedule = Schedule::new(Span::SECOND.times(10));
        assert!(schedule.is_due(Time::EPOCH));
        let middle = 100;
        for wait in [10_000, 20_000, 40_000, 60_000, 60_000] {
            schedule.failed(Time::EPOCH, middle);
            assert_eq!(waits(&schedule, 0), wait);
        }
        schedule.succeeded(Time::EPOCH, middle);
        assert_eq!(waits(&schedule, 0), 10_000);
        schedule.failed(Time::EPOCH, middle);
        assert_eq!(waits(&schedule, 0), 10_000);
    }

    #[test]
    fn gateways_ask_at_different_times_within_a_tenth_of_the_interval() {
        let mut schedule = Schedule::new(Span::SECOND.times(10));
        let mut seen = std::collections::BTreeSet::new();
        for drawn in 0..=u16::MAX {
            schedule.succeeded(Time::EPOCH, u32::from(drawn));
            seen.insert(schedule.due.millis());
        }
        assert_eq!((seen.first(), seen.last(), seen.len()), (Some(&9_000), Some(&11_000), 201));
    }

    #[test]
    fn a_long_interval_is_never_cut_short() {
        let mut schedule = Schedule::new(Span::SECOND.times(3_600));
        schedule.failed(Time::EPOCH, 100);
        assert_eq!(waits(&schedule, 0), 3_600_000);
        schedule.failed(Time::from_millis(i64::MAX), u32::MAX);
        assert!(!schedule.is_due(Time::from_millis(i64::MAX).shifted(-1)));
    }
}
