//! `docs/reference/limits.md`: each limit holds, exactly at the limit and one beyond, and the message is the one on the page.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, reason = "a test fails by panicking")]

use ed25519_dalek::SigningKey;
use serde_json::{Map, Value, json};
use tokenward::engine::config::envelope::{PayloadType, PublicKey};
use tokenward::engine::config::settings::{Mode, Settings};
use tokenward::engine::policy::decision::{Circumstances, Decision};
use tokenward::engine::policy::gateway::Gateway;
use tokenward::engine::report::audit::{AuditEvent, Line, MAX_STRANGERS_LINE};
use tokenward::engine::request::head::RequestHead;
use tokenward::engine::words::address::Source;
use tokenward::engine::words::secret::SecretDigest;
use tokenward::engine::words::time::Time;

#[test]
fn documents_have_the_limits_of_the_page() {
    let rows = rows("Documents");
    for Row { limit, most, text } in &rows {
        let message = text.trim_matches('`').trim_end();
        let said = |count| refused(limit, count);
        assert!(!said(*most).is_some_and(|said| said.ends_with(message)), "{limit}: {most}");
        let beyond = said(most + 1).unwrap_or_else(|| panic!("{limit}: {} are taken", most + 1));
        assert!(beyond.ends_with(message), "{limit}: {beyond}");
    }
    assert_eq!(rows.len(), 28);
}

#[test]
fn requests_have_the_limits_of_the_page() {
    let rows = rows("Requests");
    for Row { limit, most, .. } in &rows {
        if let Some(field) = limit.strip_prefix("bytes of `").and_then(|rest| rest.split('`').next()) {
            // A longer host is rejected before its token is looked up.
            let counts = [*most, most + 1, most * 10].into_iter().filter(|n| field != "host" || *n <= 259);
            for count in counts {
                assert_eq!(told(field, count).len(), *most, "{limit}: {count}");
            }
        }
    }
    assert_eq!(rows.len(), 8);
}

#[test]
fn unknown_token_line_has_the_documented_limit() {
    let most = most("Requests", "bytes of an audit event without a known token");
    assert_eq!(most, MAX_STRANGERS_LINE);
    for field in ["request_id", "method", "host", "path"] {
        let event = event(field, 100_000, "x");
        // Without the chain, whose maximum length `tests/audit` checks.
        assert!(event.len() <= most - 50 && event.contains("<+"), "{event}");
    }
}

#[test]
fn overlong_secret_belongs_to_no_token() {
    let most = most("Requests", "bytes of a presented secret");
    for (length, reason) in [(most, "permitted"), (most + 1, "unknown_token")] {
        let secret = "s".repeat(length);
        let gateway = configured(json!({ "tokens": { "t": token(json!({ "secrets": [
            { "id": "1", "sha256": SecretDigest::of(secret.as_bytes()) },
        ]}))}}));
        let authorization = format!("Bearer {secret}");
        let headers = [(":method", "GET"), (":path", "/a"), ("authorization", &authorization)];
        assert_eq!(decide(&gateway.unwrap(), &headers, |decision, _| decision.reason().code()), reason);
    }
}

#[test]
fn challenge_names_a_limited_number_of_permissions() {
    let most = most("Requests", "permissions named in a challenge");
    let permissions: Map<String, Value> =
        (0..most + 5).map(|n| (format!("p{n}"), json!(["GET /b"]))).collect();
    let secret = "long-enough-to-be-a-secret";
    let gateway = configured(json!({
        "permissions": permissions,
        "roles": { "r": {} },
        "tokens": { "t": token(json!({ "secrets": [{ "id": "1", "sha256": SecretDigest::of(secret.as_bytes()) }] })) },
    }));
    let authorization = format!("Bearer {secret}");
    let headers = [(":method", "GET"), (":path", "/b"), ("authorization", &authorization)];
    let named = decide(&gateway.unwrap(), &headers, |decision, _| match decision {
        Decision::Deny(deny) => deny.sufficient.len(),
        Decision::Permit(_) => panic!("it is permitted"),
    });
    assert_eq!(named, most);
}

/// Deeply nested text is rejected with its place, and without using much stack.
#[test]
fn deep_nesting_is_rejected_at_its_start() {
    for (open, message) in [("[", "found a list"), ("{\"a\":", "unknown field `a`")] {
        let deep = open.repeat(1 << 20);
        for configuration in [deep.clone(), format!("{{\"bundle\":{deep}"), format!("{{\"mode\":{deep}")] {
            let problems = Gateway::configure(configuration.as_bytes()).unwrap_err().to_string();
            let known = [message, "unknown variant", "expected value", ", found "];
            assert!(known.iter().any(|known| problems.contains(known)), "{problems}");
        }
    }
}

/// The message for a configuration with this much of something; `None` if it is accepted.
fn refused(limit: &str, count: usize) -> Option<String> {
    let name = || "a".repeat(count);
    let entries = |entry: fn(usize) -> Value| (0..count).map(entry).collect::<Vec<Value>>();
    let bundle = match limit {
        "bytes of a bundle, a file or a plugin configuration" => {
            // Zeroed pages use no memory until they are read.
            return said(Gateway::configure(&vec![0; count]));
        }
        "characters of the name of a policy" => json!({ "name": name() }),
        "characters of the name of a permission" => json!({ "permissions": { name(): [] } }),
        "characters of the name of a role" => json!({ "roles": { name(): {} } }),
        "characters of the name of a kind" => json!({ "kinds": { name(): {} } }),
        "characters of a token's id" => json!({ "tokens": { name(): token(json!({})) } }),
        "characters of a secret's id" => of_token(json!({ "secrets": [
            { "id": name(), "sha256": SecretDigest::of(b"") },
        ]})),
        "characters of `token_prefix`" => json!({ "token_prefix": name() }),
        "operations" => json!({
            "permissions": {},
            "roles": {},
            "public": entries(|number| json!(format!("GET /{number}"))),
        }),
        "bytes of an operation" => json!({ "public": [format!("GET /{}", "a".repeat(count - 5))] }),
        "segments of an operation" => json!({ "public": [format!("GET {}", "/a".repeat(count))] }),
        "roles" => json!({ "roles": keyed(count, &json!({})) }),
        "attributes of a token" => of_token(json!({ "attributes": keyed(count, &json!("a")) })),
        "`allowed_sources` of a token" => of_token(
            json!({ "allowed_sources": entries(|n| json!(format!("10.{}.{}.0/24", n / 256, n % 256))) }),
        ),
        "`allowed_hours` of a token" => {
            of_token(json!({ "allowed_hours": entries(|n| json!(format!("00:{:02}-12:00", n % 60))) }))
        }
        "`limit` of a `defense`" => {
            json!({ "defense": { "denials": { "limit": count, "per": "1m", "suspend": "15m" } } })
        }
        "bytes of an attribute's value" => of_token(json!({ "attributes": { "a": name() } })),
        _ => return refused_settings(limit, count),
    };
    said(configured(bundle))
}

fn refused_settings(limit: &str, count: usize) -> Option<String> {
    let header = || format!("x-{}", "a".repeat(count - 2));
    let settings = match limit {
        "places in which a request may bring its token" => {
            let places = (0..count).map(|number| json!({ "cookie": format!("c{number}") }));
            json!({ "credentials": places.collect::<Vec<Value>>() })
        }
        "`trusted_hops` of `source`" => json!({ "source": { "trusted_hops": count } }),
        "keys of which some must have signed a bundle" => json!({ "keys": keys(count) }),
        "signatures of a bundle" => return said(signatures(count)),
        "characters of a header that brings a token" => json!({ "credentials": [{ "header": header() }] }),
        "headers in `remove_headers`" => {
            let names = (0..count).map(|number| json!(format!("x-{number}")));
            json!({ "remove_headers": names.collect::<Vec<Value>>() })
        }
        "characters of a header in `remove_headers`" => json!({ "remove_headers": [header()] }),
        "`headers` of a feed or of alerts" => {
            sent((0..count).map(|n| (format!("x-{n}"), json!("a"))).collect())
        }
        "characters of the name of such a header" => sent(json!({ header(): "a" })),
        "characters of the value of such a header" => sent(json!({ "x-a": "a".repeat(count) })),
        "characters of an identity header" => json!({ "identity_headers": { "token": header() } }),
        _ => panic!("the page has a limit that no test knows: {limit}"),
    };
    let mut configuration = json!({ "bundle": { "version": 1, "name": "limits" } });
    configuration.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    said(Gateway::configure(configuration.to_string().as_bytes()))
}

/// Alerts with these headers.
fn sent(headers: Value) -> Value {
    json!({ "alerts": { "cluster": "alerts", "authority": "alerts.test", "path": "/", "headers": headers } })
}

fn keys(count: usize) -> Vec<PublicKey> {
    let seeds = (0..count).map(|number| [u8::try_from(number).unwrap(); 32]);
    let public = |seed| SigningKey::from_bytes(&seed).verifying_key().to_bytes();
    seeds.map(|seed| PublicKey::from_bytes(&public(seed)).unwrap()).collect()
}

fn signatures(count: usize) -> Result<Gateway, tokenward::engine::config::problem::Problems> {
    let signature = json!({ "sig": format!("{}==", "A".repeat(86)) });
    let kind = PayloadType::Bundle.as_str();
    let envelope = json!({ "payloadType": kind, "payload": "", "signatures": vec![signature; count] });
    let configuration = json!({ "bundle": envelope.to_string(), "keys": keys(1) });
    Gateway::configure(configuration.to_string().as_bytes())
}

fn said(configured: Result<Gateway, tokenward::engine::config::problem::Problems>) -> Option<String> {
    let problems = configured.err()?;
    let mut faults = problems.iter().map(|problem| problem.fault.to_string());
    let first = faults.next().unwrap();
    assert_eq!(faults.next(), None, "one problem");
    Some(first)
}

/// A gateway with a small bundle that has these keys.
fn configured(keys: Value) -> Result<Gateway, tokenward::engine::config::problem::Problems> {
    let mut bundle = json!({
        "version": 1,
        "name": "limits",
        "permissions": { "read": ["GET /a"] },
        "roles": { "r": { "permissions": ["read"] } },
        "kinds": { "k": {} },
    });
    bundle.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    Gateway::configure(json!({ "bundle": bundle }).to_string().as_bytes())
}

fn of_token(keys: Value) -> Value {
    json!({ "tokens": { "t": token(keys) } })
}

fn token(keys: Value) -> Value {
    let mut token = json!({ "kind": "k", "roles": ["r"] });
    token.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    token
}

fn keyed(count: usize, value: &Value) -> Value {
    Value::Object((0..count).map(|number| (format!("k{number}"), value.clone())).collect())
}

/// The field of the audit event for a request with a known token and this many bytes in the field.
fn told(field: &str, count: usize) -> String {
    let event = event(field, count, SECRET);
    serde_json::from_str::<Value>(&event).unwrap()[field].as_str().unwrap().to_owned()
}

/// The audit event for a request with this many bytes in a field, and this secret.
fn event(field: &str, count: usize, secret: &str) -> String {
    let (long, path) = ("A".repeat(count), format!("/{}", "a".repeat(count - 1)));
    let host = format!("{}:65535", "A".repeat(count - 6));
    let pick = |name, or| if field == name { long.as_str() } else { or };
    let authorization = format!("Bearer {secret}");
    let headers = [
        (":method", pick("method", "GET")),
        (":authority", if field == "host" { host.as_str() } else { "a" }),
        (":path", if field == "path" { path.as_str() } else { "/" }),
        ("x-request-id", pick("request_id", "")),
        ("authorization", &authorization),
    ];
    let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let head = RequestHead::read(headers, &Settings::default());
    let gateway = configured(json!({ "tokens": { "t": token(json!({ "secrets": [
        { "id": "1", "sha256": SecretDigest::of(SECRET.as_bytes()) },
    ]}))}}));
    let gateway = gateway.unwrap();
    let source = Source::of(pick("source", "").as_bytes());
    let circumstances = Circumstances { now: Time::EPOCH, source };
    let decision = gateway.policy.decide(&head, circumstances);
    assert_eq!(decision.subject().is_some(), secret == SECRET, "{:?}", decision.reason());
    let event = AuditEvent::of(&decision, &head, circumstances, &gateway.policy, Mode::Enforce);
    Line::new(&event, circumstances.now, 0).to_json()
}

fn decide<T>(
    gateway: &Gateway,
    headers: &[(&str, &str)],
    tell: impl Fn(&Decision<'_>, &RequestHead<'_>) -> T,
) -> T {
    let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let head = RequestHead::read(headers, &gateway.settings);
    let circumstances = Circumstances { now: Time::EPOCH, source: Source::UNKNOWN };
    tell(&gateway.policy.decide(&head, circumstances), &head)
}

/// A row of the page.
struct Row {
    limit: String,
    most: usize,
    text: String,
}

fn rows(section: &str) -> Vec<Row> {
    let page = std::fs::read_to_string("docs/reference/limits.md").unwrap();
    let section = page.split("\n## ").find(|text| text.starts_with(section)).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(2).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [limit, most, text] = cells[..] else { panic!("{line}") };
        Row { limit: limit.to_owned(), most: most.parse().unwrap(), text: text.to_owned() }
    });
    rows.collect()
}

fn most(section: &str, limit: &str) -> usize {
    rows(section).iter().find(|row| row.limit == limit).unwrap().most
}

const SECRET: &str = "long-enough-to-be-a-secret";
