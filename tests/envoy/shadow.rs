//! Shadow mode: a whole gateway, or one role, that reports and does not enforce.

use serde_json::{Value, json};

use crate::fixture::{EXPIRED, READER, bundle, start, upstream_header};

#[test]
fn shadow_gateway_forwards_unchanged_and_reports_denials() {
    let envoy = start(&json!({ "bundle": bundle(), "mode": "shadow" }));
    let mut client = envoy.client("main");
    let reader = format!("Bearer {READER}");
    let expired = format!("Bearer {EXPIRED}");
    for (number, (path, authorization, decision, reason, token)) in [
        ("/v1/items/7", reader.as_str(), "permit", "permitted", Some("reader")),
        ("/v1/other", &reader, "deny", "insufficient_scope", None),
        ("/v1/items/7", &expired, "deny", "expired_token", None),
        ("/v1/items/7", "Bearer nobody_has_this_one", "deny", "unknown_token", None),
        ("/v1//items/%37", "", "deny", "malformed_request", None),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("shadow-{number}");
        let response = client.send(&[
            (":method", b"GET"),
            (":path", path.as_bytes()),
            (":authority", b"gateway.test"),
            ("authorization", authorization.as_bytes()),
            ("x-tokenward-token", b"root"),
            ("x-http-method-override", b"DELETE"),
            ("x-request-id", id.as_bytes()),
        ]);
        assert_eq!((response.status, response.json()["path"].as_str()), (200, Some(path)));
        assert_eq!(upstream_header(&response, "authorization").as_deref(), Some(authorization));
        assert_eq!(upstream_header(&response, "x-http-method-override").as_deref(), Some("DELETE"));
        assert_eq!(upstream_header(&response, "x-tokenward-token").as_deref(), token);
        let event = envoy.decision(&id);
        assert_eq!([&event["decision"], &event["reason"], &event["mode"]], [decision, reason, "shadow"]);
    }
}

#[test]
fn shadow_role_is_reported_other_roles_enforced() {
    let envoy = start(&json!({ "bundle": trial() }));
    let mut client = envoy.client("main");
    for (number, (path, status, decision, mode, identity)) in [
        (
            "/v1/items",
            200,
            "permit",
            "enforce",
            Some("kind=service, roles=(trial), permission=\"items:read\""),
        ),
        ("/v1/other", 200, "deny", "shadow", Some("kind=service, roles=(trial)")),
        ("/v1/../x", 400, "deny", "enforce", None),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("trial-{number}");
        let reader = format!("Bearer {READER}");
        let response = client.send(&[
            (":method", b"GET"),
            (":path", path.as_bytes()),
            (":authority", b"gateway.test"),
            ("authorization", reader.as_bytes()),
            ("x-request-id", id.as_bytes()),
        ]);
        assert_eq!(response.status, status, "{path}");
        let event = envoy.decision(&id);
        assert_eq!([&event["decision"], &event["mode"]], [decision, mode], "{path}");
        if response.status == 200 {
            assert_eq!(upstream_header(&response, "authorization"), None);
            assert_eq!(upstream_header(&response, "x-tokenward-identity").as_deref(), identity);
        }
    }
    assert_eq!(client.get("/v1/items", Some(EXPIRED)).status, 401);
}

/// The fixture's policy, in which the reader has only a new role in shadow mode.
fn trial() -> Value {
    let mut bundle = bundle();
    bundle["roles"]["trial"] = json!({ "permissions": ["items:read"], "shadow": true });
    bundle["tokens"]["reader"]["roles"] = json!(["trial"]);
    bundle
}
