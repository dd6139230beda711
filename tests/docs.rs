//! The pages in `docs`. Of `docs/guides/policy.md` and `docs/guides/defense.md` each feature's snippets are read, and the cases beside them
//! hold; of `docs/guides/signing.md` each command is run.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tokenward::engine::authoring::case::{Case, Rehearsal};
use tokenward::engine::config::bundle::{Bundle, PolicyDocument, Registry, from_tree};
use tokenward::engine::config::settings::Settings;
use tokenward::engine::policy::compiled::Policy;
use tokenward::engine::words::reason::Reason;

use crate::session;

#[path = "docs/audit.rs"]
mod audit;

#[test]
fn signing_and_feed_commands_print_what_docs_show() {
    let sandbox = tempfile::tempdir().unwrap();
    let inside = |name: &str| sandbox.path().join(name);
    for folder in ["target/release", "policies/acme", "dist"] {
        std::fs::create_dir_all(inside(folder)).unwrap();
    }
    std::fs::write(inside("dist/tokenward.wasm"), "the module is not looked into").unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tokenward"), inside("target/release/tokenward")).unwrap();
    for file in ["policy.yaml", "tokens.yaml"] {
        let file = format!("policies/acme/{file}");
        std::fs::copy(&file, inside(&file)).unwrap();
    }
    for (page, commands) in [("docs/guides/signing.md", 20), ("docs/guides/feed.md", 5)] {
        let page = std::fs::read_to_string(page).unwrap();
        let fences = page.split("```").skip(1).step_by(2);
        let sessions: String = fences.filter_map(|fence| fence.strip_prefix("console\n")).collect();
        assert!(session::run(sandbox.path(), &sessions) > commands);
    }
}

#[test]
fn keys_from_before_move_as_docs_show() {
    let mut sections = sections("docs/guides/moving.md");
    let base = sections.remove(0);
    let [policy] = base.of("policy.yaml")[..] else { panic!("one policy") };
    let mut moved = 0;
    for section in std::iter::once(&base).chain(&sections) {
        let sandbox = tempfile::tempdir().unwrap();
        let inside = |name: &str| sandbox.path().join(name);
        std::fs::create_dir_all(inside("target/release")).unwrap();
        let command = inside("target/release/tokenward");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tokenward"), command).unwrap();
        std::fs::write(inside("policy.yaml"), policy).unwrap();
        for (block, file) in
            [("text", "keys.txt"), ("gateway.yaml", "gateway.yaml"), ("moved.test.yaml", "moved.test.yaml")]
        {
            section.of(block).iter().for_each(|text| std::fs::write(inside(file), text).unwrap());
        }
        let commands = section.of("console").concat();
        if !commands.is_empty() {
            session::run(sandbox.path(), &commands);
            moved += 1;
        }
    }
    assert_eq!(moved, 5);
}

#[test]
fn operations_name_alerts_and_metrics_that_there_are() {
    let page = std::fs::read_to_string("docs/guides/operations.md").unwrap();
    let known = ["envoy/prometheus/rules.yaml", "docs/reference/metrics.md"]
        .map(|path| std::fs::read_to_string(path).unwrap());
    let words = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let named: BTreeSet<&str> =
        words.filter(|word| word.starts_with("Tokenward") || word.starts_with("tokenward_")).collect();
    assert!(named.len() > 8, "{named:?}");
    for name in named {
        assert!(known.iter().any(|text| text.contains(name)), "{name}");
    }
}

#[test]
fn feed_page_configuration_and_table_are_valid() {
    let page = std::fs::read_to_string("docs/guides/feed.md").unwrap();
    let (_, json) = page.split_once("```json\n").unwrap();
    let settings = json.split("```").next().unwrap();
    let gateway = tokenward::engine::policy::gateway::Gateway::configure(settings.as_bytes()).unwrap();
    let feed = serde_json::to_value(gateway.settings.feed.unwrap()).unwrap();
    let table: String = page.lines().filter(|line| line.starts_with("| `")).collect();
    for key in feed.as_object().unwrap().keys() {
        assert!(table.contains(&format!("`{key}`")), "{key} is not in the table");
    }
}

#[test]
fn security_page_lists_the_linked_crates() {
    let page = std::fs::read_to_string("SECURITY.md").unwrap();
    let (_, table) = page.split_once("## What the module links").unwrap();
    let crates =
        table.lines().filter(|line| line.starts_with("| `")).map(|row| row.split('|').nth(1).unwrap());
    let listed: BTreeSet<&str> = crates.flat_map(|names| names.split('`').skip(1).step_by(2)).collect();
    let manifest = std::fs::read_to_string("Cargo.toml").unwrap();
    let linked =
        ["[dependencies]\n", "[target.'cfg(target_arch = \"wasm32\")'.dependencies]\n"].map(|heading| {
            let (_, section) = manifest.split_once(heading).unwrap();
            section.split("\n\n").next().unwrap()
        });
    let linked =
        linked.iter().flat_map(|section| section.lines()).map(|line| line.split(' ').next().unwrap());
    assert_eq!(listed, linked.collect());
}

#[test]
fn the_cases_beside_each_feature_hold() {
    for (base, section) in PAGES.iter().flat_map(|page| with_base(page)) {
        let (document, settings) = section.on_top_of(&base);
        let cases: Vec<Case> = section.of("*.test.yaml").iter().map(parsed).flat_map(list).collect();
        let rehearsal = Rehearsal::of(document, &settings, &cases);
        if cases.is_empty() {
            continue;
        }
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
fn every_reason_of_a_policy_is_shown() {
    let text = std::fs::read_to_string("docs/guides/policy.md").unwrap();
    // These are no features: they come of requests, secrets and bundles that are wrong.
    let others = ["malformed_request", "no_policy", "revoked_token", "expired_token", "not_yet_valid"];
    for reason in Reason::ALL.iter().filter(|reason| !others.contains(&reason.code())) {
        assert!(text.contains(&format!("reason: {reason}")), "{reason}");
    }
}

/// A section of the page: its title, and its blocks with what they are.
struct Section {
    title: String,
    blocks: Vec<(String, String)>,
}

/// The page's sections, each with the first one, on top of which it is.
fn with_base(page: &str) -> Vec<(Section, Section)> {
    sections(page).into_iter().map(|section| (sections(page).remove(0), section)).collect()
}

fn sections(page: &str) -> Vec<Section> {
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
    fn of(&self, file: &str) -> Vec<&str> {
        let blocks = self.blocks.iter().filter(|(name, _)| name == file);
        blocks.map(|(_, block)| block.as_str()).collect()
    }

    /// The base's files with this section's on top, each token with a secret.
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

/// Mappings are merged, all else is replaced.
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

const PAGES: [&str; 2] = ["docs/guides/policy.md", "docs/guides/defense.md"];
