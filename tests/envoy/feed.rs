//! The feed, from a real nginx: fetched bundles become active on all workers, and no failure changes that.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokenward::engine::config::envelope::PayloadType;
use tokenward::engine::config::feed::MAX_FETCHED;
use tokenward::engine::words::secret::SecretDigest;

use crate::envoy::{self, Envoy};
use crate::fixture::{READER, bundle, secret, token};
use crate::http::Client;
use crate::nginx::Nginx;
use crate::relay::{Fault, Relay};
use crate::signing::{publics, signed, signed_as};
use crate::wait::until;
use crate::{echo, feed_policies, tripwire};

#[test]
fn one_worker_fetches_for_all() {
    let site = Site::start(Fault::Down);
    let mut clients: Vec<Client> = (0..8).map(|_| site.envoy.client("main")).collect();
    // Nothing was fetched yet, and there is no other bundle.
    assert!(statuses(&mut clients, READER).iter().all(|status| *status == 503));
    site.envoy.wait_for_log("\"event\":\"feed\",\"result\":\"failed\"");

    site.nginx.put("bundle.json", &revision(1, json!({})));
    site.relay.set(Fault::None);
    until(|| statuses(&mut clients, READER) == [200; 8]);
    until(|| statuses(&mut clients, "nobody's") == [401; 8]);

    // An unchanged bundle gives 304, and only one of the three threads fetches.
    let asked = || -> Vec<String> {
        site.nginx.requests().into_iter().filter(|line| line.ends_with("/bundle.json")).collect()
    };
    let (before, start) = (asked().len(), Instant::now());
    std::thread::sleep(Duration::from_secs(6));
    let asked = asked();
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    assert!((seconds / 2 - 1..=seconds + 2).contains(&(asked.len() - before)), "{asked:?}");
    assert!(asked[before..].iter().all(|line| line == "304 /bundle.json"), "{asked:?}");

    site.nginx.put("bundle.json", &revision(2, json!({ "tokens": {} })));
    until(|| statuses(&mut clients, READER).contains(&401));
    // The others activate it at their next tick.
    until(|| statuses(&mut clients, READER) == [401; 8]);
    let fetched = site.nginx.requests().iter().filter(|line| *line == "200 /bundle.json").count();
    assert_eq!(fetched, 2, "{:?}", site.nginx.requests());
}

#[test]
fn failed_fetch_keeps_the_active_bundle() {
    let site = Site::start(Fault::None);
    let mut client = site.envoy.client("main");
    site.nginx.put("revocations.json", &revocations(1, &[], &[]));
    site.nginx.put("bundle.json", &revision(5, json!({})));
    until(|| client.get("/v1/items", Some(READER)).status == 200);

    // If any of these became active, requests would be rejected.
    let closed = |number: u64| numbered(number, json!({ "tokens": {} }));
    let unsigned = closed(100).to_string();
    let strangers = signed(&closed(100), &[9]).to_string();
    let no_kind = numbered(100, json!({ "tokens": { "reader": { "kind": "none", "roles": [] } } }));
    let broken = signed(&no_kind, &[1]).to_string();
    let older = signed(&closed(4), &[1]).to_string();
    let cut = signed(&closed(100), &[1]).to_string();
    let spoilt: [(&str, &dyn Fn()); 10] = [
        ("expected one of `payloadType`", &|| site.nginx.put("bundle.json", &unsigned)),
        ("0 of 1 trusted keys", &|| site.nginx.put("bundle.json", &strangers)),
        ("`none`", &|| site.nginx.put("bundle.json", &broken)),
        ("revision 4 is older than revision", &|| site.nginx.put("bundle.json", &older)),
        ("this is not a signed bundle", &|| site.nginx.put("bundle.json", "{\"payload\":")),
        ("status 500", &|| site.nginx.serve("location / { return 500; }")),
        ("content type text/html", &|| {
            site.nginx.serve("location / { default_type text/html; return 200 '<html>'; }");
        }),
        ("content encoding gzip", &|| {
            // Without an ETag, because otherwise the response would be the active bundle.
            site.nginx.serve("etag off; if_modified_since off; add_header content-encoding gzip;");
        }),
        ("status 404", &|| site.nginx.serve("location / { return 404; }")),
        ("no answer", &|| {
            site.nginx.put("bundle.json", &cut);
            site.relay.set(Fault::Cut(400));
        }),
    ];
    let asked = || site.nginx.requests().iter().filter(|line| line.ends_with("/bundle.json")).count();
    for (number, (told, spoil)) in (6..).zip(spoilt) {
        spoil();
        until(|| site.failures().iter().any(|error| error.contains(told)));
        let before = asked();
        until(|| asked() > before);
        for _ in 0..20 {
            assert_eq!(client.get("/v1/items", Some(READER)).status, 200, "{told}");
        }
        // Everything works again with the next good bundle.
        site.nginx.serve_files();
        site.nginx.put("bundle.json", &revision(number, json!({})));
        site.relay.set(Fault::None);
        let fetched = format!(
            "\"result\":\"fetched\",\"what\":\"bundle\",\"bundle\":\"fixture\",\"revision\":{number},"
        );
        until(|| site.envoy.log().contains(&fetched));
    }
    // A repeated reason is logged once.
    let failures = site.failures();
    assert!(failures.windows(2).all(|pair| pair[0] != pair[1]), "{failures:?}");
}

#[test]
fn rejected_bundle_is_not_sent_again() {
    let site = Site::start(Fault::None);
    let mut client = site.envoy.client("main");
    site.nginx.put("bundle.json", &revision(1, json!({})));
    until(|| client.get("/v1/items", Some(READER)).status == 200);
    site.nginx.put("bundle.json", &signed(&numbered(2, json!({ "tokens": {} })), &[9]).to_string());
    until(|| site.failures().iter().any(|error| error.contains("0 of 1 trusted keys")));

    let asked = || -> Vec<String> {
        site.nginx.requests().into_iter().filter(|line| line.ends_with("/bundle.json")).collect()
    };
    let failed = || feed_policies::failed(&site.envoy);
    let (before, count, told) = (asked().len(), failed(), site.failures());
    until(|| asked().len() >= before + 2);
    assert!(asked()[before..].iter().all(|line| line == "304 /bundle.json"), "{:?}", asked());
    // Each response counts as a failure, but the log has it once.
    until(|| failed() >= count + 2);
    assert_eq!(site.failures(), told);
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);

    // A response with the old bundle is ignored, and a new bundle is accepted.
    site.nginx.put("bundle.json", &revision(3, json!({ "tokens": {} })));
    until(|| client.get("/v1/items", Some(READER)).status == 401);
}

#[test]
fn active_bundle_in_another_envelope_is_ignored() {
    let site = Site::start(Fault::None);
    let mut client = site.envoy.client("main");
    let bundle = revision(1, json!({}));
    site.nginx.put("bundle.json", &bundle);
    until(|| client.get("/v1/items", Some(READER)).status == 200);
    let sent = || site.nginx.requests().iter().filter(|line| *line == "200 /bundle.json").count();
    for spaces in 1..4 {
        let before = sent();
        site.nginx.put("bundle.json", &format!("{}{bundle}", " ".repeat(spaces)));
        until(|| sent() > before);
    }
    site.nginx.put("bundle.json", &revision(2, json!({ "tokens": {} })));
    until(|| client.get("/v1/items", Some(READER)).status == 401);
    let fetched = site.envoy.events("feed").into_iter().filter(|event| event["result"] == "fetched");
    assert_eq!(fetched.map(|event| event["revision"].clone()).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_slow_server_delays_no_request() {
    let site = Site::start(Fault::None);
    let mut client = site.envoy.client("main");
    site.nginx.put("bundle.json", &revision(1, json!({})));
    until(|| client.get("/v1/items", Some(READER)).status == 200);
    site.relay.set(Fault::Slow(Duration::from_secs(8)));
    site.nginx.put("bundle.json", &revision(2, json!({ "tokens": {} })));
    // If a request waited for the server, it would be the only one before the new bundle is active.
    let mut answered = 0;
    until(|| {
        let status = client.get("/v1/items", Some(READER)).status;
        answered += usize::from(status == 200);
        status == 401
    });
    assert!(answered > 10, "{answered}");
    // The server has five seconds for a list, and longer for a bundle.
    until(|| failures(&site.envoy, "revocations").iter().any(|error| error.contains("status 504")));
}

#[test]
fn fetch_accepts_at_most_32_mib() {
    let site = Site::start(Fault::None);
    let mut client = site.envoy.client("main");
    let long = |revision: String, length: usize| revision.clone() + &" ".repeat(length - revision.len());
    site.nginx.put("bundle.json", &long(revision(1, json!({})), MAX_FETCHED));
    until(|| client.get("/v1/items", Some(READER)).status == 200);
    site.nginx.put("bundle.json", &long(revision(2, json!({ "tokens": {} })), MAX_FETCHED + 1));
    until(|| site.failures().iter().any(|error| error.contains("exceeds 32 MiB")));
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
}

#[test]
fn revocation_list_applies_before_the_next_bundle() {
    let site = Site::start(Fault::None);
    let mut clients: Vec<Client> = (0..4).map(|_| site.envoy.client("main")).collect();
    let two = json!({ "tokens": {
        "reader": token(json!([secret("1", READER, json!({}))])),
        "other": token(json!([secret("1", OTHER, json!({}))])),
    }});
    site.nginx.put("bundle.json", &revision(1, two.clone()));
    until(|| statuses(&mut clients, READER) == [200; 4]);
    site.nginx.put("revocations.json", &revocations(1, &["reader"], &[]));
    until(|| statuses(&mut clients, READER) == [401; 4]);
    assert_eq!(statuses(&mut clients, OTHER), [200; 4]);
    assert_eq!(
        site.envoy.decisions().iter().rev().find(|event| event["decision"] == "deny").unwrap()["reason"],
        "revoked_token"
    );

    // Revoke by a secret's digest. The list also applies to the next bundle.
    site.nginx.put("revocations.json", &revocations(2, &["reader"], &[OTHER]));
    until(|| statuses(&mut clients, OTHER) == [401; 4]);
    site.nginx.put("bundle.json", &revision(2, two));
    site.envoy.wait_for_log("\"what\":\"bundle\",\"bundle\":\"fixture\",\"revision\":2");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((statuses(&mut clients, READER), statuses(&mut clients, OTHER)), (vec![401; 4], vec![401; 4]));

    // Neither an older list nor one signed by an unknown key lifts a revocation.
    site.nginx.put("revocations.json", &revocations(1, &[], &[]));
    until(|| failures(&site.envoy, "revocations").iter().any(|error| error.contains("older")));
    assert_eq!(statuses(&mut clients, READER), [401; 4]);
}

#[test]
fn configured_bundle_serves_until_the_first_fetch() {
    let mut inline = configuration();
    inline["bundle"] = numbered(1, json!({}));
    let site = Site::start_with(Fault::Down, &inline);
    let mut client = site.envoy.client("main");
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    site.nginx.put("bundle.json", &revision(3, json!({ "tokens": {} })));
    site.relay.set(Fault::None);
    until(|| client.get("/v1/items", Some(READER)).status == 401);
}

#[test]
fn fetched_bundle_is_active_after_a_trap() {
    let (nginx, folder) = (Nginx::start(), tempfile::tempdir().unwrap());
    let relay = Relay::start(nginx.address(), Fault::None);
    let two = json!({ "tokens": {
        "reader": token(json!([secret("1", READER, json!({}))])),
        "other": token(json!([secret("1", OTHER, json!({}))])),
    }});
    nginx.put("bundle.json", &revision(1, two));
    nginx.put("revocations.json", &revocations(1, &["other"], &[]));
    let cluster = cluster(relay.address());
    let envoy = tripwire::start_with_cluster(folder.path(), &configuration(), &cluster);
    let mut client = envoy.client("main");
    until(|| client.get("/v1/items", Some(READER)).status == 200);
    relay.set(Fault::Down);
    assert_eq!(tripwire::trap(&mut client).status, 503);
    // A gateway without a bundle also replies 503, so only the last of these counts.
    tripwire::until_back(&mut client);
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    assert_eq!(client.get("/v1/items", Some(OTHER)).status, 401);

    // Whichever thread fetched before, one of the remaining threads fetches now.
    nginx.put("bundle.json", &revision(2, json!({ "tokens": {} })));
    relay.set(Fault::None);
    until(|| client.get("/v1/items", Some(READER)).status == 401);
}

#[test]
fn feed_requires_the_threshold_of_signatures() {
    let mut configuration = configuration();
    configuration["feed"]["keys"] = publics(&[1, 2]);
    configuration["feed"]["threshold"] = json!(2);
    let site = Site::start_with(Fault::None, &configuration);
    let mut client = site.envoy.client("main");
    let two = |bundle: &Value| signed(bundle, &[1, 2]).to_string();
    site.nginx.put("bundle.json", &two(&numbered(1, json!({}))));
    until(|| client.get("/v1/items", Some(READER)).status == 200);
    site.nginx.put("bundle.json", &revision(2, json!({ "tokens": {} })));
    until(|| site.failures().iter().any(|error| error.contains("1 of 2 trusted keys")));
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    site.nginx.put("bundle.json", &two(&numbered(3, json!({ "tokens": {} }))));
    until(|| client.get("/v1/items", Some(READER)).status == 401);
}

#[test]
fn unusable_feed_is_rejected() {
    let with = |key: &str, value: Value| {
        let mut configuration = configuration();
        configuration["feed"][key] = value;
        configuration
    };
    for (told, configuration) in [
        ("`path` begins with `/`", with("path", json!("bundle.json"))),
        ("`cluster` is 1 to", with("cluster", json!(""))),
        ("`authority` is 1 to", with("authority", json!("a\r\nb"))),
        ("cannot have one path", with("revocations", json!("/bundle.json"))),
        ("feed.keys", with("keys", json!([]))),
        ("feed.keys", with("keys", json!(["ed25519:AAAA"]))),
        ("threshold", with("threshold", json!(2))),
    ] {
        let listener = envoy::listener("main", &[envoy::filter(&configuration.to_string())]);
        let Err(log) = Envoy::start(&envoy::configuration(&[listener], echo::start()), 1) else {
            panic!("Envoy started with {configuration}");
        };
        assert!(log.contains(told), "expected {told}\n{log}");
    }
}

/// A gateway with two workers, the server from which it fetches, and the relay between them.
pub(crate) struct Site {
    pub(crate) envoy: Envoy,
    pub(crate) nginx: Nginx,
    pub(crate) relay: Relay,
}

impl Site {
    pub(crate) fn start(fault: Fault) -> Self {
        Self::start_with(fault, &configuration())
    }

    pub(crate) fn start_with(fault: Fault, configuration: &Value) -> Self {
        Self::beside(Nginx::start(), fault, configuration)
    }

    /// A gateway whose server already has content when it starts.
    pub(crate) fn beside(nginx: Nginx, fault: Fault, configuration: &Value) -> Self {
        let relay = Relay::start(nginx.address(), fault);
        let listener = envoy::listener("main", &[envoy::filter(&configuration.to_string())]);
        let mut configuration = envoy::configuration(&[listener], echo::start());
        let clusters = configuration["static_resources"]["clusters"].as_array_mut().unwrap();
        clusters.push(cluster(relay.address()));
        Self { envoy: Envoy::start(&configuration, 2).unwrap(), nginx, relay }
    }

    /// Why bundle fetches failed, in log order.
    pub(crate) fn failures(&self) -> Vec<String> {
        failures(&self.envoy, "bundle")
    }
}

/// Why fetches of this kind failed, in log order.
pub(crate) fn failures(envoy: &Envoy, what: &str) -> Vec<String> {
    let failed = envoy.events("feed").into_iter().filter(|event| event["result"] == "failed");
    failed
        .filter(|event| event["what"] == what)
        .map(|event| event["error"].as_str().unwrap().to_owned())
        .collect()
}

/// The cluster with the server.
pub(crate) fn cluster(server: SocketAddr) -> Value {
    json!({
        "name": "bundles",
        "connect_timeout": "1s",
        "load_assignment": { "cluster_name": "bundles", "endpoints": [{ "lb_endpoints": [{ "endpoint": {
            "address": { "socket_address": { "address": "127.0.0.1", "port_value": server.port() } },
        }}]}]},
    })
}

/// A configuration with only a feed.
pub(crate) fn configuration() -> Value {
    json!({ "feed": {
        "cluster": "bundles", "authority": "bundles.test", "path": "/bundle.json", "interval": "1s",
        "revocations": "/revocations.json", "keys": publics(&[1]),
    }})
}

/// The signed bundle with this revision and these fields.
pub(crate) fn revision(number: u64, fields: Value) -> String {
    signed(&numbered(number, fields), &[1]).to_string()
}

pub(crate) fn numbered(number: u64, fields: Value) -> Value {
    let mut bundle = bundle();
    bundle["revision"] = json!(number);
    bundle.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    bundle
}

pub(crate) fn revocations(number: u64, tokens: &[&str], secrets: &[&str]) -> String {
    let digests: Vec<String> =
        secrets.iter().map(|secret| SecretDigest::of(secret.as_bytes()).to_hex()).collect();
    let list = json!({
        "version": 1, "name": "fixture", "revision": number, "tokens": tokens, "secrets": digests,
    });
    signed_as(&list, PayloadType::Revocations, &[1]).to_string()
}

pub(crate) fn statuses(clients: &mut [Client], secret: &str) -> Vec<u16> {
    clients.iter_mut().map(|client| client.get("/v1/items", Some(secret)).status).collect()
}

const OTHER: &str = "acme_svc_another_secret_of_the_fixture";
