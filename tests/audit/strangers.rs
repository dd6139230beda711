//! Lines about requests without a known token: short and unambiguous, whatever the caller sends.

use proptest::prelude::*;
use serde_json::{Value, json};
use tokenward::engine::memory::chain_id::ChainId;
use tokenward::engine::policy::compiled::Policy;
use tokenward::engine::policy::decision::{Circumstances, Decision};
use tokenward::engine::policy::gateway::Gateway;
use tokenward::engine::report::audit::{
    AuditEvent, Counted, Line, MAX_STRANGERS_LINE, Strangers, SummaryEvent,
};
use tokenward::engine::report::chain::{Chain, Links};
use tokenward::engine::request::head::RequestHead;
use tokenward::engine::words::address::Source;
use tokenward::engine::words::reason::{Caller, Reason};
use tokenward::engine::words::secret::SecretDigest;
use tokenward::engine::words::time::Time;

/// A request: method, host, path, request id, and credential.
struct Request<'r> {
    method: &'r [u8],
    host: &'r [u8],
    path: &'r [u8],
    id: &'r [u8],
    authorization: &'r [u8],
    source: &'r str,
}

/// The line about a request, with the longest possible chain, and the reason.
fn line(gateway: &Gateway, request: &Request<'_>) -> (String, Reason) {
    let headers = [
        (&b":method"[..], request.method),
        (b":authority", request.host),
        (b":path", request.path),
        (b"x-request-id", request.id),
        (b"authorization", request.authorization),
    ];
    let headers = headers.into_iter().filter(|(name, value)| *name != b"authorization" || !value.is_empty());
    let head = RequestHead::read(headers, &gateway.settings);
    let circumstances = Circumstances { now: now(), source: Source::of(request.source.as_bytes()) };
    let decision = gateway.policy.decide(&head, circumstances);
    let event = AuditEvent::of(&decision, &head, circumstances, &gateway.policy, gateway.settings.mode);
    let line = Line::new(&event, circumstances.now, u64::MAX);
    let id = ChainId { life: u64::MAX, number: u64::MAX };
    (Chain::new(id, Links::Sha256).seal(line.to_json()), reason(&decision))
}

fn reason(decision: &Decision<'_>) -> Reason {
    decision.reason()
}

fn now() -> Time {
    "2026-11-27T12:00:00.123Z".parse().unwrap()
}

/// A gateway whose names have the maximum length, and whose policy is public below `/public`.
fn gateway() -> Gateway {
    let long = |letter: &str, length: usize| letter.repeat(length);
    let (kind, role) = (long("k", 32), long("r", 64));
    let bundle = json!({
        "version": 1, "name": long("n", 64), "revision": 9_007_199_254_740_991_u64,
        "public": ["GET /public/**"],
        "permissions": { long("p", 64): ["GET /**"] },
        "roles": { &role: { "permissions": [long("p", 64)] } },
        "kinds": { &kind: {} },
        "tokens": { long("t", 64): { "kind": kind, "roles": [role], "secrets": [
            { "id": long("s", 32), "sha256": SecretDigest::of(SECRET.as_bytes()) },
        ]}},
    });
    Gateway::configure(json!({ "bundle": bundle }).to_string().as_bytes()).unwrap()
}

/// The content of a line, still cut and escaped.
fn read(line: &str) -> Value {
    assert!(line.bytes().all(|byte| (b' '..0x7F).contains(&byte)), "{line}");
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// The bytes of a text between its hidden parts, and the number of missing bytes.
fn unescaped(text: &str) -> (Vec<Vec<u8>>, usize) {
    let (mut parts, mut rest) = (vec![Vec::new()], text);
    while let Some((before, behind)) = rest.split_once('<') {
        let (inner, after) = behind.split_once('>').unwrap_or_else(|| panic!("an escape is cut: {text}"));
        parts.last_mut().unwrap().extend(before.as_bytes());
        if let Some(missing) = inner.strip_prefix('+') {
            assert!(after.is_empty(), "{text}");
            return (parts, missing.parse().unwrap());
        }
        if inner == "hidden" {
            parts.push(Vec::new());
        } else {
            let bytes = hex::decode(inner).unwrap_or_else(|error| panic!("{error}: {text}"));
            parts.last_mut().unwrap().extend(bytes);
        }
        rest = after;
    }
    parts.last_mut().unwrap().extend(rest.as_bytes());
    (parts, 0)
}

/// Checks that a text is what was sent, or the start of it; around hidden parts it must match too.
fn is_told(text: &Value, sent: &[u8]) {
    let text = text.as_str().unwrap_or_default();
    let (parts, missing) = unescaped(text);
    let (first, others) = parts.split_first().unwrap();
    let mut rest = sent[..sent.len() - missing].strip_prefix(&first[..]).unwrap_or_else(|| panic!("{text}"));
    let Some((last, between)) = others.split_last() else {
        assert!(rest.is_empty(), "{text}");
        return;
    };
    for part in between {
        let at =
            (0..=rest.len()).find(|at| rest[*at..].starts_with(part)).unwrap_or_else(|| panic!("{text}"));
        rest = &rest[at + part.len()..];
    }
    assert!(rest.ends_with(last), "{text}");
}

const SECRET: &str = "test_svc_audit_0123456789";
const IPV6: &str = "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535";

/// All ways to fill a line: the worst bytes of each kind, with lengths around each limit.
fn worst() -> impl Iterator<Item = Vec<u8>> {
    let fillings: [&[u8]; 9] =
        [b"a", b"\xff", b"\xc3\xa9", b"\"", b"\\", b"<", b"\x01", b"<\xff", b"\xf0\x9f\x94\x92"];
    let lengths = [0, 1, 7, 31, 33, 100, 255, 1_023, 1_025, 60_000];
    fillings.into_iter().flat_map(move |filling| {
        lengths.map(|length| filling.iter().copied().cycle().take(length).collect::<Vec<u8>>())
    })
}

#[test]
fn stranger_line_has_at_most_512_bytes() {
    let gateway = gateway();
    let mut longest = 0;
    for text in worst() {
        let path = [b"/", &text[..]].concat();
        let public = [b"/public/", &text[..]].concat();
        let unknown = [b"Bearer ", &text[..], b"x"].concat();
        for (path, authorization) in
            [(&path, &b""[..]), (&public, b""), (&path, &unknown), (&text, b""), (&public, &unknown)]
        {
            let host: &[u8] = if text.len() < 100 { b"api.acme.test" } else { &text };
            let request = Request { method: b"GET", host, path, id: &text, authorization, source: IPV6 };
            let (line, _) = line(&gateway, &request);
            assert!(line.len() <= MAX_STRANGERS_LINE, "{}: {line}", line.len());
            longest = longest.max(line.len());
            let event = read(&line);
            assert_eq!(event["source"], IPV6.get(1..IPV6.len() - 7).unwrap());
            is_told(&event["request_id"], &text);
            is_told(&event["host"], host);
        }
    }
    assert!(longest > MAX_STRANGERS_LINE - 8, "room is left: {longest}");
    assert_eq!(MAX_STRANGERS_LINE, 512);
}

#[test]
fn ordinary_stranger_line_is_not_cut() {
    let bundle =
        json!({ "bundle": { "version": 1, "name": "acme-edge", "revision": 1_800_000_000_000_u64 } });
    let gateway = Gateway::configure(bundle.to_string().as_bytes()).unwrap();
    let path = format!("/v1/services/checkout/deployments/{}", "7".repeat(36));
    let request = Request {
        method: b"DELETE",
        host: b"gateway.acme.test",
        path: path.as_bytes(),
        id: b"6c3c051b-63a4-495c-4cc3-b303805da2be",
        authorization: b"",
        source: "203.0.113.77:4711",
    };
    let (line, reason) = line(&gateway, &request);
    let event = read(&line);
    assert_eq!(reason, Reason::MissingToken);
    assert_eq!(
        (&event["path"], &event["request_id"]),
        (&json!(path), &json!("6c3c051b-63a4-495c-4cc3-b303805da2be"))
    );
}

#[test]
fn known_token_line_is_bounded() {
    let gateway = gateway();
    let authorization = format!("Bearer {SECRET}");
    for text in worst() {
        // A valid path holds such bytes only as hex digits of its own.
        let path = [b"/", &[b'a'].repeat(text.len())[..]].concat();
        let request = Request {
            method: b"GET",
            host: b"api.acme.test",
            path: &path,
            id: &text,
            authorization: authorization.as_bytes(),
            source: IPV6,
        };
        let (line, reason) = line(&gateway, &request);
        assert_eq!(reason.caller(), Caller::Known);
        assert!(line.len() <= 2_400, "{}: {line}", line.len());
        let event = read(&line);
        is_told(&event["request_id"], &text);
        is_told(&event["path"], &path);
    }
}

#[test]
fn summary_is_short_and_its_counts_add_up() {
    let mut strangers = Strangers::new(0);
    let mut sent = 0;
    for (number, reason) in Reason::ALL.into_iter().enumerate() {
        for _ in 0..=number * 100 {
            sent += u64::from(!strangers.admits(reason, now()));
        }
    }
    let counted = strangers.take().unwrap();
    let event = read(&sealed(&counted, &gateway().policy));
    let reasons = event["reasons"].as_object().unwrap();
    let sum: u64 = reasons.values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!((&event["count"], sum), (&json!(sent), sent));
    assert_eq!(reasons.len(), 18, "{event}");
}

/// The line of a summary with the longest possible chain.
fn sealed(counted: &Counted, policy: &Policy) -> String {
    let event = SummaryEvent::of(counted, policy, Default::default());
    let event = Line::new(&event, now(), u64::MAX).to_json();
    let line = Chain::new(ChainId { life: u64::MAX, number: u64::MAX }, Links::Sha256).seal(event);
    assert!(line.len() <= 1_024, "{}: {line}", line.len());
    line
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_stranger_line_is_short_and_unambiguous(
        method in bytes(50), host in bytes(300), path in bytes(1_200), id in bytes(200),
    ) {
        let request =
            Request { method: &method, host: &host, path: &path, id: &id, authorization: b"", source: IPV6 };
        let (line, reason) = line(&gateway(), &request);
        prop_assert!(line.len() <= MAX_STRANGERS_LINE, "{}: {}", line.len(), line);
        prop_assert!(reason.caller() == Caller::Unknown);
        let event = read(&line);
        is_told(&event["method"], &method);
        is_told(&event["host"], &host);
        is_told(&event["request_id"], &id);
    }
}

/// Bytes of any kind, and runs of one kind.
fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..most),
        prop::collection::vec(b' '..0x7F, 0..most),
        (any::<u8>(), 0..most).prop_map(|(byte, length)| vec![byte; length]),
    ]
}
