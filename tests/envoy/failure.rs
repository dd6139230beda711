//! Whatever goes wrong, nothing is let through unjudged.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokenward::engine::policy::gateway::Gateway;

use crate::envoy::{self, Envoy};
use crate::fixture::{EXPIRED, READER, bundle, in_seconds, start};
use crate::{documents, echo, http, wait};

#[test]
fn envoy_does_not_start_with_a_configuration_that_is_wrong_and_says_why() {
    let mut cycle = bundle();
    cycle["roles"]["reader"]["inherits"] = json!(["writer"]);
    let mut unknown_key = bundle();
    unknown_key["tokens"]["reader"]["sope"] = json!([]);
    let bad_documents = [
        "bad-digest-is-not-shown",
        "operation-with-a-double-slash-before-a-subtree",
        "roles-that-inherit-in-a-circle",
        "token-without-what-its-kind-requires",
        "unknown-key-in-a-role",
    ];
    let bad_documents =
        bad_documents.map(|name| documents::configuration(&Path::new(documents::ROOT).join(name)).unwrap());
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
fn where_the_host_does_not_hand_over_the_configuration_everything_is_denied() {
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
fn a_bundle_that_expires_while_it_serves_denies_from_then_on() {
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
fn a_policy_that_grants_nothing_denies_everything() {
    let envoy = start(&json!({ "bundle": { "version": 1, "name": "empty" } }));
    let mut client = envoy.client("main");
    for (path, secret) in [("/", None), ("/v1/items", Some(READER)), ("/healthz", None)] {
        assert_eq!(client.get(path, secret).status, 401, "{path}");
    }
}

#[test]
fn without_the_hosts_clock_everything_is_denied() {
    // Asking for the time then only returns an error.
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
fn until_the_first_good_policy_everything_is_denied() {
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
fn a_new_policy_is_live_without_a_restart_and_a_bad_one_leaves_the_last_good_in_force() {
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

/// The filter with everything that it uses but these calls of the host.
pub(crate) fn without(configuration: &Value, missing: &[&str]) -> Value {
    let all = [
        "proxy_on_context_create",
        "proxy_on_configure",
        "proxy_on_request_headers",
        "proxy_on_delete",
        "proxy_log",
        "proxy_get_buffer_bytes",
        "proxy_get_current_time_nanoseconds",
        "proxy_get_header_map_pairs",
        "proxy_get_property",
        "proxy_get_shared_data",
        "proxy_set_shared_data",
        "proxy_remove_header_map_value",
        "proxy_add_header_map_value",
        "proxy_replace_header_map_value",
        "proxy_send_local_response",
    ];
    let allowed = all.into_iter().filter(|name| !missing.contains(name));
    let allowed: serde_json::Map<String, Value> = allowed.map(|name| (name.to_owned(), json!({}))).collect();
    let mut filter = envoy::filter(&configuration.to_string());
    filter["typed_config"]["config"]["vm_config"]["capability_restriction_config"] =
        json!({ "allowed_capabilities": allowed });
    filter
}

/// The filter of `envoy/envoy.yaml`, with its file in a folder.
pub(crate) fn discovered(folder: &Path) -> Value {
    let example = std::fs::read_to_string("envoy/envoy.yaml").unwrap();
    let example: Value = yaml_serde::from_str(&example).unwrap();
    let manager =
        &example["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let mut filter = manager["http_filters"][0].clone();
    let source = &mut filter["config_discovery"]["config_source"]["path_config_source"];
    *source = json!({ "path": folder.join("filter.json"), "watched_directory": { "path": folder } });
    filter
}

/// Writes what `tokenward render ecds` writes, and puts it in place by a rename as it does.
pub(crate) fn write_resource(path: &Path, bundle: &Value) {
    write_configuration(path, &json!({ "bundle": bundle }));
}

/// The same for a whole configuration.
pub(crate) fn write_configuration(path: &Path, configuration: &Value) {
    let filter = envoy::filter(&configuration.to_string());
    let resource = json!({ "version_info": configuration.to_string(), "resources": [{
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": "tokenward",
        "typed_config": filter["typed_config"],
    }]});
    let new = path.with_extension("new");
    std::fs::write(&new, resource.to_string()).unwrap();
    std::fs::rename(new, path).unwrap();
}
