//! `docs/guides`: the commands print what the pages show, and the names on the pages exist.

use std::collections::BTreeSet;

use crate::docs::sections;
use crate::session;

#[test]
fn commands_of_short_guides_print_what_they_show() {
    for (page, commands) in [("ci", 6), ("leak", 2), ("rotation", 1)] {
        let folder = sandbox();
        let session = format!("{BEGIN}{}", sessions(&format!("docs/guides/{page}.md")));
        assert_eq!(session::run(folder.path(), &session), commands + 1, "{page}");
    }
}

#[test]
fn signing_and_feed_commands_print_what_docs_show() {
    let sandbox = sandbox();
    for (page, commands) in [("docs/guides/signing.md", 20), ("docs/guides/feed.md", 5)] {
        assert!(session::run(sandbox.path(), &sessions(page)) > commands);
    }
}

#[test]
fn earlier_keys_migrate_as_docs_show() {
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
fn operations_page_names_existing_alerts_and_metrics() {
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
    let blocks = page.split("```json\n").skip(1).map(|json| json.split("```").next().unwrap());
    let table: String = page.lines().filter(|line| line.starts_with("| `")).collect();
    let mut checked = 0;
    for settings in blocks {
        let gateway = tokenward::engine::policy::gateway::Gateway::configure(settings.as_bytes()).unwrap();
        let feed = serde_json::to_value(gateway.settings.feed.unwrap()).unwrap();
        for key in feed.as_object().unwrap().keys() {
            assert!(table.contains(&format!("`{key}`")), "{key} is not in the table");
        }
        checked += 1;
    }
    assert_eq!(checked, 2);
}

#[test]
fn security_page_lists_the_linked_crates() {
    let page = std::fs::read_to_string("docs/security.md").unwrap();
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

/// A folder like a checkout: the command, a stand-in for the module, and acme's policy.
fn sandbox() -> tempfile::TempDir {
    let sandbox = tempfile::tempdir().unwrap();
    let inside = |name: &str| sandbox.path().join(name);
    for folder in ["target/release", "policies/acme", "dist"] {
        std::fs::create_dir_all(inside(folder)).unwrap();
    }
    std::fs::write(inside("dist/tokenward.wasm"), "the module is not looked into").unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tokenward"), inside("target/release/tokenward")).unwrap();
    for file in std::fs::read_dir("policies/acme").unwrap() {
        let file = file.unwrap().path();
        std::fs::copy(&file, inside(file.to_str().unwrap())).unwrap();
    }
    sandbox
}

/// The sessions of a page, one after another.
fn sessions(page: &str) -> String {
    let page = std::fs::read_to_string(page).unwrap();
    let fences = page.split("```").skip(1).step_by(2);
    fences.filter_map(|fence| fence.strip_prefix("console\n")).collect()
}

const BEGIN: &str = "$ export PATH=$PWD/target/release:$PATH TOKENWARD_POLICY=policies/acme\n";
