//! `docs/reference`: each reason, setting, command and finding has its entry, and there are no other entries.

use std::collections::BTreeSet;
use std::fs;

use clap::{Command, CommandFactory};
use serde_json::Value;
use tokenward::cli::Arguments;
use tokenward::engine::authoring::lint;
use tokenward::engine::config::settings::Settings;
use tokenward::engine::words::reason::Reason;

#[test]
fn each_reason_has_a_row() {
    let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(rows(&read("reasons"), "| reason | reply |"), reasons);
}

#[test]
fn each_finding_has_a_row() {
    let page = read("lint");
    let (policy, envoy) = page.split_once("## Envoy's configuration").unwrap();
    let codes: BTreeSet<String> = lint::Code::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(rows(policy, "| code |").into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), codes);
    for code in lint::Code::ALL {
        let severity = format!("| `{code}` | {:?} |", code.severity()).to_lowercase();
        assert!(policy.contains(&severity), "{severity}");
    }
    let listed: BTreeSet<String> = rows(envoy, "| code |").into_iter().map(str::to_owned).collect();
    assert_eq!(listed, envoy_codes());
}

#[test]
fn each_setting_has_an_entry() {
    let page = read("settings");
    let headings = page.lines().filter_map(|line| line.strip_prefix("## "));
    let listed: BTreeSet<&str> = headings.flat_map(|heading| heading.split(", ")).collect();
    let schema = schema();
    let settings = schema["properties"].as_object().unwrap();
    let keys: BTreeSet<&str> = settings.keys().map(String::as_str).chain(["bundle"]).collect();
    assert_eq!(listed, keys);
    for section in page.split("\n## ").skip(1) {
        let heading = section.lines().next().unwrap();
        let inner: BTreeSet<String> = heading
            .split(", ")
            .filter_map(|key| settings.get(key))
            .flat_map(|key| inner_keys(&schema, key))
            .collect();
        let listed: BTreeSet<String> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .map(str::to_owned)
            .collect();
        assert_eq!(listed, inner, "{heading}");
    }
}

#[test]
fn examples_of_settings_are_valid() {
    let page = read("settings");
    let mut count = 0;
    for section in page.split("\n## ").skip(1) {
        for block in section.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            let tree: Value = yaml_serde::from_str(block).unwrap();
            serde_json::from_value::<Settings>(tree).unwrap_or_else(|error| panic!("{error}: {block}"));
            count += 1;
        }
    }
    // Each setting has an example, except the bundle, which is never in a settings file.
    assert_eq!(count, page.matches("\n## ").count() - 1);
}

#[test]
fn each_command_has_its_help_on_the_page() {
    let page = "docs/reference/commands.md";
    let written = commands_page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(page, &written).unwrap();
    }
    assert!(fs::read_to_string(page).unwrap() == written, "{page}: run `make commands`");
}

/// The page of commands, generated from their declarations.
fn commands_page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for command in Arguments::command().get_subcommands() {
        append(&mut page, command, &["tokenward"]);
    }
    page
}

fn append(page: &mut String, command: &Command, before: &[&str]) {
    let path = [before, &[command.get_name()]].concat();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tokenward"))
        .args(&path[1..])
        .arg("--help")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{path:?}");
    let help = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let level = "#".repeat(path.len());
    page.push_str(&format!(
        "\n{level} {}\n\n```text\n{}\n```\n",
        path.join(" "),
        lines.join("\n").trim_end()
    ));
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        append(page, inner, &path);
    }
}

/// The nested keys of a setting, behind `$ref`, `oneOf` and `items`.
fn inner_keys(schema: &Value, setting: &Value) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut open = vec![setting];
    while let Some(node) = open.pop() {
        open.extend(
            node.get("$ref").map(|name| &schema["$defs"][name.as_str().unwrap().rsplit('/').next().unwrap()]),
        );
        open.extend(node.get("items"));
        open.extend(node.get("oneOf").and_then(Value::as_array).into_iter().flatten());
        for (key, inner) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
            keys.insert(key.clone());
            open.push(inner);
        }
    }
    keys
}

/// The codes that `lint --envoy` can report: each is a quoted word where the code makes a finding.
fn envoy_codes() -> BTreeSet<String> {
    let folder = fs::read_dir("src/cli/lint/envoy").unwrap().map(|entry| entry.unwrap().path());
    let files = folder.filter(|path| path.is_file()).chain(["src/cli/lint/envoy.rs".into()]);
    let makers = ["error(", "warning(", "note(", "finding(", "Finding::new(", "code: "];
    let mut codes = BTreeSet::new();
    for text in files.map(|path| fs::read_to_string(path).unwrap()) {
        for maker in makers {
            let words = text
                .split(maker)
                .skip(1)
                .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split_once('"'));
            codes.extend(words.map(|(word, _)| word.to_owned()));
        }
    }
    assert!(codes.len() > 25, "{codes:?}");
    codes
}

/// The first cells of the rows of the table with this heading; each has one name in backticks.
fn rows<'p>(page: &'p str, heading: &str) -> Vec<&'p str> {
    let (_, table) = page.split_once(heading).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.strip_prefix("| `").unwrap().split('`').next().unwrap()).collect()
}

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string("schemas/gateway.json").unwrap()).unwrap()
}

fn read(page: &str) -> String {
    fs::read_to_string(format!("docs/reference/{page}.md")).unwrap()
}

const INTRODUCTION: &str = "\
# Commands

This page is what `tokenward COMMAND --help` prints.

- The policy folder is `-p DIR`, else `TOKENWARD_POLICY`, else the nearest folder upwards with a `policy.yaml`.
- Exit codes: 0 is yes or done, 1 is a valid no (denied, findings, failed cases), 2 means that the command could not do
  it.
- Data goes to standard output, everything else to standard error.
";
