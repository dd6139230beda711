//! README and quickstart: runs every command that they show, and checks every snippet.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

#[path = "support/session.rs"]
mod session;

/// Both pages use the same ports.
static PORTS: Mutex<()> = Mutex::new(());

#[test]
fn readme_sessions_print_what_it_shows() {
    let _ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    let sandbox = checkout();
    assert!(session::run(sandbox.path(), &blocks("README.md", "console").concat()) > 8);
}

#[test]
fn quickstart_sessions_print_what_it_shows() {
    let _ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    let sandbox = checkout();
    let folder = sandbox.path();
    let [envoy] = &blocks("docs/quickstart.md", "yaml")[..] else { panic!("one snippet") };
    assert!(envoy.starts_with("# envoy.yaml\n"));
    // The programs that the reader has installed, and the files that the reader puts beside the policy.
    let begin = format!("$ export PATH={0}/target/release:{0}/.tools:$PATH\n", folder.display());
    let sessions = blocks("docs/quickstart.md", "console").concat();
    let files = "$ cp ../dist/tokenward.wasm ../envoy.yaml .\n";
    let sessions = sessions.replacen("$ cd shop\n", &format!("$ cd shop\n{files}"), 1);
    fs::write(folder.join("envoy.yaml"), envoy).unwrap();
    assert!(session::run(folder, &format!("{begin}{sessions}")) > 15);
}

#[test]
fn readme_first_screen_commands_work() {
    let shell = blocks("README.md", "sh").concat();
    let targets: Vec<&str> =
        shell.lines().filter_map(|line| line.strip_prefix("make ")?.split(' ').next()).collect();
    assert_eq!(targets, ["demo", "run"]);
    let demo = Command::new("make").arg("demo").env("PORT", "0").output().unwrap();
    let shown = String::from_utf8_lossy(&demo.stdout);
    assert!(
        demo.status.success() && shown.contains("20 of 20 requests were answered as expected"),
        "{shown}"
    );
    let run = Command::new("make").args(["--dry-run", "run"]).output().unwrap();
    assert!(String::from_utf8_lossy(&run.stdout).contains("target/release/demo --serve"));
}

#[test]
fn recording_shows_what_the_demo_prints() {
    let recording = fs::read_to_string("docs/pictures/demo.svg").unwrap();
    let requests = fs::read_to_string("envoy/demo/src/requests.rs").unwrap();
    let whys: Vec<&str> = recording
        .lines()
        .filter(|line| line.contains("<tspan class=\"green\">") || line.contains("<tspan class=\"yellow\">"))
        .collect();
    assert_eq!(whys.len(), 20);
    for line in whys {
        let words = line.split("</tspan>").next().unwrap().rsplit("  ").next().unwrap();
        assert!(requests.contains(words.trim()), "{words}: run `make recording`");
    }
}

#[test]
fn envoy_snippet_is_from_the_example() {
    let example = fs::read_to_string("envoy/envoy.yaml").unwrap();
    let [snippet] = &blocks("docs/guides/envoy.md", "yaml")[..] else { panic!("one snippet") };
    assert!(example.contains(snippet), "{snippet}");
}

/// A folder with everything that a reader has: the checkout, Envoy and the command.
fn checkout() -> tempfile::TempDir {
    let sandbox = tempfile::tempdir().unwrap();
    let inside = |name: &str| sandbox.path().join(name);
    let root = fs::canonicalize(".").unwrap();
    for folder in [".tools", "target/release", "policies/acme"] {
        fs::create_dir_all(inside(folder)).unwrap();
    }
    for entry in ["dist", "envoy"] {
        symlink(root.join(entry), inside(entry)).unwrap();
    }
    let envoy = std::env::var("ENVOY").map_or_else(|_| root.join(".tools/envoy"), |path| root.join(path));
    symlink(envoy, inside(".tools/envoy")).unwrap();
    symlink(env!("CARGO_BIN_EXE_tokenward"), inside("target/release/tokenward")).unwrap();
    for file in ["policy.yaml", "tokens.yaml", "gateway.yaml"] {
        fs::copy(Path::new("policies/acme").join(file), inside("policies/acme").join(file)).unwrap();
    }
    sandbox
}

/// A page's code blocks in a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let page = fs::read_to_string(page).unwrap();
    let fences = page.split("```").skip(1).step_by(2);
    fences.filter_map(|fence| fence.strip_prefix(&format!("{language}\n"))).map(str::to_owned).collect()
}
