//! A trap: the module crashes in the middle of a request, and no request bypasses the filter.

use serde_json::{Value, json};

use crate::fixture::{READER, bundle};
use crate::http::Client;
use crate::tripwire::{Wire, start, start_wired, trap, until_back};

#[test]
fn trap_rejects_requests_until_the_filter_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let envoy = start(folder.path(), &limited("3/1h"));
    let mut client = envoy.client("main");
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    for round in 1..=2 {
        assert_eq!(trap(&mut client).status, 503, "round {round}");
        let statuses = until_back(&mut client);
        // Rejected or judged: a request without a token never passes.
        assert!(statuses.iter().all(|status| [503, 401].contains(status)), "{statuses:?}");
        assert!(statuses.contains(&503), "{statuses:?}");
    }
    // Two of three requests remain, because the bucket outlived the filter.
    let statuses = [0; 3].map(|_| client.get("/v1/items", Some(READER)).status);
    assert_eq!(statuses, [200, 200, 429]);
    assert!(envoy.admin("/stats?filter=vm_reload_success").contains(": 2"), "{}", envoy.log());
}

#[test]
fn no_connection_bypasses_the_filter_after_traps() {
    let folder = tempfile::tempdir().unwrap();
    let envoy = start(folder.path(), &bundle());
    let mut others: Vec<Client> = (0..4).map(|_| envoy.client("main")).collect();
    trap(&mut envoy.client("main"));
    for other in &mut others {
        assert!([401, 503].contains(&other.get("/v1/items", None).status));
    }
}

#[test]
fn panic_log_has_place_without_request() {
    let folder = tempfile::tempdir().unwrap();
    let envoy = start_wired(folder.path(), &json!({ "bundle": bundle() }), Wire::Panic, None);
    let mut client = envoy.client("main");
    assert_eq!(trap(&mut client).status, 503);
    until_back(&mut client);
    let log = envoy.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("tokenward: panic at ")).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains(".rs:"), "{}", told[0]);
    // A panic message may contain bytes of a request. This one would explain why the memory was not available.
    assert!(!log.contains("capacity overflow") && !log.contains(READER), "{log}");
}

fn limited(limit: &str) -> Value {
    let mut bundle = bundle();
    bundle["tokens"]["reader"]["rate_limit"] = json!(limit);
    bundle
}
