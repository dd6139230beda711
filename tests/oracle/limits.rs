//! Hours and sources of more kinds than random bundles have.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use tokenward::engine::matching::path::PathRules;
use tokenward::engine::words::secret::SecretDigest;
use tokenward::engine::words::time::Time;

use crate::oracle::bundles::Bundle;
use crate::oracle::reading::{Oracle, Request};
use crate::oracle::{compile, config, decide};

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn hours_match_the_week_at_their_offset(
        hours in vec(hours(), 1..=2),
        starts in vec(0..7 * 1_440_i64, 8),
        shift in -1..=1_i64,
    ) {
        // Each minute of a week and the moments around it, and also the edges of the hours themselves.
        let edges = (-2..=2_i64).flat_map(|day| edges(&hours).into_iter().map(move |edge| edge + day * 1_440));
        let minutes: Vec<i64> = starts.into_iter().chain(edges).collect();
        let requests = minutes.iter().map(|minute| request("", MONDAY + minute * 60_000 + shift));
        agree(&json!({ "allowed_hours": hours }), requests, "outside_hours")?;
    }

    #[test]
    fn sources_match_the_bits_of_a_range(ranges in vec(ranges(), 1..=2), bits in vec(0..=128_u32, 4)) {
        let near = ranges.iter().flat_map(|range| bits.iter().flat_map(|bit| neighbours(range, *bit)));
        let requests = near.map(|source| request(&source, MONDAY));
        agree(&json!({ "allowed_sources": ranges }), requests, "source_not_allowed")?;
    }
}

/// Checks that engine and oracle agree whether a token with these limits may be used.
fn agree(
    limits: &serde_json::Value,
    requests: impl Iterator<Item = Request>,
    reason: &str,
) -> Result<(), TestCaseError> {
    let mut token = json!({
        "kind": "any",
        "roles": ["role"],
        "secrets": [{ "id": "1", "sha256": SecretDigest::of(SECRET.as_bytes()) }],
    });
    token.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    let bundle = Bundle(json!({
        "version": 1,
        "name": "limits",
        "permissions": { "read": ["GET /"] },
        "roles": { "role": { "permissions": ["read"] } },
        "kinds": { "any": {} },
        "tokens": { "token": token },
    }));
    let document = bundle.document();
    let (oracle, policy) = (Oracle::of(&document), compile(&bundle));
    for request in requests {
        let decided = decide(&policy, &request).reason().code();
        prop_assert_eq!(decided, oracle.decide(&request).reason, "{:?}: {:?}", limits, request);
        prop_assert!(decided == reason || decided == "permitted", "{decided}");
    }
    Ok(())
}

fn request(source: &str, now: i64) -> Request {
    Request {
        method: "GET".to_owned(),
        host: String::new(),
        path: "/".to_owned(),
        authorization: vec![format!("Bearer {SECRET}")],
        source: source.to_owned(),
        now: Time::from_millis(now),
        paths: PathRules::default(),
    }
}

fn hours() -> impl Strategy<Value = String> {
    let days = proptest::sample::select(vec![
        "",
        "Mon ",
        "Sun ",
        "Mon-Fri ",
        "Sat,Sun ",
        "Fri-Mon ",
        "Tue,Thu-Sat ",
    ]);
    let offsets = proptest::sample::select(vec!["", " Z", " +01:00", " -05:30", " +14:00", " -23:59"]);
    (days, 0..1_440_u32, 0..=1_440_u32, offsets)
        .prop_filter("they begin when they end", |(_, start, end, _)| start != end)
        .prop_map(|(days, start, end, offset)| {
            let clock = |minute| format!("{:02}:{:02}", minute / 60, minute % 60);
            format!("{days}{}-{}{offset}", clock(start), clock(end))
        })
}

/// Returns the minutes in which the hours begin and end, at all offsets.
fn edges(hours: &[String]) -> Vec<i64> {
    let clocks = hours.iter().flat_map(|text| text.split([' ', '-'])).filter(|word| word.len() == 5);
    let minutes = clocks.filter_map(|word| {
        let (hours, minutes) = word.split_once(':')?;
        Some(hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?)
    });
    minutes.flat_map(|minute| [0, -60, 330, -840, 1_439].map(|offset| minute + offset)).collect()
}

/// Ranges such as `203.0.113.0/24` and `2001:db8::/32`, and addresses without a length.
fn ranges() -> impl Strategy<Value = String> {
    let v4 = (any::<u32>(), 0..=32_u32).prop_map(|(bits, length)| {
        let kept = bits & u32::MAX.checked_shl(32 - length).unwrap_or(0);
        format!("{}/{length}", std::net::Ipv4Addr::from(kept))
    });
    let v6 = (any::<u128>(), 0..=128_u32).prop_map(|(bits, length)| {
        let kept = bits & u128::MAX.checked_shl(128 - length).unwrap_or(0);
        format!("{}/{length}", std::net::Ipv6Addr::from(kept))
    });
    let mapped = (any::<u32>(), 0..=32_u32).prop_map(|(bits, length)| {
        let kept = bits & u32::MAX.checked_shl(32 - length).unwrap_or(0);
        format!("::ffff:{}/{}", std::net::Ipv4Addr::from(kept), length + 96)
    });
    let one = any::<u32>().prop_map(|bits| std::net::Ipv4Addr::from(bits).to_string());
    prop_oneof![3 => v4, 3 => v6, 1 => mapped, 1 => one]
}

/// Returns the range's first address with one bit flipped, in its own family and mapped into IPv6.
fn neighbours(range: &str, bit: u32) -> Vec<String> {
    let (address, _) = range.split_once('/').unwrap_or((range, ""));
    match address.parse().unwrap() {
        std::net::IpAddr::V4(address) => {
            let turned = u32::from(address) ^ 1_u32.checked_shl(bit).unwrap_or(0);
            let near = std::net::Ipv4Addr::from(turned);
            vec![format!("{near}:4711"), format!("[::ffff:{near}]:4711")]
        }
        std::net::IpAddr::V6(address) => {
            let turned = u128::from(address) ^ 1_u128.checked_shl(bit).unwrap_or(0);
            vec![format!("[{}]:4711", std::net::Ipv6Addr::from(turned))]
        }
    }
}

const SECRET: &str = "limited-secret-0123456789";
/// 2026-03-02T00:00:00Z, a Monday, in milliseconds.
const MONDAY: i64 = 1_772_409_600_000;
