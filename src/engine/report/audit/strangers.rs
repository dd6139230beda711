//! The line budget for strangers, that is callers without a working token: a number of lines per second. Other
//! requests are only counted.
//!
//! In: the reasons of decisions, and the host's time. Out: whether a request gets a line, and after each second the
//! number of requests without one, by reason. Without a budget a caller could fill the disk: a request of a dozen
//! bytes makes a line of hundreds.

use serde::Serialize;
use serde::ser::SerializeMap;

use crate::engine::words::reason::{Caller, Reason};
use crate::engine::words::time::Time;

/// The lines of one journal about strangers in the current second.
#[derive(Debug)]
pub struct Strangers {
    /// Lines per second.
    limit: u32,
    /// The current second, since 1970.
    second: i64,
    /// Lines in this second about requests without a known token.
    unknown: u32,
    /// Lines in this second about tokens that do not work. They have their own budget, so a flood of unknown callers
    /// never hides the use of a leaked token.
    barred: u32,
    counted: Option<Counted>,
}

impl Strangers {
    /// A budget of this many lines per second.
    pub fn new(limit: u32) -> Self {
        Self { limit, second: i64::MIN, unknown: 0, barred: 0, counted: None }
    }

    /// Decides whether a request with this reason gets its own line; counts it if not.
    pub fn admits(&mut self, reason: Reason, now: Time) -> bool {
        if now.seconds() != self.second {
            (self.second, self.unknown, self.barred) = (now.seconds(), 0, 0);
        }
        let lines = match reason.caller() {
            Caller::Known => return true,
            Caller::Unknown => &mut self.unknown,
            Caller::Barred => &mut self.barred,
        };
        if *lines < self.limit {
            *lines = lines.saturating_add(1);
            return true;
        }
        self.counted.get_or_insert_with(|| Counted::from(now)).add(reason);
        false
    }

    /// Takes the counts of a second, once it is over.
    pub fn over(&mut self, now: Time) -> Option<Counted> {
        if now.seconds() == self.second { None } else { self.take() }
    }

    /// Takes the current counts.
    pub fn take(&mut self) -> Option<Counted> {
        self.counted.take()
    }
}

/// The requests of one second without their own line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Counted {
    /// When the first of them arrived.
    since: Time,
    reasons: Reasons,
}

impl Counted {
    fn from(since: Time) -> Self {
        Self { since, reasons: Reasons([0; Reason::ALL.len()]) }
    }

    fn add(&mut self, reason: Reason) {
        if let Some(count) = self.reasons.0.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// When the first of them arrived.
    pub(super) fn since(&self) -> Time {
        self.since
    }

    /// Number of requests.
    pub fn count(&self) -> u64 {
        self.reasons.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Number of requests by reason.
    pub(super) fn reasons(&self) -> &Reasons {
        &self.reasons
    }
}

/// Numbers of requests by reason, in the order of the checks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Reasons([u64; Reason::ALL.len()]);

impl Serialize for Reasons {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (reason, count) in Reason::ALL.iter().zip(self.0).filter(|(_, count)| *count > 0) {
            map.serialize_entry(reason.code(), &count)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Time = Time::from_millis(43_200_500);

    fn shown(counted: Option<Counted>) -> Option<(u64, String)> {
        counted.map(|counted| (counted.count(), serde_json::to_string(counted.reasons()).unwrap()))
    }

    #[test]
    fn requests_beyond_the_limit_are_counted_by_reason() {
        let mut strangers = Strangers::new(2);
        let reasons = [Reason::Public, Reason::MissingToken, Reason::UnknownToken, Reason::MissingToken];
        assert_eq!(reasons.map(|reason| strangers.admits(reason, NOON)), [true, true, false, false]);
        assert_eq!(strangers.over(NOON.shifted(499)), None, "the second is not over");
        let expected = Some((2, r#"{"missing_token":1,"unknown_token":1}"#.to_owned()));
        assert_eq!(shown(strangers.over(NOON.shifted(500))), expected);
        assert_eq!(strangers.over(NOON.shifted(1_500)), None, "each request is counted once");
        assert!(strangers.admits(Reason::Public, NOON.shifted(500)));
    }

    #[test]
    fn barred_tokens_have_their_own_budget() {
        let mut strangers = Strangers::new(1);
        for reason in Reason::ALL {
            strangers.admits(reason, NOON);
        }
        for (reason, admitted) in [
            (Reason::Permitted, true),
            (Reason::InsufficientScope, true),
            (Reason::DeniedOperation, true),
            (Reason::RevokedToken, false),
            (Reason::Public, false),
        ] {
            assert_eq!(strangers.admits(reason, NOON), admitted, "{reason}");
        }
        // 8 of unknown callers and 10 of barred tokens, minus one line each.
        assert_eq!(strangers.take().map(|counted| counted.count()), Some(8 + 10 - 2 + 2));
    }

    #[test]
    fn limit_0_counts_every_request() {
        let mut strangers = Strangers::new(0);
        assert!(!strangers.admits(Reason::MissingToken, NOON));
        assert_eq!(strangers.take().map(|counted| (counted.count(), counted.since())), Some((1, NOON)));
    }

    #[test]
    fn clock_set_back_starts_a_new_second() {
        let mut strangers = Strangers::new(1);
        for shift in [0, -1_000, 5_000, -60_000] {
            let now = NOON.shifted(shift);
            assert!(strangers.admits(Reason::Public, now) && !strangers.admits(Reason::Public, now));
        }
        assert_eq!(strangers.take().map(|counted| counted.count()), Some(4));
    }
}
