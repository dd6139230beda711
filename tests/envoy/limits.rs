//! Rate limits, which all workers of one Envoy share.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::envoy::Envoy;
use crate::fixture::{READER, bundle, start, start_with};
use crate::http::{Client, Response};

#[test]
fn four_workers_share_one_bucket_that_refills_evenly() {
    let envoy = start_with(&json!({ "bundle": limited("100/1m") }), 4);
    let address = envoy.listener("main");
    let begin = Instant::now();
    let granted = Mutex::new(0);
    // Enough connections to reach every worker.
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                let mine = (0..25).filter(|_| client.get("/v1/items", Some(READER)).status == 200).count();
                *granted.lock().unwrap() += mine;
            });
        }
    });
    let burst = begin.elapsed();
    let granted = granted.into_inner().unwrap();
    // One request comes back every 0.6 s.
    let refilled = |elapsed: Duration| usize::try_from(elapsed.as_millis() / 600).unwrap();
    assert!((100..=101 + refilled(burst)).contains(&granted), "{granted} of 400 in {burst:?}");
    assert!(workers_in_use(&envoy) > 1, "one worker served all of them");

    std::thread::sleep(Duration::from_secs(3));
    let mut client = envoy.client("main");
    let more = (0..50).filter(|_| client.get("/v1/items", Some(READER)).status == 200).count();
    let (least, most) = (refilled(Duration::from_secs(3)), 1 + refilled(begin.elapsed()));
    assert!(
        (least..=most).contains(&(granted + more - 100)),
        "{granted}, then {more} in {:?}",
        begin.elapsed()
    );
}

#[test]
fn every_response_reports_the_remaining_quota() {
    let envoy = start(&json!({ "bundle": limited("3/1h") }));
    let mut client = envoy.client("main");
    let fields = |response: &Response| {
        let field = |name: &str| response.header(name).unwrap_or("none").to_owned();
        (response.status, field("ratelimit-policy"), field("ratelimit"), field("retry-after"))
    };
    // A denied request does not use up the limit.
    assert_eq!(client.get("/v1/other", Some(READER)).header("ratelimit"), None);
    let policy = "\"token\";q=3;w=3600".to_owned();
    for left in [2, 1, 0] {
        let reset = (3 - left) * 1_200;
        let (status, policy_field, field, wait) = fields(&client.get("/v1/items", Some(READER)));
        assert_eq!((status, policy_field, wait), (200, policy.clone(), "none".to_owned()));
        let told: i64 = field.strip_prefix(&format!("\"token\";r={left};t=")).unwrap().parse().unwrap();
        assert!((reset - 30..=reset).contains(&told), "{field}");
    }
    let response = client.get("/v1/items", Some(READER));
    let (status, policy_field, field, wait) = fields(&response);
    assert_eq!((status, policy_field), (429, policy));
    let wait: i64 = wait.parse().unwrap();
    assert!((1_170..=1_200).contains(&wait) && field == format!("\"token\";r=0;t={wait}"), "{field}, {wait}");
    assert_eq!(response.json()["type"], "urn:tokenward:rate_limited");
    assert_eq!(client.get("/v1/items", None).header("ratelimit"), None);
}

#[test]
fn each_token_has_its_own_bucket() {
    let mut bundle = limited("2/1h");
    let more = "test_svc_second_0123456789";
    bundle["tokens"]["second"] = bundle["tokens"]["reader"].clone();
    bundle["tokens"]["second"]["secrets"] = json!([crate::fixture::secret("1", more, json!({}))]);
    let envoy = start(&json!({ "bundle": bundle }));
    let mut client = envoy.client("main");
    let statuses = |client: &mut Client, secret| [0; 3].map(|_| client.get("/v1/items", Some(secret)).status);
    assert_eq!(statuses(&mut client, READER), [200, 200, 429]);
    assert_eq!(statuses(&mut client, more), [200, 200, 429]);
}

/// The fixture's policy with a rate limit on the reader.
fn limited(limit: &str) -> Value {
    let mut bundle = bundle();
    bundle["tokens"]["reader"]["rate_limit"] = json!(limit);
    bundle
}

/// The number of workers that have accepted a connection.
fn workers_in_use(envoy: &Envoy) -> usize {
    let stats = envoy.admin("/stats?filter=worker_.*downstream_cx_total");
    let counts = stats.lines().filter_map(|line| line.rsplit_once(": "));
    counts.filter(|(name, count)| name.contains("listener") && *count != "0").count()
}
