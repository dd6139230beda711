//! Requests: the engine reads, decides, audits and answers any headers, and forwards exactly the judged request.

use std::sync::OnceLock;

use tokenward::engine::config::settings::{Mode, SecondPath};
use tokenward::engine::matching::path::CanonicalPath;
use tokenward::engine::policy::decision::{Circumstances, Decision};
use tokenward::engine::policy::gateway::Gateway;
use tokenward::engine::policy::verdict::{Forward, Reply, Verdict};
use tokenward::engine::report::audit::{AuditEvent, Line};
use tokenward::engine::request::credential::Credential;
use tokenward::engine::request::head::RequestHead;
use tokenward::engine::words::address::Source;
use tokenward::engine::words::reason::Reason;
use tokenward::engine::words::time::Time;

use super::headers::{self, Headers};
use super::{count, path, percent_decoded};

/// The input is lines: words that select the gateway, then headers; `x-source` is the source address.
pub(crate) fn holds(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let gateway = gateway(lines.next().unwrap_or_default());
    let headers = headers::parse(lines);
    let head = headers::read(&headers, &gateway.settings);
    let source = headers.iter().find(|(name, _)| name == b"x-source");
    let source = source.map(|(_, value)| value.as_slice()).unwrap_or_default();
    let envoy = Source::of(source);
    let circumstances = Circumstances { now: NOW, source: head.source(envoy, &gateway.settings) };
    is_read_for_certain(gateway, &headers, envoy, circumstances.source);
    let decision = gateway.policy.decide(&head, circumstances);
    is_audited(gateway, &headers, &head, &decision, circumstances);
    match Verdict::of(&decision, &head, &gateway.policy, &gateway.settings) {
        Verdict::Forward(forward) | Verdict::ForwardInShadow(forward) => {
            assert!(gateway.settings.mode == Mode::Shadow || decision.is_permit() || decision.is_shadow());
            is_what_was_judged(gateway, &headers, &head, &decision, &forward);
        }
        Verdict::Reply(reply) => {
            assert!(!decision.is_permit());
            is_an_answer(&reply);
            tells_no_secret(&reply.body);
        }
    }
}

/// The gateway for these words.
fn gateway(words: &[u8]) -> &'static Gateway {
    static GATEWAYS: OnceLock<Vec<Gateway>> = OnceLock::new();
    let gateways = GATEWAYS.get_or_init(|| {
        let configure = |bits: usize| {
            let mut gateway = Gateway::configure(CONFIGURATION).unwrap();
            let settings = &mut gateway.settings;
            settings.mode = if bits & 1 == 1 { Mode::Shadow } else { Mode::Enforce };
            settings.forward_credential = bits & 2 == 2;
            settings.credentials.truncate(if bits & 4 == 4 { usize::MAX } else { 1 });
            let mut rules = path::all_rules();
            settings.paths = match (bits & 8, bits & 64) {
                (0, 0) => rules.next().unwrap(),
                (_, 0) => rules.nth(15).unwrap(),
                (0, _) => path::without_normalizing(&rules.last().unwrap()),
                _ => rules.last().unwrap(),
            };
            settings.second_path = if bits & 16 == 16 { SecondPath::Forward } else { SecondPath::Reject };
            let rule = serde_json::json!({ "trusted_hops": 1 });
            settings.source = (bits & 32 == 32).then(|| serde_json::from_value(rule).unwrap());
            gateway
        };
        (0..128).map(configure).collect()
    });
    let chosen = |word: &[u8]| words.split(|byte| *byte == b' ').any(|known| known == word);
    let bit = |word: &[u8], bit: usize| if chosen(word) { bit } else { 0 };
    let paths = bit(b"normalize", 8) | bit(b"second", 16) | bit(b"proxy", 32) | bit(b"keep", 64);
    &gateways[bit(b"shadow", 1) | bit(b"forward", 2) | bit(b"all", 4) | paths]
}

/// Checks that the source is unknown, or the one before one proxy, or Envoy's own if Envoy could read every hop.
fn is_read_for_certain(gateway: &Gateway, headers: &Headers, envoy: Source<'_>, source: Source<'_>) {
    let values = headers.iter().filter(|(name, _)| name == b"x-forwarded-for").map(|(_, value)| &**value);
    let values: Vec<&[u8]> = values.collect();
    let joined = values.join(&b","[..]);
    let entries: Vec<&[u8]> = joined.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
    let is_bare = |entry: &&[u8]| {
        std::str::from_utf8(entry).is_ok_and(|entry| entry.parse::<std::net::IpAddr>().is_ok())
    };
    if source.text().is_empty() {
        return;
    }
    if gateway.settings.source.is_some() {
        let entry = entries.iter().rev().nth(1).copied().unwrap_or_default();
        assert!(source.ip().is_some() && count(entry, source.text()) > 0, "{}", joined.escape_ascii());
    } else {
        assert_eq!(source.text(), envoy.text());
        assert!(values.is_empty() || entries.iter().all(is_bare), "{}", joined.escape_ascii());
    }
}

fn is_audited(
    gateway: &Gateway,
    headers: &Headers,
    head: &RequestHead<'_>,
    decision: &Decision<'_>,
    circumstances: Circumstances<'_>,
) {
    let event = AuditEvent::of(decision, head, circumstances, &gateway.policy, gateway.settings.mode);
    let event = Line::new(&event, circumstances.now, 7).to_json();
    assert!(event.bytes().all(|byte| (b' '..0x7F).contains(&byte)), "{event}");
    assert!(event.len() < 16_384, "{event}");
    let read: serde_json::Value = serde_json::from_str(&event).unwrap();
    tells_no_secret(&event);
    assert!(!read["path"].as_str().unwrap().contains(['?', '#']), "{event}");
    if let Credential::Presented(secret, _) | Credential::Joined(secret, _) = &head.credential {
        let digest = tokenward::engine::words::secret::SecretDigest::of(secret).to_hex();
        assert!(!event.contains(&digest), "{event}");
        if is_there_once(headers, secret) {
            // The other fields come from the policy and the clock, and may equal a secret by chance.
            let told = ["request_id", "method", "host", "path", "source"].map(|field| read[field].as_str());
            assert!(told.iter().flatten().all(|text| count(text.as_bytes(), secret) == 0), "{event}");
        }
    }
}

/// Asserts that the text does not contain the reader's secret, unless adjacent letters make it another text.
fn tells_no_secret(text: &str) {
    let letters =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
    for (at, _) in text.match_indices(READER) {
        let (before, after) = (at.checked_sub(1), at + READER.len());
        let glued =
            letters(before.and_then(|at| text.as_bytes().get(at))) || letters(text.as_bytes().get(after));
        assert!(glued, "{text}");
    }
}

/// Checks that the upstream gets only the judged reading, and no credential unless configured.
fn is_what_was_judged(
    gateway: &Gateway,
    headers: &Headers,
    head: &RequestHead<'_>,
    decision: &Decision<'_>,
    forward: &Forward<'_>,
) {
    let settings = &gateway.settings;
    let after = headers::changed(headers, forward);
    let again = headers::read(&after, &gateway.settings);
    let ours = [&settings.identity_headers.token, &settings.identity_headers.identity];
    for name in &again.cleaning.forged {
        let set = forward.add.iter().filter(|(known, _)| known.as_bytes() == *name).count();
        assert!(set == 1 && ours.iter().any(|known| known.as_bytes() == *name), "{}", name.escape_ascii());
    }
    assert!(
        again.cleaning.forged.len() <= 2 && decision.subject().is_some() || again.cleaning.forged.is_empty()
    );
    if settings.mode == Mode::Shadow {
        return;
    }
    assert!(again.cleaning.overrides.is_empty(), "{:?}", again.cleaning.overrides);
    // With `second_path: reject`, no header names a second path.
    assert_eq!(again.broken_rule, None);
    if decision.reason() == Reason::Preflight {
        let credentials = [&b"cookie"[..], b"authorization", b"x-api-key"];
        assert!(
            !after.iter().any(|(name, _)| credentials.contains(&name.as_slice())),
            "a preflight brings one"
        );
    }
    let judged = head.path.as_ref().unwrap();
    let strict = CanonicalPath::parse(again.raw_path, &path::without_normalizing(&settings.paths)).unwrap();
    assert_eq!(strict.as_str(), judged.as_str());
    if settings.forward_credential {
        assert_eq!(strict.query(), judged.query());
        return;
    }
    assert!(matches!(again.credential, Credential::Missing), "a credential is forwarded");
    if let Credential::Presented(secret, _) | Credential::Joined(secret, _) = &head.credential
        && is_there_once(headers, secret)
    {
        let places = after.iter().map(|(_, value)| occurrences(value, secret));
        assert_eq!(places.sum::<usize>(), 0, "the secret is forwarded");
    }
}

/// Whether the headers contain this secret only where it is the credential. It is long enough not to occur by chance,
/// and consists of letters that path spelling and byte replacement do not change.
fn is_there_once(headers: &Headers, secret: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let places = headers.iter().map(|(name, value)| occurrences(value, secret) + occurrences(name, secret));
    secret.len() >= 16 && secret.iter().all(plain) && places.sum::<usize>() == 1
}

/// The number of times that the secret occurs in the value, or in its decoded form.
fn occurrences(value: &[u8], secret: &[u8]) -> usize {
    if secret.len() > value.len() {
        return 0;
    }
    count(value, secret).max(count(&percent_decoded(value), secret))
}

fn is_an_answer(reply: &Reply) {
    assert!((400..600).contains(&reply.status) && reply.details.starts_with("tokenward_"));
    for (name, value) in &reply.headers {
        assert!(value.bytes().all(|byte| (b' '..0x7F).contains(&byte)), "{name}: {value}");
    }
    assert!(!reply.body.bytes().any(|byte| byte < b' '), "{}", reply.body);
    let json = serde_json::from_str::<serde_json::Value>(&reply.body);
    assert_eq!(json.is_ok(), reply.grpc_status.is_none(), "{}", reply.body);
}

/// A secret of the configuration's policy.
const READER: &str = "fuzz_svc_reader_0123456789";
/// 2026-03-02T08:00:00Z, a Monday.
const NOW: Time = Time::from_millis(1_772_438_400_000);

/// A token for each outcome of a decision, `fuzz_svc_<id>_0123456789`, with all places for credentials.
const CONFIGURATION: &[u8] = include_bytes!("configuration.json");
