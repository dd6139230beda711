//! The engine against a naive reading of the same document: `Policy::decide` says what the oracle says.
//!
//! `reading` is the oracle, `bundles` and `requests` are random ones, `examples` are the design's rules
//! one by one; here are the properties.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tokenward::engine::address::Source;
use tokenward::engine::decision::{Circumstances, Decision, Standing, Step, Trace};
use tokenward::engine::head::RequestHead;
use tokenward::engine::policy::Policy;
use tokenward::engine::settings::Settings;

use crate::bundles::Bundle;
use crate::reading::{Oracle, Request};
use crate::requests::{Case, cases};

mod bundles;
mod examples;
mod reading;
mod requests;

proptest! {
    #![proptest_config(config(3_000))]

    #[test]
    fn the_engine_decides_as_the_oracle_does(case in cases()) {
        let document = case.bundle.document();
        let oracle = Oracle::of(&document);
        let policy = compile(&case.bundle);
        for request in &case.requests {
            let expected = oracle.decide(request);
            match policy.decide(&head(request), at(request)) {
                Decision::Permit(permit) => {
                    prop_assert_eq!(permit.reason().code(), expected.reason, "{:?}", request);
                    prop_assert_eq!(permit.permission().is_none(), expected.permissions.is_empty());
                    let named = permit.permission().map(ToString::to_string);
                    prop_assert!(expected.permissions.is_superset(&named.into_iter().collect()));
                }
                Decision::Deny(deny) => {
                    prop_assert_eq!(deny.reason.code(), expected.reason, "{:?}", request);
                    let sufficient: BTreeSet<String> =
                        deny.sufficient.iter().map(ToString::to_string).collect();
                    prop_assert_eq!(sufficient, expected.permissions, "{:?}", request);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn a_decision_is_the_same_when_its_steps_are_told(case in cases()) {
        let policy = compile(&case.bundle);
        for request in &case.requests {
            let head = head(request);
            let mut steps = Steps::default();
            let traced = policy.decide_traced(&head, at(request), &mut steps);
            let plain = policy.decide(&head, at(request));
            prop_assert_eq!(format!("{plain:?}"), format!("{traced:?}"));
            let held = |step: &Step<'_>| {
                matches!(step, Step::Listed { permission, standing: Standing::Held | Standing::Public, .. } if *permission == plain.permission())
            };
            let permits = matches!(plain, Decision::Permit(_));
            prop_assert!(!permits || steps.0.iter().any(held), "{:?}", request);
        }
    }

    #[test]
    fn taking_a_permission_out_of_a_role_never_permits_more(case in cases()) {
        let lists = lists_of(&case.bundle, "roles", "permissions");
        let removals = without_one(&case.bundle, &lists);
        permits_no_more(&case, removals.into_iter().map(|(_, bundle)| bundle), &[])?;
    }

    // A role that denies is a restriction: taking it away lifts that, and is left out here.
    #[test]
    fn taking_away_a_role_that_denies_nothing_never_permits_more(case in cases()) {
        let mut lists = lists_of(&case.bundle, "tokens", "roles");
        lists.extend(lists_of(&case.bundle, "roles", "inherits"));
        let removals = without_one(&case.bundle, &lists).into_iter();
        let bundles = removals
            .filter(|(role, _)| !denies(&case.bundle, role))
            .map(|(_, bundle)| bundle);
        permits_no_more(&case, bundles, &[])?;
    }

    #[test]
    fn adding_a_denial_never_permits_more(case in cases()) {
        let mut bundles = Vec::new();
        for list in lists_of(&case.bundle, "roles", "deny") {
            for permission in keys(&case.bundle, "permissions") {
                let mut bundle = case.bundle.clone();
                entries(&mut bundle, &list).push(json!(permission));
                bundles.push(bundle);
            }
        }
        permits_no_more(&case, bundles.into_iter(), &[])?;
    }

    // What a deny names it takes away as the operation that a request belongs to: where a new
    // operation takes a request over, the deny of its neighbour no longer concerns that request.
    #[test]
    fn naming_an_operation_that_nobody_holds_permits_no_more_but_for_what_was_denied(case in cases()) {
        let bundles = case.requests.iter().map(|request| {
            let mut bundle = case.bundle.clone();
            bundle.0["permissions"]["new"] = json!([format!("* {}", request.path)]);
            bundle
        });
        permits_no_more(&case, bundles, &["denied_operation"])?;
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the statistics are for people to read")]
fn the_cases_are_not_vacuous() {
    let mut runner = TestRunner::deterministic();
    let (mut counts, mut requests) = (BTreeMap::<&str, usize>::new(), 0);
    for _ in 0..500 {
        let case = cases().new_tree(&mut runner).unwrap().current();
        let document = case.bundle.document();
        let oracle = Oracle::of(&document);
        for request in &case.requests {
            requests += 1;
            *counts.entry(oracle.decide(request).reason).or_default() += 1;
            if oracle.overlap(request) > 1 {
                *counts.entry("(overlap)").or_default() += 1;
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

/// How often, in a thousand requests, each reason must come up at least.
const FLOORS: [(&str, usize); 14] = [
    ("(overlap)", 100),
    ("permitted", 100),
    ("insufficient_scope", 30),
    ("denied_operation", 30),
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
];

/// A trace that remembers.
#[derive(Default)]
struct Steps<'p>(Vec<Step<'p>>);

impl<'p> Trace<'p> for Steps<'p> {
    fn step(&mut self, step: impl FnOnce() -> Step<'p>) {
        self.0.push(step());
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn compile(bundle: &Bundle) -> Policy {
    Policy::compile(bundle.document()).unwrap()
}

fn at(request: &Request) -> Circumstances<'_> {
    Circumstances { now: request.now, source: Source::UNKNOWN }
}

fn head(request: &Request) -> RequestHead<'_> {
    let fields = [(":method", &request.method), (":path", &request.path)];
    let credentials = request.authorization.iter().map(|value| ("authorization", value));
    let headers =
        fields.into_iter().chain(credentials).map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    RequestHead::read(headers, &Settings::default())
}

/// Checks that what is denied stays denied in each of `bundles`, but for denials with an `excused` reason.
fn permits_no_more(
    case: &Case,
    bundles: impl Iterator<Item = Bundle>,
    excused: &[&str],
) -> Result<(), TestCaseError> {
    let before = compile(&case.bundle);
    let denied: Vec<&Request> = case
        .requests
        .iter()
        .filter(|request| match before.decide(&head(request), at(request)) {
            Decision::Permit(_) => false,
            Decision::Deny(deny) => !excused.contains(&deny.reason.code()),
        })
        .collect();
    for bundle in bundles {
        // Not every change leaves a bundle that compiles: a scope may name what is gone.
        let Ok(after) = Policy::compile(bundle.document()) else {
            continue;
        };
        for request in &denied {
            let decision = after.decide(&head(request), at(request));
            prop_assert!(matches!(decision, Decision::Deny(_)), "{request:?} is now permitted by {bundle:?}");
        }
    }
    Ok(())
}

/// Pointers to the lists called `list` of all things in `section`.
fn lists_of(bundle: &Bundle, section: &str, list: &str) -> Vec<String> {
    keys(bundle, section).map(|name| format!("/{section}/{name}/{list}")).collect()
}

fn keys<'b>(bundle: &'b Bundle, section: &str) -> impl Iterator<Item = &'b String> {
    bundle.0[section].as_object().unwrap().keys()
}

/// Each entry of the lists, and the bundle without that entry.
fn without_one(bundle: &Bundle, lists: &[String]) -> Vec<(String, Bundle)> {
    let mut removals = Vec::new();
    for list in lists {
        let count = entries(&mut bundle.clone(), list).len();
        for position in 0..count {
            let mut less = bundle.clone();
            let entry = entries(&mut less, list).remove(position);
            removals.push((entry.as_str().unwrap().to_owned(), less));
        }
    }
    removals
}

fn entries<'b>(bundle: &'b mut Bundle, list: &str) -> &'b mut Vec<Value> {
    bundle.0.pointer_mut(list).unwrap().as_array_mut().unwrap()
}

/// Whether a role, or one that it inherits from, denies anything.
fn denies(bundle: &Bundle, role: &str) -> bool {
    let role = &bundle.0["roles"][role];
    let inherits = role["inherits"].as_array().unwrap();
    role["deny"] != json!([]) || inherits.iter().any(|parent| denies(bundle, parent.as_str().unwrap()))
}
