//! No failure lets a request pass unjudged.

use std::time::Duration;

use serde_json::json;
use tokenward::engine::policy::gateway::Gateway;

use crate::discovery::{discovered, without, write_resource};
use crate::envoy::{self, Envoy};
use crate::fixture::{EXPIRED, READER, bundle, in_seconds, start};
use crate::{bad_documents, echo, http, wait};

#[test]
fn envoy_rejects_wrong_configuration_and_logs_why() {
    let mut cycle = bundle();
    cycle["roles"]["reader"]["inherits"] = json!(["writer"]);
    let mut unknown_key = bundle();
    unknown_key["tokens"]["reader"]["sope"] = json!([]);
    let names = [
        "bad digest is not shown",
        "operation with a double slash before a subtree",
        "roles that inherit in a circle",
        "token without what its kind requires",
        "unknown key in a role",
    ];
    let bad_documents: Vec<String> = bad_documents::all()
        .filter(|document| names.contains(&document.name.as_str()))
        .filter_map(|document| document.configuration())
        .collect();
    assert_eq!(bad_documents.len(), names.len());
    let bad_settings = [
        String::new(),
        "{".to_owned(),
        "{}".to_owned(),
        json!({ "bundle": cycle }).to_string(),
        json!({ "bundle": unknown_key }).to_string(),
        json!({ "bundle": bundle(), "mod": "enforce" }).to_string(),
        json!({ "bundle": bundle(), "identity_headers": { "token": "Host" } }).to_string(),
    ];
    for configuration in bad_settings.into_iter().chain(bad_documents) {
        let listener = envoy::listener("main", &[envoy::filter(&configuration)]);
        let Err(log) = Envoy::start(&envoy::configuration(&[listener], echo::start()), 1) else {
            panic!("Envoy started with {configuration}");
        };
        let problems = Gateway::configure(configuration.as_bytes()).unwrap_err().to_string();
        assert!(log.contains(&problems), "expected {problems}\n{log}");
    }
}

#[test]
fn unreadable_configuration_denies_everything() {
    let filter = without(&json!({ "bundle": bundle() }), &["proxy_get_buffer_bytes"]);
    let listener = envoy::listener("main", &[filter]);
    let envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 2).unwrap();
    for (path, secret) in [("/v1/items", Some(READER)), ("/healthz", None)] {
        assert_eq!(envoy.client("main").get(path, secret).status, 503);
    }
    assert!(envoy.log().contains("cannot read the plugin configuration: denying all requests"));
}

#[test]
fn an_expired_bundle_denies_everything() {
    let mut bundle = bundle();
    bundle["expires_at"] = json!(in_seconds(-1));
    let envoy = start(&json!({ "bundle": bundle }));
    let mut client = envoy.client("main");
    for (path, secret) in [("/v1/items", Some(READER)), ("/healthz", None), ("/v1/items", None)] {
        let response = client.get(path, secret);
        assert_eq!((response.status, response.header("www-authenticate")), (503, None));
    }
    assert!(envoy.decisions().iter().all(|event| event["reason"] == "no_policy"));
}

#[test]
fn bundle_that_expires_while_serving_denies_everything() {
    let mut bundle = bundle();
    let until = in_seconds(10);
    bundle["expires_at"] = json!(until);
    let envoy = start(&json!({ "bundle": bundle }));
    let mut client = envoy.client("main");
    assert_eq!(client.get("/healthz", None).status, 200);
    while in_seconds(0) < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(client.get("/healthz", None).status, 503);
}

#[test]
fn policy_without_grants_denies_everything() {
    let envoy = start(&json!({ "bundle": { "version": 1, "name": "empty" } }));
    let mut client = envoy.client("main");
    for (path, secret) in [("/", None), ("/v1/items", Some(READER)), ("/healthz", None)] {
        assert_eq!(client.get(path, secret).status, 401, "{path}");
    }
}

#[test]
fn missing_host_clock_denies_everything() {
    // Reading the time then only returns an error.
    let filter = without(&json!({ "bundle": bundle() }), &["proxy_get_current_time_nanoseconds"]);
    let listener = envoy::listener("main", &[filter]);
    let envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 1).unwrap();
    let mut client = envoy.client("main");
    for (path, secret) in [("/v1/items", READER), ("/v1/items", EXPIRED), ("/healthz", READER)] {
        assert_eq!(client.get(path, Some(secret)).status, 503, "{path}");
    }
    assert!(envoy.decisions().iter().all(|event| event["reason"] == "no_policy"));
}

#[test]
fn everything_is_denied_before_the_first_policy() {
    let folder = tempfile::tempdir().unwrap();
    let resource = folder.path().join("filter.json");
    let mut bad = bundle();
    bad["roles"]["reader"]["permissions"] = json!(["items:raed"]);
    write_resource(&resource, &bad);
    let listener = envoy::listener("main", &[discovered(folder.path())]);
    let envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 2).unwrap();
    let mut client = envoy.client("main");
    for (path, secret) in [("/v1/items", Some(READER)), ("/healthz", None)] {
        assert_eq!(client.get(path, secret).status, 503);
    }
    write_resource(&resource, &bundle());
    wait::until(|| envoy.client("main").get("/v1/items", Some(READER)).status == 200);
}

#[test]
fn reload_applies_good_policy_and_ignores_bad_one() {
    let folder = tempfile::tempdir().unwrap();
    let resource = folder.path().join("filter.json");
    write_resource(&resource, &bundle());
    let discovered = discovered(folder.path());
    let listener = envoy::listener("main", &[discovered]);
    let envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 2).unwrap();
    let status = || -> http::Response { envoy.client("main").get("/v1/items", Some(READER)) };
    assert_eq!(status().status, 200);

    let mut bad = bundle();
    bad["roles"]["reader"]["permissions"] = json!(["items:raed"]);
    write_resource(&resource, &bad);
    envoy.wait_for_log("role `reader` names permission `items:raed`, which is not defined");
    for _ in 0..20 {
        assert_eq!(status().status, 200, "the last good policy is in force");
    }

    let mut revoked = bundle();
    revoked["tokens"]["reader"]["revoked_at"] = json!("2026-01-01T00:00:00Z");
    revoked["revision"] = json!(1_800_000_002);
    write_resource(&resource, &revoked);
    wait::until(|| status().status == 401);
    for _ in 0..20 {
        assert_eq!(status().status, 401, "every worker has the new policy");
    }
    assert_eq!(envoy.decisions().last().unwrap()["reason"], "revoked_token");
}
