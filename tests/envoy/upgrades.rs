//! Upgraded connections: on such requests Envoy keeps headers that it removes from others.

use serde_json::{Value, json};

use crate::envoy::{self, Envoy};
use crate::fixture::{bundle, headers, reader, upstream_header};
use crate::{echo, http2};

#[test]
fn upgrade_is_judged_as_get() {
    let envoy = start(&writing());
    for (method, upgrade, status) in [
        ("GET", &b"websocket"[..], 200),
        ("POST", b"websocket", 400),
        ("DELETE", b"WebSocket", 400),
        ("OPTIONS", b"websocket", 400),
    ] {
        let authorization = reader();
        let mut request = headers(b"/v1/items/7", &authorization);
        request[0] = (":method", method.as_bytes());
        request.extend([
            ("connection", &b"Upgrade"[..]),
            ("upgrade", upgrade),
            ("origin", b"https://app.test"),
            ("access-control-request-method", b"GET"),
        ]);
        let response = envoy.client("main").send(&request);
        assert_eq!(response.status, status, "{method}");
        assert_eq!(response.header("x-upstream").is_some(), status == 200, "{method}");
    }
    assert!(envoy.decisions().iter().skip(1).all(|event| event["rule"] == "upgrade"));
}

#[test]
fn extended_connect_is_judged_as_get() {
    let envoy = start(&bundle());
    let authorization = reader();
    let field = |name: &str, value: &[u8]| (name.as_bytes().to_vec(), value.to_vec());
    for (path, status) in [("/v1/items/7", "200"), ("/v1/other", "403"), ("/v1/items/%2e%2e", "400")] {
        let request = [
            field(":method", b"CONNECT"),
            field(":protocol", b"websocket"),
            field(":scheme", b"http"),
            field(":path", path.as_bytes()),
            field(":authority", b"gateway.test"),
            field("authorization", &authorization),
        ];
        let response = http2::Client::connect(envoy.listener("main")).exchange(&request).unwrap().unwrap();
        assert!(response.contains(&field(":status", status.as_bytes())), "{path}");
    }
    assert!(envoy.decisions().iter().all(|event| event["method"] == "GET"));
}

#[test]
fn connection_header_cannot_remove_identity() {
    let envoy = start(&bundle());
    let authorization = reader();
    let mut request = headers(b"/v1/items/7", &authorization);
    request.push(("connection", b"x-tokenward-token, x-tokenward-identity"));
    // Without an upgrade Envoy removes the header itself.
    let response = envoy.client("main").send(&request);
    assert_eq!(response.status, 200);
    assert_eq!(upstream_header(&response, "connection"), None);
    assert_eq!(upstream_header(&response, "x-tokenward-token").as_deref(), Some("reader"));

    request.pop();
    request.extend([("upgrade", &b"websocket"[..]), ("connection", b"upgrade, x-tokenward-token")]);
    assert_eq!(envoy.client("main").send(&request).status, 400);
    assert_eq!(envoy.decisions().last().unwrap()["rule"], "connection");
}

/// Envoy that allows upgrades, also from HTTP/2.
fn start(bundle: &Value) -> Envoy {
    let filter = envoy::filter(&json!({ "bundle": bundle }).to_string());
    let listener = envoy::upgrading(envoy::listener("main", &[filter]));
    Envoy::start(&envoy::configuration(&[listener], echo::start()), 1).unwrap()
}

/// A policy that permits the reader everything.
fn writing() -> Value {
    let mut bundle = bundle();
    bundle["permissions"]["items:write"] = json!(["* /v1/**"]);
    bundle["tokens"]["reader"]["roles"] = json!(["writer"]);
    bundle
}
