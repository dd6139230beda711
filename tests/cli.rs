//! The command line: runs the transcripts in `tests/cli`, and tests everything that a transcript cannot show.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use tokenward::cli::workspace::Workspace;
use tokenward::engine::authoring::case::{Observed, Outcome, Prepared, Site};
use tokenward::engine::policy::compiled::Policy;
use tokenward::engine::policy::gateway::Gateway;
use tokenward::engine::words::reason::Reason;
use tokenward::engine::words::secret::SecretDigest;

#[path = "cli/nothing_lost.rs"]
mod nothing_lost;
#[path = "cli/renewal.rs"]
mod renewal;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/registry.rs"]
mod written_registry;

#[test]
fn commands_do_what_the_transcripts_say() {
    trycmd::TestCases::new().case("tests/cli/*.trycmd").case("tests/cli/*.toml");
}

#[test]
fn minted_secret_is_shown_once_and_not_stored() {
    let folder = folder("version: 1\n");
    let output = run(folder.path(), &["mint", "ci", "--kind", "tool", "--expires-in", "1h"]);
    let secret = minted(&output);
    assert_eq!(text(&output.stdout), format!("{secret}\n"));
    assert!(!text(&output.stderr).contains(&secret));
    let digest = SecretDigest::of(secret.as_bytes()).to_hex();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains(&secret));
    }
    assert!(registry(folder.path()).contains(&digest));

    let mut hash =
        command(folder.path(), &["hash"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut hash.stdin.take().unwrap(), secret.as_bytes()).unwrap();
    assert_eq!(text(&hash.wait_with_output().unwrap().stdout), format!("{digest}\n"));
}

#[test]
fn minted_secret_has_its_role() {
    let folder = folder("version: 1\n");
    let mint = ["mint", "ci", "--kind", "tool", "--role", "any", "--expires-in", "1h"];
    let judged = judge(folder.path(), &minted(&run(folder.path(), &mint)));
    assert_eq!((judged.decision, judged.reason), (Outcome::Permit, Reason::Permitted));
}

#[test]
fn piped_output_has_no_escape_bytes() {
    let output = run(Path::new("."), &["lint", "-p", "tests/cli/fixtures/two-problems"]);
    assert!(output.stderr.starts_with(b"error: ") && !output.stderr.contains(&b'\x1b'));
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "xterm-256color")] {
        let mut command = command(Path::new("."), &["lint", "-p", "tests/cli/fixtures/two-problems"]);
        assert_eq!(command.env(name, value).output().unwrap().stderr, output.stderr);
    }
}

#[test]
fn closed_output_pipe_is_not_a_failure() {
    for arguments in [
        &["build", "-p", "policies/acme"][..],
        &["--help"],
        &["explain", "-p", "policies/acme", "GET", "/healthz"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output =
            command(Path::new("."), arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn nearest_policy_upwards_is_found() {
    let folder = folder("version: 1\n");
    let inside = folder.path().join("src/app");
    std::fs::create_dir_all(&inside).unwrap();
    let output = run(&inside, &["lint"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("--> ../../policy.yaml:"), "{}", text(&output.stderr));
    // An absolute path names the same folder, which is then shown in its short form.
    let output = run(&inside, &["lint", "-p", folder.path().to_str().unwrap()]);
    assert!(text(&output.stderr).contains("--> ../../policy.yaml:"), "{}", text(&output.stderr));
}

#[test]
fn settings_beside_the_policy_are_rendered() {
    let folder = folder("version: 1\n");
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    write("gateway.yaml", "mode: shadow\nenvironment: production\n");
    write("other.yaml", "environment: staging\n");
    let render = |arguments: &[&str]| {
        run(folder.path(), &[&["render", "ecds", "--wasm", "/etc/tokenward.wasm"], arguments].concat())
    };
    assert_eq!(run(folder.path(), &["build", "-o", "bundle.json"]).status.code(), Some(0));
    for (arguments, setting) in [
        (&[][..], r#"\"mode\":\"shadow\""#),
        (&["--bundle", "bundle.json"], r#"\"mode\":\"shadow\""#),
        (&["--settings", "other.yaml"], r#"\"environment\":\"staging\""#),
        (&["--bundle", "bundle.json", "--settings", "other.yaml"], r#"\"environment\":\"staging\""#),
    ] {
        let output = render(arguments);
        assert!(text(&output.stdout).contains(setting), "{arguments:?}: {}", text(&output.stdout));
        assert!(!text(&output.stderr).contains("no gateway.yaml"), "{}", text(&output.stderr));
    }
    // `build` builds no bundle that the gateway beside it would reject.
    let staging = ["build", "--environment", "staging"];
    assert_eq!(run(folder.path(), &staging).status.code(), Some(2));
    assert_eq!(
        run(folder.path(), &[&staging[..], &["--settings", "other.yaml"]].concat()).status.code(),
        Some(0)
    );
    std::fs::remove_file(folder.path().join("gateway.yaml")).unwrap();
    for arguments in [&[][..], &["--bundle", "bundle.json"]] {
        assert!(
            text(&render(arguments).stderr).starts_with("warning: there is no gateway.yaml"),
            "{arguments:?}"
        );
    }
}

/// A policy's folder with a given registry.
fn folder(registry: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let policy = "version: 1\nname: small\npublic:\n  - GET /healthz\nkinds:\n  tool: {}\n\
                  permissions:\n  all:\n    - \"* /**\"\nroles:\n  any: { permissions: [all] }\n";
    std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    std::fs::write(folder.path().join("tokens.yaml"), registry).unwrap();
    folder
}

fn registry(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("tokens.yaml")).unwrap()
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenward"));
    command.current_dir(folder).args(arguments);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// The secret in the output of `mint`.
fn minted(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout).trim_end().to_owned()
}

/// Whether the folder's policy knows the secret. Its token has no role, so requests are denied, but not as unknown.
fn is_known(folder: &Path, secret: &str) -> bool {
    judge(folder, secret).reason == Reason::InsufficientScope
}

/// The decision of the folder's policy about a request with the secret, at the time when it was minted.
fn judge(folder: &Path, secret: &str) -> Observed {
    let (document, _) =
        Workspace::open(folder).unwrap().compile().unwrap_or_else(|failures| panic!("{failures:?}"));
    let created =
        document.tokens.iter().flat_map(|(_, token)| &token.secrets).filter_map(|secret| secret.created_at);
    let at = created.max().unwrap();
    let gateway = Gateway { policy: Policy::compile(document).unwrap(), ..Gateway::default() };
    let headers = [(":method", "GET"), (":path", "/users/7"), (":authority", "gateway.test")];
    let bearer = format!("Bearer {secret}");
    let headers = headers.into_iter().chain([("authorization", bearer.as_str())]);
    let request = Prepared {
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        at,
        source: "127.0.0.1".to_owned(),
        earlier: 0,
        site: Site::default(),
        gateway: &gateway,
    };
    request.judge(&mut ())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
