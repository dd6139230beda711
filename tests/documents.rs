//! Bad documents: `lint`, `build` and the filter reject each of them with the same message.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use tokenward::engine::config::problem::Problem;
use tokenward::engine::policy::gateway::Gateway;

use crate::bad_documents::{self, BadDocument};

#[test]
fn lint_reports_each_mistake_with_its_place() {
    each_document_fails("lint", 1);
}

#[test]
fn build_reports_the_same_and_writes_nothing() {
    each_document_fails("build", 2);
}

#[test]
fn filter_reports_the_same_for_json() {
    for (topic, documents) in bad_documents::topics() {
        for document in documents {
            let mut expected = said_by_lint(&document.error);
            // lint goes by the text, the filter by the format.
            expected.sort();
            // lint reads on behind a wrong shape, the filter ends there.
            let said = said_by_filter(&document);
            let same = said.is_some_and(|said| match said.as_slice() {
                [first] => expected.contains(first),
                _ => said == expected,
            });
            assert_eq!(same, !ONLY_IN_FILES.contains(&topic.as_str()), "{topic}: {}", document.name);
        }
    }
}

#[test]
fn messages_contain_no_rust_names_or_secrets() {
    for BadDocument { name, error, .. } in bad_documents::all() {
        for word in ["struct ", "enum ", "u64", "i64", "Option", "PastedInPlaceOfItsDigest", "gVV1qeg3"] {
            assert!(!error.contains(word), "{name}: `{word}`");
        }
    }
}

#[test]
fn documents_beyond_the_limits_are_rejected() {
    let roles: String = (0..=1_000).map(|number| format!("  role-{number}: {{}}\n")).collect();
    let ranges: String = (0..=256).map(|number| format!("      - 10.{number}.0.0/16\n")).collect();
    let ranges = ranges.replace("10.256.", "11.0.");
    let head = "version: 1\nname: bad\n";
    let token = "version: 1\ntokens:\n  ci:\n    kind: service\n    allowed_sources:\n";
    for (policy, tokens, message, place, excerpt) in [
        (
            format!("{head}roles:\n{roles}"),
            "version: 1\n".to_owned(),
            "1001 roles are more than the 1000 allowed",
            "policy.yaml:3:1 (roles)",
            "  |\n3 | roles:\n  | ^^^^^\n",
        ),
        (
            format!("{head}kinds:\n  service: {{}}\n"),
            format!("{token}{ranges}"),
            "257 allowed_sources are more than the 256 allowed",
            "tokens.yaml:5:5 (tokens.ci.allowed_sources)",
            "  |\n5 |     allowed_sources:\n  |     ^^^^^^^^^^^^^^^\n",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
        std::fs::write(folder.path().join("tokens.yaml"), tokens).unwrap();
        let expected = format!(
            "error: {message}\n  --> {}/{place}\n{excerpt}hint: split the policy, or merge what is alike\n",
            folder.path().display()
        );
        assert_eq!(text(&tokenward("lint", folder.path()).stderr), expected);
    }
}

#[test]
fn filter_and_render_report_the_same_bad_settings() {
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
        if line
            .split_once('|')
            .is_some_and(|(number, _)| number.chars().all(|c| c == ' ' || c.is_ascii_digit()))
        {
            continue;
        }
        if let Some(place) = line.strip_prefix("  --> ") {
            // What is wrong with a document as a whole is wrong with the configuration's bundle.
            let place = place.split_once(" (").and_then(|(_, place)| place.strip_suffix(')'));
            last.place = place.unwrap_or("bundle").to_owned();
        } else {
            let hint = line.strip_prefix("hint: ").unwrap();
            // How a value is written in YAML is no business of the filter.
            let of_yaml = last.message.starts_with("expected ")
                && (hint.starts_with("write ") || hint == "put it in quotes");
            last.hint = without_guess(hint).filter(|_| !of_yaml);
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

/// What the filter says about the document as JSON, in order; `None` where JSON has no equivalent, or the filter takes it.
fn said_by_filter(document: &BadDocument) -> Option<Vec<Said>> {
    let problems = Gateway::configure(document.configuration()?.as_bytes()).err()?;
    let mut said: Vec<Said> = problems.iter().map(Said::of).collect();
    said.sort();
    Some(said)
}

/// Checks that `command` writes each document's error, nothing else, and exits with `code`.
fn each_document_fails(command: &str, code: i32) {
    let parent = tempfile::tempdir().unwrap();
    for document in bad_documents::all() {
        let folder = document.write(parent.path());
        let output = tokenward(command, &folder);
        let places = format!("  --> {}/", folder.display());
        let said = text(&output.stderr).replace(&places, "  --> ");
        assert_eq!(said, document.error, "{}", document.name);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(code), ""), "{}", document.name);
    }
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

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Topics whose problems a bundle in JSON cannot have, or not in the same words: broken YAML, and what is wrong with
/// a policy or a registry as a file of its own.
const ONLY_IN_FILES: [&str; 3] = ["files", "mistakes", "yaml"];
