//! The audit in a real Envoy: exactly one event per request in every sink, in verifiable chains.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::audit_log::{events, read_schema, verify};
use crate::discovery::{discovered, write_resource};
use crate::envoy::{self, Envoy};
use crate::fixture::{EXPIRED, READER, bundle, in_seconds, secret, start, token};
use crate::http::Client;
use crate::{echo, http2, wait};

#[test]
fn every_event_is_what_the_schema_says() {
    let mut bundle = bundle();
    bundle["tokens"]["reader"]["secrets"] = json!([secret("1", READER, retired())]);
    bundle["defense"] = json!({
        "denials": { "limit": 1, "per": "1m", "suspend": "1m" },
        "unknown_tokens": { "limit": 1, "per": "1m", "suspend": "1m" },
    });
    let mut envoy = start(&json!({ "bundle": bundle, "mode": "shadow" }));
    let mut client = envoy.client("main");
    for (path, secret) in [
        ("/v1/items", Some(READER)),
        ("/v1/items", Some(EXPIRED)),
        ("/v1/items", None),
        ("/a//b", Some("wrong_0123456789")),
        ("/v1/other", Some(READER)),
    ] {
        client.get(path, secret);
    }
    client.get("/v1/items", Some("test_svc_unknown_0123456789"));
    envoy.terminate();
    let events = events(&envoy.log());
    let kinds = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    // Three VMs: the canary, the main thread and a worker. The canary's chain has no end.
    assert_eq!((kinds("configured"), kinds("decision"), kinds("closed")), (3, 6, 2));
    assert_eq!(kinds("suspended"), 2);
    let schema = read_schema();
    for event in &events {
        if let Err(error) = schema.validate(event) {
            panic!("{error}: {event}");
        }
    }
    let mut wrong = events[0].clone();
    wrong["secrets"] = json!("1");
    assert!(!schema.is_valid(&wrong) && !schema.is_valid(&json!({ "v": 1 })));
}

#[test]
fn each_request_has_one_event() {
    let filter = envoy::filter(&json!({ "bundle": bundle() }).to_string());
    let listeners = [envoy::listener("main", &[filter])];
    let envoy = Envoy::start(&envoy::configuration(&listeners, impatient()), 1).unwrap();
    let mut sent = 0;
    // One keep-alive connection with permits and local replies.
    let mut client = envoy.client("main");
    for secret in [Some(READER), None, Some(EXPIRED), Some(READER)] {
        client.get("/v1/items", secret);
        sent += 1;
    }
    // Streams of one HTTP/2 connection, both completed and reset while the upstream has not responded.
    let mut streams = http2::Client::connect(envoy.listener("main"));
    let authorization = crate::fixture::reader();
    let stalled: Vec<_> = crate::fixture::headers(b"/v1/items/stalled", &authorization)
        .into_iter()
        .chain([(":scheme", &b"http"[..])])
        .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
        .collect();
    let stalled = ordered(stalled);
    for _ in 0..5 {
        streams.send(&crate::fixture::headers(b"/v1/items", &authorization));
        streams.take_back(&stalled).unwrap();
        sent += 2;
        wait::until(|| envoy.decisions().len() == sent);
    }
    // The client disconnects in the middle of its body, and the upstream responds before the end of the body.
    for (path, answered) in [("/v1/items/stalled", false), ("/v1/items", true)] {
        for _ in 0..3 {
            let mut stream = TcpStream::connect(envoy.listener("main")).unwrap();
            stream.set_read_timeout(Some(wait::PATIENCE)).unwrap();
            let head = format!(
                "GET {path} HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer {READER}\r\n\
                 content-length: 100000\r\n\r\nbeginning"
            );
            stream.write_all(head.as_bytes()).unwrap();
            sent += 1;
            if answered {
                let mut status = [0; 15];
                stream.read_exact(&mut status).unwrap();
                assert_eq!(status.as_slice(), b"HTTP/1.1 200 OK");
            }
            wait::until(|| envoy.decisions().len() == sent);
        }
    }
    // Envoy itself rejects these, so they do not reach the filter.
    for bad in
        ["GET / HTTP/1.1\r\n\r\n", "nonsense\r\n\r\n", "GET /\x01 HTTP/1.1\r\nhost: gateway.test\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(envoy.listener("main")).unwrap();
        stream.write_all(bad.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    envoy.client("main").get("/v1/items", None);
    wait::until(|| envoy.decisions().len() > sent);
    let events = envoy.decisions();
    assert_eq!(events.len(), sent + 1);
    let permits = events.iter().filter(|event| event["decision"] == "permit").count();
    assert_eq!(permits, 2 + 10 + 6, "what was taken back had been permitted");
    let ids: std::collections::BTreeSet<String> =
        events.iter().map(|event| event["request_id"].to_string()).collect();
    assert_eq!(ids.len(), events.len(), "an event for each request");
}

/// Sorts pseudo-headers first.
fn ordered(mut fields: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<(Vec<u8>, Vec<u8>)> {
    fields.sort_by_key(|(name, _)| !name.starts_with(b":"));
    fields
}

/// An upstream that responds after the head without waiting for the body; for a stalled path it never responds.
fn impatient() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut received, mut chunk) = (Vec::new(), [0; 16_384]);
                while let Ok(length @ 1..) = stream.read(&mut chunk) {
                    received.extend(&chunk[..length]);
                    let text = String::from_utf8_lossy(&received).into_owned();
                    if text.contains("\r\n\r\n") && !text.contains("/stalled") {
                        received.clear();
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                    }
                }
            });
        }
    });
    address
}

#[test]
fn earlier_filter_reply_has_no_event() {
    let abort = json!({ "name": "fault", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
        "abort": { "http_status": 418, "percentage": { "numerator": 100 } },
    }});
    let listener =
        envoy::listener("main", &[abort, envoy::filter(&json!({ "bundle": bundle() }).to_string())]);
    let mut envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 1).unwrap();
    assert_eq!(envoy.client("main").get("/v1/items", Some(READER)).status, 418);
    envoy.terminate();
    assert!(envoy.decisions().is_empty());
    assert_eq!(verify(Path::new("."), &["-", "--closed"], &envoy.log()).status.code(), Some(0));
}

#[test]
fn log_of_four_workers_reveals_any_change() {
    let folder = tempfile::tempdir().unwrap();
    let resource = folder.path().join("filter.json");
    write_resource(&resource, &bundle());
    let listener = envoy::listener("main", &[discovered(folder.path())]);
    let mut envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 4).unwrap();
    requests(&envoy, 12);
    let mut next = bundle();
    next["revision"] = json!(1_800_000_002);
    write_resource(&resource, &next);
    envoy.wait_for_log("\"event\":\"closed\"");
    requests(&envoy, 12);
    envoy.terminate();
    let log = envoy.log();
    let output = verify(folder.path(), &["-", "--closed"], &log);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}\n{log}");
    // Two configurations, each with the canary, the main thread and four workers.
    assert!(told.starts_with("142 events in 12 chains: intact; 0 chains open"), "{told}");

    let lines: Vec<&str> = log.lines().collect();
    let events: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains("{\"v\":1,")).collect();
    for at in events.iter().copied().step_by(7).chain(events.iter().copied().rev().take(12)) {
        let without = [&lines[..at], &lines[at + 1..]].concat();
        let twice = [&lines[..at], &[lines[at]], &lines[at..]].concat();
        let edited = lines[at].replace("\"revision\":1", "\"revision\":2");
        let mut changed = lines.clone();
        changed[at] = &edited;
        for tampered in [without, twice, changed] {
            let output = verify(folder.path(), &["-", "--closed"], &tampered.join("\n"));
            assert_eq!(output.status.code(), Some(1), "{}: {}", at, lines[at]);
        }
    }
}

#[test]
fn file_logger_writes_filter_state_of_every_request() {
    let folder = tempfile::tempdir().unwrap();
    let key = "0123456789abcdef".repeat(4);
    let audit = json!({ "sinks": ["filter_state"], "chain": { "hmac_sha256": key } });
    fs::write(folder.path().join("gateway.yaml"), json!({ "audit": audit }).to_string()).unwrap();
    fs::write(folder.path().join("key"), format!("{key}\n")).unwrap();
    fs::write(folder.path().join("bundle.json"), bundle().to_string()).unwrap();
    let wasm = envoy::wasm();
    let render = [
        "render",
        "ecds",
        "--bundle",
        "bundle.json",
        "--settings",
        "gateway.yaml",
        "-o",
        "filter.json",
        "--wasm",
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenward"));
    assert!(command.args(render).arg(wasm).current_dir(&folder).output().unwrap().status.success());
    let example = fs::read_to_string("envoy/accesslog-file.yaml").unwrap();
    let example = crate::examples::on_free_ports(&example, echo::start());
    let mut envoy = Envoy::start_in(folder.path(), &example, 2).unwrap();
    let address = envoy.listener("gateway");
    wait::until(|| Client::try_connect(address).is_ok());
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(address)).collect();
    for request in 0..40 {
        clients[request % 4].get("/v1/items", [Some(READER), None][request % 2]);
    }
    envoy.terminate();
    let written = fs::read_to_string(folder.path().join("audit.log")).unwrap();
    let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 40, "{written}");
    assert!(lines.iter().all(|event| event["event"] == "decision" && event["hash"].is_string()), "{written}");
    // Notices belong to no request, so they are in Envoy's log; together with them the chains are complete.
    let log = envoy.log();
    assert!(envoy.decisions().is_empty() && log.contains("\"event\":\"configured\""), "{log}");
    assert!(!log.contains(&key) && !written.contains(&key));
    let verify = |arguments: &[&str]| {
        let output = verify(folder.path(), arguments, "");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let whole = ["log", "audit.log", "--closed", "--unordered", "--key-file", "key"];
    assert_eq!(verify(&whole).0, Some(0), "{:?}", verify(&whole));
    assert_eq!(verify(&whole[..4]).0, Some(1), "without the key");
    let cut: Vec<&str> = written.lines().filter(|line| !line.contains("\"seq\":3,")).collect();
    fs::write(folder.path().join("audit.log"), cut.join("\n")).unwrap();
    assert!(verify(&whole).1.contains("event 3 of chain"), "{:?}", verify(&whole));
}

#[test]
fn event_goes_to_log_without_filter_state() {
    let mut filter =
        envoy::filter(&json!({ "bundle": bundle(), "audit": { "sinks": ["filter_state"] } }).to_string());
    // Without `proxy_set_property`, and without shared data, which provides the ids of chains.
    let allowed = [
        "proxy_on_context_create",
        "proxy_on_configure",
        "proxy_on_request_headers",
        "proxy_on_delete",
        "proxy_log",
        "proxy_get_current_time_nanoseconds",
        "proxy_get_buffer_bytes",
        "proxy_get_header_map_pairs",
        "proxy_get_property",
        "proxy_send_local_response",
    ];
    let allowed: serde_json::Map<String, Value> =
        allowed.map(|name| (name.to_owned(), json!({}))).into_iter().collect();
    filter["typed_config"]["config"]["vm_config"]["capability_restriction_config"] =
        json!({ "allowed_capabilities": allowed });
    let listener = envoy::listener("main", &[filter]);
    let mut envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 1).unwrap();
    assert_eq!(envoy.client("main").get("/v1/items", None).status, 401);
    envoy.terminate();
    assert_eq!(envoy.decisions().len(), 1);
    let output = verify(Path::new("."), &["-"], &envoy.log());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn permits_can_be_left_out_and_nothing_else() {
    for (permits, most) in [(json!("none"), 0), (json!({ "one_in": 4 }), 60)] {
        let mut bundle = bundle();
        let retiring = "test_svc_retiring_0123456789";
        bundle["tokens"]["old"] = token(json!([secret("1", retiring, retired())]));
        let mut envoy = start(&json!({ "bundle": bundle, "audit": { "permits": permits } }));
        let mut client = envoy.client("main");
        for _ in 0..100 {
            assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
        }
        for _ in 0..10 {
            assert_eq!(client.get("/v1/items", Some(retiring)).status, 200);
            assert_eq!(client.get("/v1/items", None).status, 401);
        }
        envoy.terminate();
        let events = envoy.decisions();
        let count = |field: &str, value: Value| events.iter().filter(|event| event[field] == value).count();
        assert_eq!((count("token", json!("old")), count("decision", json!("deny"))), (10, 10), "{permits}");
        // One in four: fewer than 1 or more than 60 of 100 is less likely than one in 10^12.
        let told = count("token", json!("reader"));
        assert!(told <= most && (most == 0 || told > 0), "{permits}: {told}");
        // Unlogged permits do not count as missing.
        assert_eq!(verify(Path::new("."), &["-", "--closed"], &envoy.log()).status.code(), Some(0));
    }
}

#[test]
fn shadow_deny_has_an_event() {
    let configuration = json!({ "bundle": bundle(), "mode": "shadow", "audit": { "permits": "none" } });
    let mut envoy = start(&configuration);
    let mut client = envoy.client("main");
    assert_eq!(client.get("/v1/items", None).status, 200);
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    envoy.terminate();
    assert_eq!(envoy.decisions().len(), 1);
}

/// The event of a secret in its overlap.
fn retired() -> Value {
    json!({ "retired_at": "2026-01-01T00:00:00Z", "expires_at": in_seconds(3_600) })
}

/// Sends five requests this many times, on separate connections: permits and denials.
fn requests(envoy: &Envoy, connections: usize) {
    for _ in 0..connections {
        let mut client = envoy.client("main");
        for secret in [Some(READER), None, Some(EXPIRED), Some(READER), Some("wrong_0123456789")] {
            client.get("/v1/items", secret);
        }
    }
}
