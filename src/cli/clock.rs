//! The system's clock, for the commands that need one; the engine takes time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::engine::words::time::Time;

/// The start of the current second.
pub(super) fn now() -> Time {
    precise().whole_second()
}

/// The current millisecond.
#[expect(clippy::disallowed_methods, reason = "the command line is native: it has a clock")]
pub(super) fn precise() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
