//! Chains of real Envoys: two filters with one configuration, two runs in one log, a crash in between.

use std::path::Path;

use serde_json::json;

use crate::audit_log::verify;
use crate::envoy::{self, Envoy};
use crate::fixture::{READER, bundle, start_with};
use crate::{echo, tripwire};

#[test]
fn two_filters_with_one_configuration_have_two_canaries() {
    let configuration = json!({ "bundle": bundle() }).to_string();
    let listeners = ["main", "other"].map(|name| {
        let mut filter = envoy::filter(&configuration);
        filter["typed_config"]["config"]["name"] = json!(name);
        envoy::listener(name, &[filter])
    });
    let mut envoy = Envoy::start(&envoy::configuration(&listeners, echo::start()), 2).unwrap();
    for name in ["main", "other"] {
        assert_eq!(envoy.client(name).get("/v1/items", Some(READER)).status, 200);
    }
    envoy.terminate();
    let events = envoy.events("configured");
    assert_eq!(events.iter().filter(|event| event["canary"] == true).count(), 2, "{events:?}");
    assert_eq!(told(&envoy.log(), "--closed").0, Some(0), "{:?}", told(&envoy.log(), "--closed"));
}

#[test]
fn log_of_two_runs_reveals_missing_chains() {
    let log: String = (0..2)
        .map(|_| {
            let mut envoy = start_with(&json!({ "bundle": bundle() }), 2);
            for _ in 0..8 {
                envoy.client("main").get("/v1/items", Some(READER));
            }
            envoy.terminate();
            envoy.log()
        })
        .collect();
    let (code, text) = told(&log, "--closed");
    assert_eq!(code, Some(0), "{text}");
    // For each run: the canary, the main thread and two workers.
    assert!(text.contains("in 8 chains: intact; 0 chains open"), "{text}");
    let chain = |line: &str| Some(line.split_once("\"chain\":\"")?.1.split('"').next()?.to_owned());
    let chains: std::collections::BTreeSet<String> = log.lines().filter_map(chain).collect();
    for name in chains {
        let without: Vec<&str> = log.lines().filter(|line| chain(line).as_ref() != Some(&name)).collect();
        let (code, text) = told(&without.join("\n"), "--closed");
        assert!(code == Some(1) && text.contains(&format!("chain {name} is missing")), "{name}: {text}");
    }
}

#[test]
fn crash_leaves_one_chain_without_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut envoy = tripwire::start(folder.path(), &bundle());
    let mut client = envoy.client("main");
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    assert_eq!(tripwire::trap(&mut client).status, 503);
    tripwire::until_back(&mut client);
    envoy.terminate();
    let (code, text) = told(&envoy.log(), "--json");
    assert!(code == Some(0) && text.contains("\"chains\":4,\"open\":1,"), "{text}");
    let (code, text) = told(&envoy.log(), "--closed");
    assert!(code == Some(1) && text.contains("1 findings") && text.contains("has no end"), "{text}");
}

/// The output of `tokenward audit verify` for a log, and its exit code.
fn told(log: &str, option: &str) -> (Option<i32>, String) {
    let output = verify(Path::new("."), &["-", option], log);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}
