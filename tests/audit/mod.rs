//! The chain of audit events: whatever is done to one line of a log is found, and a log as it was written passes.
//! And the lines themselves: how long they are, whatever a caller sends.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, clippy::panic, reason = "a test fails by panicking")]

mod log;
mod parts;
mod strangers;
mod tampering;

use tokenward::cli::audit::finding::Place;
use tokenward::cli::audit::heads::Heads;
use tokenward::cli::audit::verifier::{Ends, Order, Report, Rules, Starts, Verifier};
use tokenward::engine::config::settings::ChainKey;
use tokenward::engine::report::chain::Links;

/// What is asked of the log of an Envoy that was shut down.
const WHOLE: Rules = Rules { order: Order::Kept, starts: Starts::AtTheFirst, ends: Ends::All };

/// What is found in a log.
fn verify<'l>(lines: impl IntoIterator<Item = &'l String>, rules: Rules, links: &Links) -> Report {
    verify_from(Heads::default(), lines, rules, links)
}

/// The same, going on from heads.
fn verify_from<'l>(
    heads: Heads,
    lines: impl IntoIterator<Item = &'l String>,
    rules: Rules,
    links: &Links,
) -> Report {
    let mut verifier = Verifier::new(rules, vec![links.clone()], heads);
    for (number, line) in (1..).zip(lines) {
        verifier.line(Place { file: 0, line: number }, line.as_bytes());
    }
    verifier.finish()
}

/// What was found, by name.
fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.fault.code()).collect()
}

fn keyed(digit: &str) -> Links {
    Links::keyed(&ChainKey::parse(&digit.repeat(64)).unwrap()).unwrap()
}
