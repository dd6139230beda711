//! The design's rules, one by one, for engine and oracle.

use serde_json::{Map, Value, json};
use tokenward::engine::words::secret::SecretDigest;

use crate::bundles::Bundle;
use crate::reading::{Oracle, Request};
use crate::{agree, compile, decide};

mod hosts;
mod operations;
mod shadow;
mod tokens;

#[derive(Clone)]
struct Example {
    rule: &'static str,
    /// Permission and operation; `public` is the policy's own list.
    operations: &'static [(&'static str, &'static str)],
    /// What the role `role` grants.
    holds: &'static [&'static str],
    /// What the role `role` denies.
    denies: &'static [&'static str],
    /// More roles, as JSON.
    roles: &'static str,
    /// More of the token, as JSON.
    token: &'static str,
    /// More of the bundle, as JSON.
    bundle: &'static str,
    /// Each request and the reason of its decision.
    requests: &'static [(&'static str, &'static str)],
}

/// What most examples need no more than.
const PLAIN: Example = Example {
    rule: "",
    operations: &[],
    holds: &[],
    denies: &[],
    roles: "{}",
    token: "{}",
    bundle: "{}",
    requests: &[],
};

#[test]
fn engine_and_oracle_agree_on_each_rule_of_the_design() {
    let examples = [operations::EXAMPLES, hosts::EXAMPLES, tokens::EXAMPLES, shadow::EXAMPLES];
    for example in examples.concat() {
        let bundle = example.bundle();
        let document = bundle.document();
        let (oracle, policy) = (Oracle::of(&document), compile(&bundle));
        for (text, reason) in example.requests {
            let request = request(text);
            let (decision, answer) = (decide(&policy, &request), oracle.decide(&request));
            let (code, tried) = match reason.strip_suffix(" (tried)") {
                Some(code) => (code, true),
                None => (*reason, false),
            };
            let decided = (decision.reason().code(), decision.is_shadow());
            assert_eq!(decided, (code, tried), "engine: {}: {text}", example.rule);
            assert_eq!((answer.reason, answer.tried), (code, tried), "oracle: {}: {text}", example.rule);
            assert_eq!(agree(&decision, &answer), Ok(()), "{}: {text}", example.rule);
            assert_eq!(answer.permits(), ["permitted", "public"].contains(&code));
        }
    }
}

impl Example {
    fn bundle(&self) -> Bundle {
        let mut permissions: Map<String, Value> = Map::new();
        for (permission, operation) in self.operations {
            let listed = permissions.entry(*permission).or_insert_with(|| json!([]));
            listed.as_array_mut().unwrap().push(json!(operation));
        }
        let public = permissions.remove("public").unwrap_or(json!([]));
        let mut roles = json!({ "role": { "permissions": self.holds, "deny": self.denies } });
        add(&mut roles, self.roles);
        let mut token = json!({
            "kind": "any",
            "roles": ["role"],
            "secrets": [{ "id": "1", "sha256": SecretDigest::of(SECRET.as_bytes()) }],
        });
        add(&mut token, self.token);
        let mut bundle = json!({
            "version": 1,
            "name": "examples",
            "public": public,
            "permissions": permissions,
            "roles": roles,
            "kinds": { "any": {} },
            "tokens": { "token": token },
        });
        add(&mut bundle, self.bundle);
        Bundle(bundle)
    }
}

/// Puts the entries of a mapping into another.
fn add(mapping: &mut Value, more: &str) {
    let more: Map<String, Value> = serde_json::from_str(more).unwrap();
    mapping.as_object_mut().unwrap().extend(more);
}

/// A request as in `GET acme.test/users from 203.0.113.7:4711 at 2026-03-02T06:00:00Z`.
fn request(text: &str) -> Request {
    let (method, rest) = text.split_once(' ').unwrap();
    let (rest, now) = rest.split_once(" at ").unwrap_or((rest, "2026-03-01T12:00:00Z"));
    let (target, source) = rest.split_once(" from ").unwrap_or((rest, ""));
    let (host, path) = target.split_at(target.find('/').unwrap());
    Request {
        method: method.to_owned(),
        host: host.to_owned(),
        path: path.to_owned(),
        authorization: vec![format!("Bearer {SECRET}")],
        source: source.to_owned(),
        now: now.parse().unwrap(),
    }
}

const SECRET: &str = "example-secret-0123456789";
