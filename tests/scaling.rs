//! Nothing is quadratic: ten times the input takes less than twenty times as long, whatever there is ten times of.
//!
//! Ratios, not seconds: the best of some runs over the best of some runs, in CPU time of this thread, which other
//! programs do not spend; tried again where the caches were theirs.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, clippy::print_stdout, reason = "a test tells what it measured")]
#![expect(clippy::disallowed_methods, reason = "a test runs where there is a clock")]

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

#[path = "scaling/documents.rs"]
mod documents;
#[path = "scaling/requests.rs"]
mod requests;

/// Makes the work to be timed: so much of it.
type Work = Box<dyn FnMut()>;

/// What there is more of, how much in the smaller case, and the work.
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
    let mut steep = Vec::new();
    for Load { of, few, work } in loads {
        let ratio = (0..TRIES).map(|_| ratio(work(*few), work(few * 10))).find(|ratio| *ratio < MOST);
        match ratio {
            Some(ratio) => println!("{ratio:5.1} for ten times {few} {of}"),
            None => steep.push(*of),
        }
    }
    assert!(steep.is_empty(), "more than {MOST} times as long for ten times as many: {steep:?}");
}

fn ratio(mut small: Work, mut large: Work) -> f64 {
    let (small, large) = (best(&mut small), best(&mut large));
    large.as_secs_f64() / small.as_secs_f64()
}

/// The shortest of some runs.
fn best(work: &mut Work) -> Duration {
    let mut best = Duration::MAX;
    let begin = Instant::now();
    for run in 0.. {
        let start = cpu_time();
        work();
        best = best.min(cpu_time() - start);
        if run >= RUNS && (begin.elapsed() > LONG || run > 20 * RUNS) {
            break;
        }
    }
    best
}

/// What this thread has spent so far.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

const MOST: f64 = 20.0;
const TRIES: usize = 5;
const RUNS: usize = 3;
/// Time enough for a best run.
const LONG: Duration = Duration::from_millis(40);
