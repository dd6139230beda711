//! `make pause`: how long a request waits while a gateway handles the response of its feed's server.
//!
//! A real Envoy with one worker fetches from a real nginx. Meanwhile one client sends requests to the worker, and
//! another to the admin interface on the main thread. The benchmark prints the longest response time of each, because
//! one of the two threads fetches and Envoy does not say which. First come responses that the gateway must reject,
//! then an honest bundle of 100,000 tokens.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot measure ends by panicking")]
#![expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "the same")]
#![expect(clippy::string_slice, clippy::disallowed_methods, reason = "the harness of the tests")]
#![expect(clippy::print_stdout, reason = "the table is what the benchmark is for")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tokenward::engine::config::envelope::PayloadType;
use tokenward::engine::config::feed::MAX_FETCHED;
use tokenward::engine::words::secret::SecretDigest;

use crate::envoy::Envoy;
use crate::nginx::Nginx;
use crate::signing::{public, publics, signed};

#[path = "../support/echo.rs"]
mod echo;
#[path = "../support/envoy.rs"]
#[expect(dead_code, reason = "the harness of the tests; a benchmark needs less of it")]
mod envoy;
#[path = "../support/http.rs"]
#[expect(dead_code, reason = "the harness of the tests; a benchmark needs less of it")]
mod http;
#[path = "../support/nginx.rs"]
#[expect(dead_code, reason = "the harness of the tests; a benchmark needs less of it")]
mod nginx;
#[path = "../support/signing.rs"]
#[expect(dead_code, reason = "the harness of the tests; a benchmark needs less of it")]
mod signing;
#[path = "../support/wait.rs"]
#[expect(dead_code, reason = "the harness of the tests; a benchmark needs less of it")]
mod wait;

fn main() {
    let only: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    println!(
        "| answer | MiB | a request waits at most | the main thread, at most |\n| --- | --- | --- | --- |"
    );
    for answer in answers() {
        if !only.is_empty() && !only.iter().any(|word| answer.name.contains(word.as_str())) {
            continue;
        }
        let (worker, main) = longest(&answer);
        let size = (answer.body)().len() >> 20;
        println!("| {} | {size} | {} ms | {} ms |", answer.name, worker.as_millis(), main.as_millis());
    }
}

/// A response of the server.
struct Answer {
    name: &'static str,
    file: &'static str,
    body: fn() -> String,
    directives: &'static str,
    /// The text in Envoy's log once the response is handled.
    handled: &'static str,
}

fn answers() -> Vec<Answer> {
    let junk = |name, body| Answer { name, file: BUNDLE, body, directives: "", handled: FAILED };
    let plain = |name, directives| Answer { directives, ..junk(name, named_junk) };
    vec![
        junk("`{}`", || "{}".to_owned()),
        junk("16 junk signatures that name the trusted key", named_junk),
        junk("16 junk signatures that name no key", || filled(&envelope(None), "A")),
        Answer {
            file: LIST,
            handled: UNTRUSTED,
            ..junk("a list of revocations with 16 junk signatures", list_junk)
        },
        junk("signatures without end", || filled("{\"signatures\":[FILL", "{\"sig\":\"\"},")),
        junk("an unknown key without end", || filled("{\"FILL\":1}", "a")),
        junk("a payload in escapes", || filled(&envelope(None), "\\u0041")),
        junk("a payload that ends in what is not base64", || {
            filled(&envelope(None).replace("FILL", "FILL!"), "A")
        }),
        plain("status 500", "error_page 404 =500 /bundle.json; location / { try_files /none =404; }"),
        plain("content type text/html", "types {} default_type text/html;"),
        plain("content encoding gzip", "add_header content-encoding gzip;"),
        Answer { handled: TAKEN, ..junk("an honest bundle of 100,000 tokens", honest) },
    ]
}

/// The longest response times of the worker and of the main thread while the response is handled.
fn longest(Answer { file, body, directives, handled, .. }: &Answer) -> (Duration, Duration) {
    let nginx = Nginx::start();
    nginx.put(file, &body());
    nginx.serve(&format!("etag on; {directives}"));
    let envoy = gateway(&nginx);
    let (listener, admin) = (envoy.listener("main"), envoy.admin_address());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| longest_of("/v1/items", listener, &over));
        let main = scope.spawn(|| longest_of("/ready", admin, &over));
        let begin = Instant::now();
        while !envoy.log().contains(handled) && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(envoy.log().contains(handled), "no `{handled}` in\n{:.2000}", envoy.log());
        // A worker activates fetched content at its next tick.
        std::thread::sleep(Duration::from_secs(12));
        over.store(true, Ordering::Relaxed);
        (worker.join().unwrap(), main.join().unwrap())
    })
}

fn longest_of(path: &str, address: SocketAddr, over: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        ask(path, address);
        longest = longest.max(begin.elapsed());
        std::thread::sleep(Duration::from_millis(2));
    }
    longest
}

fn ask(path: &str, address: SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {SECRET}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

fn gateway(nginx: &Nginx) -> Envoy {
    let configuration = json!({ "bundle": bundle(1), "feed": {
        "cluster": "bundles", "authority": "bundles.test", "path": format!("/{BUNDLE}"),
        "revocations": format!("/{LIST}"), "interval": "1s", "keys": publics(&[KEY]),
    }});
    let listener = envoy::listener("main", &[envoy::filter(&configuration.to_string())]);
    let mut configuration = envoy::configuration(&[listener], echo::start());
    let clusters = configuration["static_resources"]["clusters"].as_array_mut().unwrap();
    clusters.push(json!({
        "name": "bundles",
        "load_assignment": { "cluster_name": "bundles", "endpoints": [{ "lb_endpoints": [{ "endpoint": {
            "address": { "socket_address": { "address": "127.0.0.1", "port_value": nginx.address().port() } },
        }}]}]},
    }));
    Envoy::start(&configuration, 1).unwrap()
}

fn bundle(tokens: usize) -> Value {
    let token = |number: usize| {
        let secret = if number == 0 { SECRET.to_owned() } else { format!("test_svc_{number:024}") };
        let secrets = json!([{ "id": "1", "sha256": SecretDigest::of(secret.as_bytes()).to_hex() }]);
        (format!("token-{number}"), json!({ "kind": "service", "roles": ["reader"], "secrets": secrets }))
    };
    json!({
        "version": 1, "name": "pause", "revision": tokens,
        "permissions": { "items:read": ["GET /v1/items/**"] },
        "roles": { "reader": { "permissions": ["items:read"] } },
        "kinds": { "service": {} },
        "tokens": (0..tokens).map(token).collect::<Map<String, Value>>(),
    })
}

fn honest() -> String {
    signed(&bundle(100_000), &[KEY]).to_string()
}

fn named_junk() -> String {
    filled(&envelope(Some(public(KEY).id().as_str())), "A")
}

fn list_junk() -> String {
    named_junk().replace(PayloadType::Bundle.as_str(), PayloadType::Revocations.as_str())
}

/// An envelope to fill, with 16 signatures that only a hash of the payload distinguishes from valid ones.
fn envelope(name: Option<&str>) -> String {
    let signature = |number: u8| {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&public(KEY).to_bytes());
        bytes[32] = number;
        let mut signature = json!({ "sig": STANDARD.encode(bytes) });
        name.iter().for_each(|name| signature["keyid"] = json!(name));
        signature
    };
    let signatures: Vec<Value> = (0..16).map(signature).collect();
    let kind = PayloadType::Bundle.as_str();
    json!({ "payloadType": kind, "payload": "FILL", "signatures": signatures }).to_string()
}

/// The text at the maximum fetch size: `part`, repeated a multiple of four times, replaces `FILL`.
fn filled(text: &str, part: &str) -> String {
    let parts = (MAX_FETCHED - text.len() - 64) / part.len() / 4 * 4;
    text.replace("FILL", &part.repeat(parts))
}

const KEY: u8 = 1;
const SECRET: &str = "test_svc_reader_0123456789";
const BUNDLE: &str = "bundle.json";
const LIST: &str = "revocations.json";
const FAILED: &str = "\"result\":\"failed\",\"what\":\"bundle\"";
const UNTRUSTED: &str = "signed by 0 of 1 trusted keys";
const TAKEN: &str = "\"revision\":100000";
const PATIENCE: Duration = Duration::from_secs(90);
