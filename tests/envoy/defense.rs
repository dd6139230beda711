//! The defense, which all workers of one Envoy share: which request leads to a suspension, and for how long.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::envoy::{self, Envoy};
use crate::fixture::{READER, bundle, in_seconds, secret, start_with, token};
use crate::http::{Client, Response};
use crate::{discovery, echo, fixture, tripwire, wait};

#[test]
fn probing_token_is_suspended_on_all_workers() {
    let envoy = start_with(&guarded(json!({ "denials": { "limit": 20, "per": "1m", "suspend": "15m" } })), 4);
    let mut clients = clients(&envoy, 12);
    let statuses: Vec<u16> =
        (0..22).map(|number| clients[number % 12].get("/v1/other", Some(PROBER)).status).collect();
    assert_eq!(statuses, [vec![403; 20], vec![401; 2]].concat());
    for client in &mut clients {
        let response = client.get("/v1/items", Some(PROBER));
        assert_eq!((response.status, &response.json()["type"]), (401, &json!("urn:tokenward:invalid_token")));
        assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
        assert_eq!(client.get("/healthz", Some(PROBER)).status, 200);
    }
    let events = notices(&envoy, "suspended", 1);
    let event = &events[0];
    assert_eq!((&event["token"], &event["secret"]), (&json!("prober"), &json!("1")));
    assert_eq!(
        (&event["reason"], &event["count"], &event["mode"]),
        (&json!("denials"), &json!(20), &json!("enforce"))
    );
    assert!(event["until"].as_str() > event["ts"].as_str() && event["source"] == "127.0.0.1", "{event}");
    assert!(workers(&envoy) > 1, "one worker served all of them");
}

#[test]
fn simultaneous_denials_suspend_once() {
    let envoy = start_with(&guarded(json!({ "denials": { "limit": 40, "per": "1m", "suspend": "15m" } })), 4);
    let address = envoy.listener("main");
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                (0..20).for_each(|_| drop(client.get("/v1/other", Some(PROBER))));
            });
        }
    });
    assert_eq!(envoy.client("main").get("/v1/items", Some(PROBER)).status, 401);
    let denied = decisions(&envoy, 321).into_iter().filter(|event| event["reason"] == "insufficient_scope");
    // Each connection may have had one request in flight.
    assert!((40..40 + 16).contains(&denied.count()));
    assert_eq!(notices(&envoy, "suspended", 1).len(), 1);
}

#[test]
fn guessing_address_is_suspended_for_any_token() {
    let envoy =
        start_with(&guarded(json!({ "unknown_tokens": { "limit": 5, "per": "1m", "suspend": "15m" } })), 2);
    let mut clients = clients(&envoy, 6);
    for (number, client) in (0..5).zip(&mut clients) {
        assert_eq!(from("203.0.113.7", client, &format!("a-guess-0123456789-{number}")).status, 401);
    }
    for client in &mut clients {
        // A guesser gets the same response for a right and a wrong guess.
        for secret in [READER, "a-guess-0123456789"] {
            let response = from("203.0.113.7", client, secret);
            let wait: i64 = response.header("retry-after").unwrap().parse().unwrap();
            assert!(response.status == 429 && (880..=900).contains(&wait), "{response:?}");
            assert_eq!(response.json()["type"], "urn:tokenward:suspended_source");
        }
        assert_eq!(from("203.0.113.8", client, READER).status, 200);
    }
    assert_eq!(from("203.0.113.8", &mut clients[0], "a-guess-0123456789").status, 401);
    let events = notices(&envoy, "suspended", 1);
    assert_eq!(events[0]["source"], "203.0.113.7");
    assert!(events[0].get("token").is_none() && events[0]["reason"] == "unknown_tokens");
}

#[test]
fn a_suspension_ends_in_time() {
    let envoy = start_with(&guarded(json!({ "denials": { "limit": 2, "per": "1m", "suspend": "2s" } })), 2);
    let mut client = envoy.client("main");
    for round in 1..=2 {
        let begin = Instant::now();
        let denied = [0; 2].map(|_| client.get("/v1/other", Some(PROBER)).status);
        assert_eq!(denied, [403; 2], "round {round}");
        assert_eq!(client.get("/v1/items", Some(PROBER)).status, 401);
        wait::until(|| client.get("/v1/items", Some(PROBER)).status == 200);
        assert!(begin.elapsed() >= Duration::from_secs(2), "it ended after {:?}", begin.elapsed());
    }
    assert_eq!(notices(&envoy, "suspended", 2).len(), 2);
}

#[test]
fn suspensions_and_counts_outlive_a_trap() {
    let folder = tempfile::tempdir().unwrap();
    let configuration = guarded(json!({ "denials": { "limit": 3, "per": "1m", "suspend": "15m" } }));
    let envoy = tripwire::start(folder.path(), &configuration["bundle"]);
    let mut client = envoy.client("main");
    let mut denied = |count: usize| (0..count).all(|_| client.get("/v1/other", Some(PROBER)).status == 403);
    assert!(denied(2));
    let trapped = |client: &mut Client| {
        assert_eq!(tripwire::trap(client).status, 503);
        tripwire::until_back(client);
    };
    trapped(&mut envoy.client("main"));
    assert!(denied(1));
    assert_eq!(client.get("/v1/items", Some(PROBER)).status, 401);
    trapped(&mut envoy.client("main"));
    assert_eq!(client.get("/v1/items", Some(PROBER)).status, 401);
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
}

#[test]
fn suspension_outlives_new_policy_not_new_secret() {
    let folder = tempfile::tempdir().unwrap();
    let mut configuration = guarded(json!({ "denials": { "limit": 2, "per": "1m", "suspend": "15m" } }));
    let resource = folder.path().join("filter.json");
    discovery::write_resource(&resource, &configuration["bundle"]);
    let listener = envoy::listener("main", &[discovery::discovered(folder.path())]);
    let envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 2).unwrap();
    let mut client = envoy.client("main");
    assert_eq!([0; 3].map(|_| client.get("/v1/other", Some(PROBER)).status), [403, 403, 401]);

    configuration["bundle"]["tokens"]["reader"]["purpose"] = json!("something else");
    ship(&resource, &envoy, &mut configuration["bundle"]);
    assert_eq!(client.get("/v1/items", Some(PROBER)).status, 401);

    let new = "test_svc_prober_second_0123456789";
    let secrets = configuration["bundle"]["tokens"]["prober"]["secrets"].as_array_mut().unwrap();
    secrets.push(secret("2", new, json!({})));
    ship(&resource, &envoy, &mut configuration["bundle"]);
    assert_eq!(client.get("/v1/items", Some(new)).status, 200);
}

#[test]
fn retired_secret_is_reported_at_intervals() {
    let envoy = start_with(&guarded(json!({ "retired_secret": "alert" })), 2);
    let mut clients = clients(&envoy, 6);
    for client in &mut clients {
        assert_eq!(client.get("/v1/items", Some(RETIRED)).status, 401);
        assert_eq!(client.get("/v1/items", Some(ROTATED)).status, 200);
    }
    decisions(&envoy, 12);
    let events = notices(&envoy, "alert", 1);
    assert_eq!(events.len(), 1, "{events:?}");
    let told = ["reason", "token", "secret", "count"].map(|key| events[0][key].clone());
    assert_eq!(told, [json!("retired_secret"), json!("rotated"), json!("1"), json!(1)]);
}

#[test]
fn retired_secret_suspends_the_token_if_configured() {
    let envoy = start_with(&guarded(json!({ "retired_secret": "suspend" })), 2);
    let mut clients = clients(&envoy, 6);
    assert_eq!(clients[0].get("/v1/items", Some(ROTATED)).status, 200);
    for client in &mut clients {
        assert_eq!(client.get("/v1/items", Some(RETIRED)).status, 401);
        assert_eq!(client.get("/v1/items", Some(ROTATED)).status, 401);
        assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    }
    decisions(&envoy, 19);
    let events = notices(&envoy, "suspended", 1);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((&events[0]["token"], &events[0]["reason"]), (&json!("rotated"), &json!("retired_secret")));
}

#[test]
fn shadow_gateway_reports_suspensions_without_rejecting() {
    let enforcing = guarded(json!({ "denials": { "limit": 2, "per": "1m", "suspend": "15m" } }));
    let mut shadow = enforcing.clone();
    shadow["mode"] = json!("shadow");
    let listeners = [("main", &enforcing), ("shadow", &shadow)]
        .map(|(name, configuration)| envoy::listener(name, &[envoy::filter(&configuration.to_string())]));
    let envoy = Envoy::start(&envoy::configuration(&listeners, echo::start()), 2).unwrap();
    let mut client = envoy.client("shadow");
    for _ in 0..4 {
        assert_eq!(client.get("/v1/other", Some(PROBER)).status, 200);
    }
    assert_eq!(envoy.client("main").get("/v1/items", Some(PROBER)).status, 200);
    let reasons: Vec<Value> = decisions(&envoy, 5).iter().map(|event| event["reason"].clone()).collect();
    let expected =
        ["insufficient_scope", "insufficient_scope", "suspended_token", "suspended_token", "permitted"];
    assert_eq!(reasons, expected);
    assert_eq!(notices(&envoy, "suspended", 1)[0]["mode"], "shadow");
}

#[test]
fn garbage_in_shared_data_suspends_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let configuration = guarded(json!({
        "denials": { "limit": 2, "per": "1m", "suspend": "15m" },
        "unknown_tokens": { "limit": 2, "per": "1m", "suspend": "15m" },
    }));
    let litter = folder.path().join("litter.wasm");
    std::fs::write(&litter, wat::parse_str(LITTER).unwrap()).unwrap();
    let filters = [envoy::wasm_filter(&litter, &json!(null)), envoy::filter(&configuration.to_string())];
    let listener = envoy::listener("main", &filters);
    let envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 2).unwrap();
    let mut client = envoy.client("main");
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    assert_eq!(client.get("/v1/items", Some(PROBER)).status, 200);
    // Every list is overwritten with garbage before each request: the defense fails, but the policy holds.
    for _ in 0..4 {
        assert_eq!(client.get("/v1/other", Some(PROBER)).status, 403);
        assert_eq!(client.get("/v1/other", None).status, 401);
    }
}

#[test]
fn policy_holds_without_shared_data() {
    let configuration = guarded(json!({
        "denials": { "limit": 2, "per": "1m", "suspend": "15m" },
        "unknown_tokens": { "limit": 2, "per": "1m", "suspend": "15m" },
        "retired_secret": "suspend",
    }));
    let filter = discovery::without(&configuration, &["proxy_get_shared_data", "proxy_set_shared_data"]);
    let listener = envoy::listener("main", &[filter]);
    let envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 1).unwrap();
    let mut client = envoy.client("main");
    for _ in 0..4 {
        assert_eq!(client.get("/v1/other", Some(PROBER)).status, 403);
        assert_eq!(client.get("/v1/items", Some("a-guess-0123456789")).status, 401);
        assert_eq!(client.get("/v1/items", Some(RETIRED)).status, 401);
        assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    }
    let complaint = "tokenward: the host does not store counts: the filter rejects offending requests, but cannot suspend";
    envoy.wait_for_log(complaint);
    assert_eq!(envoy.log().matches(complaint).count(), 1);
}

/// A configuration with this defense, and tokens for it.
fn guarded(defense: Value) -> Value {
    let mut bundle = bundle();
    bundle["defense"] = defense;
    bundle["tokens"]["prober"] = token(json!([secret("1", PROBER, json!({}))]));
    let retired = json!({ "retired_at": in_seconds(-7_200), "expires_at": in_seconds(-3_600) });
    let rotated = json!([secret("1", RETIRED, retired), secret("2", ROTATED, json!({}))]);
    bundle["tokens"]["rotated"] = token(rotated);
    json!({ "bundle": bundle })
}

/// Enough connections to reach every worker.
fn clients(envoy: &Envoy, count: usize) -> Vec<Client> {
    (0..count).map(|_| envoy.client("main")).collect()
}

/// Sends a request with a secret from an address.
fn from(source: &str, client: &mut Client, secret: &str) -> Response {
    let authorization = format!("Bearer {secret}").into_bytes();
    let mut headers = fixture::headers(b"/v1/items", &authorization);
    headers.push(("x-forwarded-for", source.as_bytes()));
    client.send(&headers)
}

/// Activates a bundle with the next revision.
fn ship(resource: &Path, envoy: &Envoy, bundle: &mut Value) {
    let revision = bundle["revision"].as_u64().unwrap() + 1;
    bundle["revision"] = json!(revision);
    discovery::write_resource(resource, bundle);
    // In the canary, in the main thread and in two workers.
    wait::until(|| {
        let configured = envoy.events("configured");
        configured.iter().filter(|event| event["revision"] == revision).count() == 4
    });
}

/// The number of workers that have accepted a connection.
fn workers(envoy: &Envoy) -> usize {
    let stats = envoy.admin("/stats?filter=worker_.*downstream_cx_total");
    let counts = stats.lines().filter_map(|line| line.rsplit_once(": "));
    counts.filter(|(name, count)| name.contains("listener") && *count != "0").count()
}

/// Waits for this many events of decisions.
fn decisions(envoy: &Envoy, count: usize) -> Vec<Value> {
    wait::found(|| Some(envoy.decisions()).filter(|events| events.len() >= count), || envoy.log())
}

/// Waits for this many events of this kind.
fn notices(envoy: &Envoy, kind: &str, count: usize) -> Vec<Value> {
    wait::found(|| Some(envoy.events(kind)).filter(|events| events.len() >= count), || envoy.log())
}

const PROBER: &str = "test_svc_prober_0123456789";
const RETIRED: &str = "test_svc_retired_0123456789";
const ROTATED: &str = "test_svc_rotated_0123456789";

/// A module that overwrites the lists of the defense with garbage for every request.
const LITTER: &str = r#"(module
    (import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 2)
    (data (i32.const 0) "tokenward/defense/enforce/fixture/tokens")
    (data (i32.const 64) "tokenward/defense/enforce/fixture/sources")
    (data (i32.const 128) "tokenward/defense/enforce/fixture/epoch")
    (data (i32.const 192) "tokenward/defense/enforce/fixture/salt")
    (data (i32.const 256) "\01garbage and no list of any kind, but long enough to be one")
    (func (export "malloc") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $set (i32.const 0) (i32.const 40) (i32.const 256) (i32.const 60) (i32.const 0)))
        (drop (call $set (i32.const 64) (i32.const 41) (i32.const 256) (i32.const 60) (i32.const 0)))
        (drop (call $set (i32.const 192) (i32.const 38) (i32.const 256) (i32.const 3) (i32.const 0)))
        (drop (call $set (i32.const 128) (i32.const 39) (i32.const 256) (i32.const 60) (i32.const 0)))
        (i32.const 0)))"#;
