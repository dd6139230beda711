//! A small policy whose secrets the tests know.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokenward::engine::words::secret::SecretDigest;
use tokenward::engine::words::time::Time;

use crate::envoy::{self, Envoy};
use crate::{echo, http};

pub(crate) const READER: &str = "test_svc_reader_0123456789";
pub(crate) const EXPIRED: &str = "test_svc_expired_0123456789";
pub(crate) const REVOKED: &str = "test_svc_revoked_0123456789";
pub(crate) const ALL: [&str; 3] = [READER, EXPIRED, REVOKED];

/// The policy as a bundle.
pub(crate) fn bundle() -> Value {
    json!({
        "version": 1,
        "name": "fixture",
        "revision": 1_800_000_001,
        "public": ["GET /healthz"],
        "permissions": {
            "items:read": ["GET /v1/items/**"],
            "items:write": ["POST,DELETE /v1/items/{id}"],
        },
        "roles": {
            "reader": { "permissions": ["items:read"] },
            "writer": { "inherits": ["reader"], "permissions": ["items:write"] },
        },
        "kinds": { "service": {} },
        "tokens": {
            "reader": token(json!([secret("1", READER, json!({}))])),
            "expired": token(json!([secret("1", EXPIRED, json!({ "expires_at": "2026-01-01T00:00:00Z" }))])),
            "revoked": token(json!([secret("1", REVOKED, json!({ "revoked_at": "2026-01-01T00:00:00Z" }))])),
        },
    })
}

/// A token of this policy.
pub(crate) fn token(secrets: Value) -> Value {
    json!({ "kind": "service", "roles": ["reader"], "secrets": secrets })
}

/// A secret's entry with additional fields.
pub(crate) fn secret(id: &str, clear: &str, more: Value) -> Value {
    let mut entry = json!({ "id": id, "sha256": SecretDigest::of(clear.as_bytes()).to_hex() });
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    entry
}

/// The current time, shifted by seconds.
pub(crate) fn in_seconds(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    String::from(Time::from_millis(i64::try_from(now).unwrap() + seconds * 1_000))
}

/// Envoy with one listener, `main`, that enforces `configuration`. It has one worker, so all connections share a VM.
pub(crate) fn start(configuration: &Value) -> Envoy {
    start_with(configuration, 1)
}

/// The same with more workers, each with its own VM.
pub(crate) fn start_with(configuration: &Value, workers: u32) -> Envoy {
    let filter = envoy::filter(&configuration.to_string());
    let listener = envoy::listener("main", &[filter]);
    Envoy::start(&envoy::configuration(&[listener], echo::start()), workers).unwrap()
}

/// Headers of a request with a bearer token.
pub(crate) fn headers<'h>(path: &'h [u8], authorization: &'h [u8]) -> Vec<(&'h str, &'h [u8])> {
    vec![
        (":method", b"GET"),
        (":path", path),
        (":authority", b"gateway.test"),
        ("authorization", authorization),
    ]
}

/// `Bearer` and the reader's secret.
pub(crate) fn reader() -> Vec<u8> {
    format!("Bearer {READER}").into_bytes()
}

/// The header with this name, as the upstream received it.
pub(crate) fn upstream_header(response: &http::Response, name: &str) -> Option<String> {
    let echo = response.json();
    let mut found = echo["headers"].as_array().unwrap().iter().filter(|header| header[0] == name);
    let value = found.next().map(|header| header[1].as_str().unwrap().to_owned());
    assert!(found.next().is_none(), "{name} reached the upstream twice: {echo}");
    value
}
