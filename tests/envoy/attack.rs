//! A typical attack on two workers beside honest traffic: each step is reported once in the log and to the webhook,
//! and honest callers notice nothing.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::alerts;
use crate::envoy::{self, Envoy};
use crate::fixture::{READER, bundle, headers, in_seconds, secret, token};
use crate::hook::Hook;
use crate::http::Client;

#[test]
fn attack_is_reported_and_honest_traffic_continues() {
    let hook = Hook::start();
    let envoy = alerts::start_filter(&envoy::filter(&configuration().to_string()), hook.address, 2);
    let over = AtomicBool::new(false);
    let honest = std::thread::scope(|scope| {
        let honest: Vec<_> = (0..4).map(|_| scope.spawn(|| honest(&envoy, &over))).collect();
        let end = End(&over);
        attack(&envoy);
        drop(end);
        honest.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert!(honest > 20, "{honest} honest requests");

    // Every promised event occurs once, in the log and at the webhook.
    let expected = [
        json!(["suspended", "unknown_tokens", null, "198.51.100.66", 5]),
        json!(["suspended", "denials", "stolen", "198.51.100.67", 4]),
        json!(["alert", "retired_secret", "rotated", "198.51.100.68", 1]),
    ];
    let told: Vec<Value> = hook.wait_for(3).iter().map(|received| summary(&received.body["event"])).collect();
    assert_eq!(told, expected);
    let mut journal: Vec<Value> = ["suspended", "alert"]
        .iter()
        .flat_map(|kind| envoy.events(kind))
        .map(|event| summary(&event))
        .collect();
    journal.sort_by_key(|event| expected.iter().position(|known| known == event));
    assert_eq!(journal, expected);
    counted(&envoy);
    on_both_workers(&envoy);
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    assert_eq!(hook.received().len(), 3);
}

/// The metrics of the attack. Honest traffic adds only permits.
fn counted(envoy: &Envoy) {
    let stats = envoy.admin("/stats?filter=tokenward_");
    let sum = |part: &str, name: &str| -> u64 {
        let lines = stats.lines().filter_map(|line| line.rsplit_once(": "));
        let lines = lines.filter(|(stat, _)| stat.ends_with(name) && stat.contains(part));
        lines.map(|(_, value)| value.parse::<u64>().unwrap()).sum()
    };
    for (reason, count) in [
        ("unknown_token", 5),
        ("suspended_source", 4),
        ("insufficient_scope", 4),
        ("suspended_token", 2),
        ("retired_secret", 6),
        ("source_not_allowed", 12),
        ("outside_hours", 12),
    ] {
        assert_eq!(sum(&format!("reason=.={reason};.;"), "tokenward_decisions_total"), count, "{reason}");
    }
    assert_eq!(sum("outcome=.=deny;.;", "tokenward_decisions_total"), 45, "{stats}");
    for (name, count) in [
        ("tokenward_source_suspensions_total", 1),
        ("tokenward_token_suspensions_total", 1),
        ("tokenward_alerts_total", 1),
        ("tokenward_events_dropped_total", 0),
    ] {
        assert_eq!(sum("", name), count, "{name}");
    }
}

/// All workers act on the finding of one worker. There are enough connections to reach both.
fn on_both_workers(envoy: &Envoy) {
    let before = envoy.decisions().len();
    for _ in 0..30 {
        let mut client = envoy.client("main");
        assert_eq!(from(&mut client, "198.51.100.71", "/v1/items", STOLEN), 401);
        assert_eq!(from(&mut client, "198.51.100.66", "/v1/items", READER), 429);
    }
    let decisions = envoy.decisions();
    for reason in ["suspended_token", "suspended_source"] {
        let told = decisions[before..].iter().filter(|event| event["reason"] == reason);
        let chains: BTreeSet<&str> = told.map(|event| event["chain"].as_str().unwrap()).collect();
        assert_eq!(chains.len(), 2, "{reason}");
    }
}

/// Stops honest traffic, even if the attack fails.
struct End<'o>(&'o AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Guesses, probes, an old secret, and a restricted secret from elsewhere and at the wrong hour, each on several
/// connections.
fn attack(envoy: &Envoy) {
    let guess = "test_svc_a_guess_0123456789";
    let statuses = |source: &str, path: &str, secret: &str, count: usize| -> Vec<u16> {
        let mut clients: Vec<Client> = (0..4).map(|_| envoy.client("main")).collect();
        (0..count).map(|number| from(&mut clients[number % 4], source, path, secret)).collect()
    };
    assert_eq!(statuses("198.51.100.66", "/v1/items", guess, 7), [401, 401, 401, 401, 401, 429, 429]);
    assert_eq!(statuses("198.51.100.66", "/v1/items", STOLEN, 2), [429; 2]);
    assert_eq!(statuses("198.51.100.67", "/v1/other", STOLEN, 6), [403, 403, 403, 403, 401, 401]);
    assert_eq!(statuses("198.51.100.68", "/v1/items", OLD, 6), [401; 6]);
    // Neither of these locks the owner out.
    assert_eq!(statuses("198.51.100.69", "/v1/items", BOUND, 12), [403; 12]);
    assert_eq!(statuses("198.51.100.70", "/v1/items", ASLEEP, 12), [403; 12]);
    assert_eq!(statuses("203.0.113.7", "/v1/items", BOUND, 2), [200; 2]);
    assert_eq!(statuses("203.0.113.7", "/v1/items", NEW, 2), [200; 2]);
}

/// Sends allowed requests until the attack is over; returns their number.
fn honest(envoy: &Envoy, over: &AtomicBool) -> usize {
    let mut client = envoy.client("main");
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        assert_eq!(from(&mut client, "203.0.113.9", "/v1/items", READER), 200);
        assert_eq!(client.get("/healthz", None).status, 200);
        count += 1;
    }
    count
}

fn from(client: &mut Client, source: &str, path: &str, secret: &str) -> u16 {
    let authorization = format!("Bearer {secret}").into_bytes();
    let mut headers = headers(path.as_bytes(), &authorization);
    headers.push(("x-forwarded-for", source.as_bytes()));
    client.send(&headers).status
}

/// The parts of an event about what happened, who did it, and how often.
fn summary(event: &Value) -> Value {
    json!([event["event"], event["reason"], event["token"], event["source"], event["count"]])
}

fn configuration() -> Value {
    let mut bundle = bundle();
    bundle["defense"] = json!({
        "denials": { "limit": 4, "per": "1m", "suspend": "15m" },
        "unknown_tokens": { "limit": 5, "per": "1m", "suspend": "15m" },
        "retired_secret": "alert",
    });
    let retired = json!({ "retired_at": in_seconds(-7_200), "expires_at": in_seconds(-3_600) });
    for (id, secrets) in [
        ("stolen", json!([secret("1", STOLEN, json!({}))])),
        ("rotated", json!([secret("1", OLD, retired), secret("2", NEW, json!({}))])),
        ("bound", json!([secret("1", BOUND, json!({}))])),
        ("asleep", json!([secret("1", ASLEEP, json!({}))])),
    ] {
        bundle["tokens"][id] = token(secrets);
    }
    bundle["tokens"]["bound"]["allowed_sources"] = json!(["203.0.113.0/24"]);
    bundle["tokens"]["asleep"]["allowed_hours"] = json!([]);
    json!({
        "bundle": bundle,
        "alerts": { "cluster": "alerts", "authority": "alerts.acme.test", "path": "/hook" },
    })
}

const STOLEN: &str = "test_svc_stolen_0123456789";
const OLD: &str = "test_svc_old_0123456789";
const NEW: &str = "test_svc_new_0123456789";
const BOUND: &str = "test_svc_bound_0123456789";
const ASLEEP: &str = "test_svc_asleep_0123456789";
