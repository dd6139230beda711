//! Waiting for a condition. The bound is generous: it ends a test that hangs, and says nothing about speed.

use std::time::{Duration, Instant};

/// Waits until the condition holds.
#[track_caller]
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    found(|| condition().then_some(()), || "the condition never held".to_owned());
}

/// Waits until `look` finds something; a failure shows what `state` says then.
#[track_caller]
pub(crate) fn found<T>(mut look: impl FnMut() -> Option<T>, state: impl Fn() -> String) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {}", state());
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// How long a test waits for anything at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
