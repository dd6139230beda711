//! Alerts: one of the workers sends every suspension to a webhook, in order, and no request waits for it.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serde_json::{Value, json};

use crate::envoy::{self, Envoy};
use crate::fixture::{READER, bundle, secret, token};
use crate::hook::{Hook, Received};
use crate::{echo, tripwire, wait};

#[test]
fn each_suspension_alert_arrives_once_in_order() {
    let hook = Hook::start();
    let envoy = start(&configuration("alerts"), hook.address, 2);
    let mut clients: Vec<_> = (0..6).map(|_| envoy.client("main")).collect();
    for number in 0..PROBERS {
        probe(&mut clients[number % 6], number);
    }
    let received = hook.wait_for(PROBERS);
    assert_eq!(tokens(&received), (0..PROBERS).map(|number| format!("prober-{number}")).collect::<Vec<_>>());
    let ids: BTreeSet<&str> = received.iter().map(|received| received.body["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), PROBERS, "{ids:?}");
    let mut events = envoy.events("suspended");
    events.sort_by_key(|event| event["token"].as_str().unwrap().to_owned());
    for (received, event) in received.iter().zip(&events) {
        // The line in the log also has a chain; the alert does not.
        let mut event = event.clone();
        event.as_object_mut().unwrap().retain(|key, _| !["chain", "hash"].contains(&key.as_str()));
        assert_eq!(received.body["event"], event);
        assert_eq!(
            received.body["gateway"],
            json!({ "node": "test", "environment": "production", "service": "edge" })
        );
        assert_eq!((&received.body["v"], &received.body["dropped"]), (&json!(1), &json!(0)));
        let head = &received.head;
        assert!(
            head.starts_with("post /hook?source=tokenward http/1.1\r\nhost: alerts.acme.test\r\n"),
            "{head}"
        );
        assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
        let text = received.body.to_string();
        assert!(!text.contains("test_svc_"), "{text}");
    }
    // After two more ticks, nothing is sent again.
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(hook.received().len(), PROBERS);
}

#[test]
fn rejected_alert_is_sent_again() {
    let hook = Hook::start();
    hook.answer(503, Duration::ZERO);
    let envoy = start(&configuration("alerts"), hook.address, 2);
    let mut client = envoy.client("main");
    (0..3).for_each(|number| probe(&mut client, number));
    envoy.wait_for_log("cannot send an alert to cluster `alerts` (503): retrying");
    while hook.received().len() < 2 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let refused = hook.received();
    assert_eq!(refused[0].body, refused[1].body, "it is the same alert");
    hook.answer(204, Duration::ZERO);
    assert_eq!(tokens(&hook.wait_for(3)), ["prober-0", "prober-1", "prober-2"]);
}

#[test]
fn undeliverable_alert_does_not_block_the_others() {
    let hook = Hook::start();
    hook.answer(422, Duration::ZERO);
    let envoy = start(&configuration("alerts"), hook.address, 2);
    let mut client = envoy.client("main");
    probe(&mut client, 0);
    envoy.wait_for_log("cluster `alerts` rejects an alert (422): dropping it");
    hook.answer(204, Duration::ZERO);
    (1..3).for_each(|number| probe(&mut client, number));
    assert_eq!(tokens(&hook.wait_for(2)), ["prober-1", "prober-2"]);
    assert_eq!(hook.received().len(), 3, "the refused one was sent once");
    let dropped = envoy.admin("/stats?filter=tokenward_events_dropped_total");
    assert!(dropped.trim_end().ends_with(": 1"), "{dropped}");
}

#[test]
fn alerts_wait_for_a_missing_receiver() {
    // A port without a listener: this listener closes at once.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let envoy = start(&configuration("alerts"), address, 2);
    probe(&mut envoy.client("main"), 0);
    envoy.wait_for_log("cannot send an alert to cluster `alerts`");
    let hook = Hook::start_at(address);
    assert_eq!(tokens(&hook.wait_for(1)), ["prober-0"]);
}

#[test]
fn missing_cluster_does_not_affect_requests() {
    let envoy = start(&configuration("nowhere"), SocketAddr::from(([127, 0, 0, 1], 9)), 2);
    let mut client = envoy.client("main");
    probe(&mut client, 0);
    envoy.wait_for_log("cannot send an alert to cluster `nowhere` (the cluster does not exist");
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
}

#[test]
fn a_slow_receiver_delays_no_request() {
    let hook = Hook::start();
    hook.answer(204, Duration::from_secs(15));
    let envoy = start(&configuration("alerts"), hook.address, 1);
    let mut client = envoy.client("main");
    probe(&mut client, 0);
    wait::until(|| !hook.received().is_empty());
    hook.answer(204, Duration::ZERO);
    // The receiver has the alert and sleeps; the only worker does not wait.
    (0..50).for_each(|_| assert_eq!(client.get("/v1/items", Some(READER)).status, 200));
    probe(&mut client, 1);
    assert_eq!(hook.answered(), 0);
    // The filter may time out and send the first alert again.
    wait::until(|| tokens(&hook.wait_for(2)).ends_with(&["prober-1"]));
}

#[test]
fn full_queue_drops_and_counts_the_oldest() {
    let hook = Hook::start();
    hook.answer(503, Duration::ZERO);
    let mut configuration = configuration("alerts");
    configuration["bundle"]["defense"]["unknown_tokens"] =
        json!({ "limit": 1, "per": "1m", "suspend": "15m" });
    let envoy = start(&configuration, hook.address, 2);
    let mut client = envoy.client("main");
    for number in 0..300 {
        let source = format!("203.0.{}.{}", number / 200, number % 200);
        let guess = [
            (":method", &b"GET"[..]),
            (":path", b"/v1/items"),
            (":authority", b"gateway.test"),
            ("authorization", b"Bearer a-guess-0123456789"),
            ("x-forwarded-for", source.as_bytes()),
        ];
        assert_eq!(client.send(&guess).status, 401);
    }
    envoy.wait_for_log("too many alerts wait to be sent: dropping the oldest");
    hook.answer(204, Duration::ZERO);
    let received = hook.wait_for(256);
    let last = &received.last().unwrap().body;
    assert_eq!((&last["dropped"], &last["event"]["source"]), (&json!(44), &json!("203.0.1.99")));
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(hook.wait_for(256).len(), 256);
}

#[test]
fn alerts_outlive_a_trap() {
    let hook = Hook::start();
    hook.answer(503, Duration::ZERO);
    let folder = tempfile::tempdir().unwrap();
    let module = tripwire::module_with_tripwire(folder.path(), tripwire::Wire::Trap);
    let filter = envoy::wasm_filter(&module, &string(&configuration("alerts")));
    let envoy = start_filter(&filter, hook.address, 2);
    let mut client = envoy.client("main");
    (0..2).for_each(|number| probe(&mut client, number));
    envoy.wait_for_log("cannot send an alert");
    for _ in 0..8 {
        tripwire::trap(&mut envoy.client("main"));
    }
    hook.answer(204, Duration::ZERO);
    tripwire::until_back(&mut client);
    let received = hook.wait_for(2);
    assert_eq!(tokens(&received)[..2], ["prober-0", "prober-1"]);
}

#[test]
fn alerts_bring_their_authorization() {
    let hook = Hook::start();
    hook.answer(401, Duration::ZERO);
    let mut configuration = configuration("alerts");
    configuration["alerts"]["headers"] =
        json!({ "authorization": "Bearer of-the-receiver", "user-agent": "edge" });
    let envoy = start(&configuration, hook.address, 2);
    probe(&mut envoy.client("main"), 0);
    envoy.wait_for_log(
        "cannot send an alert to cluster `alerts` (401: the receiver rejects the authorization in `alerts.headers`; \
         check or renew it): retrying",
    );
    hook.answer(204, Duration::ZERO);
    let received = hook.wait_for(1);
    for header in
        ["authorization: bearer of-the-receiver", "user-agent: edge", "content-type: application/json"]
    {
        assert!(received[0].head.contains(&format!("\r\n{header}\r\n")), "{}", received[0].head);
    }
    assert!(!envoy.log().contains("of-the-receiver"), "{}", envoy.log());
}

/// Gets one of its tokens suspended.
fn probe(client: &mut crate::http::Client, number: usize) {
    assert_eq!(client.get("/v1/other", Some(&prober(number))).status, 403);
    assert_eq!(client.get("/v1/items", Some(&prober(number))).status, 401);
}

fn tokens(received: &[Received]) -> Vec<&str> {
    received.iter().map(|received| received.body["event"]["token"].as_str().unwrap()).collect()
}

/// A gateway that sends alerts about suspensions, with tokens for it.
fn configuration(cluster: &str) -> Value {
    let mut bundle = bundle();
    bundle["defense"] = json!({ "denials": { "limit": 1, "per": "1m", "suspend": "15m" } });
    for number in 0..PROBERS {
        let secrets = json!([secret("1", &prober(number), json!({}))]);
        bundle["tokens"][format!("prober-{number}")] = token(secrets);
    }
    json!({
        "bundle": bundle,
        "environment": "production",
        "service": "edge",
        "alerts": { "cluster": cluster, "authority": "alerts.acme.test", "path": "/hook?source=tokenward" },
    })
}

fn prober(number: usize) -> String {
    format!("test_svc_prober_{number}_0123456789")
}

fn start(configuration: &Value, receiver: SocketAddr, workers: u32) -> Envoy {
    start_filter(&envoy::filter(&configuration.to_string()), receiver, workers)
}

/// Envoy with this filter and a cluster `alerts`.
pub(crate) fn start_filter(filter: &Value, receiver: SocketAddr, workers: u32) -> Envoy {
    let mut configuration =
        envoy::configuration(&[envoy::listener("main", std::slice::from_ref(filter))], echo::start());
    let clusters = configuration["static_resources"]["clusters"].as_array_mut().unwrap();
    let mut alerts = clusters[0].clone();
    alerts["name"] = json!("alerts");
    alerts["load_assignment"]["cluster_name"] = json!("alerts");
    alerts["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["port_value"] =
        json!(receiver.port());
    clusters.push(alerts);
    Envoy::start(&configuration, workers).unwrap()
}

fn string(configuration: &Value) -> Value {
    json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": configuration.to_string(),
    })
}

const PROBERS: usize = 8;
