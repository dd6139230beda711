//! A command's output arrives, or the command fails: full devices, closed pipes, links, named pipes.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::fs::{FlockOperation, flock};

use super::{command, folder, run, text};

/// Each command that writes data, except those that print a secret. The order lets each command find its files.
const WRITERS: [&[&str]; 15] = [
    &["keygen", "-o", "key.pem", "--json"],
    &["sign", "bundle.json", "--key", "key.pem"],
    &["init", "new", "--json"],
    &["prune", "--json"],
    &["list"],
    &["list", "--json"],
    &["build"],
    &["test", "--json"],
    &["explain", "GET", "/healthz"],
    &["explain", "GET", "/healthz", "--json"],
    &["lint", "--json"],
    &["render", "ecds", "--wasm", "/etc/tokenward.wasm"],
    &["hash", "--json"],
    &["--help"],
    &["--version"],
];

#[test]
fn full_device_is_a_failure() {
    let folder = folder(&format!("{TOKEN}{EXPIRED}"));
    std::fs::write(folder.path().join("a.test.yaml"), CASES).unwrap();
    assert_eq!(run(folder.path(), &["build", "-o", "bundle.json"]).status.code(), Some(0));
    for arguments in WRITERS {
        let output =
            written_to(&OpenOptions::new().write(true).open("/dev/full").unwrap(), folder.path(), arguments);
        // The help of the command line itself has no result to lose.
        if arguments[0].starts_with("--") {
            continue;
        }
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains("error: cannot write to standard output: "), "{arguments:?}: {said}");
    }
}

/// Each command that writes a file.
const FILE_WRITERS: [&[&str]; 15] = [
    &["init", "new"],
    &["init", "."],
    &["mint", "ci", "--kind", "tool", "--expires-in", "1h"],
    &["mint", "ci", "--kind", "tool", "--expires-in", "1h", "-o", "ci.secret"],
    &["rotate", "job", "--expires-in", "1h"],
    &["rotate", "job", "--expires-in", "1h", "-o", "job.secret"],
    &["revoke", "job", "--reason", "leaked"],
    &["prune"],
    &["build", "-o", "new.json"],
    &["build", "-o", "bundle.json"],
    &["build", "--revocations", "-o", "new.json"],
    &["keygen", "-o", "new.key"],
    &["sign", "bundle.json", "--key", "one.key", "-o", "signed.json"],
    &["render", "ecds", "--wasm", "/etc/tokenward.wasm", "-o", "filter.json"],
    &["render", "image", "--wasm", "empty.wasm", "-o", "image", "--tar", "image.tar"],
];

#[test]
fn read_only_folder_is_a_failure_and_unchanged() {
    let folder = folder(&format!("{TOKEN}{EXPIRED}"));
    for arguments in [&["build", "-o", "bundle.json"][..], &["keygen", "-o", "one.key"]] {
        assert_eq!(run(folder.path(), arguments).status.code(), Some(0));
    }
    std::fs::write(folder.path().join("empty.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let program = tempfile::tempdir().unwrap();
    let copy = program.path().join("tokenward");
    std::fs::copy(env!("CARGO_BIN_EXE_tokenward"), &copy).unwrap();
    set_mode(program.path(), 0o755);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        set_mode(&entry.unwrap().path(), 0o444);
    }
    set_mode(folder.path(), 0o555);
    let before = contents(folder.path());
    for arguments in FILE_WRITERS {
        let mut command = Command::new(&copy);
        command.current_dir(folder.path()).args(arguments);
        // File permissions do not restrict root.
        if rustix::process::geteuid().is_root() {
            command.uid(STRANGER).gid(STRANGER);
        }
        let output = command.output().unwrap();
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{arguments:?}: {said}");
        let is_init = arguments == ["init", "."];
        assert!(is_init || said.contains("Permission denied"), "{arguments:?}: {said}");
        assert_eq!(contents(folder.path()), before, "{arguments:?}");
    }
    set_mode(folder.path(), 0o755);
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Debian's user `nobody`, who owns no files.
const STRANGER: u32 = 65_534;

#[test]
fn undelivered_secret_is_named() {
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
fn only_the_owner_reads_a_secret_file() {
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
    // An existing file is kept, and no secret is minted.
    let before = registry();
    let output = run(folder.path(), &["rotate", "job", "--expires-in", "1h", "-o", "ci.secret"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert_eq!((std::fs::read_to_string(&path).unwrap(), registry()), (secret, before));
}

#[test]
fn linked_registry_is_changed_at_its_target() {
    let folder = folder("version: 1\n");
    let real = tempfile::tempdir().unwrap();
    let registry = real.path().join("registry.yaml");
    std::fs::write(&registry, format!("{TOKEN}{EXPIRED}")).unwrap();
    let link = folder.path().join("tokens.yaml");
    std::fs::remove_file(&link).unwrap();
    symlink(&registry, &link).unwrap();
    for arguments in [&["revoke", "job", "--reason", "leaked"][..], &["prune"]] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(link.is_symlink());
    }
    let registry = std::fs::read_to_string(&registry).unwrap();
    assert!(registry.contains("revoked_at") && !registry.contains("expires_at"), "{registry}");
}

#[test]
fn init_follows_folder_links_not_file_links() {
    let (folder, real) = (folder("version: 1\n"), tempfile::tempdir().unwrap());
    symlink(real.path(), folder.path().join("new")).unwrap();
    let output = run(folder.path(), &["init", "new"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_dir(real.path()).unwrap().count(), 4);

    let other = tempfile::tempdir().unwrap();
    symlink("nowhere", other.path().join("gateway.yaml")).unwrap();
    let output = run(folder.path(), &["init", other.path().to_str().unwrap(), "--name", "shop"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1);
}

#[test]
fn output_is_written_into_devices_and_pipes() {
    let folder = folder(TOKEN);
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for arguments in [&["build", "-o", "bundle.json"][..], &["keygen", "-o", "key.pem"]] {
        assert_eq!(run(folder.path(), arguments).status.code(), Some(0));
    }
    for (arguments, start) in [
        (&["build", "-o", "fifo"][..], "{\"version\":1,\"name\":\"small\""),
        (&["sign", "bundle.json", "--key", "key.pem", "-o", "fifo"], "{\"payloadType\":"),
    ] {
        let mut child = command(folder.path(), arguments).stderr(Stdio::null()).spawn().unwrap();
        let mut written = String::new();
        File::open(&fifo).unwrap().read_to_string(&mut written).unwrap();
        assert!(child.wait().unwrap().success() && written.starts_with(start), "{written}");
    }

    // The file behind standard output itself, not a replacement.
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
    let sent = "alerts: { cluster: c, authority: a, path: /h, headers: { authorization: Bearer a } }\n";
    std::fs::write(folder.path().join("sent.yaml"), sent).unwrap();
    let wasm = "--wasm /etc/tokenward.wasm";
    for (umask, arguments, file, mode) in [
        ("022", "build -o a.json".to_owned(), "a.json", 0o644),
        ("077", "build -o b.json".to_owned(), "b.json", 0o600),
        ("027", format!("render ecds {wasm} -o c.json"), "c.json", 0o640),
        ("022", format!("render ecds {wasm} --settings keyed.yaml -o d.json"), "d.json", 0o600),
        ("022", format!("render ecds {wasm} --settings sent.yaml -o e.json"), "e.json", 0o600),
        (
            "022",
            format!("render configmap {wasm} --namespace a --settings sent.yaml -o f.yaml"),
            "f.yaml",
            0o600,
        ),
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
fn hidden_files_are_not_test_cases() {
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
    let (reader, mut secret) = std::io::pipe().unwrap();
    secret.write_all(b"an-old-secret-of-ours").unwrap();
    drop(secret);
    command.stdin(reader).stdout(stdout).stderr(Stdio::piped());
    command.output().unwrap()
}

const TOKEN: &str = "version: 1\ntokens:\n  job:\n    kind: tool\n    roles: [any]\n    secrets:\n      \
                     - { id: \"1\", sha256: 3146e3a7bf7741e46266828bc41cc9a1d396b28a5c9c3ab679d14501e772cc65 }\n";
const EXPIRED: &str = "      - { id: \"2\", sha256: 7dc5aa8e3b0762ff94eac715496dfa29f9eb852f838825fa4adb780cd493a319, \
                       expires_at: 2026-01-02T00:00:00Z }\n";
const CASES: &str = "- name: the service is up\n  request: { method: GET, path: /healthz }\n  \
                     expect: { decision: permit, reason: public }\n";
