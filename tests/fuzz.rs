//! The fuzz targets without a fuzzer: their properties hold for the corpus and for thousands of mutations of it.
//!
//! `tests/fuzz/corpus/<target>` holds the inputs, including those that once failed. `make fuzz` checks the same
//! properties with libFuzzer's inputs.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/properties/mod.rs"]
mod properties;

#[test]
fn paths_are_unambiguous_or_rejected() {
    replay("path", properties::path::holds);
}

#[test]
fn operations_match_as_a_simple_matcher_does() {
    replay("pattern", properties::pattern::holds);
}

#[test]
fn invalid_configurations_are_rejected_with_messages() {
    replay("document", properties::document::holds);
}

#[test]
fn only_signed_content_is_trusted() {
    replay("envelope", properties::envelope::holds);
}

#[test]
fn request_has_one_credential_and_forwards_none() {
    replay("credential", properties::credential::holds);
}

#[test]
fn requests_are_forwarded_as_judged() {
    replay("request", properties::request::holds);
}

#[test]
fn values_are_read_back_unchanged() {
    replay("values", properties::values::holds);
}

#[test]
fn each_target_has_a_corpus_and_a_test() {
    let manifest = std::fs::read_to_string("tests/fuzz/Cargo.toml").unwrap();
    let this = include_str!("fuzz.rs");
    let mut corpora = names(Path::new("tests/fuzz/corpus"));
    corpora.sort();
    assert_eq!(corpora, ["credential", "document", "envelope", "path", "pattern", "request", "values"]);
    for target in corpora {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is no target");
        assert!(this.contains(&format!("replay(\"{target}\", properties::{target}::holds)")), "{target}");
    }
}

/// Checks the property for every file of the target's corpus, and for mutations of them.
fn replay(target: &str, property: fn(&[u8])) {
    let folder = Path::new("tests/fuzz/corpus").join(target);
    let mut files = names(&folder);
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(folder.join(file)).unwrap()).collect();
    for (file, input) in files.iter().zip(&corpus) {
        check(file, input, property);
    }
    let mut mutations = mutate::Mutations::of(&corpus);
    for number in 0..MUTATIONS {
        check(&format!("mutation {number}"), &mutations.next(), property);
    }
}

fn check(name: &str, input: &[u8], property: fn(&[u8])) {
    if catch_unwind(AssertUnwindSafe(|| property(input))).is_err() {
        panic!("{name} fails, see above: b\"{}\"", input.escape_ascii());
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

const MUTATIONS: usize = 10_000;
