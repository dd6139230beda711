//! What a command writes arrives, or the command fails: full devices, closed pipes, links, pipes with a name.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::fs::{FlockOperation, flock};

use super::{command, folder, run, text};

/// Each command that writes data, but for those that hand out a secret.
const WRITERS: [&[&str]; 12] = [
    &["list"],
    &["list", "--json"],
    &["build"],
    &["test", "--json"],
    &["explain", "GET", "/healthz"],
    &["explain", "GET", "/healthz", "--json"],
    &["lint", "--json"],
    &["render", "ecds", "--wasm", "/etc/tokenward.wasm"],
    &["keygen", "key.pem"],
    &["hash", "--json"],
    &["--help"],
    &["--version"],
];

#[test]
fn full_device_is_a_failure() {
    let folder = folder(TOKEN);
    std::fs::write(folder.path().join("a.test.yaml"), CASES).unwrap();
    for arguments in WRITERS {
        let output =
            written_to(&OpenOptions::new().write(true).open("/dev/full").unwrap(), folder.path(), arguments);
        // The command line's own help has no result that could be lost.
        let is_help = arguments[0].starts_with("--");
        assert!(is_help || output.status.code() == Some(2), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn secret_that_nobody_got_is_named() {
    for arguments in [
        &["mint", "ci", "--kind", "tool", "--expires-in", "1h"][..],
        &["mint", "ci", "--kind", "tool", "--expires-in", "1h", "--json"],
        &["rotate", "job", "--grace", "0", "--expires-in", "1h"],
    ] {
        let (reader, closed) = std::io::pipe().unwrap();
        drop(reader);
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        for stdout in [Stdio::from(closed), Stdio::from(full)] {
            let folder = folder(TOKEN);
            let output =
                command(folder.path(), arguments).stdout(stdout).stderr(Stdio::piped()).output().unwrap();
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
            assert!(said.contains("was minted, but not handed out"), "{said}");
            assert!(said.contains("tokenward revoke"), "{said}");
        }
    }
}

#[test]
fn secret_in_a_file_is_its_owners() {
    let folder = folder(TOKEN);
    let output =
        run(folder.path(), &["mint", "ci", "--kind", "tool", "--expires-in", "1h", "-o", "ci.secret"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), ""), "{}", text(&output.stderr));
    let path = folder.path().join("ci.secret");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = std::fs::read_to_string(&path).unwrap();
    let registry = || std::fs::read_to_string(folder.path().join("tokens.yaml")).unwrap();
    let digest = tokenward::engine::words::secret::SecretDigest::of(secret.trim_end().as_bytes());
    assert!(registry().contains(&digest.to_hex()));
    // A file that is there is kept, and no secret is minted.
    let before = registry();
    let output = run(folder.path(), &["rotate", "job", "--expires-in", "1h", "-o", "ci.secret"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert_eq!((std::fs::read_to_string(&path).unwrap(), registry()), (secret, before));
}

#[test]
fn linked_registry_is_changed_where_it_is() {
    let folder = folder("version: 1\n");
    let real = tempfile::tempdir().unwrap();
    let registry = real.path().join("registry.yaml");
    std::fs::write(&registry, TOKEN).unwrap();
    let link = folder.path().join("tokens.yaml");
    std::fs::remove_file(&link).unwrap();
    symlink(&registry, &link).unwrap();
    let output = run(folder.path(), &["revoke", "job", "--reason", "leaked"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(link.is_symlink());
    assert!(std::fs::read_to_string(&registry).unwrap().contains("revoked_at"));
}

#[test]
fn output_is_written_into_devices_and_pipes() {
    let folder = folder(TOKEN);
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let mut build = command(folder.path(), &["build", "-o", "fifo"]).stderr(Stdio::null()).spawn().unwrap();
    let mut bundle = String::new();
    File::open(&fifo).unwrap().read_to_string(&mut bundle).unwrap();
    assert!(build.wait().unwrap().success() && bundle.contains("\"name\":\"small\""), "{bundle}");

    // The file that standard output is, not another one in its place.
    let file = folder.path().join("out.json");
    let output = written_to(&File::create(&file).unwrap(), folder.path(), &["build", "-o", "/dev/stdout"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(std::fs::read_to_string(&file).unwrap().contains("\"name\":\"small\""));

    let output = run(folder.path(), &["build", "-o", "/dev/full"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}

#[test]
fn appended_output_keeps_what_was_there() {
    let folder = folder(TOKEN);
    let log = folder.path().join("log");
    std::fs::write(&log, "what was there\n").unwrap();
    let appended = OpenOptions::new().append(true).open(&log).unwrap();
    let output = written_to(&appended, folder.path(), &["build", "-o", "/dev/stdout"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(std::fs::read_to_string(&log).unwrap().starts_with("what was there\n{"));
}

#[test]
fn file_in_shared_memory_is_replaced() {
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let folder = folder(TOKEN);
    let bundle = memory.path().join("bundle.json");
    for _ in 0..2 {
        let output = run(folder.path(), &["build", "--revision", "7", "-o", bundle.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    assert_eq!(std::fs::read_to_string(&bundle).unwrap().lines().count(), 1);
}

#[test]
fn strangers_lock_does_not_block_revoke() {
    let folder = folder(TOKEN);
    let stranger = File::open(folder.path()).unwrap();
    flock(&stranger, FlockOperation::LockExclusive).unwrap();
    let output = run(folder.path(), &["revoke", "job", "--reason", "leaked"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("revoking without the lock"), "{said}");
    let registry = std::fs::read_to_string(folder.path().join("tokens.yaml")).unwrap();
    assert!(registry.contains("revoked_at"), "{registry}");
}

#[test]
fn linked_output_keeps_its_link() {
    let folder = folder(TOKEN);
    std::fs::create_dir(folder.path().join("releases")).unwrap();
    symlink("releases/new.json", folder.path().join("bundle.json")).unwrap();
    let output = run(folder.path(), &["build", "-o", "bundle.json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(folder.path().join("bundle.json").is_symlink());
    assert!(folder.path().join("releases/new.json").is_file());
}

#[test]
fn modes_follow_the_umask_but_keys_are_private() {
    let folder = folder(TOKEN);
    let keyed = format!("audit: {{ chain: {{ hmac_sha256: {} }} }}\n", "ab".repeat(32));
    std::fs::write(folder.path().join("keyed.yaml"), keyed).unwrap();
    let wasm = "--wasm /etc/tokenward.wasm";
    for (umask, arguments, file, mode) in [
        ("022", "build -o a.json".to_owned(), "a.json", 0o644),
        ("077", "build -o b.json".to_owned(), "b.json", 0o600),
        ("027", format!("render ecds {wasm} -o c.json"), "c.json", 0o640),
        ("022", format!("render ecds {wasm} --settings keyed.yaml -o d.json"), "d.json", 0o600),
    ] {
        let program = env!("CARGO_BIN_EXE_tokenward");
        let script = format!("umask {umask} && {program} {arguments}");
        let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let found = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{arguments}");
    }
}

#[test]
fn hidden_files_are_no_cases() {
    let folder = folder(TOKEN);
    for (file, content) in [
        ("a.test.yaml", CASES),
        (".#a.test.yaml", "not: [a case"),
        ("._a.test.yaml", "\u{0}"),
        ("a.test.yaml~", "not: [a case"),
        ("#a.test.yaml#", "not: [a case"),
    ] {
        std::fs::write(folder.path().join(file), content).unwrap();
    }
    let output = run(folder.path(), &["test"]);
    assert_eq!(text(&output.stdout), "1 passed, 0 failed\n", "{}", text(&output.stderr));
}

fn written_to(stdout: &File, folder: &Path, arguments: &[&str]) -> Output {
    let stdout = stdout.try_clone().unwrap();
    let mut command = command(folder, arguments);
    command.stdin(File::open("/etc/hostname").unwrap()).stdout(stdout).stderr(Stdio::piped());
    command.output().unwrap()
}

const TOKEN: &str = "version: 1\ntokens:\n  job:\n    kind: tool\n    roles: [any]\n    secrets:\n      \
                     - { id: \"1\", sha256: 3146e3a7bf7741e46266828bc41cc9a1d396b28a5c9c3ab679d14501e772cc65 }\n";
const CASES: &str = "- name: the service is up\n  request: { method: GET, path: /healthz }\n  \
                     expect: { decision: permit, reason: public }\n";
