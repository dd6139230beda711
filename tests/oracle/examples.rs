//! The design's rules about which operation a request belongs to, one by one, for engine and oracle.

use serde_json::{Map, Value, json};
use tokenward::engine::secret::SecretDigest;
use tokenward::engine::time::Time;

use crate::bundles::Bundle;
use crate::reading::{Oracle, Request};
use crate::{at, compile, head};

struct Example {
    rule: &'static str,
    /// Permission and operation; `public` is the policy's own list.
    operations: &'static [(&'static str, &'static str)],
    holds: &'static [&'static str],
    denies: &'static [&'static str],
    /// Each request and the reason of its decision.
    requests: &'static [(&'static str, &'static str)],
}

#[test]
fn engine_and_oracle_agree_on_each_rule_of_the_design() {
    for example in EXAMPLES {
        let bundle = example.bundle();
        let document = bundle.document();
        let (oracle, policy) = (Oracle::of(&document), compile(&bundle));
        for (text, reason) in example.requests {
            let request = request(text);
            let decided = policy.decide(&head(&request), at(&request)).reason();
            assert_eq!(decided.code(), *reason, "engine: {}: {text}", example.rule);
            let answer = oracle.decide(&request);
            assert_eq!(answer.reason, *reason, "oracle: {}: {text}", example.rule);
            assert_eq!(answer.permits(), ["permitted", "public"].contains(reason));
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
        Bundle(json!({
            "version": 1,
            "name": "examples",
            "public": public,
            "permissions": permissions,
            "roles": { "role": { "permissions": self.holds, "deny": self.denies } },
            "kinds": { "any": {} },
            "tokens": { "token": {
                "kind": "any",
                "roles": ["role"],
                "secrets": [{ "id": "1", "sha256": SecretDigest::of(SECRET.as_bytes()) }],
            } },
        }))
    }
}

fn request(text: &str) -> Request {
    let (method, path) = text.split_once(' ').unwrap();
    Request {
        method: method.to_owned(),
        path: path.to_owned(),
        authorization: vec![format!("Bearer {SECRET}")],
        now: Time::from_millis(0),
    }
}

const SECRET: &str = "example-secret-0123456789";

const EXAMPLES: &[Example] = &[
    Example {
        rule: "`{id}` stands for the values that no operation names",
        operations: &[("read", "GET /users/{id}"), ("export", "GET /users/export")],
        holds: &["read"],
        denies: &[],
        requests: &[
            ("GET /users/7", "permitted"),
            ("GET /users/export", "insufficient_scope"),
            ("GET /users/export/", "insufficient_scope"),
            ("GET /users/%65xport", "insufficient_scope"),
            ("GET /users/Export", "permitted"),
        ],
    },
    Example {
        rule: "an operation with other methods names nothing for this one",
        operations: &[("read", "GET /users/{id}"), ("import", "POST /users/import")],
        holds: &["read"],
        denies: &[],
        requests: &[
            ("GET /users/import", "permitted"),
            ("HEAD /users/import", "permitted"),
            ("POST /users/import", "insufficient_scope"),
        ],
    },
    Example {
        rule: "`/**` covers everything below it, named or not, and its own prefix",
        operations: &[("all", "GET /users/**"), ("export", "GET /users/export")],
        holds: &["all"],
        denies: &[],
        requests: &[
            ("GET /users", "permitted"),
            ("GET /users/export", "permitted"),
            ("GET /users/7/keys/", "permitted"),
            ("GET /users2", "insufficient_scope"),
            ("POST /users/7", "insufficient_scope"),
        ],
    },
    Example {
        rule: "a variable with literal text goes before one without",
        operations: &[("write", "POST /orders/{id}"), ("cancel", "POST /orders/{id}:cancel")],
        holds: &["write"],
        denies: &[],
        requests: &[
            ("POST /orders/7", "permitted"),
            ("POST /orders/7:cancel", "insufficient_scope"),
            ("POST /orders/7%3Acancel", "insufficient_scope"),
            ("POST /orders/:cancel", "permitted"),
        ],
    },
    Example {
        rule: "the longer literal part goes first, then the longer prefix",
        operations: &[
            ("short", "GET /files/{name}.gz"),
            ("long", "GET /files/{name}.tar.gz"),
            ("prefix", "GET /logs/ab{x}"),
            ("suffix", "GET /logs/{x}yz"),
        ],
        holds: &["long", "prefix"],
        denies: &[],
        requests: &[
            ("GET /files/a.tar.gz", "permitted"),
            ("GET /files/a.gz", "insufficient_scope"),
            ("GET /logs/ab-yz", "permitted"),
            ("GET /logs/a-yz", "insufficient_scope"),
        ],
    },
    Example {
        rule: "a literal goes before all variables",
        operations: &[("one", "GET /v/a:go"), ("affix", "GET /v/{id}:go"), ("any", "GET /v/*")],
        holds: &["affix", "any"],
        denies: &[],
        requests: &[("GET /v/a:go", "insufficient_scope"), ("GET /v/b:go", "permitted")],
    },
    Example {
        rule: "segments are compared from the left",
        operations: &[("left", "GET /a/b/{y}"), ("right", "GET /a/{x}/c")],
        holds: &["right"],
        denies: &[],
        requests: &[("GET /a/b/c", "insufficient_scope"), ("GET /a/z/c", "permitted")],
    },
    Example {
        rule: "patterns of the same shape are the same operation",
        operations: &[
            ("named", "GET /users/{id}"),
            ("unnamed", "GET /users/*"),
            ("export", "GET /users/export"),
        ],
        holds: &["unnamed"],
        denies: &[],
        requests: &[("GET /users/7", "permitted"), ("GET /users/export", "insufficient_scope")],
    },
    Example {
        rule: "a deny is judged without case too, and wins",
        operations: &[("all", "GET /**"), ("admin", "GET /admin/x")],
        holds: &["all"],
        denies: &["admin"],
        requests: &[
            ("GET /admin/x", "denied_operation"),
            ("GET /Admin/X", "denied_operation"),
            ("POST /admin/x", "insufficient_scope"),
            ("GET /admin/y", "permitted"),
            ("GET /admin/x/y", "permitted"),
        ],
    },
    Example {
        rule: "a deny takes away all that is below its `/**`",
        operations: &[("all", "GET /**"), ("admin", "GET /admin/**"), ("keys", "GET /admin/keys")],
        holds: &["all", "keys"],
        denies: &["admin"],
        requests: &[
            ("GET /admin", "denied_operation"),
            ("GET /ADMIN/keys", "denied_operation"),
            ("GET /administrators", "permitted"),
        ],
    },
    Example {
        rule: "a deny takes away its own operation and not the more specific one",
        operations: &[("all", "GET /users/**"), ("read", "GET /users/{id}"), ("me", "GET /users/me")],
        holds: &["all"],
        denies: &["read"],
        requests: &[("GET /users/7", "denied_operation"), ("GET /users/me", "permitted")],
    },
    Example {
        rule: "a permit is case-sensitive",
        operations: &[("read", "GET /users/me")],
        holds: &["read"],
        denies: &[],
        requests: &[
            ("GET /users/me", "permitted"),
            ("GET /Users/me", "insufficient_scope"),
            ("get /users/me", "malformed_request"),
        ],
    },
    Example {
        rule: "a public operation is an operation of its own",
        operations: &[
            ("public", "GET /users/help"),
            ("public", "GET /docs/**"),
            ("read", "GET /users/{id}"),
            ("edit", "* /docs/{page}"),
        ],
        holds: &[],
        denies: &["read", "edit"],
        requests: &[
            ("GET /users/help", "public"),
            ("HEAD /docs/a/b", "public"),
            ("GET /docs/a", "public"),
            ("PUT /docs/a", "denied_operation"),
            ("GET /users/Help", "denied_operation"),
        ],
    },
];
