//! What is said of bad documents: the same by `lint`, by `build` and by the filter that Envoy configures.
//!
//! Each folder below `tests/documents` has a policy, perhaps a registry, and `expected`: what `lint` says.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tokenward::engine::config::problem::Problem;
use tokenward::engine::policy::gateway::Gateway;

#[path = "support/documents.rs"]
mod documents;

#[test]
fn lint_says_what_is_wrong_and_where() {
    for folder in folders() {
        let output = tokenward("lint", &folder);
        assert_eq!(text(&output.stderr), expected(&folder), "{}", folder.display());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""), "{}", folder.display());
    }
}

#[test]
fn build_says_the_same_and_builds_nothing() {
    for folder in folders() {
        let output = tokenward("build", &folder);
        assert_eq!(text(&output.stderr), expected(&folder), "{}", folder.display());
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{}", folder.display());
    }
}

#[test]
fn the_filter_says_the_same_of_the_same_document_as_json() {
    let differing = folders().into_iter().filter(|folder| {
        let Some(configuration) = documents::configuration(folder) else { return true };
        let Err(problems) = Gateway::configure(configuration.as_bytes()) else { return true };
        let mut said: Vec<Said> = problems.iter().map(Said::of).collect();
        let mut expected = said_by_lint(&expected(folder));
        // lint goes by the text, the filter by the format.
        said.sort();
        expected.sort();
        said != expected
    });
    let differing: Vec<String> = differing.map(|folder| name(&folder)).collect();
    assert_eq!(differing, NOT_IN_JSON);
}

#[test]
fn no_message_has_a_rust_name_or_a_secret_in_it() {
    for folder in folders() {
        let expected = expected(&folder);
        for word in ["struct ", "enum ", "u64", "i64", "Option", "PastedInPlaceOfItsDigest", "gVV1qeg3"] {
            assert!(!expected.contains(word), "{}: `{word}`", folder.display());
        }
    }
}

#[test]
fn more_than_the_engine_takes_is_refused() {
    let roles: String = (0..=1_000).map(|number| format!("  role-{number}: {{}}\n")).collect();
    let ranges: String = (0..=256).map(|number| format!("      - 10.{number}.0.0/16\n")).collect();
    let ranges = ranges.replace("10.256.", "11.0.");
    let head = "version: 1\nname: bad\n";
    let token = "version: 1\ntokens:\n  ci:\n    kind: service\n    allowed_sources:\n";
    for (policy, tokens, message, place) in [
        (
            format!("{head}roles:\n{roles}"),
            "version: 1\n".to_owned(),
            "1001 roles are more than the 1000 allowed",
            "policy.yaml:3:1 (roles)",
        ),
        (
            format!("{head}kinds:\n  service: {{}}\n"),
            format!("{token}{ranges}"),
            "257 allowed_sources are more than the 256 allowed",
            "tokens.yaml:5:5 (tokens.ci.allowed_sources)",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
        std::fs::write(folder.path().join("tokens.yaml"), tokens).unwrap();
        let expected = format!(
            "error: {message}\n  --> {}/{place}\nhint: split the policy, or merge what is alike\n",
            folder.path().display()
        );
        assert_eq!(text(&tokenward("lint", folder.path()).stderr), expected);
    }
}

#[test]
fn the_filter_says_of_bad_settings_what_render_says() {
    let folder = Path::new("tests/cli/settings.in");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // The filter's configuration has a bundle, and of a bundle for elsewhere `render` says what the filter says.
        let own = ["with-a-bundle.yaml", "other-environment.yaml"].iter().any(|name| path.ends_with(name));
        if own || path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        count += 1;
        let render =
            ["render", "ecds", "--bundle", "tests/cli/settings.in/bundle.json", "--wasm", "tokenward.wasm"];
        let rendered = program().args(render).arg("--settings").arg(&path).output().unwrap();
        let problems = Gateway::configure(configuration(&path).as_bytes()).unwrap_err();
        let said: Vec<Said> = problems.iter().map(Said::of).collect();
        assert_eq!(said, said_by_lint(text(&rendered.stderr)), "{}", path.display());
    }
    assert!(count > 5);
}

/// What is said of one problem.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Said {
    message: String,
    place: String,
    hint: Option<String>,
}

impl Said {
    fn of(Problem { place, fault }: &Problem) -> Self {
        Self { message: fault.to_string(), place: place.to_string(), hint: fault.hint() }
    }
}

/// What lint says, without files and lines.
fn said_by_lint(stderr: &str) -> Vec<Said> {
    let mut said: Vec<Said> = Vec::new();
    for line in stderr.lines() {
        if let Some(message) = line.strip_prefix("error: ") {
            said.push(Said { message: message.to_owned(), place: String::new(), hint: None });
            continue;
        }
        let last = said.last_mut().unwrap();
        if let Some(place) = line.strip_prefix("  --> ") {
            // What is wrong with a document as a whole is wrong with the configuration's bundle.
            let place = place.split_once(" (").and_then(|(_, place)| place.strip_suffix(')'));
            last.place = place.unwrap_or("bundle").to_owned();
        } else {
            last.hint = without_guess(line.strip_prefix("hint: ").unwrap());
        }
    }
    said
}

/// A hint without the name that lint takes for the one that was meant: the filter suggests none.
fn without_guess(hint: &str) -> Option<String> {
    match hint.strip_prefix("did you mean ") {
        Some(guess) => guess.split_once(" If not, ").map(|(_, hint)| hint.to_owned()),
        None => Some(hint.to_owned()),
    }
}

/// The folders, in the order of their names.
fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(documents::ROOT).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn tokenward(command: &str, folder: &Path) -> Output {
    program().args([command, "-p"]).arg(folder).output().unwrap()
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tokenward"))
}

/// The plugin configuration with these settings.
fn configuration(settings: &Path) -> String {
    let settings: serde_json::Value =
        yaml_serde::from_str(&std::fs::read_to_string(settings).unwrap()).unwrap();
    let mut configuration = serde_json::json!({ "bundle": { "version": 1, "name": "small" } });
    configuration.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    configuration.to_string()
}

fn expected(folder: &Path) -> String {
    let path = folder.join("expected");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().into_owned()
}

/// Folders whose problem a bundle cannot have or does not have in the same words: broken YAML, and what is
/// wrong with a policy or a registry as a file of its own.
const NOT_IN_JSON: [&str; 17] = [
    "list-where-the-policy-belongs",
    "list-where-the-registry-belongs",
    "missing-version-of-the-registry",
    "unknown-key-in-the-policy",
    "unsupported-version-of-the-registry",
    "wrong-shape-in-both-files",
    "yaml-nested-too-deeply",
    "yaml-syntax",
    "yaml-with-a-key-that-is-no-text",
    "yaml-with-a-repeated-key",
    "yaml-with-a-repeated-role",
    "yaml-with-a-second-document",
    "yaml-with-a-tab",
    "yaml-with-a-tag",
    "yaml-with-an-empty-registry",
    "yaml-with-an-unknown-alias",
    "yaml-with-nothing-in-it",
];
