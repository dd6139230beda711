//! Bytes that are not text: rejected where they matter, ignored elsewhere, and never fatal for the VM.

use serde_json::json;

use crate::envoy::{self, Envoy};
use crate::fixture::{READER, bundle, headers, reader, start};
use crate::{echo, http2};

#[test]
fn raw_bytes_are_rejected_in_path_and_credential() {
    let envoy = start(&json!({ "bundle": bundle(), "audit": { "strangers": 1_000_000 } }));
    // HTTP/2, because over HTTP/1.1 Envoy itself rejects such a path and closes the connection after any 400.
    let mut client = http2::Client::connect(envoy.listener("main"));
    let authorization = reader();
    for byte in 0x80..=0xFF_u8 {
        let path = [b"/v1/items/", &[byte][..]].concat();
        assert_eq!(client.send(&headers(&path, &authorization)), 400, "path with {byte:#x}");
        assert_eq!(client.send(&headers(b"/v1/items/7", &authorization)), 200, "after path {byte:#x}");

        let credential = [b"Bearer ", READER.as_bytes(), &[byte]].concat();
        assert_eq!(client.send(&headers(b"/v1/items/7", &credential)), 401, "credential with {byte:#x}");
        assert_eq!(client.send(&headers(b"/v1/items/7", &authorization)), 200, "after credential {byte:#x}");

        let other = [b"a", &[byte][..], b"b"].concat();
        let mut request = headers(b"/v1/items/7", &authorization);
        request.extend([("x-other", &other[..]), ("x-request-id", &other), ("content-type", &other)]);
        assert_eq!(client.send(&request), 200, "another header with {byte:#x}");
    }
    assert_eq!(envoy.decisions().len(), 128 * 5);
    assert!(!envoy.log().contains("panic") && !envoy.log().contains("Function: proxy_on"), "{}", envoy.log());
}

#[test]
fn raw_bytes_anywhere_never_crash_the_filter() {
    let sources = json!([
        { "header": "authorization", "scheme": "Bearer" }, { "header": "x-api-key" },
        { "query": "access_token" }, { "cookie": "token" },
    ]);
    let envoy = start(&json!({ "bundle": bundle(), "credentials": sources }));
    let mut client = http2::Client::connect(envoy.listener("main"));
    let authorization = reader();
    for byte in 0x80..=0xFF_u8 {
        let with = |before: &str| [before.as_bytes(), READER.as_bytes(), &[byte]].concat();
        let (odd, [key, cookie, query]) =
            ([b'a', byte], ["", "a=1; token=", "/v1/items?access_token="].map(with));
        let mut send = |path: &[u8], more: &[(&'static str, &[u8])]| {
            let mut request = headers(path, &authorization);
            for (name, value) in more {
                request.retain(|(known, _)| known != name);
                request.push((name, value));
            }
            request.retain(|(_, value)| !value.is_empty());
            request.sort_by_key(|(name, _)| !name.starts_with(':'));
            client.send(&request)
        };
        assert_eq!(send(b"/v1/items", &[("authorization", b""), ("x-api-key", &key)]), 401, "{byte:#x}");
        assert_eq!(send(b"/v1/items", &[("authorization", b""), ("cookie", &cookie)]), 401, "{byte:#x}");
        assert_eq!(send(&query, &[("authorization", b"")]), 401, "{byte:#x}");
        assert_eq!(send(b"/v1/items", &[("cookie", &odd), ("origin", &odd)]), 200, "{byte:#x}");
        let preflight: [(&str, &[u8]); 3] =
            [(":method", b"OPTIONS"), ("origin", &odd), ("access-control-request-method", &odd)];
        assert_eq!(send(b"/v1/items", &preflight), 403, "{byte:#x}");
    }
    assert!(!envoy.log().contains("panic") && !envoy.log().contains("Function: proxy_on"), "{}", envoy.log());
}

#[test]
fn raw_bytes_are_rejected_over_http_1() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let mut client = envoy.client("main");
    for byte in 0x80..=0xFF_u8 {
        let path = [b"/v1/items/", &[byte][..]].concat();
        assert_eq!(client.send(&headers(&path, &reader())).status, 400, "path with {byte:#x}");
        let credential = [b"Bearer ", READER.as_bytes(), &[byte]].concat();
        assert_eq!(
            client.send(&headers(b"/v1/items/7", &credential)).status,
            401,
            "credential with {byte:#x}"
        );
        // Over HTTP/2 Envoy itself resets such a stream.
        let (host, authorization) = ([b'a', byte], reader());
        let mut request = headers(b"/v1/items/7", &authorization);
        request[2] = (":authority", &host);
        assert_eq!(client.send(&request).status, 400, "host with {byte:#x}");
        assert_eq!(client.send(&headers(b"/v1/items/7", &reader())).status, 200, "after {byte:#x}");
    }
}

#[test]
fn long_heads_are_judged_and_audited_within_bounds() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let mut client = envoy.client("main");
    let path = format!("/v1/items/{}", "x".repeat(20_000));
    assert_eq!(client.get(&path, Some(READER)).status, 200);
    let secret = "x".repeat(20_000);
    assert_eq!(client.get("/v1/items", Some(&secret)).status, 401);
    for event in envoy.decisions() {
        assert!(event.to_string().len() < 4_096);
    }
}

#[test]
fn values_of_64_kib_are_judged() {
    let filter = envoy::filter(&json!({ "bundle": bundle() }).to_string());
    let mut large = envoy::listener("large", std::slice::from_ref(&filter));
    large["filter_chains"][0]["filters"][0]["typed_config"]["max_request_headers_kb"] = json!(256);
    let listeners = [envoy::listener("main", &[filter]), large];
    let envoy = Envoy::start(&envoy::configuration(&listeners, echo::start()), 1).unwrap();
    let (long, authorization) = ("x".repeat(65_536), reader());
    let bearer = format!("Bearer {long}");
    // Envoy's own limit on all headers is 60 KiB.
    assert_eq!(envoy.client("main").send(&headers(b"/v1/items", bearer.as_bytes())).status, 431);
    let mut client = envoy.client("large");
    assert_eq!(client.send(&headers(b"/v1/items", bearer.as_bytes())).status, 401);
    let path = format!("/v1/items/{long}");
    let mut request = headers(path.as_bytes(), &authorization);
    request.push(("x-http-method-override", long.as_bytes()));
    assert_eq!(client.send(&request).status, 200);
    let reasons: Vec<_> = envoy.decisions().into_iter().map(|event| event["reason"].clone()).collect();
    assert_eq!(reasons, ["unknown_token", "permitted"]);
}

#[test]
fn lower_case_method_is_rejected() {
    let mut bundle = bundle();
    bundle["permissions"]["items:write"] = json!(["* /v1/**"]);
    bundle["tokens"]["reader"]["roles"] = json!(["writer"]);
    let envoy = start(&json!({ "bundle": bundle }));
    // Over HTTP/1.1 Envoy itself rejects it.
    let mut client = http2::Client::connect(envoy.listener("main"));
    let authorization = reader();
    for (method, status) in [("DELETE", 200), ("delete", 400), ("Delete", 400), ("PURGE", 200)] {
        let mut request = headers(b"/v1/items/7", &authorization);
        request[0] = (":method", method.as_bytes());
        assert_eq!(client.send(&request), status, "{method}");
    }
}

#[test]
fn event_is_one_line_of_ascii() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let authorization = reader();
    let mut request = headers(b"/v1/items/7", &authorization);
    // Characters that some readers take for a line end or a terminal command: U+2028, U+0085, U+009B. Also an emoji.
    let id = "a\u{2028}{\"v\":1}\u{85}\u{9b}31m\u{1f512}";
    request.push(("x-request-id", id.as_bytes()));
    assert_eq!(envoy.client("main").send(&request).status, 200);
    let told = "a<e280a8>{<22>v<22>:1}<c285c29b>31m<f09f9492>";
    assert_eq!(envoy.decision(told)["reason"], "permitted");
    let log = envoy.log();
    let line = log.lines().find(|line| line.contains("\"event\":\"decision\"")).unwrap();
    assert!(line.is_ascii(), "{line}");
}
