//! What the upstream receives for a permitted request.

use serde_json::json;

use crate::envoy::{self, Envoy};
use crate::fixture::{bundle, headers, reader, start, upstream_header};
use crate::http::Response;
use crate::{echo, fixture};

#[test]
fn upstream_gets_identity_without_the_credential() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let response = envoy.client("main").send(&headers(b"/v1/items/7?page=2&token=x", &reader()));
    assert_eq!(response.status, 200);
    assert_eq!(upstream_header(&response, "authorization"), None);
    assert_eq!(upstream_header(&response, "x-tokenward-token").as_deref(), Some("reader"));
    let identity = "kind=service, roles=(reader), permission=\"items:read\"";
    assert_eq!(upstream_header(&response, "x-tokenward-identity").as_deref(), Some(identity));
    assert_eq!(response.json()["path"], "/v1/items/7?page=2&token=x");
}

#[test]
fn kept_characters_are_forwarded_as_they_came() {
    let paths = json!({
        "encoded_slash": "keep", "percent": "keep", "look_alikes": "keep", "invisible": "keep", "semicolon": "normalize",
    });
    let envoy = start(&json!({ "bundle": bundle(), "paths": paths }));
    let mut client = envoy.client("main");
    for (sent, forwarded) in [
        ("/v1/items/@scope%2fname", "/v1/items/@scope%2fname"),
        ("/v1/items/@scope%2Fname?a=%2f", "/v1/items/@scope%2Fname?a=%2f"),
        ("/v1/items/100%25%20wool", "/v1/items/100%25%20wool"),
        ("/v1/items/%e2%84%96%205", "/v1/items/%e2%84%96%205"),
        ("/v1/items/%D9%85%E2%80%8c%D8%AE", "/v1/items/%D9%85%E2%80%8c%D8%AE"),
        // What need not be encoded is decoded, and then all is in the one spelling.
        ("/v1/items/%40scope%2fname", "/v1/items/@scope%2Fname"),
        ("/v1/items/@scope%2fname;x=1", "/v1/items/@scope%2Fname"),
        ("/v1/items/caf%c3%a9", "/v1/items/caf%C3%A9"),
    ] {
        let response = client.send(&headers(sent.as_bytes(), &reader()));
        assert_eq!((response.status, response.json()["path"].as_str()), (200, Some(forwarded)), "{sent}");
    }
    for refused in
        ["/v1/items/x%2f..%2f..%2fadmin", "/v1/items/%252e%252e/admin", "/v1/items/%EF%BC%8E%EF%BC%8E"]
    {
        assert_eq!(client.send(&headers(refused.as_bytes(), &reader())).status, 400, "{refused}");
    }
    // A query that brought the credential is forwarded without it, behind the path as it came.
    let brought = json!([{ "query": "access_token" }]);
    let envoy = start(&json!({ "bundle": bundle(), "paths": paths, "credentials": brought }));
    let target = format!("/v1/items/@scope%2fname?access_token={}&a=1", secret_of(&reader()));
    let response = envoy.client("main").send(&headers(target.as_bytes(), b""));
    assert_eq!(response.json()["path"], "/v1/items/@scope%2fname?a=1");
}

/// The secret behind `Bearer `.
fn secret_of(authorization: &[u8]) -> &str {
    std::str::from_utf8(authorization).unwrap().strip_prefix("Bearer ").unwrap()
}

#[test]
fn inbound_identity_headers_are_removed_in_any_spelling() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let forged = [
        "x-tokenward-token",
        "X-Tokenward-Token",
        "x_tokenward_token",
        "x-tokenward_token",
        "x-tokenward-identity",
        "X_TOKENWARD_IDENTITY",
        "x-http-method-override",
        "x-original-url",
        "x_rewrite_url",
        "x.tokenward.token",
        "x.http.method.override",
        "script_name",
        "path-info",
    ];
    let authorization = reader();
    let mut request = headers(b"/v1/items/7", &authorization);
    request.extend(forged.map(|name| (name, &b"root"[..])));
    let mut client = envoy.client("main");
    let response = client.send(&request);
    assert_eq!(response.status, 200);
    assert_no_root(&response);
    assert_eq!(upstream_header(&response, "x-tokenward-token").as_deref(), Some("reader"));

    // A public operation sets no identity, and still removes the caller's.
    let mut public = headers(b"/healthz", b"Basic abc");
    public.extend(forged.map(|name| (name, &b"root"[..])));
    let response = client.send(&public);
    assert_eq!(response.status, 200);
    assert_no_root(&response);
    assert_eq!(upstream_header(&response, "authorization").as_deref(), Some("Basic abc"));
}

#[test]
fn configured_headers_are_removed_in_any_spelling() {
    let envoy = start(&json!({ "bundle": bundle(), "remove_headers": ["x-scope-orgid", "cookie"] }));
    let authorization = reader();
    let mut request = headers(b"/v1/items/7", &authorization);
    let removed = ["x-scope-orgid", "X_Scope_OrgID", "x.scope.orgid", "cookie", "x-scope-orgid"];
    request.extend(removed.map(|name| (name, &b"root"[..])));
    request.push(("x-scope-orgids", b"kept"));
    let response = envoy.client("main").send(&request);
    assert_eq!(response.status, 200);
    assert_no_root(&response);
    assert_eq!(upstream_header(&response, "x-scope-orgids").as_deref(), Some("kept"));
}

#[test]
fn second_path_is_forwarded_only_if_configured() {
    for (setting, status) in [("reject", 400), ("forward", 200)] {
        let envoy = start(&json!({ "bundle": bundle(), "second_path": setting }));
        let mut client = envoy.client("main");
        let authorization = reader();
        for name in ["destination", "X-Amz-Copy-Source", "x_copy_from", "x.ms.rename.source"] {
            let mut request = headers(b"/v1/items/7", &authorization);
            request.extend([(name, &b"/v1/other"[..]), ("x-request-id", name.as_bytes())]);
            let response = client.send(&request);
            assert_eq!(response.status, status, "{name}");
            if status == 200 {
                assert_eq!(upstream_header(&response, &name.to_lowercase()).as_deref(), Some("/v1/other"));
            } else {
                assert_eq!(response.header("x-upstream"), None, "{name}");
                assert_eq!(envoy.decision(name)["rule"], "second_path", "{name}");
            }
        }
    }
}

/// Asserts that no identity claimed by the caller reached the upstream.
fn assert_no_root(response: &Response) {
    for header in response.json()["headers"].as_array().unwrap() {
        assert_ne!(header[1], "root", "{header} reached the upstream");
    }
}

#[test]
fn the_path_is_forwarded_as_it_was_judged() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let mut client = envoy.client("main");
    for (sent, forwarded) in [
        ("/v1/items/7", "/v1/items/7"),
        ("/v1/items/", "/v1/items/"),
        ("/v1/%69tems/a%2db?q=%zz", "/v1/items/a-b?q=%zz"),
        ("/v1/items/a%3ab", "/v1/items/a:b"),
        ("/v1/items/a%20b|c", "/v1/items/a%20b%7Cc"),
    ] {
        let response = client.send(&headers(sent.as_bytes(), &reader()));
        assert_eq!(response.json()["path"], forwarded, "{sent}");
    }
}

#[test]
fn credential_is_forwarded_if_configured() {
    let configuration = json!({
        "bundle": bundle(),
        "forward_credential": true,
        "identity_headers": { "token": "x-caller", "identity": "x-caller-identity" },
    });
    let envoy = start(&configuration);
    let response = envoy.client("main").send(&headers(b"/v1/items/7", &reader()));
    assert_eq!(upstream_header(&response, "authorization").unwrap().into_bytes(), reader());
    assert_eq!(upstream_header(&response, "x-caller").as_deref(), Some("reader"));
    assert!(upstream_header(&response, "x-caller-identity").is_some());
    assert_eq!(upstream_header(&response, "x-tokenward-token"), None);
}

#[test]
fn struct_configuration_equals_its_json_text() {
    let configuration = json!({ "bundle": bundle(), "audit": { "level": "warn" } });
    let filter = envoy::filter_from_struct(&configuration);
    let listener = envoy::listener("main", &[filter]);
    let envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 1).unwrap();
    let authorization = reader();
    let mut request = headers(b"/v1/items/7", &authorization);
    request.push(("x-request-id", b"struct"));
    assert_eq!(envoy.client("main").send(&request).status, 200);
    let event = envoy.decision("struct");
    assert_eq!(event["revision"], fixture::bundle()["revision"]);
    assert!(envoy.log().contains("[warning][wasm]"));
}
