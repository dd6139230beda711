//! Checks that a permit allocates nothing.

use tokenward::engine::config::bundle::from_json;
use tokenward::engine::config::envelope::{Envelope, PayloadType};
use tokenward::engine::config::problem::Problems;
use tokenward::engine::config::settings::Settings;
use tokenward::engine::policy::compiled::Policy;
use tokenward::engine::policy::decision::Circumstances;
use tokenward::engine::request::head::RequestHead;
use tokenward::engine::words::address::Source;
use tokenward::engine::words::reason::Reason;
use tokenward::engine::words::time::Time;

/// A feed's server may send anything: the filter must reject it with few allocations, and with memory of a few times
/// its length at most.
#[test]
fn junk_from_a_feed_allocates_little() {
    let part = |text: &str| text.repeat(JUNK / text.len() / 4 * 4);
    let envelope = |payload: &str| {
        let kind = PayloadType::Bundle.as_str();
        format!("{{\"payloadType\":\"{kind}\",\"signatures\":[],\"payload\":\"{payload}\"}}")
    };
    for (junk, copies) in [
        (format!("{{\"signatures\":[{}", part("{\"sig\":\"\"},")), 1),
        (envelope(&part("A")), 1),
        (envelope(&format!("{}_", part("A"))), 1),
        (envelope(&part("\\u0041")), 1),
        (format!("{{\"{}\":1}}", part("a")), 6),
        (format!("{{\"signatures\":\"{}\"}}", part("\\n")), 6),
        (format!("{{\"signatures\":[{{\"sig\":\"{}\"}}]}}", part("A")), 1),
    ] {
        let counted = allocation_counter::measure(|| {
            let _ = Envelope::parse(junk.as_bytes(), PayloadType::Bundle);
        });
        let begin: String = junk.chars().take(60).collect();
        assert!(counted.count_total < 5_000, "{begin}: {}", counted.count_total);
        let most = u64::try_from(copies * JUNK).unwrap_or(0);
        assert!(counted.bytes_max < most, "{begin}: {} of {most}", counted.bytes_max);
    }
}

#[test]
fn deciding_on_a_permit_allocates_nothing() -> Result<(), Problems> {
    // The digest of `an-old-secret-of-ours`. The look-up includes a role that denies something else.
    let bundle = br#"{
        "version": 1, "name": "allocation", "public": ["GET /healthz"],
        "permissions": { "read": ["GET /v1/users/{id}", "GET /v1/metrics/**"], "admin": ["* /admin/**"] },
        "roles": { "reader": { "permissions": ["read"], "deny": ["admin"] } },
        "kinds": { "service": {} },
        "tokens": { "t": { "kind": "service", "roles": ["reader"], "secrets": [
            { "id": "1", "sha256": "3146e3a7bf7741e46266828bc41cc9a1d396b28a5c9c3ab679d14501e772cc65" }
        ]}}
    }"#;
    let policy = Policy::compile(from_json(bundle)?)?;
    for (path, reason) in [
        (&b"/v1/users/7"[..], Reason::Permitted),
        (b"/v1/metrics/a/b/c?x=1", Reason::Permitted),
        (b"/v1/users/a%20b%5B7%5D", Reason::Permitted),
        (b"/healthz", Reason::Public),
    ] {
        let headers: [(&[u8], &[u8]); 3] =
            [(b":method", b"GET"), (b":path", path), (b"authorization", b"Bearer an-old-secret-of-ours")];
        let head = RequestHead::read(headers.into_iter(), &Settings::default());
        let circumstances = Circumstances { now: Time::EPOCH, source: Source::UNKNOWN };
        let mut decided = None;
        let counted =
            allocation_counter::measure(|| decided = Some(policy.decide(&head, circumstances).reason()));
        assert_eq!((decided, counted.count_total), (Some(reason), 0));
    }
    Ok(())
}

const JUNK: usize = 1 << 20;
