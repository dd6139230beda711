//! Plugin configurations: the schema and the filter agree on them.

use serde_json::{Value, json};
use tokenward::engine::policy::gateway::Gateway;

use crate::schemas::{schema, validator};

#[test]
fn schema_and_filter_agree_on_configurations() {
    let (configuration, gateway) = (validator(&schema("configuration")), validator(&schema("gateway")));
    for (settings, good) in settings() {
        assert_eq!(gateway.is_valid(&settings), good, "{settings}");
        let mut whole = settings.clone();
        whole["bundle"] = json!({ "version": 1, "name": "acme" });
        assert_eq!(configuration.is_valid(&whole), good, "{settings}");
        assert_eq!(Gateway::configure(whole.to_string().as_bytes()).is_ok(), good, "{settings}");
        assert!(!gateway.is_valid(&whole) && !configuration.is_valid(&settings), "{settings}");
    }
}

fn alerts(cluster: &str, authority: &str, path: &str) -> Value {
    json!({ "alerts": { "cluster": cluster, "authority": authority, "path": path } })
}

/// Alerts and a feed with these headers.
fn with_headers(headers: &Value) -> Value {
    json!({
        "alerts": {
            "cluster": "alerts", "authority": "alerts.acme.test", "path": "/hook", "headers": headers,
        },
        "feed": {
            "cluster": "bundles", "authority": "bundles.acme.test", "path": "/bundle.json", "headers": headers,
            "keys": crate::signing::publics(&[1]),
        },
    })
}

#[test]
fn schema_and_filter_agree_on_signed_bundles() {
    let validator = validator(&schema("configuration"));
    let envelope = crate::signing::signed(&json!({ "version": 1, "name": "acme" }), &[1, 2]);
    let good = crate::signing::configuration(&envelope, &[1, 2], 2);
    let mut twice = good.clone();
    twice["keys"] = crate::signing::publics(&[1, 1]);
    let mut object = good.clone();
    object["bundle"] = envelope;
    for (configuration, taken) in [(good, true), (twice, false), (object, false)] {
        assert_eq!(validator.is_valid(&configuration), taken, "{configuration}");
        assert_eq!(
            Gateway::configure(configuration.to_string().as_bytes()).is_ok(),
            taken,
            "{configuration}"
        );
    }
}

fn removed(count: usize) -> Value {
    json!({ "remove_headers": (0..count).map(|number| format!("x-{number}")).collect::<Vec<_>>() })
}

fn settings() -> Vec<(Value, bool)> {
    let names = |count: usize| (0..count).map(|number| json!({ "query": format!("q{number}") })).collect();
    let credentials = |sources: Vec<Value>| json!({ "credentials": sources });
    vec![
        (json!({}), true),
        (
            json!({
                "mode": "shadow", "environment": "production", "service": "edge", "forward_credential": true,
                "identity_headers": { "token": "x-caller" }, "cors_preflight": "authenticate",
                "audit": { "sinks": [], "level": "warn" }
            }),
            true,
        ),
        (json!({ "second_path": "forward", "remove_headers": ["x-scope-orgid", "cookie", "x_b"] }), true),
        (json!({ "second_path": "allow" }), false),
        (json!({ "second_path": null }), false),
        (removed(32), true),
        (removed(33), false),
        (json!({ "remove_headers": [] }), true),
        (json!({ "remove_headers": "x-a" }), false),
        (json!({ "remove_headers": [""] }), false),
        (json!({ "remove_headers": ["X-A"] }), false),
        (json!({ "remove_headers": [":path"] }), false),
        (json!({ "remove_headers": ["x a"] }), false),
        (json!({ "remove_headers": ["host"] }), false),
        (json!({ "remove_headers": ["content-length"] }), false),
        (json!({ "remove_headers": ["x-a", "x-a"] }), false),
        (json!({ "keys": [] }), false),
        (json!({ "keys": ["ed25519:YQ=="] }), false),
        (json!({ "keys": null }), false),
        (json!({ "threshold": 0 }), false),
        (json!({ "paths": { "encoded_slash": "normalize" } }), true),
        (json!({ "paths": { "encoded_slash": "allow" } }), false),
        (json!({ "paths": { "encoded_slash": "keep", "percent": "keep", "look_alikes": "keep" } }), true),
        (json!({ "paths": { "invisible": "keep" } }), true),
        (json!({ "paths": { "percent": "normalize" } }), false),
        (json!({ "paths": { "dot_segments": "keep" } }), false),
        (json!({ "paths": { "invisible": null } }), false),
        (json!({ "paths": "normalize" }), false),
        (json!({ "mode": "audit" }), false),
        (json!({ "mode": null }), false),
        (json!({ "mod": "shadow" }), false),
        (json!({ "environment": null }), false),
        (json!({ "service": "the edge" }), false),
        (json!({ "forward_credential": "no" }), false),
        (json!({ "identity_headers": { "token": "authorization" } }), false),
        (json!({ "identity_headers": { "tokens": "x-caller" } }), false),
        (json!({ "audit": { "level": "debug" } }), false),
        (json!({ "audit": ["log"] }), false),
        (alerts("outbound|443||alerts.acme.test", "alerts.acme.test", "/hook?key=1"), true),
        (alerts("", "alerts.acme.test", "/hook"), false),
        (alerts("alerts", "alerts acme", "/hook"), false),
        (alerts("alerts", "alerts.acme.test", "hook"), false),
        (alerts("alerts", "alerts.acme.test", "/a b"), false),
        (alerts("alerts", &"a".repeat(256), "/"), false),
        (json!({ "alerts": { "cluster": "alerts" } }), false),
        (with_headers(&json!({ "authorization": "Bearer a", "x-tenant": "a" })), true),
        (with_headers(&json!({})), true),
        (with_headers(&json!({ "Authorization": "a" })), false),
        (with_headers(&json!({ ":path": "a" })), false),
        (with_headers(&json!({ "host": "a" })), false),
        (with_headers(&json!({ "range": "a" })), false),
        (with_headers(&json!({ "x-envoy-retry-on": "a" })), false),
        (with_headers(&json!({ "a": "" })), false),
        (with_headers(&json!({ "a": "b " })), false),
        (with_headers(&json!({ "a": "b\nc" })), false),
        (with_headers(&json!({ "a": 1 })), false),
        (with_headers(&json!("a")), false),
        (with_headers(&json!(null)), false),
        (with_headers(&json!({ "a": "b".repeat(4_096) })), true),
        (with_headers(&json!({ "a": "b".repeat(4_097) })), false),
        (with_headers(&(0..16).map(|number| (format!("x-{number}"), json!("a"))).collect()), true),
        (with_headers(&(0..17).map(|number| (format!("x-{number}"), json!("a"))).collect()), false),
        (json!({ "alerts": null }), false),
        (json!({ "audit": { "sinks": ["log", "filter_state"], "permits": "none", "chain": "off" } }), true),
        (
            json!({ "audit": { "permits": { "one_in": 100 }, "chain": { "hmac_sha256": "0b".repeat(32) } } }),
            true,
        ),
        (json!({ "audit": { "permits": { "one_in": 0 } } }), false),
        (json!({ "audit": { "permits": { "one_in": 1_000_001 } } }), false),
        (json!({ "audit": { "permits": { "one_in": 1, "all": true } } }), false),
        (json!({ "audit": { "permits": "some" } }), false),
        (json!({ "audit": { "sinks": ["stdout"] } }), false),
        (json!({ "audit": { "chain": "md5" } }), false),
        (json!({ "audit": { "chain": { "hmac_sha256": "0b".repeat(31) } } }), false),
        (json!({ "audit": { "chain": { "hmac_sha512": "0b".repeat(32) } } }), false),
        (json!({ "audit": { "chain": {} } }), false),
        (json!({ "audit": { "chain": null } }), false),
        (credentials(vec![json!({ "header": "authorization", "scheme": "Bearer" })]), true),
        (credentials(vec![json!({ "header": "x-api-key" }), json!({ "cookie": "token" })]), true),
        (credentials(names(16)), true),
        (credentials(names(17)), false),
        (credentials(vec![]), false),
        (credentials(vec![json!({ "query": "t" }), json!({ "query": "t" })]), false),
        (credentials(vec![json!({ "header": "x-api-key", "scheme": null })]), false),
        (credentials(vec![json!({ "header": "X-Api-Key" })]), false),
        (credentials(vec![json!({ "header": "host" })]), false),
        (credentials(vec![json!({ "header": "x-api-key", "cookie": "token" })]), false),
        (credentials(vec![json!({ "query": "token", "scheme": "Bearer" })]), false),
        (credentials(vec![json!({ "query": "a b" })]), false),
        (
            credentials(vec![json!({ "header": "authorization", "scheme": "Bearer", "part": "after_bar" })]),
            true,
        ),
        (credentials(vec![json!({ "header": "x-api-key", "part": "after_bar" })]), true),
        (credentials(vec![json!({ "header": "authorization", "scheme": "Basic" })]), true),
        (credentials(vec![json!({ "header": "authorization", "scheme": "bASIC", "part": "user" })]), true),
        (
            credentials(vec![json!({ "header": "authorization", "scheme": "Basic", "part": "password" })]),
            true,
        ),
        (
            credentials(vec![json!({ "header": "authorization", "scheme": "Basic", "part": "after_bar" })]),
            false,
        ),
        (
            credentials(vec![json!({ "header": "authorization", "scheme": "Bearer", "part": "password" })]),
            false,
        ),
        (credentials(vec![json!({ "header": "x-api-key", "part": "user" })]), false),
        (credentials(vec![json!({ "header": "x-api-key", "part": "whole" })]), false),
        (credentials(vec![json!({ "query": "token", "part": "after_bar" })]), false),
        (credentials(vec![json!({})]), false),
    ]
}
