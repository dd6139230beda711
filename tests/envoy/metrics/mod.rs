//! Metrics: the metrics of a running Envoy, with the tag rules of the example and with Istio's own.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::discovery::{discovered, write_resource};
use crate::envoy::{self, Envoy};
use crate::fixture::{EXPIRED, READER, bundle, in_seconds, secret, start, start_with, token};
use crate::http::Client;
use crate::metrics::scrape::{Series, scrape, value};
use crate::{echo, fixture, wait};

mod monitoring;
pub(crate) mod scrape;

const OLD: &str = "test_svc_rotated_0123456789";
const PROBE: &str = "test_svc_probing_0123456789";

#[test]
fn example_and_istio_rules_extract_labels() {
    for stats in [example(), istio()] {
        let busy = Busy::start(&stats);
        let series = busy.series();
        for (reason, kind, count) in [
            ("permitted", "service", 3.0),
            ("public", "none", 1.0),
            ("missing_token", "none", 1.0),
            ("unknown_token", "none", 2.0),
            ("expired_token", "service", 1.0),
            ("insufficient_scope", "robot_arm", 1.0),
        ] {
            for mode in ["enforce", "shadow"] {
                let permits = ["permitted", "public"].contains(&reason);
                let outcome = if permits { "permit" } else { "deny" };
                let labels = [("outcome", outcome), ("reason", reason), ("kind", kind), ("mode", mode)];
                let shown = value(&series, "tokenward_decisions_total", &labels);
                assert_eq!(shown, Some(count), "{labels:?}\n{series:#?}");
            }
        }
        assert_eq!(value(&series, "tokenward_retiring_secret_uses_total", &[]), Some(4.0));
        for (name, shown) in [
            ("tokenward_token_suspensions_total", 2.0),
            ("tokenward_source_suspensions_total", 2.0),
            ("tokenward_alerts_total", 0.0),
            ("tokenward_events_dropped_total", 0.0),
        ] {
            assert_eq!(value(&series, name, &[]), Some(shown), "{name}");
        }
        for what in ["bundle", "revocations"] {
            let shown = value(&series, "tokenward_feed_last_success_timestamp_seconds", &[("what", what)]);
            assert_eq!(shown, Some(0.0), "{what}");
        }
        for mode in ["enforce", "shadow"] {
            for name in ["tokenward_suspended_tokens", "tokenward_suspended_sources"] {
                let labels = [("bundle", "fixture"), ("mode", mode)];
                assert_eq!(value(&series, name, &labels), Some(1.0), "{name} {mode}");
            }
        }
        for (gauge, shown) in [
            ("tokenward_bundle_revision", 1_800_000_001.0),
            ("tokenward_bundle_built_timestamp_seconds", 1_767_225_600.0),
            ("tokenward_bundle_tokens", 4.0),
            ("tokenward_secrets_expiring_within_7_days", 1.0),
        ] {
            assert_eq!(value(&series, gauge, &[("bundle", "fixture")]), Some(shown), "{gauge}");
        }
        let gauge = |name| value(&series, name, &[("bundle", "fixture")]).unwrap();
        assert!(gauge("tokenward_bundle_age_seconds") > 3_600.0);
        assert!(
            gauge("tokenward_bundle_expires_timestamp_seconds")
                > gauge("tokenward_bundle_built_timestamp_seconds")
        );
    }
}

#[test]
fn configurations_are_counted() {
    let busy = Busy::start(&example());
    let count = |series: &[Series], result| {
        value(series, "tokenward_configurations_total", &[("result", result)]).unwrap()
    };
    // Two configurations, each first tried, then activated by the main thread and by two workers.
    let series = busy.series();
    assert_eq!([count(&series, "accepted"), count(&series, "refused")], [8.0, 1.0]);
    let mut renamed = busy_bundle();
    renamed["name"] = json!("other:name");
    renamed["revision"] = json!(7);
    busy.put(&renamed);
    busy.wait_until(|series| {
        value(series, "tokenward_bundle_revision", &[("bundle", "other_name")]) == Some(7.0)
    });
    busy.wait_until(|series| count(series, "accepted") == 12.0);
}

#[test]
fn removed_defense_resets_the_suspension_gauges() {
    let (folder, envoy) = reloadable();
    let put = |defense: Value| {
        let mut bundle = bundle();
        bundle["defense"] = defense;
        write_resource(&folder.path().join("filter.json"), &bundle);
    };
    let suspended = |count: f64| {
        let labels = [("bundle", "fixture"), ("mode", "enforce")];
        wait_until(&envoy, |series| value(series, "tokenward_suspended_tokens", &labels) == Some(count));
    };
    let denials = json!({ "limit": 1, "per": "1m", "suspend": "15m" });
    put(json!({ "denials": denials }));
    suspended(0.0);
    assert_eq!(envoy.client("main").get("/v1/other", Some(READER)).status, 403);
    suspended(1.0);
    // A changed defense keeps its state; a removed one does not.
    put(json!({ "denials": denials, "retired_secret": "alert" }));
    suspended(1.0);
    put(json!({ "retired_secret": "alert" }));
    suspended(0.0);
    put(json!({ "denials": denials }));
    suspended(1.0);
    put(json!({}));
    suspended(0.0);
}

#[test]
fn metrics_report_the_newest_bundle_of_a_name() {
    let (folder, envoy) = reloadable();
    let put = |name: &str, revision: u64| {
        let mut bundle = bundle();
        bundle["name"] = json!(name);
        bundle["revision"] = json!(revision);
        write_resource(&folder.path().join("filter.json"), &bundle);
    };
    let revision = |name: &'static str, wanted: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let wanted = wanted as f64;
        wait_until(&envoy, |series| {
            value(series, "tokenward_bundle_revision", &[("bundle", name)]) == Some(wanted)
        });
    };
    revision("fixture", 1_800_000_001);
    put("fixture", 3);
    revision("fixture", 3);
    // An operator's rollback to the earlier bundle.
    put("fixture", 2);
    revision("fixture", 2);
    put("fixture", 3);
    revision("fixture", 3);
    put("another", 4);
    revision("another", 4);
    revision("fixture", 0);
    let tokens = value(&scrape(&envoy), "tokenward_bundle_tokens", &[("bundle", "fixture")]);
    assert_eq!(tokens, Some(0.0));
}

#[test]
fn counters_of_four_workers_add_up() {
    let envoy = start_with(&json!({ "bundle": bundle(), "audit": { "sinks": [] } }), 4);
    let address = envoy.listener("main");
    std::thread::scope(|scope| {
        for number in 0..16 {
            let secret = if number % 2 == 0 { READER } else { EXPIRED };
            scope.spawn(move || {
                let mut client = Client::connect(address);
                for _ in 0..50 {
                    client.get("/v1/items", Some(secret));
                }
            });
        }
    });
    // Without rules the labels stay in the name, and the counts are the same.
    let stats = envoy.admin("/stats?filter=tokenward_decisions_total");
    let mut counts: Vec<&str> = stats.lines().collect();
    counts.sort_unstable();
    let name = |outcome: &str, reason: &str| {
        format!(
            "wasmcustom.outcome=.={outcome};.;reason=.={reason};.;kind=.=service;.;mode=.=enforce;.;tokenward_decisions_total: 400"
        )
    };
    assert_eq!(counts, [name("deny", "expired_token"), name("permit", "permitted")]);
}

#[test]
fn callers_cannot_create_metric_series() {
    let mut bundle = bundle();
    let kinds: serde_json::Map<String, Value> =
        (0..30).map(|kind| (format!("kind{kind}"), json!({}))).collect();
    bundle["kinds"] = Value::Object(kinds);
    let clear = |kind: u32| format!("test_svc_kind{kind}_0123456789");
    let tokens = (0..30).map(|kind| {
        let mut token = token(json!([secret("1", &clear(kind), json!({}))]));
        token["kind"] = json!(format!("kind{kind}"));
        (format!("token{kind}"), token)
    });
    bundle["tokens"] = Value::Object(tokens.collect());
    let envoy = start(&json!({ "bundle": bundle }));
    let mut client = envoy.client("main");
    for kind in 0..30 {
        assert_eq!(client.get("/v1/items", Some(&clear(kind))).status, 200);
    }
    for noise in ["kind=.=evil;.;", "tag.evil;.", "mode=.=x;.;tokenward_decisions_total", "\u{e9}"] {
        client.get(&format!("/v1/items/{noise}"), Some(noise));
    }
    let stats = envoy.admin("/stats?filter=tokenward_decisions_total");
    assert_eq!(stats.matches("reason=.=permitted").count(), 17, "{stats}");
    assert!(stats.contains("kind=.=other;.;mode=.=enforce;.;tokenward_decisions_total: 14"), "{stats}");
    assert!(!stats.contains("evil") && !stats.contains("kind16"), "{stats}");
}

#[test]
fn istio_without_tags_has_labels_in_names() {
    let mut stats = istio();
    let rules = stats["stats_tags"].as_array_mut().unwrap();
    rules.retain(|rule| !LABELS.contains(&rule["tag_name"].as_str().unwrap()));
    let busy = Busy::start(&stats);
    let names: BTreeSet<String> = scrape(&busy.envoy).into_iter().map(|series| series.name).collect();
    let name =
        "outcome___deny___reason___unknown_token___kind___none___mode___enforce___tokenward_decisions_total";
    assert!(names.contains(name), "{names:#?}");
    let page = std::fs::read_to_string("docs/reference/metrics.md").unwrap();
    assert!(page.contains(name));
}

/// An Envoy with two workers in which every metric has a value.
struct Busy {
    envoy: Envoy,
    folder: tempfile::TempDir,
}

impl Busy {
    /// Starts it with a `stats_config`: `main` enforces, `shadow` is in shadow mode.
    fn start(stats: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_resource(&folder.path().join("filter.json"), &busy_bundle());
        // The feed has no server, so nothing is fetched.
        let feed = crate::feed::configuration()["feed"].clone();
        let shadow = json!({ "bundle": busy_bundle(), "mode": "shadow", "feed": feed });
        let shadow = envoy::filter(&shadow.to_string());
        let listeners =
            [envoy::listener("main", &[discovered(folder.path())]), envoy::listener("shadow", &[shadow])];
        let mut configuration = envoy::configuration(&listeners, echo::start());
        configuration["stats_config"] = stats.clone();
        let envoy = Envoy::start(&configuration, 2).unwrap();
        let busy = Self { envoy, folder };
        for listener in ["main", "shadow"] {
            requests(&mut busy.envoy.client(listener));
        }
        let mut bad = busy_bundle();
        bad["roles"]["reader"]["permissions"] = json!(["items:raed"]);
        busy.put(&bad);
        busy.envoy.wait_for_log("role `reader` names permission `items:raed`, which is not defined");
        busy
    }

    /// Its metrics, once they include a bundle.
    fn series(&self) -> Vec<Series> {
        self.wait_until(|series| {
            let revision = value(series, "tokenward_bundle_revision", &[("bundle", "fixture")]);
            let suspended =
                |mode| value(series, "tokenward_suspended_sources", &[("bundle", "fixture"), ("mode", mode)]);
            revision.is_some_and(|revision| revision > 0.0)
                && [suspended("enforce"), suspended("shadow")] == [Some(1.0); 2]
        })
    }

    fn wait_until(&self, condition: impl Fn(&[Series]) -> bool) -> Vec<Series> {
        wait_until(&self.envoy, condition)
    }

    /// Gives `main` another bundle.
    fn put(&self, bundle: &Value) {
        write_resource(&self.folder.path().join("filter.json"), bundle);
    }
}

/// The fixture's bundle with a rotated-out secret, a secret that expires soon, and a kind with an odd name.
fn busy_bundle() -> Value {
    let mut bundle = bundle();
    bundle["built_at"] = json!("2026-01-01T00:00:00Z");
    bundle["expires_at"] = json!(in_seconds(100 * 24 * 3_600));
    bundle["kinds"]["robot.arm"] = json!({});
    bundle["defense"] = json!({
        "denials": { "limit": 1, "per": "1m", "suspend": "15m" },
        "unknown_tokens": { "limit": 2, "per": "1m", "suspend": "15m" },
    });
    bundle["tokens"]["reader"]["secrets"] = json!([
        secret("1", READER, json!({})),
        secret("0", OLD, json!({ "retired_at": "2026-01-01T00:00:00Z", "expires_at": in_seconds(3_600) })),
    ]);
    let mut probe = token(json!([secret("1", PROBE, json!({ "expires_at": in_seconds(24 * 3_600) }))]));
    probe["kind"] = json!("robot.arm");
    bundle["tokens"]["probe"] = probe;
    bundle
}

fn requests(client: &mut Client) {
    for (path, secret) in [
        ("/v1/items", Some(READER)),
        ("/v1/items", Some(OLD)),
        ("/v1/items/7", Some(OLD)),
        ("/healthz", None),
        ("/v1/items", None),
        ("/v1/items", Some(EXPIRED)),
        ("/v1/other", Some(PROBE)),
        ("/v1/items", Some("nobody_has_this_secret")),
        ("/v1/other", Some("nobody_has_this_either")),
    ] {
        client.get(path, secret);
    }
}

fn reloadable() -> (tempfile::TempDir, Envoy) {
    let folder = tempfile::tempdir().unwrap();
    write_resource(&folder.path().join("filter.json"), &fixture::bundle());
    let listener = envoy::listener("main", &[discovered(folder.path())]);
    let mut configuration = envoy::configuration(&[listener], echo::start());
    configuration["stats_config"] = example();
    let envoy = Envoy::start(&configuration, 2).unwrap();
    (folder, envoy)
}

fn wait_until(envoy: &Envoy, condition: impl Fn(&[Series]) -> bool) -> Vec<Series> {
    wait::found(|| Some(scrape(envoy)).filter(|series| condition(series)), || format!("{:#?}", scrape(envoy)))
}

/// The rules of the example.
pub(crate) fn example() -> Value {
    let example = std::fs::read_to_string("envoy/envoy.yaml").unwrap();
    let example: Value = yaml_serde::from_str(&example).unwrap();
    let rules = &example["stats_config"]["stats_tags"];
    let names: Vec<&str> =
        rules.as_array().unwrap().iter().map(|rule| rule["tag_name"].as_str().unwrap()).collect();
    assert_eq!(names, LABELS);
    example["stats_config"].clone()
}

/// Istio's whole configuration of statistics in its bootstrap.
fn istio() -> Value {
    let rules = std::fs::read_to_string("tests/envoy/fixtures/istio-stats.yaml").unwrap();
    yaml_serde::from_str(&rules).unwrap()
}

/// The labels of all metrics.
const LABELS: [&str; 7] = ["outcome", "reason", "kind", "mode", "result", "bundle", "what"];
