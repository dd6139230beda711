//! The pages in `docs`. This file reads the snippets of each policy feature and runs the cases beside them.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tokenward::engine::authoring::case::{Case, Rehearsal};
use tokenward::engine::config::bundle::{Bundle, PolicyDocument, Registry, from_tree};
use tokenward::engine::config::settings::Settings;
use tokenward::engine::policy::compiled::Policy;
use tokenward::engine::words::reason::Reason;

#[path = "docs/audit.rs"]
mod audit;
#[path = "docs/guides.rs"]
mod guides;
#[path = "docs/pages.rs"]
pub(crate) mod pages;
#[path = "docs/reference.rs"]
mod reference;
#[path = "docs/renew.rs"]
mod renew;

#[test]
fn cases_of_each_documented_feature_pass() {
    for (base, section) in PAGES.iter().flat_map(|page| with_base(page)) {
        let cases: Vec<Case> = section.of("*.test.yaml").iter().map(parsed).flat_map(list).collect();
        if cases.is_empty() {
            continue;
        }
        let (document, settings) = section.on_top_of(&base);
        let rehearsal = Rehearsal::of(document, &settings, &cases);
        let rehearsal = rehearsal.unwrap_or_else(|problems| panic!("{}: {problems}", section.title));
        for case in &cases {
            let judged = rehearsal.prepare(&case.request).unwrap().judge(&mut ());
            let wrong = judged.differences(&case.expect);
            assert!(wrong.is_empty(), "{}: {}: {wrong:?}", section.title, case.name);
        }
    }
}

#[test]
fn policy_page_errors_match_its_text() {
    let mut count = 0;
    for (base, section) in with_base("docs/guides/policy.md") {
        for text in section.of("text") {
            let problems = Policy::compile(section.on_top_of(&base).0).unwrap_err();
            let told: BTreeSet<String> = problems.iter().map(|problem| problem.fault.to_string()).collect();
            assert_eq!(told, text.lines().map(str::to_owned).collect(), "{}", section.title);
            count += 1;
        }
    }
    assert!(count > 0);
}

#[test]
fn every_policy_reason_is_documented() {
    let text = std::fs::read_to_string("docs/guides/policy.md").unwrap();
    // These are not features: they come from invalid requests, secrets and bundles.
    let others = ["malformed_request", "no_policy", "revoked_token", "expired_token", "not_yet_valid"];
    for reason in Reason::ALL.iter().filter(|reason| !others.contains(&reason.code())) {
        assert!(text.contains(&format!("reason: {reason}")), "{reason}");
    }
}

/// A section of the page: its title, and its blocks by type.
pub(crate) struct Section {
    title: String,
    blocks: Vec<(String, String)>,
}

/// The page's sections, each with its base: the first section that has a policy.
fn with_base(page: &str) -> Vec<(Section, Section)> {
    let has_policy = |section: &Section| !section.of("policy.yaml").is_empty();
    let base = || sections(page).into_iter().find(has_policy).unwrap();
    sections(page).into_iter().map(|section| (base(), section)).collect()
}

pub(crate) fn sections(page: &str) -> Vec<Section> {
    let text = std::fs::read_to_string(page).unwrap();
    let sections = text.split("\n## ").map(|section| {
        let fences = section.split("```").skip(1).step_by(2);
        let blocks = fences.map(|fence| {
            let (language, block) = fence.split_once('\n').unwrap();
            let file = block.strip_prefix("# ").and_then(|rest| rest.split([' ', '\n']).next());
            (if language == "yaml" { file.unwrap() } else { language }.to_owned(), block.to_owned())
        });
        Section { title: section.lines().next().unwrap().to_owned(), blocks: blocks.collect() }
    });
    sections.collect()
}

impl Section {
    pub(crate) fn of(&self, file: &str) -> Vec<&str> {
        let blocks = self.blocks.iter().filter(|(name, _)| name == file);
        blocks.map(|(_, block)| block.as_str()).collect()
    }

    /// Adds this section's files to those of the base; each token gets a secret.
    fn on_top_of(&self, base: &Self) -> (Bundle, Settings) {
        let file = |name| {
            let mut merged = Value::Object(Map::new());
            for block in base.of(name).iter().chain(&self.of(name)) {
                merge(&mut merged, parsed(block));
            }
            merged
        };
        let mut registry = file("tokens.yaml");
        for (id, token) in registry["tokens"].as_object_mut().unwrap() {
            let token = token.as_object_mut().unwrap();
            token.entry("secrets").or_insert_with(|| json!([secret(id)]));
        }
        let policy: PolicyDocument = read(&file("policy.yaml"));
        let registry: Registry = read(&registry);
        (Bundle::of(policy, registry), read(&file("gateway.yaml")))
    }
}

fn secret(id: &str) -> Value {
    let digest = tokenward::engine::words::secret::SecretDigest::of(id.as_bytes()).to_hex();
    json!({ "id": "1", "sha256": digest, "created_at": "2026-03-02T08:00:00Z", "expires_at": "2026-03-09T08:00:00Z" })
}

/// Merges mappings; everything else is replaced.
fn merge(base: &mut Value, more: Value) {
    match (base, more) {
        (Value::Object(base), Value::Object(more)) => {
            for (key, value) in more {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, more) => *base = more,
    }
}

fn parsed(block: &&str) -> Value {
    yaml_serde::from_str(block).unwrap_or_else(|error| panic!("{error}:\n{block}"))
}

fn list(cases: Value) -> Vec<Case> {
    serde_json::from_value(cases).unwrap()
}

fn read<T: serde::de::DeserializeOwned>(tree: &Value) -> T {
    from_tree(tree).unwrap_or_else(|problems| panic!("{problems}\n{tree:#}"))
}

const PAGES: [&str; 3] = ["docs/guides/policy.md", "docs/guides/defense.md", "docs/concepts.md"];
