//! The replies to rejected callers.

use serde_json::{Value, json};

use crate::fixture::{ALL, EXPIRED, READER, REVOKED, bundle, headers, in_seconds, reader, start};
use crate::http::{Client, Response};

#[test]
fn each_denial_has_reason_status_and_challenge() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let mut client = envoy.client("main");
    let wrong = READER.replace("reader", "readeR");
    let invalid = "Bearer realm=\"fixture\", error=\"invalid_token\"";
    let scope = "Bearer realm=\"fixture\", error=\"insufficient_scope\", scope=\"items:write\"";
    for (reason, method, secret, status, challenge) in [
        ("missing_token", "GET", None, 401, Some("Bearer realm=\"fixture\"")),
        ("unknown_token", "GET", Some(wrong.as_str()), 401, Some(invalid)),
        ("expired_token", "GET", Some(EXPIRED), 401, Some(invalid)),
        ("revoked_token", "GET", Some(REVOKED), 401, Some(invalid)),
        ("insufficient_scope", "DELETE", Some(READER), 403, Some(scope)),
        ("permitted", "GET", Some(READER), 200, None),
    ] {
        let authorization = secret.map(|secret| format!("Bearer {secret}"));
        let mut request: Vec<(&str, &[u8])> = vec![
            (":method", method.as_bytes()),
            (":path", b"/v1/items/7"),
            (":authority", b"gateway.test"),
            ("x-request-id", reason.as_bytes()),
        ];
        request.extend(authorization.iter().map(|value| ("authorization", value.as_bytes())));
        let response = client.send(&request);
        assert_eq!((response.status, response.header("www-authenticate")), (status, challenge), "{reason}");
        let event = envoy.decision(reason);
        assert_eq!(event["reason"], reason);
        assert_eq!(event["decision"], if status == 200 { "permit" } else { "deny" });
        assert_eq!(event.get("fingerprint").is_some(), reason == "unknown_token");
        let details = if status == 200 { "via_upstream".to_owned() } else { format!("tokenward_{reason}") };
        envoy.wait_for_log(&format!("access {reason} {status} {details}\n"));
    }
}

#[test]
fn unknown_expired_and_revoked_look_alike_from_outside() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let mut client = envoy.client("main");
    let wrong = READER.replace("reader", "readeR");
    let mut tell = |secret: &str| -> Response {
        let authorization = format!("Bearer {secret}");
        let mut request = headers(b"/v1/items/7", authorization.as_bytes());
        request.push(("x-request-id", b"the same"));
        let mut response = client.send(&request);
        response.headers.retain(|(name, _)| name != "date");
        response
    };
    let unknown = tell(&wrong);
    for secret in [EXPIRED, REVOKED, "short", "with space in it and more"] {
        let response = tell(secret);
        assert_eq!((&response.headers, &response.body), (&unknown.headers, &unknown.body), "{secret}");
    }
}

#[test]
fn reply_body_reveals_only_what_callers_may_know() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let mut request = headers(b"/v1/items/7?secret=1", b"Bearer test_svc_nobody_0123456789");
    request.push(("x-request-id", b"7d3b"));
    let response = envoy.client("main").send(&request);
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    let expected = json!({
        "type": "urn:tokenward:invalid_token",
        "title": "The token is not valid",
        "status": 401,
        "request_id": "7d3b",
    });
    assert_eq!(response.json(), expected);
}

#[test]
fn a_grpc_caller_gets_a_grpc_status() {
    let mut bundle = bundle();
    bundle["permissions"]["items:read"] = json!(["POST /acme.Items/Get"]);
    bundle["tokens"]["reader"]["rate_limit"] = json!("1/1h");
    let envoy = start(&json!({ "bundle": bundle }));
    let mut client = envoy.client("main");
    for (path, authorization, status, message) in [
        (&b"/acme.Items/Get"[..], &b"Bearer nobody_has_this_one"[..], "16", "The token is not valid"),
        (b"/acme.Items/Delete", &reader(), "7", "The token may not do this"),
        (b"/acme.Items/..", &reader(), "3", "Malformed or ambiguous request"),
    ] {
        let response = grpc(&mut client, path, authorization);
        // A trailers-only reply is HTTP 200 with the status in the headers (gRPC over HTTP/2 §Responses).
        let header = |name: &str| response.header(name);
        assert_eq!((response.status, header("grpc-status")), (200, Some(status)));
        assert_eq!(
            (header("grpc-message"), header("content-type")),
            (Some(message), Some("application/grpc"))
        );
        assert_eq!(response.body, "");
    }
    let permitted = grpc(&mut client, b"/acme.Items/Get", &reader());
    assert_eq!(permitted.json()["path"], "/acme.Items/Get");
    let refused = grpc(&mut client, b"/acme.Items/Get", &reader());
    assert_eq!((refused.header("grpc-status"), refused.header("retry-after").is_some()), (Some("8"), true));
}

fn grpc(client: &mut Client, path: &[u8], authorization: &[u8]) -> Response {
    client.send(&[
        (":method", b"POST"),
        (":path", path),
        (":authority", b"gateway.test"),
        ("content-type", b"application/grpc+proto"),
        ("authorization", authorization),
    ])
}

#[test]
fn secret_expires_at_its_second() {
    let mut bundle = bundle();
    let until = in_seconds(10);
    bundle["tokens"]["reader"]["secrets"][0]["expires_at"] = json!(until);
    let envoy = start(&json!({ "bundle": bundle }));
    let mut client = envoy.client("main");
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    while in_seconds(0) < until {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(client.get("/v1/items", Some(READER)).status, 401);
    let reasons: Vec<Value> = envoy.decisions().into_iter().map(|event| event["reason"].clone()).collect();
    assert_eq!(reasons, ["permitted", "expired_token"]);
}

#[test]
fn logs_events_and_replies_have_no_secret() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let mut client = envoy.client("main");
    let guessed = "test_svc_guessed_0123456789";
    let secrets: Vec<&str> = ALL.into_iter().chain([guessed]).collect();
    for secret in &secrets {
        let mut replies = Vec::new();
        for path in ["/v1/items/7", "/v1/others", "/v1//items", "/healthz"] {
            replies.push(client.get(&format!("{path}?access_token={secret}"), Some(secret)));
        }
        let authorization = format!("Bearer {secret},Bearer {secret}");
        replies.push(client.send(&headers(b"/v1/items/7", authorization.as_bytes())));
        for reply in replies {
            // The upstream gets the query, but nothing of the credential.
            let known = match reply.header("x-upstream") {
                Some(_) => reply.json()["headers"].to_string(),
                None => format!("{reply:?}"),
            };
            assert!(!known.contains(secret), "{secret} is in {known}");
        }
    }
    let log = envoy.log();
    assert!(log.contains("\"reason\":\"ambiguous_token\"") && log.contains("\"reason\":\"permitted\""));
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} is in the log");
        let digest = tokenward::engine::words::secret::SecretDigest::of(secret.as_bytes()).to_hex();
        assert!(!log.contains(&digest), "the digest of {secret} is in the log");
    }
}
