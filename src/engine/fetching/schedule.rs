//! When a gateway sends its next request.

use crate::engine::words::time::{Span, Time};

/// When a gateway sends its next request: after an interval, and less often after failures.
///
/// Useless content is counted separately. Otherwise an untrusted server could send good answers in between, and the
/// gateway would read the next useless content after only one interval.
///
/// Gateways do not ask all at once: each interval is up to a tenth longer or shorter, by a random number from the
/// caller.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    interval: Span,
    failures: u32,
    /// How often useless content was read since new content was last accepted.
    wasted: u32,
    due: Time,
}

impl Schedule {
    /// Returns a schedule whose first request is due immediately.
    pub fn new(interval: Span) -> Self {
        Self { interval, failures: 0, wasted: 0, due: Time::BEGINNING }
    }

    /// Whether it is time to ask.
    pub fn is_due(&self, now: Time) -> bool {
        self.due <= now
    }

    /// Records a usable answer. `drawn` is a random number.
    pub fn succeeded(&mut self, now: Time, drawn: u32) {
        self.failures = 0;
        self.due = now.shifted(spread(self.interval.millis(), drawn));
    }

    /// Records that new content became active. Only a holder of the signing keys can cause this.
    pub fn renewed(&mut self) {
        self.wasted = 0;
    }

    /// Records an unusable answer. The interval doubles with each failure, up to one minute.
    pub fn failed(&mut self, now: Time, drawn: u32) {
        self.due = self.after(self.failures, now, drawn);
        self.failures = self.failures.saturating_add(1);
    }

    /// Records that content was read for nothing: it is rejected, or it is large and already active. The interval
    /// doubles each time until new content is accepted, up to one minute.
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

    /// Waits one more interval, because another thread asks or an answer is pending.
    pub fn passed(&mut self, now: Time) {
        self.due = now.shifted(self.interval.millis());
    }
}

/// Changes the milliseconds by at most a tenth, up or down.
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
    fn failures_double_the_wait_until_a_success() {
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
    fn useless_content_doubles_the_wait_despite_successes() {
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
    fn intervals_spread_by_a_tenth() {
        let mut schedule = Schedule::new(Span::SECOND.times(10));
        let mut seen = std::collections::BTreeSet::new();
        for drawn in 0..=u16::MAX {
            schedule.succeeded(Time::EPOCH, u32::from(drawn));
            seen.insert(schedule.due.millis());
        }
        assert_eq!((seen.first(), seen.last(), seen.len()), (Some(&9_000), Some(&11_000), 201));
    }

    #[test]
    fn long_interval_is_never_shortened() {
        let mut schedule = Schedule::new(Span::SECOND.times(3_600));
        schedule.failed(Time::EPOCH, 100);
        assert_eq!(waits(&schedule, 0), 3_600_000);
        schedule.failed(Time::from_millis(i64::MAX), u32::MAX);
        assert!(!schedule.is_due(Time::from_millis(i64::MAX).shifted(-1)));
    }
}
