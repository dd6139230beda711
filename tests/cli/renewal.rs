//! `tokenward renew`: the order of its steps, and the state after a failure.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;
use tokenward::engine::words::secret::SecretDigest;
use tokenward::engine::words::time::Time;

use super::{command, folder, registry, run, text};

#[path = "renewal/interrupted.rs"]
mod interrupted;

#[test]
fn gateways_know_a_secret_before_its_client() {
    let folder = due(&["ci"]);
    let ship = "cat tokens.yaml > shipped$(ls delivered 2>/dev/null)";
    let deliver = "cat > delivered; echo \"$TOKENWARD_TOKEN $TOKENWARD_SECRET_ID $TOKENWARD_EXPIRES_AT\" > about; \
                   tr '\\0' '\\n' < /proc/$$/environ > environ; tr '\\0' ' ' < /proc/$PPID/cmdline > arguments";
    let output = renew(folder.path(), ship, deliver, &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let secret = read(folder.path(), "delivered");
    let digest = SecretDigest::of(secret.as_bytes()).to_hex();
    let entry = entry(folder.path(), "ci", "2");
    assert_eq!(entry["sha256"], digest);
    assert_eq!(read(folder.path(), "about"), format!("ci 2 {}\n", entry["expires_at"].as_str().unwrap()));

    // The digest is shipped first, with the old secret unchanged. Then the result for both secrets is shipped.
    let shipped = read(folder.path(), "shipped");
    assert!(shipped.contains(&digest) && shipped.contains("undelivered: true"), "{shipped}");
    assert!(!shipped.contains("retired_at"), "{shipped}");
    assert_eq!(read(folder.path(), "shippeddelivered"), registry(folder.path()));
    assert_eq!(states(folder.path(), "ci"), ["1 retiring", "2 active"]);
    assert!(!registry(folder.path()).contains("undelivered"));
    // The old secret lives no longer than before. The new one lives as long as the old one did.
    assert_eq!(self::entry(folder.path(), "ci", "1")["expires_at"], in_hours(4));
    let lived = time(&entry["expires_at"]).seconds_after(time(&entry["created_at"]));
    assert_eq!(lived, 24 * 3_600);

    for written in ["environ", "arguments", "about", "shipped", "tokens.yaml"] {
        assert!(!read(folder.path(), written).contains(&secret), "{written}");
    }
    assert!(!text(&output.stdout).contains(&secret) && !text(&output.stderr).contains(&secret));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["token"], &result["result"]), (&"ci".into(), &"renewed".into()));
    assert_eq!((&result["secret_id"], &result["retired"][0]["secret_id"]), (&"2".into(), &"1".into()));
}

#[test]
fn repeated_secret_on_stdout_is_discarded() {
    let folder = due(&["ci"]);
    let output = renew(folder.path(), "echo shipping", "tee got; echo delivering >&2", &[]);
    let secret = read(folder.path(), "got");
    let said = text(&output.stderr);
    assert!(said.contains("shipping\n") && said.contains("delivering\n"), "{said}");
    assert!(text(&output.stdout).is_empty() && !said.contains(&secret), "{said}");
}

#[test]
fn failed_shipping_leaves_the_registry_unchanged() {
    for (ship, why) in [("exit 3", "it ended with status 3"), ("kill -9 $$", "signal 9 ended it")] {
        let folder = due(&["ci", "cd"]);
        let before = registry(folder.path());
        let output = renew(folder.path(), ship, "touch delivered", &["--json"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        assert_eq!(registry(folder.path()), before);
        assert!(!folder.path().join("delivered").exists());
        assert_eq!(results(&output), [("ci", "not_shipped"), ("cd", "not_shipped")]);
        let said = format!("token `ci` is not renewed: the shipping command failed ({why})");
        assert!(text(&output.stderr).contains(&said), "{}", text(&output.stderr));
    }
}

#[test]
fn failed_delivery_is_revoked_and_others_continue() {
    let folder = due(&["ci", "cd", "ce"]);
    let old = entry(folder.path(), "cd", "1");
    let ship = "cp tokens.yaml shipped; echo >> ships";
    let deliver = "test $TOKENWARD_TOKEN != cd && cat > $TOKENWARD_TOKEN.secret";
    for (number, others) in [("2", "renewed"), ("3", ""), ("4", "")] {
        let output = renew(folder.path(), ship, deliver, &["--json"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let ended = results(&output);
        if others.is_empty() {
            assert_eq!(ended, [("cd", "not_delivered")]);
        } else {
            assert_eq!(ended, [("ci", others), ("cd", "not_delivered"), ("ce", others)]);
        }
        // The old secret is unchanged. The failed command may have kept the new one, so the gateways learn that it is
        // revoked. Only one such entry is kept, however often the delivery fails.
        assert_eq!(entry(folder.path(), "cd", "1"), old);
        assert_eq!(states(folder.path(), "cd"), ["1 active".to_owned(), format!("{number} revoked")]);
        assert_eq!(read(folder.path(), "shipped"), registry(folder.path()));
    }
    assert_eq!(read(folder.path(), "ships").len(), 6);
    assert!(folder.path().join("ci.secret").exists() && folder.path().join("ce.secret").exists());
}

#[test]
fn failed_second_shipping_is_reported() {
    let folder = due(&["ci"]);
    let output = renew(folder.path(), "test ! -e got", "cat > got", &["--json"]);
    assert_eq!((output.status.code(), results(&output)), (Some(1), vec![("ci", "renewed")]));
    let said = text(&output.stderr);
    assert!(
        said.contains("the registry has changes that were not shipped (it ended with status 1)"),
        "{said}"
    );
    assert_eq!(states(folder.path(), "ci"), ["1 retiring", "2 active"]);
}

#[test]
fn registry_in_any_style_is_renewed() {
    let (begin, end) = (in_hours(-20), in_hours(4));
    let digest = SecretDigest::of(b"old").to_hex();
    let flow = format!("{{ id: \"1\", sha256: {digest}, created_at: {begin}, expires_at: {end} }}");
    let block =
        format!("- id: \"1\"\n      sha256: {digest}\n      created_at: {begin}\n      expires_at: {end}\n");
    let json = serde_json::json!({ "version": 1, "tokens": { "ci": { "kind": "tool", "secrets":
        [{ "id": "1", "sha256": digest, "created_at": begin, "expires_at": end }] } } });
    for style in [
        format!("version: 1\ntokens:\n  ci: {{ kind: tool, secrets: [{flow}] }} # keep\n"),
        format!("version: 1\ntokens:\n  ci:\n    secrets:\n    - {flow} # keep\n    kind: tool\n# keep\n"),
        format!("version: 1\ntokens:\n  ci:\n    secrets: # keep\n    {block}    kind: tool\n"),
        json.to_string(),
        format!("{json:#}"),
    ] {
        let folder = folder(&style);
        for (deliver, states) in [
            ("exit 1", &["1 active", "2 revoked"][..]),
            ("kill -9 $$", &["1 active", "2 revoked", "3 active"]),
            ("exit 1", &["1 active", "3 active", "4 revoked"]),
            ("cat > got", &["1 retiring", "3 retiring", "4 revoked", "5 active"]),
        ] {
            let ship = "cp tokens.yaml shipped";
            let output = renew(folder.path(), ship, deliver, &[]);
            assert!(output.status.code() < Some(2), "{style}: {}", text(&output.stderr));
            assert_eq!(self::states(folder.path(), "ci"), states, "{}", registry(folder.path()));
            let before = registry(folder.path());
            let failed = renew(folder.path(), "exit 1", deliver, &["--expiring", "48h"]);
            assert_eq!((failed.status.code(), registry(folder.path())), (Some(1), before));
        }
        assert_eq!(style.matches("# keep").count(), registry(folder.path()).matches("# keep").count());
    }
}

#[test]
fn invalid_input_runs_no_command() {
    let cases: [(&str, &[&str], &str); 6] = [
        ("", &["--token", "co"], "token `co` is not in the registry"),
        ("", &["--kind", "tol"], "kind `tol` is not defined"),
        ("policy.yaml", &[], "policy.yaml"),
        ("tokens.yaml", &[], "tokens.yaml"),
        ("gateway.yaml", &["--ship", "touch ran"], "gateway.yaml"),
        ("", &["--deliver", " "], "a command is needed"),
    ];
    for (broken, arguments, said) in cases {
        let folder = due(&["ci"]);
        if !broken.is_empty() {
            std::fs::write(folder.path().join(broken), "version: [\n").unwrap();
        }
        let before = registry(folder.path());
        let fixed = ["renew", "--expiring", "8h"];
        let commands = [("--ship", "touch ran"), ("--deliver", "touch ran")];
        let commands = commands.iter().filter(|(name, _)| !arguments.contains(name));
        let commands: Vec<&str> = commands.flat_map(|(name, value)| [*name, value]).collect();
        let output = run(folder.path(), &[&fixed, &commands[..], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
        assert_eq!(registry(folder.path()), before);
        assert!(!folder.path().join("ran").exists());
    }
}

#[test]
fn failed_mint_does_not_stop_other_tokens() {
    let folder = due(&["ci", "cd"]);
    let policy =
        read(folder.path(), "policy.yaml").replace("tool: {}", "tool: {}\n  short: { max_lifetime: 24h }");
    std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    let tokens = registry(folder.path()).replacen("kind: tool", "kind: short", 1);
    std::fs::write(folder.path().join("tokens.yaml"), tokens).unwrap();
    let output = renew(folder.path(), "true", "cat > got", &["--expires-in", "25h", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(results(&output), [("cd", "renewed"), ("ci", "not_minted")]);
    assert!(text(&output.stderr).contains("kind `short` allows at most 1 day"), "{}", text(&output.stderr));
}

#[test]
fn bundle_omits_undelivered_mark() {
    let folder = due(&["ci"]);
    let ship = format!("{} build -o bundle.json", env!("CARGO_BIN_EXE_tokenward"));
    let output = renew(folder.path(), &ship, "kill -9 $$", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let bundle = read(folder.path(), "bundle.json");
    let digest = entry(folder.path(), "ci", "2")["sha256"].as_str().unwrap().to_owned();
    assert!(registry(folder.path()).contains("undelivered"));
    assert!(bundle.contains(&digest) && !bundle.contains("undelivered"), "{bundle}");
}

/// Creates a policy's folder whose tokens have a one-day secret that ends in four hours.
fn due(tokens: &[&str]) -> TempDir {
    let entry = |token: &&str| {
        let (begin, end) = (in_hours(-20), in_hours(4));
        let digest = SecretDigest::of(token.as_bytes()).to_hex();
        format!(
            "  {token}:\n    kind: tool\n    secrets:\n      \
             - {{ id: \"1\", sha256: {digest}, created_at: {begin}, expires_at: {end} }}\n"
        )
    };
    folder(&format!("version: 1\ntokens:\n{}", tokens.iter().map(entry).collect::<String>()))
}

/// Returns the time `hours` after the first call.
fn in_hours(hours: i64) -> String {
    static NOW: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    let now = NOW.get_or_init(|| {
        let now = now().duration_since(UNIX_EPOCH).unwrap();
        i64::try_from(now.as_secs()).unwrap().saturating_mul(1_000)
    });
    String::from(Time::from_millis(now.saturating_add(hours.saturating_mul(3_600_000))))
}

#[expect(clippy::disallowed_methods, reason = "a test runs where there is a clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn renew(folder: &Path, ship: &str, deliver: &str, more: &[&str]) -> Output {
    start(folder, ship, deliver, &[&["--wait", "0"], more].concat()).wait_with_output().unwrap()
}

fn start(folder: &Path, ship: &str, deliver: &str, more: &[&str]) -> Child {
    let expiring: &[&str] = if more.contains(&"--expiring") { &[] } else { &["--expiring", "8h"] };
    let arguments = [&["renew", "--ship", ship, "--deliver", deliver], expiring, more].concat();
    let mut command = command(folder, &arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn digest(folder: &Path, file: &str) -> String {
    SecretDigest::of(read(folder, file).as_bytes()).to_hex()
}

/// Returns each token in the `--json` output, with its outcome.
fn results(output: &Output) -> Vec<(&str, &str)> {
    text(&output.stdout).lines().map(|line| (field(line, "token"), field(line, "result"))).collect()
}

/// Returns a text field of a JSON line.
fn field<'l>(line: &'l str, key: &str) -> &'l str {
    let (_, rest) = line.split_once(&format!("\"{key}\":\"")).unwrap();
    rest.split_once('"').unwrap().0
}

/// Returns the entry of a secret in the registry.
fn entry(folder: &Path, token: &str, id: &str) -> Value {
    let path =
        ["tokens.yaml", "tokens.json"].map(|file| folder.join(file)).into_iter().find(|path| path.exists());
    let tokens: Value = yaml_serde::from_str(&std::fs::read_to_string(path.unwrap()).unwrap()).unwrap();
    let secrets = tokens["tokens"][token]["secrets"].as_array().unwrap();
    let found = secrets.iter().find(|secret| secret["id"] == id);
    found.cloned().unwrap_or_else(|| panic!("{token} {id}: {tokens}"))
}

/// Returns the secrets of a token, each with its state as `list` shows it.
fn states(folder: &Path, token: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_tokenward"))
        .args(["list", "--json", "-p"])
        .arg(folder)
        .output()
        .unwrap();
    let lines = text(&output.stdout).lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let lines = lines.filter(|line| line["token"] == token);
    lines.map(|line| format!("{} {}", line["secret_id"], line["state"]).replace('"', "")).collect()
}

fn time(value: &Value) -> Time {
    value.as_str().unwrap().parse().unwrap()
}
