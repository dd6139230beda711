//! The README: every command it shows is run, every snippet is real.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

#[path = "support/session.rs"]
mod session;

#[test]
fn readme_sessions_print_what_it_shows() {
    let sandbox = sandbox();
    assert!(session::run(sandbox.path(), &blocks("console").concat()) > 8);
}

#[test]
fn the_commands_of_the_first_screen_work() {
    let shell = blocks("sh").concat();
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
fn readme_envoy_snippet_is_from_the_example() {
    let example = fs::read_to_string("envoy/envoy.yaml").unwrap();
    let snippet = blocks("yaml").into_iter().find(|block| block.contains("http_filters")).unwrap();
    assert!(example.contains(&snippet), "{snippet}");
}

#[test]
fn every_reason_is_in_the_table() {
    let readme = fs::read_to_string("README.md").unwrap();
    for reason in tokenward::engine::words::reason::Reason::ALL {
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
    for file in ["policy.yaml", "tokens.yaml", "gateway.yaml"] {
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
