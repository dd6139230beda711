//! Signed bundles in Envoy: whose signatures are trusted, and that no bundle is rolled back.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokenward::engine::words::time::Time;

use crate::envoy::{self, Envoy};
use crate::fixture::{READER, bundle, in_seconds, start, start_with};
use crate::signing::{configuration, public, signed};
use crate::{echo, tripwire, wait};

#[test]
fn signed_bundle_is_active_and_signers_are_logged() {
    let configuration = configuration(&signed(&bundle(), &[1, 2]), &[2, 3, 1], 2);
    let from_struct = envoy::listener("struct", &[envoy::filter_from_struct(&configuration)]);
    let text = envoy::listener("main", &[envoy::filter(&configuration.to_string())]);
    let envoy = Envoy::start(&envoy::configuration(&[text, from_struct], echo::start()), 2).unwrap();
    for listener in ["main", "struct"] {
        let mut client = envoy.client(listener);
        assert_eq!(client.get("/v1/items", Some(READER)).status, 200, "{listener}");
        assert_eq!(client.get("/v1/items", None).status, 401, "{listener}");
    }
    let signers = format!("\"signers\":[\"{}\",\"{}\"]", public(2).id(), public(1).id());
    assert!(envoy.log().contains(&signers), "{signers} in {}", envoy.log());
}

#[test]
fn envoy_rejects_a_bundle_without_trusted_signature() {
    let good = || signed(&bundle(), &[1]);
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut envelope = good();
        edit(&mut envelope);
        configuration(&envelope, &[1], 1)
    };
    let other = signed(&json!({ "version": 1, "name": "other" }), &[1]);
    let cases = [
        ("0 of 1 trusted keys", configuration(&good(), &[2], 1)),
        ("1 of 2 trusted keys", configuration(&good(), &[1, 2], 2)),
        ("does not fit the payload", edited(&|envelope| envelope["payload"] = other["payload"].clone())),
        ("is of type `text/plain`", edited(&|envelope| envelope["payloadType"] = json!("text/plain"))),
        ("is not signed", json!({ "bundle": bundle(), "keys": [public(1)] })),
        ("no `keys`", json!({ "bundle": good().to_string() })),
    ];
    for (told, configuration) in cases {
        let listener = envoy::listener("main", &[envoy::filter(&configuration.to_string())]);
        let Err(log) = Envoy::start(&envoy::configuration(&[listener], echo::start()), 1) else {
            panic!("Envoy started with {configuration}");
        };
        assert!(log.contains(told), "expected {told}\n{log}");
    }
}

#[test]
fn keys_are_rotated_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let resource = folder.path().join("ecds.json");
    let steps = [
        (configuration(&revision(1, &[1]), &[1], 1), 1),
        (configuration(&revision(2, &[1]), &[1, 2], 1), 2),
        (configuration(&revision(3, &[1, 2]), &[1, 2], 1), 3),
        (configuration(&revision(4, &[2]), &[2], 1), 4),
    ];
    write(&resource, &steps[0].0);
    let envoy = discovering(&resource);
    let mut client = envoy.client("main");
    for (configuration, number) in &steps {
        write(&resource, configuration);
        wait::until(|| {
            assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
            envoy.decisions().last().is_some_and(|event| event["revision"] == *number)
        });
    }
    // The old key alone is no longer enough, so the last good configuration stays.
    write(&resource, &configuration(&revision(5, &[1]), &[2], 1));
    envoy.wait_for_log("0 of 1 trusted keys");
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
}

#[test]
fn rollback_needs_a_signed_statement() {
    let folder = tempfile::tempdir().unwrap();
    let resource = folder.path().join("ecds.json");
    let ship = |bundle: &Value| write(&resource, &configuration(&signed(bundle, &[1]), &[1], 1));
    let numbered = |number: u64, supersedes: Option<u64>| {
        let mut bundle = bundle();
        bundle["revision"] = json!(number);
        if let Some(supersedes) = supersedes {
            bundle["supersedes"] = json!(supersedes);
        }
        bundle
    };
    ship(&numbered(7, None));
    let envoy = discovering(&resource);
    let mut client = envoy.client("main");
    let refused = || envoy.events("rollback_refused").len();
    let mut answers = |bundle: &Value, revision: u64| {
        let (before, is_taken) = (refused(), bundle["revision"] == revision);
        ship(bundle);
        wait::until(|| {
            assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
            let last = envoy.decisions();
            let is_seen = is_taken || refused() >= before + 2;
            is_seen && last.last().is_some_and(|event| event["revision"] == revision)
        });
    };
    answers(&numbered(7, None), 7);
    answers(&numbered(9, None), 9);
    // The earlier one is rejected, and the active one stays.
    answers(&numbered(7, None), 9);
    let event = "\"event\":\"rollback_refused\",\"bundle\":\"fixture\",\"revision\":7,\"newest\":9,\"cause\":\"older\",\"active\":9";
    envoy.wait_for_log(event);
    envoy.wait_for_log("sign it with `--allow-rollback 9`");

    answers(&numbered(9, None), 9);
    // A statement about an earlier revision does not apply to this one.
    answers(&numbered(6, Some(8)), 9);
    answers(&numbered(7, Some(9)), 7);
    // The superseded bundle does not come back, and neither does another one under the same statement.
    answers(&numbered(9, None), 7);
    answers(&numbered(6, Some(9)), 7);
    answers(&numbered(10, None), 10);
}

#[test]
fn equal_revision_with_other_content_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let resource = folder.path().join("ecds.json");
    let first = configuration(&revision(10, &[1]), &[1], 1);
    let mut closed = bundle();
    (closed["revision"], closed["tokens"]) = (json!(10), json!({}));
    let other = configuration(&signed(&closed, &[1]), &[1], 1);
    write(&resource, &first);
    let envoy = discovering_with(&resource, &[], 4);
    let statuses = || -> Vec<u16> {
        (0..16).map(|_| envoy.client("main").get("/v1/items", Some(READER)).status).collect()
    };
    assert_eq!(statuses(), [200; 16]);
    write(&resource, &other);
    // From the canary, the main thread and each worker.
    wait::until(|| envoy.events("rollback_refused").len() == 6);
    for event in envoy.events("rollback_refused") {
        assert_eq!(event["cause"], "other_content");
        assert_eq!(
            (&event["revision"], &event["newest"], &event["active"]),
            (&json!(10), &json!(10), &json!(10))
        );
    }
    envoy.wait_for_log(
        "bundle `fixture`, revision 10, is on record with other content; revision 10 stays active",
    );
    assert_eq!(statuses(), [200; 16]);
    // After another build it is accepted.
    closed["revision"] = json!(11);
    write(&resource, &configuration(&signed(&closed, &[1]), &[1], 1));
    wait::until(|| statuses() == [401; 16]);
}

#[test]
fn active_bundle_is_restored_after_a_trap() {
    let folder = tempfile::tempdir().unwrap();
    let resource = folder.path().join("ecds.json");
    let module = tripwire::module_with_tripwire(folder.path(), tripwire::Wire::Trap);
    let ship = |bundle: &Value| {
        let configuration = configuration(&signed(bundle, &[1]), &[1], 1).to_string();
        let text =
            json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration });
        write_filter(&resource, &envoy::wasm_filter(&module, &text), &configuration);
    };
    let mut bundle = bundle();
    bundle["revision"] = json!(10);
    ship(&bundle);
    let envoy = discovering(&resource);
    let mut client = envoy.client("main");
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    bundle["tokens"] = json!({});
    ship(&bundle);
    wait::until(|| envoy.events("rollback_refused").len() == 3);
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    assert_eq!(tripwire::trap(&mut client).status, 503);
    tripwire::until_back(&mut client);
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    assert_eq!(envoy.events("rollback_refused").len(), 4);
}

#[test]
fn future_revision_is_rejected_and_not_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let resource = folder.path().join("ecds.json");
    let closed = |fields: Value| {
        let mut bundle = bundle();
        bundle["tokens"] = json!({});
        bundle.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        configuration(&signed(&bundle, &[1]), &[1], 1)
    };
    let two_days = milliseconds() + 2 * 86_400_000;
    write(&resource, &closed(json!({ "revision": u64::MAX })));
    let envoy = discovering(&resource);
    let mut client = envoy.client("main");
    // There was no bundle before, so there is none to keep.
    assert_eq!(client.get("/healthz", None).status, 503);
    envoy.wait_for_log("\"cause\":\"ahead_of_clock\"");
    write(&resource, &configuration(&revision(9, &[1]), &[1], 1));
    wait::until(|| client.get("/v1/items", Some(READER)).status == 200);
    for (number, fields) in [
        json!({ "revision": u64::MAX }),
        json!({ "revision": two_days }),
        json!({ "revision": 1, "supersedes": u64::MAX }),
    ]
    .into_iter()
    .enumerate()
    {
        let refused = envoy.events("rollback_refused").len();
        write(&resource, &closed(fields));
        // From the main thread and the worker, and also from the canary if the configuration is new.
        wait::until(|| envoy.events("rollback_refused").len() >= refused + 2);
        assert_eq!(client.get("/v1/items", Some(READER)).status, 200, "{number}");
    }
    assert_eq!(envoy.events("rollback_refused").last().unwrap()["active"], 9);
    // None of them has left a mark, and a few hours do not matter.
    write(&resource, &closed(json!({ "revision": milliseconds() + 3_600_000 })));
    wait::until(|| client.get("/v1/items", Some(READER)).status == 401);
}

#[test]
fn removing_a_leaked_key_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let resource = folder.path().join("ecds.json");
    let ship = |number: u64, signer: u8, keys: &[u8]| {
        write(&resource, &configuration(&revision(number, &[signer]), keys, 1));
    };
    ship(8, 2, &[1, 2]);
    let envoy = discovering(&resource);
    let mut client = envoy.client("main");
    let mut serves = |number: u64| {
        wait::until(|| {
            let status = client.get("/v1/items", Some(READER)).status;
            status == 200 && envoy.decisions().last().is_some_and(|event| event["revision"] == number)
        });
    };
    serves(8);
    // The holder of key 1 uses the highest possible revision.
    let ahead = milliseconds() + 80_000_000;
    ship(ahead, 1, &[1, 2]);
    serves(ahead);
    ship(9, 2, &[1, 2]);
    envoy.wait_for_log(&format!("\"revision\":9,\"newest\":{ahead},\"cause\":\"older\",\"active\":{ahead}"));
    serves(ahead);
    // Without it, the other key continues from its own mark and cannot go back.
    ship(9, 2, &[2]);
    serves(9);
    ship(8, 2, &[2]);
    envoy.wait_for_log("\"revision\":8,\"newest\":9,\"cause\":\"older\",\"active\":9");
    serves(9);
}

#[test]
fn a_stale_bundle_works_and_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let resource = folder.path().join("ecds.json");
    let ship = |number: u64, good_for: i64| {
        let mut bundle = bundle();
        (bundle["revision"], bundle["good_until"]) = (json!(number), json!(in_seconds(good_for)));
        write(&resource, &configuration(&signed(&bundle, &[1]), &[1], 1));
    };
    ship(1, 8);
    let envoy = discovering_with(&resource, &[], 2);
    let mut client = envoy.client("main");
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    wait::until(|| !envoy.events("stale").is_empty());
    std::thread::sleep(Duration::from_secs(3));
    let stale = envoy.events("stale");
    assert_eq!(stale.len(), 1, "{}", envoy.log());
    assert_eq!((&stale[0]["what"], &stale[0]["revision"]), (&json!("bundle"), &json!(1)));
    let time = |key: &str| stale[0][key].as_str().unwrap().parse::<Time>().unwrap();
    assert!(time("ts") >= time("good_until"), "{stale:?}");
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    ship(2, 3_600);
    envoy.wait_for_log("\"event\":\"fresh\",\"what\":\"bundle\",\"bundle\":\"fixture\",\"revision\":2,");
}

#[test]
fn bundle_of_another_name_cannot_bypass_rollback() {
    let folder = tempfile::tempdir().unwrap();
    let resource = folder.path().join("ecds.json");
    let named = |name: &str, number: u64| {
        let mut bundle = bundle();
        bundle["name"] = json!(name);
        bundle["revision"] = json!(number);
        configuration(&signed(&bundle, &[1]), &[1], 1)
    };
    write(&resource, &named("fixture", 9));
    let envoy = discovering(&resource);
    let mut client = envoy.client("main");
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    write(&resource, &named("other", 7));
    envoy.wait_for_log("\"event\":\"rollback_refused\",\"bundle\":\"other\",\"revision\":7,\"newest\":9");
    wait::until(|| client.get("/v1/items", Some(READER)).status == 503);
    // A configuration with a higher revision may rename the policy.
    write(&resource, &named("other", 10));
    wait::until(|| client.get("/v1/items", Some(READER)).status == 200);
}

#[test]
fn two_gateways_in_one_envoy_are_independent() {
    let at = |number: u64, service: &str| {
        let mut configuration = configuration(&revision(number, &[1]), &[1], 1);
        configuration["service"] = json!(service);
        envoy::listener(service, &[envoy::filter(&configuration.to_string())])
    };
    let listeners = [at(9, "edge"), at(7, "admin")];
    let envoy = Envoy::start(&envoy::configuration(&listeners, echo::start()), 1).unwrap();
    for listener in ["edge", "admin"] {
        assert_eq!(envoy.client(listener).get("/v1/items", Some(READER)).status, 200, "{listener}");
    }
}

#[test]
fn signed_bundle_is_restored_after_a_trap() {
    let folder = tempfile::tempdir().unwrap();
    let configuration = configuration(&signed(&bundle(), &[1]), &[1], 1);
    let envoy = tripwire::start_with(folder.path(), &configuration);
    let mut client = envoy.client("main");
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    assert_eq!(tripwire::trap(&mut client).status, 503);
    tripwire::until_back(&mut client);
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
}

#[test]
fn signed_bundle_needs_shared_data() {
    let mut filter = envoy::filter(&configuration(&signed(&bundle(), &[1]), &[1], 1).to_string());
    let allowed = [
        "proxy_on_context_create",
        "proxy_on_configure",
        "proxy_on_request_headers",
        "proxy_on_delete",
        "proxy_log",
        "proxy_get_buffer_bytes",
        "proxy_get_current_time_nanoseconds",
        "proxy_get_header_map_pairs",
        "proxy_get_property",
        "proxy_remove_header_map_value",
        "proxy_add_header_map_value",
        "proxy_replace_header_map_value",
        "proxy_send_local_response",
    ];
    let allowed: serde_json::Map<String, Value> =
        allowed.map(|name| (name.to_owned(), json!({}))).into_iter().collect();
    filter["typed_config"]["config"]["capability_restriction_config"] =
        json!({ "allowed_capabilities": allowed });
    let listener = envoy::listener("main", &[filter]);
    let envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 1).unwrap();
    assert_eq!(envoy.client("main").get("/healthz", None).status, 503);
    assert!(envoy.log().contains("The module needs proxy_get_shared_data"), "{}", envoy.log());
}

#[test]
fn an_expired_signed_bundle_denies_everything() {
    let mut bundle = bundle();
    bundle["expires_at"] = json!(in_seconds(-1));
    let envoy = start(&configuration(&signed(&bundle, &[1]), &[1], 1));
    assert_eq!(envoy.client("main").get("/healthz", None).status, 503);
}

#[test]
fn every_worker_has_the_signed_bundle() {
    let envoy = start_with(&configuration(&signed(&bundle(), &[1]), &[1], 1), 4);
    for _ in 0..16 {
        assert_eq!(envoy.client("main").get("/v1/items", Some(READER)).status, 200);
    }
    assert!(!envoy.log().contains("rollback_refused"), "{}", envoy.log());
}

fn revision(number: u64, signers: &[u8]) -> Value {
    let mut bundle = bundle();
    bundle["revision"] = json!(number);
    signed(&bundle, signers)
}

fn milliseconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

fn discovering(resource: &Path) -> Envoy {
    discovering_beside(resource, &[])
}

/// Envoy with one listener, whose filter comes from the resource, and additional clusters.
pub(crate) fn discovering_beside(resource: &Path, clusters: &[Value]) -> Envoy {
    discovering_with(resource, clusters, 1)
}

fn discovering_with(resource: &Path, clusters: &[Value], workers: u32) -> Envoy {
    let filter = json!({
        "name": "tokenward",
        "config_discovery": {
            "config_source": { "path_config_source": {
                "path": resource, "watched_directory": { "path": resource.parent().unwrap() },
            }},
            "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
        },
    });
    let listener = envoy::listener("main", &[filter]);
    let mut configuration = envoy::configuration(&[listener], echo::start());
    configuration["static_resources"]["clusters"].as_array_mut().unwrap().extend_from_slice(clusters);
    Envoy::start(&configuration, workers).unwrap()
}

/// Writes another configuration into the resource, in one step.
pub(crate) fn write(path: &Path, configuration: &Value) {
    let configuration = configuration.to_string();
    write_filter(path, &envoy::filter(&configuration), &configuration);
}

fn write_filter(path: &Path, filter: &Value, version: &str) {
    let resource = json!({ "version_info": version, "resources": [{
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": "tokenward",
        "typed_config": filter["typed_config"],
    }]});
    let new = path.with_extension("new");
    std::fs::write(&new, resource.to_string()).unwrap();
    std::fs::rename(new, path).unwrap();
}
