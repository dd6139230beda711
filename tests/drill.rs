//! `make drill`: a token leaks. Three gateways fetch from one nginx, and the token is in use at all of them. Revoking
//! it by the leaked secret makes every gateway reject it. Prints how long that took; honest traffic never fails
//! meanwhile.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, clippy::string_slice, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "it prints for people")]
#![expect(clippy::disallowed_methods, reason = "it runs where there is a clock")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::envoy::Envoy;
use crate::http::Client;
use crate::nginx::Nginx;
use crate::publisher::Publisher;

#[path = "support/echo.rs"]
mod echo;
#[path = "support/envoy.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod envoy;
#[path = "support/http.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod http;
#[path = "support/nginx.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod nginx;
#[path = "support/publisher.rs"]
mod publisher;
#[path = "support/wait.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod wait;

fn main() {
    let (nginx, folder) = (Nginx::start(), tempfile::tempdir().unwrap());
    let publisher = Publisher::new(folder.path());
    let publish = |name: &str| {
        nginx.put(name, &std::fs::read_to_string(folder.path().join("bundles").join(name)).unwrap());
    };
    let begin = Instant::now();
    let (leaked, honest) = (publisher.mint("ci-deploy"), publisher.mint("metrics-reader"));
    publisher.publish();
    publish("bundle.json");
    publisher.publish_revocations();
    publish("revocations.json");
    let settings = publisher.settings("bundles.test").to_string();
    let gateways: Vec<Envoy> = (0..GATEWAYS).map(|_| gateway(&settings, &nginx)).collect();
    let mut clients: Vec<Client> = gateways.iter().map(|gateway| gateway.client("main")).collect();
    let asked = |client: &mut Client, secret: &str| client.get("/v1/metrics/checkout", Some(secret)).status;
    all_within(&mut clients, |client| asked(client, &leaked) == 200);
    // A connection stays with its worker, and each worker loads the bundle at its own tick.
    let mut others: Vec<Client> = gateways.iter().map(|gateway| gateway.client("main")).collect();
    all_within(&mut others, |client| asked(client, &honest) == 200);
    println!("drill: minted, built, signed, and in use at {GATEWAYS} gateways: {}", seconds(begin));

    let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for mut client in others {
            let (over, served, honest) = (&over, &served, &honest);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(asked(&mut client, honest), 200, "honest traffic is refused");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let begin = Instant::now();
        publisher.revoke(&leaked);
        println!("drill: revoked by what leaked, list built and signed: {}", seconds(begin));
        publish("revocations.json");
        let published = Instant::now();
        all_within(&mut clients, |client| asked(client, &leaked) == 401);
        println!(
            "drill: refused at {GATEWAYS} gateways, after the list was published: {}",
            seconds(published)
        );
        println!("drill: from the leak's report to refused everywhere: {}", seconds(begin));
        over.store(true, Ordering::Relaxed);
    });
    let honest = served.load(Ordering::Relaxed);
    assert!(honest > GATEWAYS);
    println!("drill: {honest} honest requests in the meantime, none refused");
}

fn gateway(settings: &str, nginx: &Nginx) -> Envoy {
    let listener = envoy::listener("main", &[envoy::filter(settings)]);
    let mut configuration = envoy::configuration(&[listener], echo::start());
    let address = nginx.address();
    configuration["static_resources"]["clusters"].as_array_mut().unwrap().push(json!({
        "name": "bundles",
        "connect_timeout": "1s",
        "load_assignment": { "cluster_name": "bundles", "endpoints": [{ "lb_endpoints": [{ "endpoint": {
            "address": { "socket_address": { "address": "127.0.0.1", "port_value": address.port() } },
        }}]}]},
    }));
    Envoy::start(&configuration, 2).unwrap()
}

fn all_within(clients: &mut [Client], mut is_so: impl FnMut(&mut Client) -> bool) {
    let start = Instant::now();
    for client in clients {
        while !is_so(client) {
            assert!(start.elapsed() < Duration::from_secs(60), "not within a minute");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f64())
}

const GATEWAYS: usize = 3;
