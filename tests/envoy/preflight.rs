//! CORS preflights in Envoy: only the stream shows whether a request has content.

use serde_json::json;

use crate::fixture::{bundle, headers, reader, start};
use crate::http2;

#[test]
fn http_2_preflight_ends_with_its_head() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let fields: Vec<_> = [
        (":method", "OPTIONS"),
        (":scheme", "http"),
        (":path", "/v1/items/7"),
        (":authority", "gateway.test"),
        ("origin", "https://app.test"),
        ("access-control-request-method", "DELETE"),
    ]
    .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
    .to_vec();
    let trailer = [(b"x-a".to_vec(), b"b".to_vec())];
    let mut client = http2::Client::connect(envoy.listener("main"));
    let responses = [
        (client.exchange(&fields), "200"),
        (client.exchange_with_content(&fields, b"content"), "401"),
        (client.exchange_with_content(&fields, b""), "401"),
        (client.exchange_with_trailers(&fields, &trailer), "401"),
        (client.exchange(&fields), "200"),
    ];
    for (number, (response, status)) in responses.into_iter().enumerate() {
        let response = response.unwrap().unwrap();
        assert!(
            response.contains(&(b":status".to_vec(), status.as_bytes().to_vec())),
            "{number}: {response:?}"
        );
    }
    let reasons: Vec<_> = envoy.decisions().into_iter().map(|event| event["reason"].clone()).collect();
    assert_eq!(reasons, ["preflight", "missing_token", "missing_token", "missing_token", "preflight"]);
}

#[test]
fn http_1_preflight_ends_with_its_head() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let send = |more: &str| {
        let head = "OPTIONS /v1/items/7 HTTP/1.1\r\nhost: gateway.test\r\norigin: https://app.test\r\n\
                    access-control-request-method: GET\r\n";
        envoy.client("main").send_raw(format!("{head}{more}").as_bytes(), false).status
    };
    for (more, status) in [
        ("\r\n", 200),
        ("content-length: 0\r\n\r\n", 200),
        ("content-length: 7\r\n\r\ncontent", 401),
        ("transfer-encoding: chunked\r\n\r\n7\r\ncontent\r\n0\r\n\r\n", 401),
        ("transfer-encoding: chunked\r\n\r\n0\r\n\r\n", 401),
    ] {
        assert_eq!(send(more), status, "{more}");
    }
}

#[test]
fn other_options_requests_need_a_token() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let authorization = reader();
    let mut request = headers(b"/v1/items/7", &authorization);
    request[0] = (":method", b"OPTIONS");
    request.extend([("origin", &b"https://app.test"[..]), ("access-control-request-method", b"GET")]);
    let mut client = envoy.client("main");
    assert_eq!(client.send(&request).status, 403);
    request[3] = ("cookie", b"session=1");
    assert_eq!(client.send(&request).status, 401);
    request[3] = ("accept", b"*/*");
    assert_eq!(client.send(&request).status, 200);
    request[1] = (":path", b"/v1/other");
    assert_eq!(client.send(&request).status, 401);
    request[1] = (":path", b"/v1/items/7?%5Fmethod=DELETE");
    assert_eq!(client.send(&request).status, 401);
}
