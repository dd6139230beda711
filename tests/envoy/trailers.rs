//! Trailers, which an upstream may merge into a request's headers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver};

use serde_json::{Value, json};

use crate::envoy::{self, Envoy};
use crate::fixture::{bundle, headers, reader};
use crate::{http2, wait};

#[test]
fn trailers_cannot_forge_identity_or_path() {
    let received = sent(&json!({ "bundle": bundle(), "remove_headers": ["x-scope-orgid"] }));
    assert!(received.contains("x-harmless: root"), "{received}");
    assert_eq!(received.matches("root").count(), 1, "{received}");
    assert!(received.contains("x-tokenward-token: reader"), "{received}");
}

#[test]
fn trailer_second_path_follows_the_header_setting() {
    let received = sent(&json!({ "bundle": bundle(), "second_path": "forward" }));
    assert_eq!(received.matches("root").count(), 4, "{received}");
    for header in ["x-harmless: root", "destination: root", "x_amz_copy_source: root", "x_scope_orgid: root"]
    {
        assert!(received.contains(header), "{header}: {received}");
    }
}

#[test]
fn shadow_gateway_removes_identity_trailers() {
    let received = sent(&json!({ "bundle": bundle(), "mode": "shadow" }));
    assert_eq!(received.matches("root").count(), 6, "{received}");
    for header in
        ["x-harmless: root", "x-original-url: root", "x_http_method_override: root", "destination: root"]
    {
        assert!(received.contains(header), "{header}: {received}");
    }
}

/// The request as it reaches the upstream; it was sent with trailers whose values are all `root`.
fn sent(configuration: &Value) -> String {
    let (upstream, received) = upstream();
    let listener = envoy::listener("main", &[envoy::filter(&configuration.to_string())]);
    let mut configuration = envoy::configuration(&[listener], upstream);
    configuration["static_resources"]["clusters"][0]["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http_protocol_options": { "enable_trailers": true } },
        },
    });
    let envoy = Envoy::start(&configuration, 1).unwrap();
    let authorization = reader();
    let field = |name: &str, value: &[u8]| (name.as_bytes().to_vec(), value.to_vec());
    let mut request = vec![field(":scheme", b"http")];
    for (name, value) in headers(b"/v1/items/7", &authorization) {
        let at = if name.starts_with(':') { 0 } else { request.len() };
        request.insert(at, field(name, value));
    }
    let trailers = [
        "x-tokenward-token",
        "x_tokenward_identity",
        "x-original-url",
        "x_http_method_override",
        "destination",
        "x_amz_copy_source",
        "x_scope_orgid",
        "x-harmless",
    ];
    let mut client = http2::Client::connect(envoy.listener("main"));
    let response = client.exchange_with_trailers(&request, &trailers.map(|name| field(name, b"root")));
    assert!(response.unwrap().unwrap().contains(&field(":status", b"204")));
    received.recv_timeout(wait::PATIENCE).unwrap()
}

/// An upstream that reports one request with a chunked body.
fn upstream() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut received = Vec::new();
        // The last chunk, trailers, an empty line (RFC 9112 §7.1).
        let is_whole = |text: &str| {
            text.split_once("\r\n0\r\n").is_some_and(|(_, end)| end == "\r\n" || end.ends_with("\r\n\r\n"))
        };
        while !is_whole(&String::from_utf8_lossy(&received)) {
            let mut chunk = [0; 4_096];
            let length = stream.read(&mut chunk).unwrap();
            assert!(length > 0, "half a request: {}", received.escape_ascii());
            received.extend(&chunk[..length]);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        sender.send(String::from_utf8_lossy(&received).into_owned()).unwrap();
    });
    (address, receiver)
}
