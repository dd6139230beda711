//! A feed may replace a bundle or list only with a newer one of the same policy.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokenward::engine::config::envelope::PayloadType;
use tokenward::engine::words::time::Time;

use crate::echo;
use crate::envoy::{self, Envoy};
use crate::feed::{Site, cluster, configuration, failures, numbered, revision, revocations, statuses};
use crate::fixture::{READER, in_seconds, upstream_header};
use crate::http::Client;
use crate::nginx::Nginx;
use crate::relay::{Fault, Relay};
use crate::signed::{discovering_beside, write};
use crate::signing::{publics, signed, signed_as};
use crate::wait::until;

#[test]
fn bundle_of_another_policy_is_rejected() {
    let site = Site::start(Fault::None);
    let mut client = site.envoy.client("main");
    site.nginx.put("bundle.json", &revision(5, json!({})));
    until(|| status(&mut client) == 200);
    // Newer and signed by the same keys.
    site.nginx.put("bundle.json", &revision(9, json!({ "name": "other", "tokens": {} })));
    until(|| site.failures().iter().any(|error| error.contains("`other`") && error.contains("`fixture`")));
    assert_eq!(status(&mut client), 200);
    site.nginx.put("bundle.json", &revision(6, json!({ "tokens": {} })));
    until(|| status(&mut client) == 401);
}

#[test]
fn list_of_another_policy_is_rejected() {
    let site = Site::start(Fault::None);
    let mut client = site.envoy.client("main");
    site.nginx.put("bundle.json", &revision(1, json!({})));
    site.nginx.put("revocations.json", &revocations(1, &["reader"], &[]));
    until(|| status(&mut client) == 401);
    let list = json!({ "version": 1, "name": "other", "revision": 9, "tokens": [], "secrets": [] });
    let foreign = signed_as(&list, PayloadType::Revocations, &[1]).to_string();
    site.nginx.put("revocations.json", &foreign);
    until(|| failures(&site.envoy, "revocations").iter().any(|error| error.contains("of policy `other`")));
    // The right list also applies to the next bundle.
    site.nginx.put("bundle.json", &revision(2, json!({})));
    site.envoy.wait_for_log("\"event\":\"configured\",\"bundle\":\"fixture\",\"revision\":2");
    for _ in 0..20 {
        assert_eq!(status(&mut client), 401);
    }
    let fetched = site.envoy.events("feed").into_iter().filter(|event| event["result"] == "fetched");
    assert!(fetched.into_iter().all(|event| event["bundle"] == "fixture"));
}

#[test]
fn list_of_another_policy_is_replaced() {
    let site = Site::start(Fault::Down);
    let list = json!({ "version": 1, "name": "other", "revision": 9, "tokens": [], "secrets": [] });
    site.nginx.put("revocations.json", &signed_as(&list, PayloadType::Revocations, &[1]).to_string());
    site.nginx.put("bundle.json", &revision(1, json!({})));
    site.relay.set(Fault::None);
    let mut client = site.envoy.client("main");
    until(|| status(&mut client) == 200);
    until(|| failures(&site.envoy, "revocations").iter().any(|error| error.contains("of policy `other`")));
    site.nginx.put("revocations.json", &revocations(1, &["reader"], &[]));
    until(|| status(&mut client) == 401);
}

#[test]
fn key_rotation_keeps_the_fetched_bundle() {
    let gateway = Gateway::start(&configuration());
    gateway.nginx.put("bundle.json", &revision(1, json!({})));
    let mut client = gateway.envoy.client("main");
    until(|| status(&mut client) == 200);
    gateway.relay.set(Fault::Down);
    let mut rotated = configuration();
    rotated["feed"]["keys"] = publics(&[2, 1]);
    rotated["identity_headers"] = json!({ "token": "x-by-the-new-configuration" });
    gateway.write(&rotated);
    until(|| {
        let response = client.get("/v1/items", Some(READER));
        assert_eq!(response.status, 200);
        upstream_header(&response, "x-by-the-new-configuration").is_some()
    });
}

#[test]
fn newer_of_configured_and_fetched_bundle_is_active() {
    for is_signed in [true, false] {
        let inline = |number: u64, fields: Value| {
            let mut configuration = configuration();
            let bundle = numbered(number, fields);
            configuration["bundle"] =
                if is_signed { json!(signed(&bundle, &[1]).to_string()) } else { bundle };
            if is_signed {
                configuration["keys"] = publics(&[1]);
            }
            configuration
        };
        let gateway = Gateway::start(&inline(1, json!({ "tokens": {} })));
        let mut client = gateway.envoy.client("main");
        assert_eq!(status(&mut client), 401);
        gateway.nginx.put("bundle.json", &revision(5, json!({})));
        until(|| status(&mut client) == 200);
        // With an older one in the configuration, the fetched bundle stays active.
        gateway.write(&inline(3, json!({ "tokens": {}, "public": [] })));
        gateway.accepted(2);
        assert_eq!(status(&mut client), 200);
        gateway.write(&inline(9, json!({ "tokens": {} })));
        until(|| status(&mut client) == 401);
        until(|| failures(&gateway.envoy, "bundle").iter().any(|error| error.contains("older")));
        assert_eq!(status(&mut client), 401);
    }
}

#[test]
fn same_revision_never_replaces_the_active_one() {
    let site = Site::start(Fault::None);
    let mut clients: Vec<Client> = (0..4).map(|_| site.envoy.client("main")).collect();
    site.nginx.put("revocations.json", &revocations(1, &["nobody"], &[]));
    site.nginx.put("bundle.json", &revision(5, json!({})));
    until(|| statuses(&mut clients, READER) == [200; 4]);
    site.nginx.put("bundle.json", &revision(5, json!({ "tokens": {} })));
    until(|| {
        site.failures().iter().any(|error| error.contains("revision 5 is on record with other content"))
    });
    site.nginx.put("revocations.json", &revocations(1, &["reader"], &[]));
    let of_list = || failures(&site.envoy, "revocations");
    until(|| of_list().iter().any(|error| error.contains("revision 1 is on record with other content")));
    assert_eq!(statuses(&mut clients, READER), [200; 4]);
}

#[test]
fn future_revision_never_replaces_the_active_one() {
    let site = Site::start(Fault::None);
    let mut client = site.envoy.client("main");
    site.nginx.put("revocations.json", &revocations(1, &[], &[]));
    site.nginx.put("bundle.json", &revision(5, json!({})));
    until(|| status(&mut client) == 200);
    let two_days = (in_seconds_since_1970() + 2 * 86_400) * 1_000;
    for fields in [json!({ "revision": u64::MAX }), json!({ "revision": two_days, "tokens": {} })] {
        let told = format!("revision {} is more than a day ahead", fields["revision"]);
        site.nginx.put("bundle.json", &revision(6, fields));
        until(|| site.failures().iter().any(|error| error.contains(&told)));
    }
    for fields in [json!({ "revision": two_days }), json!({ "revision": 1, "supersedes": u64::MAX })] {
        let ahead = fields.get("supersedes").unwrap_or(&fields["revision"]).to_string();
        site.nginx.put("revocations.json", &list(fields, &[1]));
        let told = format!("revision {ahead} is more than a day ahead");
        until(|| failures(&site.envoy, "revocations").iter().any(|error| error.contains(&told)));
    }
    // They have left no mark.
    assert_eq!(status(&mut client), 200);
    site.nginx.put("revocations.json", &revocations(2, &["reader"], &[]));
    until(|| status(&mut client) == 401);
    site.nginx.put("bundle.json", &revision(6, json!({ "public": ["GET /v1/items"] })));
    until(|| status(&mut client) == 200);
}

#[test]
fn list_rollback_needs_a_signed_statement() {
    let site = Site::start(Fault::None);
    let mut client = site.envoy.client("main");
    site.nginx.put("bundle.json", &revision(1, json!({})));
    site.nginx.put("revocations.json", &list(json!({ "revision": 9, "tokens": ["reader"] }), &[1]));
    until(|| status(&mut client) == 401);
    site.nginx.put("revocations.json", &list(json!({ "revision": 7, "supersedes": 8 }), &[1]));
    until(|| {
        failures(&site.envoy, "revocations").iter().any(|error| error.contains("older than revision 9"))
    });
    site.nginx.put("revocations.json", &list(json!({ "revision": 7, "supersedes": 9 }), &[1]));
    let taken = "\"result\":\"fetched\",\"what\":\"revocations\",\"bundle\":\"fixture\",\"revision\":7";
    until(|| site.envoy.log().contains(taken));
    // Revocations last until the next bundle.
    site.nginx.put("bundle.json", &revision(2, json!({})));
    until(|| status(&mut client) == 200);
    site.nginx.put("revocations.json", &list(json!({ "revision": 10, "tokens": ["reader"] }), &[1]));
    until(|| status(&mut client) == 401);
}

#[test]
fn removing_a_leaked_feed_key_recovers() {
    let keys = |numbers: &[u8]| {
        let mut configuration = configuration();
        configuration["feed"]["keys"] = publics(numbers);
        configuration
    };
    let bundle =
        |number: u64, fields: Value, signer: u8| signed(&numbered(number, fields), &[signer]).to_string();
    let gateway = Gateway::start(&keys(&[1, 2]));
    let mut client = gateway.envoy.client("main");
    gateway.nginx.put("revocations.json", &list(json!({ "revision": 3 }), &[2]));
    gateway.nginx.put("bundle.json", &bundle(3, json!({}), 2));
    until(|| status(&mut client) == 200);
    // The holder of key 1 locks everybody out, with the highest possible revision.
    let ahead = (in_seconds_since_1970() + 80_000) * 1_000;
    gateway.nginx.put("revocations.json", &list(json!({ "revision": ahead }), &[1]));
    gateway.nginx.put("bundle.json", &bundle(ahead, json!({ "tokens": {} }), 1));
    until(|| status(&mut client) == 401);
    let fetched = format!("\"what\":\"revocations\",\"bundle\":\"fixture\",\"revision\":{ahead}");
    until(|| gateway.envoy.log().contains(&fetched));
    gateway.nginx.put("bundle.json", &bundle(4, json!({}), 2));
    until(|| failures(&gateway.envoy, "bundle").iter().any(|error| error.contains("older")));
    // Without the key, good bundles are accepted again: 3 and 4, in the order of the other key.
    gateway.write(&keys(&[2]));
    until(|| status(&mut client) == 200);
    gateway.nginx.put("revocations.json", &list(json!({ "revision": 4, "tokens": ["reader"] }), &[2]));
    until(|| status(&mut client) == 401);
    gateway.nginx.put("bundle.json", &bundle(3, json!({}), 2));
    until(|| {
        failures(&gateway.envoy, "bundle").iter().any(|error| error.contains("3 is older than revision 4"))
    });
    gateway.nginx.put("revocations.json", &list(json!({ "revision": 3 }), &[2]));
    let of_list = || failures(&gateway.envoy, "revocations");
    until(|| of_list().iter().any(|error| error.contains("3 is older than revision 4")));
}

#[test]
fn repeated_list_is_reported() {
    let site = Site::start(Fault::None);
    let mut client = site.envoy.client("main");
    let good_for = |seconds: i64| in_seconds(seconds);
    let first = list(json!({ "revision": 1, "good_until": good_for(20) }), &[1]);
    site.nginx.put("revocations.json", &first);
    site.nginx.put("bundle.json", &revision(1, json!({ "good_until": good_for(3_600) })));
    until(|| status(&mut client) == 200);
    let end = in_seconds_since_1970() + 20;
    let gauge = |what: &str| {
        let name = format!("bundle=.=fixture;.;what=.={what};.;tokenward_good_until_timestamp_seconds");
        statistic(&site.envoy, &name)
    };
    until(|| gauge("revocations").abs_diff(end) <= 20 && gauge("bundle") > end + 3_000);
    assert!(site.envoy.events("stale").is_empty(), "{}", site.envoy.log());

    until(|| !site.envoy.events("stale").is_empty());
    let asked = || site.nginx.requests().iter().filter(|line| *line == "304 /revocations.json").count();
    let (before, last) = (asked(), last_success(&site.envoy, "revocations"));
    until(|| asked() >= before + 3);
    // A repetition is not a success and is logged once; the active list stays.
    assert_eq!(last_success(&site.envoy, "revocations"), last);
    assert!(last <= gauge("revocations"), "{last}");
    assert!(last_success(&site.envoy, "bundle") > last);
    let stale = site.envoy.events("stale");
    assert_eq!(stale.len(), 1, "{stale:?}");
    assert_eq!((&stale[0]["what"], &stale[0]["revision"]), (&json!("revocations"), &json!(1)));
    site.envoy.wait_for_log("find out who withholds it");
    assert_eq!(status(&mut client), 200);

    // The same list in a new response changes nothing; the next list does.
    site.nginx.put("revocations.json", &first);
    site.nginx.put("revocations.json", &list(json!({ "revision": 2, "good_until": good_for(3_600) }), &[1]));
    until(|| !site.envoy.events("fresh").is_empty());
    let fresh = site.envoy.events("fresh");
    assert_eq!((&fresh[0]["what"], &fresh[0]["revision"]), (&json!("revocations"), &json!(2)));
    until(|| last_success(&site.envoy, "revocations") > last);
    assert_eq!((site.envoy.events("stale").len(), site.envoy.events("fresh").len()), (1, 1));
}

#[test]
fn unexpected_304_is_a_failure() {
    let site = Site::start(Fault::Down);
    site.nginx.serve("location / { return 304; }");
    site.relay.set(Fault::None);
    until(|| site.failures().iter().any(|error| error.contains("304")));
    assert!(failed(&site.envoy) >= 1);
    assert_eq!(status(&mut site.envoy.client("main")), 503);
}

#[test]
fn missing_list_is_not_a_failure() {
    let site = Site::start(Fault::None);
    site.nginx.put("bundle.json", &revision(1, json!({})));
    let asked = |path: &str| site.nginx.requests().iter().filter(|line| line.ends_with(path)).count();
    until(|| asked("/revocations.json") >= 6);
    // If these were failures, the pauses would double, and the bundle would be fetched many times as often.
    assert!(asked("/bundle.json") <= asked("/revocations.json") + 3, "{:?}", site.nginx.requests());
    assert_eq!(status(&mut site.envoy.client("main")), 200);
    assert_eq!(failed(&site.envoy), 0);
    assert_eq!(failures(&site.envoy, "revocations").len(), 1);
    // But these are not successes either.
    let age = |what| in_seconds_since_1970() - last_success(&site.envoy, what);
    assert!(age("bundle") < 60, "{}", age("bundle"));
    assert_eq!(last_success(&site.envoy, "revocations"), 0);

    // If there was a list before, a missing one is a failure.
    site.nginx.put("revocations.json", &revocations(1, &["reader"], &[]));
    until(|| status(&mut site.envoy.client("main")) == 401);
    site.nginx.serve("location = /revocations.json { return 404; }");
    until(|| failed(&site.envoy) > 0);
    assert_eq!(status(&mut site.envoy.client("main")), 401);
}

#[test]
fn two_configurations_fetch_independently() {
    let nginx = Nginx::start();
    nginx.put("bundle.json", &revision(1, json!({})));
    let listeners = [("a", &["reader"][..]), ("b", &[])].map(|(name, revoked)| {
        let list = format!("{name}.json");
        nginx.put(&list, &revocations(1, revoked, &[]));
        let mut configuration = configuration();
        configuration["service"] = json!(name);
        configuration["feed"]["revocations"] = json!(format!("/{list}"));
        envoy::listener(name, &[envoy::filter(&configuration.to_string())])
    });
    let mut configuration = envoy::configuration(&listeners, echo::start());
    let clusters = configuration["static_resources"]["clusters"].as_array_mut().unwrap();
    clusters.push(cluster(nginx.address()));
    let envoy = Envoy::start(&configuration, 1).unwrap();
    for (name, expected) in [("a", 401), ("b", 200)] {
        let mut client = envoy.client(name);
        until(|| status(&mut client) == expected);
    }
    let asked = nginx.requests();
    assert!(
        ["200 /a.json", "200 /b.json"].iter().all(|list| asked.iter().any(|line| line == list)),
        "{asked:?}"
    );
}

#[test]
fn next_configuration_fetches_immediately() {
    let inline = |number: u64| {
        let mut configuration = configuration();
        configuration["bundle"] = numbered(number, json!({}));
        configuration
    };
    let gateway = Gateway::start(&inline(1));
    gateway.nginx.put("bundle.json", &revision(2, json!({})));
    gateway
        .envoy
        .wait_for_log("\"result\":\"fetched\",\"what\":\"bundle\",\"bundle\":\"fixture\",\"revision\":2");
    gateway.write(&inline(3));
    gateway.accepted(2);
    gateway.nginx.put("bundle.json", &revision(4, json!({ "tokens": {} })));
    let mut client = gateway.envoy.client("main");
    until(|| status(&mut client) == 401);
    // Compare the events' own times: a lease that the worker had kept would last for another 15 seconds.
    let time = |event: Option<Value>| event.unwrap()["ts"].as_str().unwrap().parse::<Time>().unwrap();
    let fetched = gateway.envoy.events("feed").into_iter().find(|event| event["revision"] == 4);
    let configured = gateway.envoy.events("configured").into_iter().find(|event| event["revision"] == 3);
    assert!(time(fetched) < time(configured).plus("15s".to_owned().try_into().unwrap()));
}

#[test]
fn first_bundle_waits_for_its_list() {
    let nginx = Nginx::start();
    nginx.put("bundle.json", &revision(1, json!({})));
    let list = revocations(1, &["reader"], &[]);
    nginx.put("revocations.json", &list);
    // Sending the list takes about two seconds.
    nginx.serve(&format!("location = /revocations.json {{ limit_rate {}; }}", list.len() * 2 / 3));
    let site = Site::beside(nginx, Fault::None, &configuration());
    let mut client = site.envoy.client("main");
    until(|| {
        let status = status(&mut client);
        assert!([503, 401].contains(&status), "{status}\n{}", site.envoy.log());
        status == 401
    });
}

/// A gateway with a discovered configuration, the server from which it fetches, and the relay between them.
pub(crate) struct Gateway {
    pub(crate) envoy: Envoy,
    pub(crate) nginx: Nginx,
    relay: Relay,
    resource: PathBuf,
    _folder: TempDir,
}

impl Gateway {
    pub(crate) fn start(configuration: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let resource = folder.path().join("ecds.json");
        write(&resource, configuration);
        let nginx = Nginx::start();
        let relay = Relay::start(nginx.address(), Fault::None);
        let envoy = discovering_beside(&resource, &[cluster(relay.address())]);
        Self { envoy, nginx, relay, resource, _folder: folder }
    }

    pub(crate) fn write(&self, configuration: &Value) {
        write(&self.resource, configuration);
    }

    /// Waits until this many configurations were accepted, each by the canary, the main thread and the worker.
    fn accepted(&self, configurations: u64) {
        until(|| {
            statistic(&self.envoy, "result=.=accepted;.;tokenward_configurations_total") >= 3 * configurations
        });
    }
}

/// A signed list with these fields.
fn list(fields: Value, signers: &[u8]) -> String {
    let mut list = json!({ "version": 1, "name": "fixture", "tokens": [], "secrets": [] });
    list.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    signed_as(&list, PayloadType::Revocations, signers).to_string()
}

pub(crate) fn status(client: &mut Client) -> u16 {
    client.get("/v1/items", Some(READER)).status
}

fn last_success(envoy: &Envoy, what: &str) -> u64 {
    statistic(envoy, &format!("what=.={what};.;tokenward_feed_last_success_timestamp_seconds"))
}

fn in_seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The number of fetches without a usable result.
pub(crate) fn failed(envoy: &Envoy) -> u64 {
    statistic(envoy, "result=.=failed;.;tokenward_feed_total")
}

/// Envoy's statistic with this name; 0 if there is none.
fn statistic(envoy: &Envoy, name: &str) -> u64 {
    let stats = envoy.admin("/stats");
    let line = stats.lines().find(|line| line.contains(name));
    line.and_then(|line| line.rsplit_once(": ")).map_or(0, |(_, value)| value.parse().unwrap())
}
