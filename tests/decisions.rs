//! The engine's specification by example: runs every case of the corpus natively.

use std::collections::HashSet;

use tokenward::engine::authoring::case::Outcome;
use tokenward::engine::authoring::explain::Explanation;
use tokenward::engine::words::reason::Reason;

use crate::corpus;

#[test]
fn each_case_gets_its_expected_decision() {
    let mut wrong = Vec::new();
    for topic in corpus::topics() {
        for case in &topic.cases {
            let prepared = topic.rehearsal.prepare(&case.request);
            let prepared =
                prepared.unwrap_or_else(|error| panic!("{}: {}: {error}", topic.folder.display(), case.name));
            let judged = prepared.judge(&mut ());
            let told = prepared.judge(&mut Explanation::default());
            assert_eq!(judged.event, told.event, "explain disagrees with enforcement");
            for difference in judged.differences(&case.expect) {
                wrong.push(format!("{}: {}: {difference}", topic.folder.display(), case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn case_names_are_unique() {
    for topic in corpus::topics() {
        let mut names = HashSet::new();
        for case in &topic.cases {
            assert!(names.insert(&case.name), "{}: `{}` is there twice", topic.folder.display(), case.name);
        }
    }
}

#[test]
fn each_reason_has_cases_and_most_are_denials() {
    let topics = corpus::topics();
    let cases: Vec<_> = topics.iter().flat_map(|topic| &topic.cases).collect();
    for reason in Reason::ALL {
        assert!(cases.iter().any(|case| case.expect.reason == reason), "no case for {reason}");
    }
    let denials = cases.iter().filter(|case| case.expect.decision == Outcome::Deny).count();
    assert!(denials.saturating_mul(2) > cases.len(), "{denials} of {} cases are denials", cases.len());
}

#[test]
fn each_topic_permits_something() {
    for topic in corpus::topics() {
        let permits = topic.cases.iter().any(|case| case.expect.decision == Outcome::Permit);
        assert!(permits, "{} permits nothing: it would pass with all denied", topic.folder.display());
    }
}
