//! The chain of audit events: verification finds every change to a line of a log, and accepts an unchanged log. Also
//! the length of lines, for any request.
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

/// The rules for the log of an Envoy that was shut down.
const WHOLE: Rules = Rules { order: Order::Kept, starts: Starts::AtTheFirst, ends: Ends::All };

/// Verifies a log.
fn verify<'l>(lines: impl IntoIterator<Item = &'l String>, rules: Rules, links: &Links) -> Report {
    verify_from(Heads::default(), lines, rules, links)
}

/// The same, continuing from heads.
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

/// The codes of the findings.
fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.fault.code()).collect()
}

fn keyed(digit: &str) -> Links {
    Links::keyed(&ChainKey::parse(&digit.repeat(64)).unwrap()).unwrap()
}
