//! The build scripts: their messages when something is missing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::symlink;
use std::process::{Command, Output};

#[test]
fn missing_tool_prints_the_install_command() {
    for (program, package, hint) in [
        ("wrk", "wrk", "wrk is missing: install it with  sudo apt-get install wrk\n"),
        (
            "cargo",
            "rustup",
            "cargo is missing: install Rust with  curl https://sh.rustup.rs -sSf | sh  and start a new shell\n",
        ),
    ] {
        let output = with_few_programs("tools/need", &[program, package]);
        assert_eq!(String::from_utf8(output.stderr).unwrap(), hint);
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn fuzz_script_names_missing_tools_in_one_line() {
    for (arguments, hint) in [
        (
            &["60"][..],
            "fuzz: needs a nightly compiler: install it with  rustup toolchain install nightly --profile minimal\n",
        ),
        (
            &["60", "none"],
            "fuzz: no target none: there are credential document envelope path pattern request values\n",
        ),
        (&["1m"], "fuzz: TIME=1m is no number of seconds\n"),
    ] {
        let output = with_few_programs("tools/fuzz", arguments);
        assert_eq!(String::from_utf8(output.stderr).unwrap(), hint);
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn present_tool_prints_nothing() {
    let output = with_few_programs("tools/need", &["id", "coreutils"]);
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty());
}

#[test]
fn second_build_does_nothing() {
    let mut make = Command::new("make");
    for variable in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"] {
        make.env_remove(variable);
    }
    let output = make.args(["--dry-run", "build"]).output().unwrap();
    let commands = String::from_utf8(output.stdout).unwrap();
    assert_eq!(commands.matches("is up to date").count(), 2, "{commands}");
    assert!(!commands.contains("cargo") && !commands.contains("tools/wasm"), "{commands}");
}

/// Runs a script with very few programs available: no package manager, no compiler.
fn with_few_programs(script: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    symlink("/usr/bin/id", folder.path().join("id")).unwrap();
    Command::new("/bin/bash").arg(script).args(arguments).env("PATH", folder.path()).output().unwrap()
}
