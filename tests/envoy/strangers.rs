//! Strangers cannot fill the disk: callers without a working token get a limited number of lines per second, and a
//! summary counts all others.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::audit_log::{events, read_schema, verify};
use crate::discovery::{discovered, write_configuration};
use crate::envoy::{self, Envoy};
use crate::fixture::{EXPIRED, READER, REVOKED, bundle, start};
use crate::{echo, wait};

#[test]
fn strangers_beyond_budget_are_counted_by_reason() {
    let mut envoy = start(&json!({ "bundle": bundle(), "audit": { "strangers": 0 } }));
    let mut client = envoy.client("main");
    let requests = [
        ("/v1/items", None, "missing_token"),
        ("/v1/items", Some("a-guess_0123456789"), "unknown_token"),
        ("/a//b", None, "malformed_request"),
        ("/a//b", Some(READER), "malformed_request"),
        ("/healthz", None, "public"),
        ("/v1/items", Some(EXPIRED), "expired_token"),
        ("/v1/items", Some(REVOKED), "revoked_token"),
        ("/v1/items", Some(REVOKED), "revoked_token"),
    ];
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for (path, secret, reason) in requests {
        client.get(path, secret);
        *expected.entry(reason.to_owned()).or_default() += 1;
    }
    // A tick writes the summary if no request does. A caller with a working token always has a line.
    wait::until(|| counted(&envoy.log()) == expected);
    for (path, status) in [("/v1/items", 200), ("/v1/other", 403)] {
        assert_eq!(client.get(path, Some(READER)).status, status);
    }
    let metrics = envoy.admin("/stats?filter=tokenward_decisions_total$");
    let metrics = metrics.lines().filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok());
    assert_eq!(metrics.sum::<u64>(), 10, "metrics count every request");
    // Counts are written when Envoy shuts down.
    client.get("/v1/items", None);
    *expected.get_mut("missing_token").unwrap() += 1;
    envoy.terminate();
    let log = envoy.log();
    assert_eq!(counted(&log), expected);
    let reasons: Vec<Value> = envoy.decisions().iter().map(|event| event["reason"].clone()).collect();
    assert_eq!(reasons, ["permitted", "insufficient_scope"]);
    assert_intact(&log, 9);
}

#[test]
fn each_second_has_limited_lines_and_a_summary() {
    let mut bundle = bundle();
    bundle["defense"] = json!({ "unknown_tokens": { "limit": 5, "per": "1m", "suspend": "1m" } });
    let mut envoy = start(&json!({ "bundle": bundle, "audit": { "strangers": 3 } }));
    let mut client = envoy.client("main");
    let mut sent = 0;
    for _ in 0..20 {
        // Suspended sources continue to send requests and have no budget of their own.
        client.get("/v1/items", Some("a-guess_0123456789"));
        client.get("/v1/items", None);
        client.get("/v1/items", Some(REVOKED));
        sent += 3;
    }
    envoy.terminate();
    let log = envoy.log();
    let (mut lines, mut summaries) = (BTreeMap::new(), BTreeMap::new());
    let second = |time: &Value| time.as_str().unwrap()[..19].to_owned();
    for event in envoy.decisions() {
        let budget = event["token"].is_string();
        *lines.entry((second(&event["ts"]), budget)).or_insert(0) += 1;
    }
    for event in envoy.events("summary") {
        assert!(event["ts"].as_str() >= event["since"].as_str(), "{event}");
        *summaries.entry(second(&event["since"])).or_insert(0) += 1;
    }
    assert!(lines.values().all(|count| *count <= 3), "{lines:?}");
    assert!(summaries.values().all(|count| *count == 1), "{summaries:?}");
    let told = envoy.decisions().len();
    let counted = counted(&log);
    assert_eq!(told as u64 + counted.values().sum::<u64>(), sent);
    assert!(counted["suspended_source"] > 0 && counted["revoked_token"] > 0, "{counted:?}");
    assert_intact(&log, sent - told as u64);
}

#[test]
fn unlogged_permits_are_not_counted() {
    let audit = json!({ "strangers": 0, "permits": "none" });
    let mut envoy = start(&json!({ "bundle": bundle(), "audit": audit }));
    let mut client = envoy.client("main");
    for path in ["/healthz", "/v1/items", "/healthz"] {
        client.get(path, None);
    }
    envoy.terminate();
    assert_eq!(counted(&envoy.log()), BTreeMap::from([("missing_token".to_owned(), 1)]));
}

#[test]
fn new_configuration_keeps_earlier_counts() {
    let folder = tempfile::tempdir().unwrap();
    let resource = folder.path().join("filter.json");
    let mut bundle = bundle();
    let audit = json!({ "strangers": 0 });
    write_configuration(&resource, &json!({ "bundle": bundle, "audit": audit }));
    let listener = envoy::listener("main", &[discovered(folder.path())]);
    let mut envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 2).unwrap();
    let mut sent = 0;
    for revision in 1_800_000_002..1_800_000_005_u64 {
        for _ in 0..5 {
            assert_eq!(envoy.client("main").get("/v1/items", None).status, 401);
            sent += 1;
        }
        bundle["revision"] = json!(revision);
        write_configuration(&resource, &json!({ "bundle": bundle, "audit": audit }));
        envoy.wait_for_log(&format!("\"revision\":{revision},\"tokens\""));
    }
    envoy.terminate();
    assert_eq!(counted(&envoy.log()), BTreeMap::from([("missing_token".to_owned(), sent)]));
    assert_intact(&envoy.log(), sent);
}

#[test]
fn filter_state_of_counted_request_has_reason() {
    let folder = tempfile::tempdir().unwrap();
    let audit = json!({ "sinks": ["filter_state"], "strangers": 1 });
    let filter = envoy::filter(&json!({ "bundle": bundle(), "audit": audit }).to_string());
    let mut listener = envoy::listener("main", &[filter]);
    listener["filter_chains"][0]["filters"][0]["typed_config"]["access_log"] = json!([{
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "audit.log",
            "log_format": { "text_format_source": {
                "inline_string": "%FILTER_STATE(wasm.tokenward:PLAIN)%\n",
            }},
        },
    }]);
    let configuration = envoy::configuration(&[listener], echo::start()).to_string();
    let mut envoy = Envoy::start_in(folder.path(), &configuration, 1).unwrap();
    let mut client = envoy.client("main");
    for _ in 0..40 {
        client.get("/v1/items", None);
    }
    envoy.terminate();
    let written = fs::read_to_string(folder.path().join("audit.log")).unwrap();
    let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 40, "{written}");
    let of = |kind: &str| lines.iter().filter(|event| event["event"] == kind).count();
    let counted = counted(&envoy.log()).remove("missing_token").unwrap_or_default();
    assert_eq!(of("counted") as u64, counted);
    assert_eq!(of("decision") + of("counted"), 40);
    assert!(written.contains("\n{\"event\":\"counted\",\"reason\":\"missing_token\"}\n"), "{written}");
    let schema = read_schema();
    assert!(lines.iter().all(|event| schema.is_valid(event)), "{written}");
    let output = verify(folder.path(), &["log", "audit.log", "--closed", "--unordered"], "");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The number of requests in the summaries of a log, by reason. Each summary must add up and match the schema.
fn counted(log: &str) -> BTreeMap<String, u64> {
    let schema = read_schema();
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for event in events(log).iter().filter(|event| event["event"] == "summary") {
        if let Err(error) = schema.validate(event) {
            panic!("{error}: {event}");
        }
        let reasons = event["reasons"].as_object().unwrap();
        let sum: u64 = reasons.values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(event["count"], json!(sum), "{event}");
        for (reason, count) in reasons {
            *counted.entry(reason.clone()).or_default() += count.as_u64().unwrap();
        }
    }
    counted
}

/// Asserts that the chains of a log are intact, and that its summaries count this many requests.
fn assert_intact(log: &str, requests: u64) {
    let output = verify(Path::new("."), &["-", "--closed", "--json"], log);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}\n{log}");
    let report: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!((&report["counted"], &report["intact"]), (&json!(requests), &json!(true)), "{told}");
}
