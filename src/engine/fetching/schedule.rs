//! When to ask the next time.

use crate::engine::words::time::{Span, Time};

/// When a gateway asks next: after an interval, and after failures less and less often.
///
/// What was read for nothing is counted apart: a server that is not to be trusted could answer in good order in between,
/// and have the next junk read after one interval.
///
/// The times of many gateways spread: each interval is made up to a tenth longer or shorter, by a number that the
/// caller draws.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    interval: Span,
    failures: u32,
    /// How often something was read for nothing since something new was taken.
    wasted: u32,
    due: Time,
}

impl Schedule {
    /// A schedule by which the first request is due at once.
    pub fn new(interval: Span) -> Self {
        Self { interval, failures: 0, wasted: 0, due: Time::BEGINNING }
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

    /// Takes in that what came is new and in force: only who signs it can make that so.
    pub fn renewed(&mut self) {
        self.wasted = 0;
    }

    /// Takes in that nothing of use came: the interval doubles with each failure, up to a minute.
    pub fn failed(&mut self, now: Time, drawn: u32) {
        self.due = self.after(self.failures, now, drawn);
        self.failures = self.failures.saturating_add(1);
    }

    /// Takes in that what came was read for nothing: it is refused, or long and in force already. The interval doubles
    /// each time until something new is taken, up to a minute.
    pub fn wasted(&mut self, now: Time, drawn: u32) {
        self.due = self.after(self.wasted, now, drawn);
        self.wasted = self.wasted.saturating_add(1);
    }

    fn after(&self, doublings: u32, now: Time, drawn: u32) -> Time {
        let factor = 1_i64.checked_shl(doublings.min(MAX_DOUBLINGS)).unwrap_or(1);
        let interval = self.interval.millis();
        let waited = interval.saturating_mul(factor).min(LONGEST_WAIT.max(interval));
        now.shifted(spread(waited, drawn))
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
    fn junk_is_waited_out_whatever_comes_in_between() {
        let mut schedule = Schedule::new(Span::SECOND.times(10));
        let middle = 100;
        for wait in [10_000, 20_000, 40_000, 60_000, 60_000] {
            schedule.wasted(Time::EPOCH, middle);
            assert_eq!(waits(&schedule, 0), wait);
            schedule.succeeded(Time::EPOCH, middle);
            assert_eq!(waits(&schedule, 0), 10_000, "what is in order is asked for as ever");
        }
        schedule.renewed();
        schedule.wasted(Time::EPOCH, middle);
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
