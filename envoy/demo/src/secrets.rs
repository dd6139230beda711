//! The secrets of the requests. The command line mints them into a copy of acme's registry.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::leak;
use crate::requests::{REQUESTS, Who};

/// The secrets of acme's tokens.
pub(crate) struct Secrets {
    /// The newest secret of each token.
    pub(crate) newest: BTreeMap<&'static str, String>,
    retiring: String,
    expired: String,
    minted: Instant,
}

impl Secrets {
    /// Mints a secret for each token that the requests use, one of them with a life of a second, and rotates one.
    pub(crate) fn mint(acme: &str) -> Self {
        let expired = tokenward(&["mint", "-p", acme, "billing-export", "--expires-in", "1s"], "");
        let minted = Instant::now();
        let mut newest = BTreeMap::new();
        for request in &REQUESTS {
            let token = request.who.token();
            let known = newest.contains_key(token) || matches!(request.who, Who::Anonymous | Who::Expired(_));
            if !known {
                let options = if token == leak::TOKEN { leak::OPTIONS } else { &[] };
                newest.insert(token, tokenward(&[&["mint", "-p", acme, token], options].concat(), ""));
            }
        }
        let rotated = tokenward(&["rotate", "-p", acme, "ci-deploy", "--grace", "24h"], "");
        let retiring = newest.insert("ci-deploy", rotated).unwrap();
        Self { newest, retiring, expired, minted }
    }

    /// The number of secrets.
    pub(crate) fn count(&self) -> usize {
        self.newest.len() + 2
    }

    /// The secret of a request. Waits until the secret that must have expired has expired.
    pub(crate) fn of(&self, who: Who) -> Option<String> {
        let newest = |token| self.newest.get(token).cloned();
        match who {
            Who::Anonymous => None,
            Who::Token(token) => newest(token),
            Who::Mistyped(token) => newest(token).map(mistyped),
            Who::Retiring(_) => Some(self.retiring.clone()),
            Who::Expired(_) => {
                std::thread::sleep(A_LIFE.saturating_sub(self.minted.elapsed()));
                Some(self.expired.clone())
            }
        }
    }
}

/// Runs the command line with `input` on standard input; returns its standard output.
pub(crate) fn tokenward(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(CLI);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn mistyped(mut secret: String) -> String {
    let last = if secret.pop() == Some('x') { 'y' } else { 'x' };
    secret.push(last);
    secret
}

pub(crate) const CLI: &str = "target/release/tokenward";
/// Longer than the second after which one secret expires.
const A_LIFE: Duration = Duration::from_millis(1_100);
