//! Sessions on a documentation page: runs each command and compares its output with the page.

use std::path::Path;
use std::process::Command;

/// Runs the commands of a session in a folder, in order; returns their number.
pub(crate) fn run(folder: &Path, session: &str) -> usize {
    let commands: Vec<(&str, String)> = commands(session);
    let mut script = "exec 2>&1\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n".to_owned();
    for (command, _) in &commands {
        script += &format!("{command}\necho {MARK}\n");
    }
    // A command that waits for what never comes must fail, not hang.
    let mut bash = Command::new("timeout");
    let output =
        bash.args(["--kill-after=10", "600", "bash", "-c", &script]).current_dir(folder).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let outputs: Vec<&str> = output.split(&format!("{MARK}\n")).collect();
    for ((command, expected), got) in commands.iter().zip(outputs) {
        let (expected, got) = (sorted(expected), sorted(got));
        assert!(matches(&expected, &got), "$ {command}\nexpected:\n{expected}\ngot:\n{got}");
    }
    commands.len()
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

/// Sorts the lines, because standard output and standard error may come in any order.
fn sorted(output: &str) -> String {
    let mut lines: Vec<&str> = output.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Whether `got` matches `expected`, where `[..]` matches anything within a line.
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
