//! The README: every command it shows is run, every snippet is real.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

#[test]
fn every_session_of_the_readme_goes_as_it_shows() {
    let sandbox = sandbox();
    let sessions = blocks("console").concat();
    let commands: Vec<(&str, String)> = commands(&sessions);
    assert!(commands.len() > 8, "{commands:?}");
    let mut script = "exec 2>&1\ntrap 'kill $(jobs -p)' EXIT\n".to_owned();
    for (command, _) in &commands {
        script += &format!("{command}\necho {MARK}\n");
    }
    let checkout = std::env::current_dir().unwrap();
    let mut bash = Command::new("bash");
    let output = bash.args(["-c", &script]).current_dir(sandbox.path()).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let outputs: Vec<&str> = output.split(&format!("{MARK}\n")).collect();
    for ((command, expected), got) in commands.iter().zip(outputs) {
        let (expected, got) = (sorted(expected), sorted(got));
        assert!(
            matches(&expected, &got),
            "in {}: $ {command}\nexpected:\n{expected}\ngot:\n{got}",
            checkout.display()
        );
    }
}

#[test]
fn the_commands_of_the_first_screen_work() {
    let shell = blocks("sh").concat();
    let targets: Vec<&str> =
        shell.lines().filter_map(|line| line.strip_prefix("make ")?.split(' ').next()).collect();
    assert_eq!(targets, ["demo", "run"]);
    let demo = Command::new("make").arg("demo").env("PORT", "0").output().unwrap();
    let told = String::from_utf8_lossy(&demo.stdout);
    assert!(demo.status.success() && told.contains("20 of 20 requests were answered as expected"), "{told}");
    let run = Command::new("make").args(["--dry-run", "run"]).output().unwrap();
    assert!(String::from_utf8_lossy(&run.stdout).contains("--example demo -- --serve"));
}

#[test]
fn the_snippet_of_the_envoy_configuration_is_from_the_example() {
    let example = fs::read_to_string("envoy/envoy.yaml").unwrap();
    let snippet = blocks("yaml").into_iter().find(|block| block.contains("http_filters")).unwrap();
    assert!(example.contains(&snippet), "{snippet}");
}

#[test]
fn every_reason_is_in_the_table() {
    let readme = fs::read_to_string("README.md").unwrap();
    for reason in tokenward::engine::reason::Reason::ALL {
        assert!(
            readme.contains(&format!("| `{reason}`")) || readme.contains(&format!(", `{reason}` |")),
            "{reason}"
        );
    }
}

/// A folder with what the README's reader has: the checkout, the commands, and the policy of the text.
fn sandbox() -> tempfile::TempDir {
    let sandbox = tempfile::tempdir().unwrap();
    let inside = |name: &str| sandbox.path().join(name);
    let checkout = fs::canonicalize(".").unwrap();
    for folder in [".tools", "target/release", "shop", "policies/acme"] {
        fs::create_dir_all(inside(folder)).unwrap();
    }
    for entry in ["dist", "envoy"] {
        symlink(checkout.join(entry), inside(entry)).unwrap();
    }
    let envoy =
        std::env::var("ENVOY").map_or_else(|_| checkout.join(".tools/envoy"), |path| checkout.join(path));
    symlink(envoy, inside(".tools/envoy")).unwrap();
    symlink(env!("CARGO_BIN_EXE_tokenward"), inside("target/release/tokenward")).unwrap();
    for file in ["policy.yaml", "tokens.yaml"] {
        fs::copy(Path::new("policies/acme").join(file), inside("policies/acme").join(file)).unwrap();
    }
    let policy = blocks("yaml").into_iter().find(|block| block.contains("name: shop")).unwrap();
    let cases = blocks("yaml").into_iter().find(|block| block.contains("- name: the shop window")).unwrap();
    fs::write(inside("shop/policy.yaml"), policy).unwrap();
    fs::write(inside("shop/shop.test.yaml"), cases).unwrap();
    sandbox
}

/// The README's fenced blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let readme = fs::read_to_string("README.md").unwrap();
    let fences = readme.split("```").skip(1).step_by(2);
    fences.filter_map(|fence| fence.strip_prefix(&format!("{language}\n"))).map(str::to_owned).collect()
}

/// The commands of a session, each with its output.
fn commands(session: &str) -> Vec<(&str, String)> {
    let mut commands: Vec<(&str, String)> = Vec::new();
    for line in session.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, String::new())),
            (None, Some((_, output))) => *output += &format!("{line}\n"),
            (None, None) => panic!("output before the first command: {line}"),
        }
    }
    commands
}

/// Standard output and standard error come in any order.
fn sorted(output: &str) -> String {
    let mut lines: Vec<&str> = output.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Whether `got` is `expected`, where `[..]` stands for anything within a line.
fn matches(expected: &str, got: &str) -> bool {
    let lines = expected.lines().zip(got.lines());
    expected.lines().count() == got.lines().count()
        && lines.clone().all(|(expected, got)| line_matches(expected, got))
}

fn line_matches(expected: &str, got: &str) -> bool {
    let mut parts = expected.split("[..]");
    let Some(mut rest) = parts.next().and_then(|first| got.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

const MARK: &str = "--end-of-command--";
