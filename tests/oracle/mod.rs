//! Compares the engine with a naive reading of the same document: `Policy::decide` agrees with the oracle.
//!
//! `reading` is the oracle. It decides random `requests` to random `bundles`, and the `corpus` of decisions.
//! `properties` tests rules that hold for each policy. `attributes`, `kept`, `limits` and `preflight` test their topics
//! in more depth. `defense` tests suspensions, and `documents` tests that documents survive writing and reading.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokenward::engine::config::settings::Settings;
use tokenward::engine::policy::compiled::Policy;
use tokenward::engine::policy::decision::{Circumstances, Decision};
use tokenward::engine::request::head::RequestHead;
use tokenward::engine::words::address::Source;

use crate::oracle::bundles::Bundle;
use crate::oracle::reading::{Answer, Oracle, Request};
use crate::oracle::requests::cases;

mod attributes;
mod bundles;
mod corpus;
mod defense;
mod documents;
mod kept;
mod limits;
mod preflight;
mod properties;
mod reading;
mod requests;

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn engine_decides_like_the_oracle(case in cases()) {
        let document = case.bundle.document();
        let oracle = Oracle::of(&document);
        let policy = compile(&case.bundle);
        for request in &case.requests {
            let (decision, answer) = (decide(&policy, request), oracle.decide(request));
            agree(&decision, &answer).map_err(|what| TestCaseError::fail(format!("{what}: {request:?}")))?;
        }
    }
}

/// Checks that engine and oracle agree.
fn agree(decision: &Decision<'_>, answer: &Answer) -> Result<(), String> {
    let (decided, expected) = (decision.reason().code(), answer.reason);
    if (decided, decision.is_shadow()) != (expected, answer.tried) {
        return Err(format!("{decided} (tried: {}), not {answer:?}", decision.is_shadow()));
    }
    let named: BTreeSet<String> = match decision {
        Decision::Permit(permit) => permit.permission().into_iter().map(ToString::to_string).collect(),
        Decision::Deny(deny) => deny.sufficient.iter().map(ToString::to_string).collect(),
    };
    let agrees = match decision {
        Decision::Permit(_) => {
            named.is_empty() == answer.permissions.is_empty() && named.is_subset(&answer.permissions)
        }
        Decision::Deny(_) if answer.several => named.is_subset(&answer.permissions),
        Decision::Deny(_) => named == answer.permissions,
    };
    if agrees { Ok(()) } else { Err(format!("{named:?}, not {answer:?}")) }
}

#[test]
#[expect(clippy::print_stdout, reason = "the statistics are for people to read")]
fn random_cases_cover_every_reason() {
    let mut runner = TestRunner::deterministic();
    let (mut counts, mut requests) = (BTreeMap::<String, usize>::new(), 0);
    for _ in 0..500 {
        let case = cases().new_tree(&mut runner).unwrap().current();
        let document = case.bundle.document();
        let oracle = Oracle::of(&document);
        for request in &case.requests {
            requests += 1;
            let answer = oracle.decide(request);
            let tried = if answer.tried { " (tried)" } else { "" };
            let denied = answer.reason == "insufficient_scope";
            for (counted, what) in [
                (true, format!("{}{tried}", answer.reason)),
                (oracle.overlap(request) > 1, "(overlap)".to_owned()),
                (denied && oracle.is_of_another(request), "(attribute of another)".to_owned()),
                (oracle.keeps(request), "(kept character)".to_owned()),
                (
                    oracle.keeps(request) && answer.reason == "permitted",
                    "(kept character), permitted".to_owned(),
                ),
            ] {
                *counts.entry(what).or_default() += usize::from(counted);
            }
        }
    }
    let permille = |what: &str| counts.get(what).copied().unwrap_or_default() * 1_000 / requests;
    for what in counts.keys() {
        println!("{what}: {} permille of {requests}", permille(what));
    }
    for (what, floor) in FLOORS {
        assert!(permille(what) >= floor, "{what}: {} permille", permille(what));
    }
}

/// The minimum number of occurrences of each reason in a thousand requests.
const FLOORS: [(&str, usize); 23] = [
    ("(kept character)", 40),
    ("(kept character), permitted", 5),
    ("(overlap)", 80),
    ("(attribute of another)", 5),
    ("permitted", 100),
    ("insufficient_scope", 30),
    ("insufficient_scope (tried)", 5),
    ("denied_operation", 30),
    ("denied_operation (tried)", 5),
    ("public", 30),
    ("malformed_request", 10),
    ("no_policy", 5),
    ("missing_token", 5),
    ("ambiguous_token", 5),
    ("unknown_token", 5),
    ("revoked_token", 5),
    ("retired_secret", 5),
    ("expired_token", 5),
    ("not_yet_valid", 5),
    ("wrong_environment", 5),
    ("wrong_service", 5),
    ("source_not_allowed", 5),
    ("outside_hours", 5),
];

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn compile(bundle: &Bundle) -> Policy {
    Policy::compile(bundle.document()).unwrap()
}

fn decide<'p>(policy: &'p Policy, request: &Request) -> Decision<'p> {
    policy.decide(&head(request), at(request))
}

/// Whether a request reaches the upstream. A deny in shadow mode does not stop it.
fn is_forwarded(decision: &Decision<'_>) -> bool {
    decision.is_permit() || decision.is_shadow()
}

fn at(request: &Request) -> Circumstances<'_> {
    Circumstances { now: request.now, source: Source::of(request.source.as_bytes()) }
}

fn head(request: &Request) -> RequestHead<'_> {
    let fields = [(":method", &request.method), (":authority", &request.host), (":path", &request.path)];
    let credentials = request.authorization.iter().map(|value| ("authorization", value));
    let headers =
        fields.into_iter().chain(credentials).map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    RequestHead::read(headers, &Settings { paths: request.paths, ..Settings::default() })
}
