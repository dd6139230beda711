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
            // lint reports in text order, the filter in the order of the format.
            expected.sort();
            // lint continues after a wrong shape; the filter stops there.
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
        // The filter's configuration contains a bundle. For a bundle of another place, `render` prints the filter's
        // message.
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

/// A reported problem.
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

/// The problems that lint reports, without files and lines.
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
            // A problem of a whole document is a problem of the bundle in the configuration.
            let place = place.split_once(" (").and_then(|(_, place)| place.strip_suffix(')'));
            last.place = place.unwrap_or("bundle").to_owned();
        } else {
            let hint = line.strip_prefix("hint: ").unwrap();
            // The filter does not know how YAML spells a value.
            let of_yaml = last.message.starts_with("expected ")
                && (hint.starts_with("write ") || hint == "put it in quotes");
            last.hint = without_guess(hint).filter(|_| !of_yaml);
        }
    }
    said
}

/// A hint without lint's suggestion for a misspelled name, because the filter suggests none.
fn without_guess(hint: &str) -> Option<String> {
    match hint.strip_prefix("did you mean ") {
        Some(guess) => guess.split_once(" If not, ").map(|(_, hint)| hint.to_owned()),
        None => Some(hint.to_owned()),
    }
}

/// The filter's problems for the document as JSON, in order; `None` if JSON has no equivalent or the filter accepts
/// it.
fn said_by_filter(document: &BadDocument) -> Option<Vec<Said>> {
    let problems = Gateway::configure(document.configuration()?.as_bytes()).err()?;
    let mut said: Vec<Said> = problems.iter().map(Said::of).collect();
    said.sort();
    Some(said)
}

/// Checks that `command` prints exactly each document's error and exits with `code`.
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

/// Topics with problems that a bundle in JSON cannot have, or that it reports in other words: invalid YAML, and
/// mistakes of a policy or a registry as a separate file.
const ONLY_IN_FILES: [&str; 3] = ["files", "mistakes", "yaml"];
