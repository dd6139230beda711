//! Where a request may present its token. The upstream never receives it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::fixture::{READER, bundle, start, upstream_header};

#[test]
fn credential_never_reaches_the_upstream() {
    let envoy = start(&configuration());
    let mut client = envoy.client("main");
    let token = |scheme: &str| format!("{scheme}{READER}");
    let query = format!("/v1/items/7?page=2&access_token={READER}&x=%zz");
    for (path, name, value, path_after, header_after) in [
        ("/v1/items/7", "authorization", token("Bearer "), "/v1/items/7", None),
        ("/v1/items/7", "authorization", token("token "), "/v1/items/7", None),
        ("/v1/items/7", "x-api-key", token(""), "/v1/items/7", None),
        ("/v1/items/7", "cookie", token("token="), "/v1/items/7", None),
        ("/v1/items/7", "cookie", token("a=1; token=") + "; b=2", "/v1/items/7", Some("a=1; b=2")),
        (
            query.as_str(),
            "authorization",
            "Basic abc".to_owned(),
            "/v1/items/7?page=2&x=%zz",
            Some("Basic abc"),
        ),
        (
            &query.replace("_t", "%5Ft").replace("page=2&", ""),
            "x-y",
            "t".to_owned(),
            "/v1/items/7?x=%zz",
            Some("t"),
        ),
    ] {
        let response = client.send(&[
            (":method", b"GET"),
            (":path", path.as_bytes()),
            (":authority", b"gateway.test"),
            (name, value.as_bytes()),
        ]);
        assert_eq!(response.status, 200, "{name}: {value}");
        assert!(!response.body.contains(READER), "{}", response.body);
        assert_eq!(response.json()["path"], path_after);
        assert_eq!(upstream_header(&response, name).as_deref(), header_after);
        assert_eq!(upstream_header(&response, "x-tokenward-token").as_deref(), Some("reader"));
    }
}

#[test]
fn two_credentials_are_ambiguous() {
    let envoy = start(&configuration());
    let mut client = envoy.client("main");
    let bearer = format!("Bearer {READER}");
    let cookie = format!("token={READER}");
    let query = format!("/v1/items/7?access_token={READER}");
    let sent: [(&str, &[(&str, &str)]); 5] = [
        ("/v1/items/7", &[("authorization", &bearer), ("x-api-key", READER)]),
        ("/v1/items/7", &[("authorization", &bearer), ("cookie", &cookie)]),
        (&query, &[("x-api-key", READER)]),
        ("/v1/items/7", &[("x-api-key", READER), ("x-api-key", READER)]),
        ("/v1/items/7", &[("cookie", &cookie), ("cookie", &cookie)]),
    ];
    for (number, (path, headers)) in sent.iter().enumerate() {
        let id = format!("two-{number}");
        let mut request: Vec<(&str, &[u8])> = vec![
            (":method", b"GET"),
            (":path", path.as_bytes()),
            (":authority", b"gateway.test"),
            ("x-request-id", id.as_bytes()),
        ];
        request.extend(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
        assert_eq!(client.send(&request).status, 401, "{path} {headers:?}");
        assert_eq!(envoy.decision(&id)["reason"], "ambiguous_token", "{path} {headers:?}");
    }
}

#[test]
fn other_credentials_are_forwarded() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let bearer = format!("Bearer {READER}");
    let response = envoy.client("main").send(&[
        (":method", b"GET"),
        (":path", b"/v1/items/7?access_token=of-another"),
        (":authority", b"gateway.test"),
        ("authorization", bearer.as_bytes()),
        ("x-api-key", b"of-another"),
        ("cookie", b"token=of-another"),
    ]);
    assert_eq!(response.json()["path"], "/v1/items/7?access_token=of-another");
    assert_eq!(upstream_header(&response, "x-api-key").as_deref(), Some("of-another"));
    assert_eq!(upstream_header(&response, "cookie").as_deref(), Some("token=of-another"));
}

#[test]
fn basic_credential_is_requested_and_never_forwarded() {
    let credentials = json!([
        { "header": "authorization", "scheme": "Bearer" },
        { "header": "authorization", "scheme": "Basic", "part": "password" },
    ]);
    for (mode, kept) in [("enforce", false), ("shadow", true)] {
        let envoy = start(&json!({ "bundle": bundle(), "credentials": credentials, "mode": mode }));
        let mut client = envoy.client("main");
        let mut send = |pair: &str| {
            let value = format!("Basic {}", STANDARD.encode(pair));
            let head = [(":method", &b"GET"[..]), (":path", b"/v1/items/7"), (":authority", b"gateway.test")];
            let authorization: &[(&str, &[u8])] =
                if pair.is_empty() { &[] } else { &[("authorization", value.as_bytes())] };
            client.send(&[&head, authorization].concat())
        };
        let response = send(&format!("git:{READER}"));
        assert_eq!(response.status, 200, "{mode}");
        // A gateway in shadow mode forwards the request unchanged.
        assert_eq!(upstream_header(&response, "authorization").is_some(), kept, "{mode}");
        assert_eq!(upstream_header(&response, "x-tokenward-token").as_deref(), Some("reader"), "{mode}");
        if kept {
            continue;
        }
        for (pair, error) in [("", ""), ("git:nobody-has-this-password", ", error=\"invalid_token\"")] {
            let response = send(pair);
            let challenges: Vec<&str> = response
                .headers
                .iter()
                .filter(|(name, _)| name == "www-authenticate")
                .map(|(_, value)| value.as_str())
                .collect();
            let bearer = format!("Bearer realm=\"fixture\"{error}");
            assert_eq!(
                (response.status, challenges),
                (401, vec![bearer.as_str(), "Basic realm=\"fixture\""])
            );
        }
    }
}

#[test]
fn missing_token_event_says_what_was_sent_instead() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let mut client = envoy.client("main");
    let basic = format!("Basic {}", STANDARD.encode(format!("user:{READER}")));
    for (id, name, value, seen) in [
        ("nothing", "x-other", "1", Value::Null),
        ("basic", "authorization", basic.as_str(), json!("authorization/basic")),
        ("token", "authorization", "Token abc", json!("authorization/token")),
        ("odd", "authorization", "Acme abc", json!("authorization/other_scheme")),
        ("bare", "authorization", READER, json!("authorization/no_scheme")),
        ("key", "x-api-key", READER, json!("header/x-api-key")),
        ("cookie", "cookie", "a=1; token=abc", json!("cookie/token")),
    ] {
        let request: [(&str, &[u8]); 5] = [
            (":method", b"GET"),
            (":path", b"/v1/items/7"),
            (":authority", b"gateway.test"),
            ("x-request-id", id.as_bytes()),
            (name, value.as_bytes()),
        ];
        assert_eq!(client.send(&request).status, 401, "{id}");
        let event = envoy.decision(id);
        assert_eq!((&event["reason"], &event["seen"]), (&json!("missing_token"), &seen), "{event}");
        assert!(!event.to_string().contains(value) || value.len() < 4, "{event}");
    }
}

fn configuration() -> Value {
    json!({
        "bundle": bundle(),
        "credentials": [
            { "header": "authorization", "scheme": "Bearer" },
            { "header": "authorization", "scheme": "Token" },
            { "header": "x-api-key" },
            { "query": "access_token" },
            { "cookie": "token" },
        ],
    })
}
