//! Waits for a condition. The generous bound only ends a test that hangs, and says nothing about speed.

use std::time::{Duration, Instant};

/// Waits until the condition holds.
#[track_caller]
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    found(|| condition().then_some(()), || "the condition never held".to_owned());
}

/// Waits until `look` finds something. A failure shows the output of `state`.
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

/// Maximum time that a test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
