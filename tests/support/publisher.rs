//! A publisher of acme's policy who uses the command line: mints, builds, signs, revokes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// A folder with a policy, a signing key, and the published files.
pub(crate) struct Publisher {
    folder: PathBuf,
    /// The public key.
    key: String,
}

impl Publisher {
    /// Copies `policies/acme` into `folder` and makes a key.
    pub(crate) fn new(folder: &Path) -> Self {
        for name in ["acme", "bundles"] {
            let _ = fs::remove_dir_all(folder.join(name));
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        for file in ["policy.yaml", "tokens.yaml"] {
            fs::copy(Path::new("policies/acme").join(file), folder.join("acme").join(file)).unwrap();
        }
        let _ = fs::remove_file(folder.join("signing.key"));
        let _ = fs::remove_file(folder.join("signing.key.pub"));
        let mut publisher = Self { folder: folder.to_owned(), key: String::new() };
        publisher.key = publisher.tokenward(&["keygen", "-o", "signing.key"]);
        publisher
    }

    /// A new secret of a token.
    pub(crate) fn mint(&self, token: &str) -> String {
        self.tokenward(&["mint", "-p", "acme", token])
    }

    /// Builds and signs the policy into `bundles/bundle.json`.
    pub(crate) fn publish(&self) {
        self.tokenward(&["build", "-p", "acme", "--expires-in", "7d", "-o", "bundle.json"]);
        self.sign("bundle.json");
    }

    /// Revokes the token with this secret, and signs the revocation list into `bundles/revocations.json`.
    pub(crate) fn revoke(&self, secret: &str) {
        let mut command = self.command(&["revoke", "-p", "acme", "--stdin", "--reason", "leaked"]);
        let mut process = command.stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut process.stdin.take().unwrap(), secret.as_bytes()).unwrap();
        assert!(process.wait_with_output().unwrap().status.success());
        self.publish_revocations();
    }

    /// Signs the list of all revocations into `bundles/revocations.json`.
    pub(crate) fn publish_revocations(&self) {
        self.tokenward(&["build", "-p", "acme", "--revocations", "-o", "revocations.json"]);
        self.sign("revocations.json");
    }

    /// The settings of a gateway that fetches both once a second.
    pub(crate) fn settings(&self, authority: &str) -> Value {
        json!({ "environment": "production", "service": "edge", "feed": {
            "cluster": "bundles", "authority": authority, "path": "/bundle.json",
            "revocations": "/revocations.json", "interval": "1s", "keys": [self.key],
        }})
    }

    /// Runs the command line in the folder; returns its output.
    pub(crate) fn tokenward(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn sign(&self, name: &str) {
        self.tokenward(&["sign", name, "--key", "signing.key", "-o", "signed.json"]);
        fs::rename(self.folder.join("signed.json"), self.folder.join("bundles").join(name)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenward"));
        command.args(arguments).current_dir(&self.folder).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}
