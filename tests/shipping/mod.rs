//! Everything that ships: the image, the manifests, and the workflows that publish them, as their consumers read
//! them.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test fails by panicking, and tells")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

mod docs;
mod image;
mod istio;
mod manifests;
mod workflows;

/// Runs `tokenward` in a folder.
fn tokenward(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tokenward")).current_dir(folder).args(arguments).output().unwrap()
}

/// The output of a successful `tokenward` run.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = tokenward(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A folder with a bundle, a module and its image.
fn workshop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bundle.json"), bundle(1).to_string()).unwrap();
    std::fs::write(folder.path().join("gateway.yaml"), "mode: enforce\n").unwrap();
    std::fs::write(folder.path().join("module.wasm"), b"\0asm\x01\0\0\0").unwrap();
    printed(
        folder.path(),
        &["render", "image", "--wasm", "module.wasm", "-o", "image", "--tar", "image.tar"],
    );
    folder
}

/// A bundle with some tokens that contain words which a careless YAML parser would convert.
fn bundle(tokens: usize) -> Value {
    let tokens = (0..tokens).map(|number| {
        let token = json!({
            "kind": "service", "roles": ["no"], "owner": "on", "purpose": "0x10",
            "secrets": [{ "id": "1", "sha256": format!("{number:064x}"), "created_at": "2026-03-02T08:00:00Z" }],
        });
        (format!("token-{number}"), token)
    });
    json!({
        "version": 1, "name": "y", "revision": 1_800_000_001, "built_at": "2026-03-02T08:00:00Z",
        "permissions": { "off": ["GET /v1/{id}:cancel", "* /v1/tenants/${tenant}/**"] },
        "roles": { "no": { "permissions": ["off"] } },
        "kinds": { "service": {} },
        "tokens": tokens.collect::<serde_json::Map<_, _>>(),
    })
}

/// Runs a program of `.tools/checks` with `input` on standard input.
fn check(arguments: &[&str], input: &str) -> Output {
    let checks = std::fs::canonicalize(".tools/checks").unwrap_or_else(|_| panic!("run `make checks`"));
    let program = checks.join("bin").join(arguments[0]);
    let (program, arguments) = if program.exists() {
        (program.into_os_string(), &arguments[1..])
    } else {
        ("python3".into(), arguments)
    };
    let mut command = Command::new(program);
    command.args(arguments).env("PYTHONPATH", &checks).env("PYTHONDONTWRITEBYTECODE", "1");
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = pipes.spawn().unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = process.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    output
}
