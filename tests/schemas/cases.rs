//! Policy tests: the schema and the parser agree on every case, except where only the registry decides.

use serde_json::{Value, json};
use tokenward::engine::authoring::case::Case;
use tokenward::engine::config::bundle::from_tree;

use crate::schemas::{schema, validator};

#[test]
fn schema_and_reader_agree_on_cases() {
    let validator = validator(&schema("test"));
    for (request, expect, good) in cases() {
        let file = json!([{ "name": "a case", "request": request, "expect": expect }]);
        assert_eq!(validator.is_valid(&file), good, "{file}");
        assert_eq!(from_tree::<Vec<Case>>(&file).is_ok(), good, "{file}");
    }
    // Both keys are valid in a case; the conflict is reported when the case runs.
    let request = json!({ "method": "GET", "path": "/", "token": "ci", "secret": "acme_svc_0123456789" });
    let expect = json!({ "decision": "deny", "reason": "ambiguous_token" });
    assert!(!validator.is_valid(&json!([{ "name": "a case", "request": request, "expect": expect }])));
}

fn cases() -> Vec<(Value, Value, bool)> {
    let get = |key: &str, value: Value| match key {
        "path" => json!({ "method": "GET", "path": value }),
        _ => json!({ "method": "GET", "path": "/v1/metrics", key: value }),
    };
    let permit = || json!({ "decision": "permit", "reason": "permitted" });
    vec![
        (get("token", json!("ci/2")), permit(), true),
        (get("token", json!(null)), permit(), false),
        (get("secret", json!(["a"])), permit(), false),
        (get("at", json!("2026-03-01T00:00:00Z")), permit(), true),
        (get("at", json!("yesterday")), permit(), false),
        (get("earlier", json!(3)), permit(), true),
        (get("earlier", json!(-1)), permit(), false),
        (get("environment", json!("")), permit(), false),
        (get("headers", json!({ "accept": "*/*", "x-twice": ["1", "2"] })), permit(), true),
        (get("headers", json!({ "x-number": 1 })), permit(), false),
        (get("header", json!({})), permit(), false),
        (json!({ "path": "/v1/metrics" }), permit(), false),
        (get("path", json!("/")), json!({ "decision": "deny", "reason": "no_policy", "status": 503 }), true),
        (get("path", json!("/")), json!({ "decision": "deny", "reason": "forbidden" }), false),
        (get("path", json!("/")), json!({ "decision": "maybe", "reason": "permitted" }), false),
        (get("path", json!("/")), json!({ "decision": "deny" }), false),
        (
            get("path", json!("/")),
            json!({ "decision": "deny", "reason": "no_policy", "status": "503" }),
            false,
        ),
        (
            get("path", json!("/")),
            json!({ "decision": "permit", "reason": "permitted", "permission": null }),
            false,
        ),
    ]
}
