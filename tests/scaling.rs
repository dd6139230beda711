//! No work is quadratic: ten times the input takes less than twenty times as long, for every kind of input.
//!
//! The tests compare ratios, not seconds: the best of several runs with the best of several runs, in CPU time, one
//! load at a time. They retry if the machine was busy.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, clippy::print_stdout, reason = "a test tells what it measured")]

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[path = "scaling/documents.rs"]
mod documents;
#[path = "scaling/requests.rs"]
mod requests;

/// Makes work of a given size for timing.
type Work = Box<dyn FnMut()>;

/// A kind of load: its name, the size of the smaller case, and the work.
struct Load {
    of: &'static str,
    few: usize,
    work: fn(usize) -> Work,
}

#[test]
fn documents_are_compiled_in_proportion_to_their_size() {
    check(documents::COMPILED);
}

#[test]
fn documents_are_linted_in_proportion_to_their_size() {
    check(documents::LINTED);
}

#[test]
fn requests_are_judged_in_proportion_to_their_size() {
    check(requests::LOADS);
}

fn check(loads: &[Load]) {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut steep = Vec::new();
    for Load { of, few, work } in loads {
        let mut least = f64::MAX;
        for _ in 0..TRIES {
            least = least.min(ratio(work(*few), work(few * 10)));
            if least < MOST {
                break;
            }
        }
        println!("{least:5.1} for ten times {few} {of}");
        steep.extend((least >= MOST).then(|| format!("{least:.1} for {of}")));
    }
    drop(alone);
    assert!(steep.is_empty(), "more than {MOST} times as long for ten times as many: {steep:?}");
}

fn ratio(mut small: Work, mut large: Work) -> f64 {
    let (small, large) = (best(&mut small), best(&mut large));
    large.as_secs_f64() / small.as_secs_f64()
}

/// The shortest of several runs.
fn best(work: &mut Work) -> Duration {
    let begin = now();
    let mut best = Duration::MAX;
    for run in 0.. {
        let start = now();
        work();
        let end = now();
        best = best.min(end - start);
        if run >= RUNS && (end - begin > LONG || run > 20 * RUNS) {
            break;
        }
    }
    best
}

/// The CPU time of this thread.
fn now() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

/// Loads would disturb each other.
static ALONE: Mutex<()> = Mutex::new(());
const MOST: f64 = 20.0;
const TRIES: usize = 5;
const RUNS: usize = 3;
/// Enough time for a best run.
const LONG: Duration = Duration::from_millis(40);
