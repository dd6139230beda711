//! Commands that write the registry: what they must preserve, and what they must never do.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use tokenward::engine::words::secret::SecretDigest;

use crate::cli::{command, folder, is_known, minted, registry, run, text};

#[test]
fn mint_keeps_the_existing_bytes_in_any_style() {
    let styles = [
        ("version: 1\n", "ci"),
        ("version: 1", "ci"),
        ("version: 1\n...\n", "ci"),
        ("---\nversion: 1\ntokens:\n  a:\n    kind: tool\n...\n", "ci"),
        ("tokens:\n  a:\n    kind: tool\n\n# the version\nversion: 1\n", "ci"),
        ("version: 1\r\ntokens:\r\n  a: # one\r\n    kind: tool\r\n\r\n# end\r\n", "ci"),
        ("version: 1\ntokens:\n    a:\n        kind: tool\n\n\n", "ci"),
        ("version: 1\ntokens:\n  a: { kind: tool } # one\n  # two\n", "ci"),
        ("version: 1\ntokens: { a: { kind: tool, purpose: \"ü\" } } # one\n", "ci"),
        ("{\n  \"version\": 1,\n  \"tokens\": {}\n}\n", "ci"),
        ("{\"version\": 1}\n", "ci"),
        (
            "version: 1\ntokens:\n  a:\n    kind: tool\n    purpose: |\n      text\n      # no comment\n# one\n",
            "ci",
        ),
        ("version: 1\ntokens:\n  a:\n    kind: tool\n    purpose: >-\n      text\n\n      text\n\n", "ci"),
        ("version: 1\ntokens:\n  a:\n    kind: tool\n    purpose: \"text\n      text\"\n", "ci"),
        ("version: 1\ntokens:\n  ci:\n    kind: tool\n  # one\n  a:\n    kind: tool\n", "ci"),
        ("version: 1\ntokens:\n  a: {kind: tool}\n  ci: {kind: tool, secrets: []}\n", "ci"),
        ("version: 1\ntokens:\n  ci:\n    secrets: [SECRET]\n    kind: tool\n", "ci"),
        ("version: 1\ntokens:\n  ci:\n    secrets: [\n      SECRET, # one\n    ]\n    kind: tool\n", "ci"),
        ("version: 1\ntokens:\n  ci:\n    secrets:\n    - SECRET # one\n    # two\n    kind: tool\n", "ci"),
        ("version: 1\ntokens:\n  ci:\n    secrets:\n      -\n        SECRET\n    kind: tool\n", "ci"),
    ];
    let known = SecretDigest::of(b"known").to_hex();
    for (style, token) in styles {
        let before = style.replace("SECRET", &format!("{{ id: one, sha256: \"{known}\" }}"));
        let folder = folder(&before);
        let kind: &[&str] = if style.contains("  ci:") { &[] } else { &["--kind", "tool"] };
        let secret = minted(&run(folder.path(), &[&["mint", token, "--expires-in", "1h"], kind].concat()));
        let after = registry(folder.path());
        assert!(is_insertion(&before, &after), "{before}\n{after}");
        let lines = |text: &str| text.lines().filter(|line| line.contains('#')).count();
        assert_eq!(lines(&before), lines(&after), "{after}");
        assert_eq!(before.contains("\r\n"), after.lines().count() == after.matches("\r\n").count());
        assert!(is_known(folder.path(), &secret), "{after}");
    }
}

#[test]
fn mint_fills_empty_lists_and_mappings() {
    for (before, kind) in [
        ("# one\nversion: 1\ntokens: {}   # two\n# three\n", ["--kind", "tool"].as_slice()),
        ("tokens: {\n  }\nversion: 1\n", &["--kind", "tool"]),
        ("version: 1\ntokens:\n  ci:\n    secrets: [ ] # one\n    kind: tool\n", &[]),
    ] {
        let folder = folder(before);
        let secret = minted(&run(folder.path(), &[&["mint", "ci", "--expires-in", "1h"], kind].concat()));
        let after = registry(folder.path());
        let left: String =
            before.replace("{\n  }", "{}").replace("[ ]", "[]").replace("{}", "").replace("[]", "");
        for line in left.lines().map(str::trim) {
            assert!(after.lines().any(|kept| squeeze(kept) == squeeze(line)), "{line}\n{after}");
        }
        assert!(is_known(folder.path(), &secret), "{after}");
    }
}

#[test]
fn uneditable_registry_is_rejected_and_unchanged() {
    for before in [
        "version: 1\ntokens:\n",
        "version: 1\ntokens:\n  b: &b\n    kind: tool\n  c: *b\n",
        "version: 1\ntokens:\n  ci:\n    kind: tool\n    secrets:\n",
    ] {
        let folder = folder(before);
        let output = run(folder.path(), &["mint", "cd", "--kind", "tool", "--expires-in", "1h"]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{before}");
        assert!(text(&output.stderr).starts_with("error: "));
        assert_eq!(registry(folder.path()), before);
    }
}

#[test]
fn registry_keeps_its_mode_and_starts_private() {
    let mode =
        |folder: &Path| std::fs::metadata(folder.join("tokens.yaml")).unwrap().permissions().mode() & 0o7777;
    let mint = ["mint", "ci", "--kind", "tool", "--expires-in", "1h"];
    for kept in [0o644, 0o640, 0o600] {
        let folder = folder("version: 1\n");
        let path = folder.path().join("tokens.yaml");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(kept)).unwrap();
        minted(&run(folder.path(), &mint));
        assert_eq!(mode(folder.path()), kept);
    }
    let folder = folder("");
    std::fs::remove_file(folder.path().join("tokens.yaml")).unwrap();
    let secret = minted(&run(folder.path(), &mint));
    assert_eq!(mode(folder.path()), 0o600);
    assert!(is_known(folder.path(), &secret));
}

#[test]
fn many_writers_at_once_lose_no_secret() {
    let folder = folder("version: 1\ntokens:\n  ci: { kind: tool }\n");
    let arguments = ["mint", "ci", "--expires-in", "1h"];
    let start = || command(folder.path(), &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let writers: Vec<_> = (0..8).map(|_| start().unwrap()).collect();
    let secrets: Vec<String> =
        writers.into_iter().map(|writer| minted(&writer.wait_with_output().unwrap())).collect();
    for secret in &secrets {
        assert!(is_known(folder.path(), secret), "{}", registry(folder.path()));
    }
    assert_eq!(registry(folder.path()).matches("sha256").count(), secrets.len());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "a lock leaves no litter");
}

#[test]
fn dry_run_writes_nothing_and_hides_the_secret() {
    let before = "version: 1\ntokens:\n  ci: { kind: tool }\n";
    let folder = folder(before);
    for format in [&[][..], &["--json"]] {
        let arguments = [&["mint", "ci", "--expires-in", "1h", "--dry-run"], format].concat();
        let output = run(folder.path(), &arguments);
        assert_eq!((output.status.code(), registry(folder.path()).as_str()), (Some(0), before));
        assert!(!text(&output.stdout).contains("tw_") && !text(&output.stderr).contains("tw_"));
        assert!(text(&output.stderr).starts_with("dry run, nothing is written: minted secret `1` "));
    }
}

#[test]
fn revoke_works_with_a_broken_policy() {
    let before = "version: 1\ntokens:\n  ci: { kind: unknown }\n";
    for policy in [Some(&b"version: 1\nname: [\n"[..]), Some(b"\xff"), None] {
        let folder = folder(before);
        let path = folder.path().join("policy.yaml");
        policy.map_or_else(|| std::fs::remove_file(&path), |policy| std::fs::write(&path, policy)).unwrap();
        let output = run(folder.path(), &["revoke", "-p", ".", "ci", "--reason", "leaked"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("warning: the policy has problems: no bundle can be built"));
        assert!(
            registry(folder.path()).contains("{ kind: unknown, revoked_at: 20"),
            "{}",
            registry(folder.path())
        );
    }
}

#[test]
fn mint_keeps_windows_line_endings() {
    let crlf = |path: &str| std::fs::read_to_string(path).unwrap().replace('\n', "\r\n");
    let folder = folder(&crlf("tests/cli/prune.in/tokens.yaml"));
    std::fs::copy("tests/cli/prune.in/policy.yaml", folder.path().join("policy.yaml")).unwrap();
    assert_eq!(run(folder.path(), &["prune"]).status.code(), Some(0));
    assert_eq!(registry(folder.path()), crlf("tests/cli/prune.out/tokens.yaml"));
    for arguments in [&["revoke", "lines", "--reason", "ü"][..], &["rotate", "ci", "--expires-in", "1h"]] {
        assert_eq!(run(folder.path(), arguments).status.code(), Some(0));
    }
    let after = registry(folder.path());
    assert_eq!(after.matches('\n').count(), after.matches("\r\n").count());
}

#[test]
fn a_registry_in_json_stays_json() {
    let secret = |id: u32, end: u32| {
        format!(r#"{{ "id": "{id}", "sha256": "{id:064}", "expires_at": "{end}-01-01T00:00:00Z" }}"#)
    };
    let secrets = [secret(1, 2020), secret(2, 2999), secret(3, 2020)].join(",\n        ");
    let ci = format!(
        "\"ci\": {{\n      \"kind\": \"tool\",\n      \"secrets\": [\n        {secrets}\n      ]\n    }}"
    );
    let old = r#""old": { "kind": "tool", "revoked_at": "2020-01-01T00:00:00Z" }"#;
    let folder = folder("");
    let path = folder.path().join("tokens.json");
    std::fs::remove_file(folder.path().join("tokens.yaml")).unwrap();
    std::fs::write(
        &path,
        format!("{{\n  \"version\": 1,\n  \"tokens\": {{\n    {old},\n    {ci}\n  }}\n}}\n"),
    )
    .unwrap();
    for arguments in [
        "prune",
        "rotate ci --expires-in 1h",
        "mint cd --kind tool --expires-in 1h",
        "revoke cd --reason leaked",
    ] {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let output = run(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let written: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert!(written["tokens"]["old"].is_null() && written["tokens"]["ci"]["secrets"][0]["id"] == "2");
    }
}

#[test]
fn failed_write_keeps_registry_and_hides_secret() {
    let before = "version: 1\ntokens:\n  ci: { kind: tool }\n";
    for arguments in ["revoke ci --reason leaked", "mint ci --expires-in 1h"] {
        let folder = folder(before);
        // Simulates a full disk: even root may write nothing to a file, but may write to a pipe.
        let script =
            format!("trap '' XFSZ; ulimit -f 0; exec {} {arguments}", env!("CARGO_BIN_EXE_tokenward"));
        let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""));
        assert!(text(&output.stderr).starts_with("error: cannot write tokens.yaml: "));
        assert_eq!(registry(folder.path()), before);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}

/// Whether `longer` is `text` with one insertion.
fn is_insertion(text: &str, longer: &str) -> bool {
    let same = |(one, other): &(u8, u8)| one == other;
    let before = text.bytes().zip(longer.bytes()).take_while(same).count();
    let after = text.bytes().rev().zip(longer.bytes().rev()).take_while(same).count();
    before.saturating_add(after) >= text.len()
}

fn squeeze(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
