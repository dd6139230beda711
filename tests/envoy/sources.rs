//! The source of a request behind a load balancer that writes ports: it is never the balancer itself.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::envoy::{self, Envoy};
use crate::fixture::{READER, bundle, headers, in_seconds, secret, token};
use crate::http::{Client, Response};
use crate::nginx::Nginx;
use crate::{echo, fixture};

#[test]
fn unreadable_hop_is_not_the_balancer() {
    let envoy = start(&[("main", json!({ "bundle": guarded() }), Manager::ENVOYS_DEFAULT)]);
    let mut client = envoy.client("main");
    // For these, Envoy uses the address of the connection, which is an internal one.
    for hop in ["203.0.113.7:4711", "[2001:db8::7]:4711", "unknown", "203.0.113.7,", ""] {
        assert_eq!(from(&mut client, &[hop], INNER).status, 403, "{hop}");
        assert_eq!(from(&mut client, &[hop], READER).status, 200, "{hop}");
        let statuses: Vec<u16> = (0..6).map(|_| from(&mut client, &[hop], GUESS).status).collect();
        assert_eq!(statuses, [401; 6], "{hop}");
    }
    assert_eq!(from(&mut client, &[], INNER).status, 200);
    assert_eq!(from(&mut client, &["127.0.0.9"], INNER).status, 200);
    let events = decisions(&envoy, 42);
    let (known, unknown): (Vec<&Value>, Vec<&Value>) =
        events.iter().partition(|event| event.get("source").is_some());
    assert_eq!((known.len(), unknown.len()), (2, 40));
    assert!(envoy.events("suspended").is_empty());
}

#[test]
fn envoy_trusted_hops_exclude_the_balancer() {
    let manager = Manager { remote: true, hops: 1 };
    let configuration = json!({ "bundle": guarded() });
    let envoy = start(&[("main", configuration, manager)]);
    let mut client = envoy.client("main");
    assert_eq!(from(&mut client, &["203.0.113.7:4711"], INNER).status, 403);
    assert_eq!(from(&mut client, &["203.0.113.7:4711"], OFFICE).status, 403);
    assert_eq!(from(&mut client, &["203.0.113.7"], OFFICE).status, 200);
    assert_eq!(from(&mut client, &["203.0.113.7"], INNER).status, 403);
}

#[test]
fn trusted_hops_count_like_envoy() {
    let sides = [true, false].map(|remote| {
        [0, 1, 2].map(|hops| {
            let configuration = json!({ "bundle": bundle(), "source": { "trusted_hops": hops } });
            (format!("{remote} {hops}"), configuration, Manager { remote, hops })
        })
    });
    let listeners: Vec<(String, Value, Manager)> = sides.into_iter().flatten().collect();
    let start_all = |strip: fn(&Value) -> Value| {
        let listeners = listeners.iter();
        start(
            &listeners
                .map(|(name, configuration, manager)| (name.as_str(), strip(configuration), *manager))
                .collect::<Vec<_>>(),
        )
    };
    let envoy = start_all(Value::clone);
    // Without `source`, the filter uses Envoy's own reading.
    let envoys_own = start_all(|configuration| json!({ "bundle": configuration["bundle"] }));
    for (name, ..) in &listeners {
        for (number, hops) in
            [&["198.51.100.1, 203.0.113.7,10.0.0.8"][..], &["198.51.100.1,203.0.113.7", "10.0.0.8"]]
                .into_iter()
                .enumerate()
        {
            let id = format!("{name} {number}");
            let [own, ours] = [&envoys_own, &envoy].map(|envoy| {
                let mut client = envoy.client(name);
                assert_eq!(from_with_id(&mut client, hops, READER, &id).status, 200);
                envoy.decision(&id)["source"].clone()
            });
            assert_eq!(ours, own, "{name}: {hops:?}");
        }
    }
}

#[test]
fn source_is_read_behind_nginx_with_ports() {
    let seen = json!({ "bundle": guarded(), "source": { "trusted_hops": 1 } });
    let unseen = json!({ "bundle": guarded() });
    let manager = Manager { remote: true, hops: 0 };
    let envoy = start(&[("seen", seen, manager), ("unseen", unseen, Manager { remote: true, hops: 1 })]);
    let (seen, unseen) = (balancer(envoy.listener("seen")), balancer(envoy.listener("unseen")));

    let mut client = client_of(&seen);
    assert_eq!(through(&mut client, "203.0.113.7", OFFICE).status, 200);
    assert_eq!(through(&mut client, "203.0.113.7", INNER).status, 403);
    assert_eq!(through(&mut client, "198.51.100.7", OFFICE).status, 403);
    let guesses: Vec<u16> = (0..7).map(|_| through(&mut client, "203.0.113.66", GUESS).status).collect();
    assert_eq!(guesses, [401, 401, 401, 401, 401, 429, 429]);
    assert_eq!(through(&mut client, "203.0.113.67", READER).status, 200);

    let mut client = client_of(&unseen);
    assert_eq!(through(&mut client, "203.0.113.7", INNER).status, 403);
    let guesses: Vec<u16> = (0..7).map(|_| through(&mut client, "203.0.113.66", GUESS).status).collect();
    assert_eq!(guesses, [401; 7]);
    assert_eq!(through(&mut client, "203.0.113.67", READER).status, 200);

    let suspended = envoy.events("suspended");
    assert_eq!(suspended.len(), 1, "{suspended:?}");
    assert_eq!(suspended[0]["source"], "203.0.113.66");
}

#[test]
fn junk_cannot_hide_source_without_trusted_hops() {
    let configuration = json!({ "bundle": guarded(), "source": { "trusted_hops": 0 } });
    let envoy = start(&[("main", configuration, Manager { remote: true, hops: 0 })]);
    let mut client = envoy.client("main");
    assert_eq!(from(&mut client, &["203.0.113.7"], OFFICE).status, 403);
    assert_eq!(from(&mut client, &["junk:1", "203.0.113.7:1"], INNER).status, 200);
    let guesses: Vec<u16> = (0..7).map(|_| from(&mut client, &["junk"], GUESS).status).collect();
    assert_eq!(guesses, [401, 401, 401, 401, 401, 429, 429]);
    assert_eq!(envoy.events("suspended")[0]["source"], "127.0.0.1");
}

#[test]
fn foreign_page_images_cannot_suspend_a_visitor() {
    let mut configuration = json!({ "bundle": guarded() });
    configuration["credentials"] = json!([
        { "header": "authorization", "scheme": "Bearer" },
        { "query": "access_token" },
        { "cookie": "token" },
    ]);
    let envoy = start(&[("main", configuration, Manager::ENVOYS_DEFAULT)]);
    let mut client = envoy.client("main");
    for number in 0..30 {
        let path = format!("/v1/items?access_token={GUESS}-{number}");
        let mut request: Vec<(&str, &[u8])> =
            vec![(":method", b"GET"), (":path", path.as_bytes()), (":authority", b"gateway.test")];
        request.push(("referer", b"https://evil.test/"));
        assert_eq!(client.send(&request).status, 401);
        request[1].1 = b"/v1/items";
        request.push(("cookie", b"token=somebodys-guess-0001"));
        assert_eq!(client.send(&request).status, 401);
    }
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    assert!(envoy.events("suspended").is_empty());
}

#[test]
fn foreign_page_cannot_suspend_a_cookie_token() {
    let mut bundle = bundle();
    bundle["defense"] =
        json!({ "denials": { "limit": 3, "per": "1m", "suspend": "15m" }, "retired_secret": "suspend" });
    let retired = json!({ "retired_at": in_seconds(-7_200), "expires_at": in_seconds(-3_600) });
    bundle["tokens"]["rotated"] = token(json!([secret("1", INNER, retired), secret("2", OFFICE, json!({}))]));
    let configuration = json!({ "bundle": bundle, "credentials": [
        { "header": "authorization", "scheme": "Bearer" },
        { "cookie": "token" },
    ]});
    let envoy = start(&[("main", configuration, Manager::ENVOYS_DEFAULT)]);
    let mut client = envoy.client("main");
    let mut image = |path: &str, secret: &str| {
        let cookie = format!("token={secret}").into_bytes();
        let request: [(&str, &[u8]); 4] = [
            (":method", b"GET"),
            (":path", path.as_bytes()),
            (":authority", b"gateway.test"),
            ("cookie", &cookie),
        ];
        client.send(&request).status
    };
    assert_eq!((0..6).map(|_| image("/v1/other", OFFICE)).collect::<Vec<_>>(), [403; 6]);
    assert_eq!(image("/v1/items", INNER), 401);
    assert_eq!(image("/v1/items", OFFICE), 200);
    assert!(envoy.events("suspended").is_empty());
    assert_eq!(envoy.events("alert")[0]["token"], "rotated");
}

/// How a connection manager determines the source.
#[derive(Clone, Copy)]
struct Manager {
    /// `use_remote_address`.
    remote: bool,
    /// `xff_num_trusted_hops`.
    hops: u32,
}

impl Manager {
    const ENVOYS_DEFAULT: Self = Self { remote: false, hops: 0 };
}

/// Envoy with a listener for each name, configuration and manager.
fn start(listeners: &[(&str, Value, Manager)]) -> Envoy {
    let listeners: Vec<Value> = listeners
        .iter()
        .map(|(name, configuration, Manager { remote, hops })| {
            let mut listener = envoy::listener(name, &[envoy::filter(&configuration.to_string())]);
            let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
            manager["use_remote_address"] = json!(remote);
            manager["xff_num_trusted_hops"] = json!(hops);
            manager["preserve_external_request_id"] = json!(true);
            listener
        })
        .collect();
    Envoy::start(&envoy::configuration(&listeners, echo::start()), 2).unwrap()
}

/// The events of this many decisions.
fn decisions(envoy: &Envoy, count: usize) -> Vec<Value> {
    for _ in 0..500 {
        let events = envoy.decisions();
        if events.len() >= count {
            return events;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{} of {count} events", envoy.decisions().len());
}

/// A policy that counts guesses, and has tokens that are restricted to addresses.
fn guarded() -> Value {
    let mut bundle = bundle();
    bundle["defense"] = json!({ "unknown_tokens": { "limit": 5, "per": "1m", "suspend": "15m" } });
    for (id, clear, ranges) in [("inner", INNER, ["127.0.0.0/8"]), ("office", OFFICE, ["203.0.113.0/24"])] {
        bundle["tokens"][id] = token(json!([secret("1", clear, json!({}))]));
        bundle["tokens"][id]["allowed_sources"] = json!(ranges);
    }
    bundle
}

/// A load balancer in front of a listener that writes addresses with ports, as some do.
fn balancer(listener: SocketAddr) -> Nginx {
    let nginx = Nginx::start();
    nginx.serve(&format!(
        "location / {{ proxy_pass http://{listener}; proxy_http_version 1.1; proxy_set_header Host $host;\n\
         proxy_set_header X-Forwarded-For \"$http_x_forwarded_for, $http_x_caller:$remote_port\"; }}"
    ));
    nginx
}

/// A connection to a balancer that is ready.
fn client_of(balancer: &Nginx) -> Client {
    for _ in 0..500 {
        let mut client = Client::connect(balancer.address());
        if client.get("/healthz", None).header("x-upstream").is_some() {
            return client;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("the balancer does not come up");
}

/// A request through a balancer, from this address.
fn through(client: &mut Client, caller: &str, secret: &str) -> Response {
    let authorization = format!("Bearer {secret}").into_bytes();
    let mut request = headers(b"/v1/items", &authorization);
    request.push(("x-caller", caller.as_bytes()));
    request.push(("x-forwarded-for", b"127.0.0.1"));
    client.send(&request)
}

fn from(client: &mut Client, hops: &[&str], secret: &str) -> Response {
    let authorization = format!("Bearer {secret}").into_bytes();
    let mut request = fixture::headers(b"/v1/items", &authorization);
    request.extend(hops.iter().map(|hop| ("x-forwarded-for", hop.as_bytes())));
    client.send(&request)
}

fn from_with_id(client: &mut Client, hops: &[&str], secret: &str, id: &str) -> Response {
    let authorization = format!("Bearer {secret}").into_bytes();
    let mut request = fixture::headers(b"/v1/items", &authorization);
    request.extend(hops.iter().map(|hop| ("x-forwarded-for", hop.as_bytes())));
    request.push(("x-request-id", id.as_bytes()));
    client.send(&request)
}

const INNER: &str = "test_svc_inner_0123456789";
const OFFICE: &str = "test_svc_office_0123456789";
const GUESS: &str = "somebodys-guess-0001";
