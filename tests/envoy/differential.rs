//! The filter's canonical path and Envoy's own normalization agree on every path that both accept.
//!
//! Thousands of odd paths go through an Envoy without the filter that normalizes as much as it can. The forwarded
//! path, read with the filter's strict rules, must equal the original path, read with all rules relaxed. Some
//! differences are intended:
//!
//! - The filter rejects paths that Envoy accepts: `\` and `%5C` (slashes for Envoy), `..` above the root (the root
//!   for Envoy), `..` after an empty segment (ambiguous), `%25`, `%3B`, control bytes, invalid UTF-8, look-alikes, a
//!   `%` without digits. Rejected requests are not forwarded.
//! - Envoy forwards a path of only slashes as `//`, which the strict rules reject; the filter forwards `/`.
//! - The filter removes `;` and the rest of its segment, and Envoy keeps them, so Envoy's result is read with the
//!   relaxed rules. For the filter and for servlet containers, a dot segment with a parameter (`..;x`) is a dot
//!   segment; for Envoy it is not. The paths may then differ, and the filter judges and forwards its own.

use tokenward::engine::matching::path::{CanonicalPath, CharacterRule, PathRules, Rule, SlashRule};

use crate::echo;
use crate::envoy::{self, Envoy};
use crate::http::Client;

#[test]
fn envoy_and_filter_agree_on_paths() {
    let listener = envoy::normalising(envoy::listener("main", &[]));
    let envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 1).unwrap();
    let mut client = envoy.client("main");
    let (mut same, mut refused, mut refused_by_envoy) = (0, 0, 0);
    let mut wrong = Vec::new();
    for path in paths() {
        match (forwarded(&mut client, &path), CanonicalPath::parse(path.as_bytes(), &RELAXED)) {
            (Some(_), Err(_)) => refused += 1,
            (None, _) => refused_by_envoy += 1,
            (Some(theirs), Ok(ours)) => match difference(&path, &theirs, &ours) {
                None => same += 1,
                Some(difference) => wrong.push(difference),
            },
        }
    }
    println!("{same} the same, {refused} refused by us alone, {refused_by_envoy} by Envoy");
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(same > PATHS / 4, "it is not vacuous");
}

/// The path that Envoy forwards; `None` if it rejects it.
fn forwarded(client: &mut Client, path: &str) -> Option<String> {
    let headers = [(":method", &b"GET"[..]), (":path", path.as_bytes()), (":authority", b"gateway.test")];
    let response = client.send(&headers);
    (response.status == 200).then(|| response.json()["path"].as_str().unwrap().to_owned())
}

fn difference(sent: &str, theirs: &str, ours: &CanonicalPath<'_>) -> Option<String> {
    let (path, _) = theirs.split_once('?').unwrap_or((theirs, ""));
    let with_parameter = path.contains(';');
    if with_parameter && has_dots_with_a_parameter(path) {
        return None;
    }
    let rules = if with_parameter || path == "//" { RELAXED } else { PathRules::default() };
    let again = CanonicalPath::parse(theirs.as_bytes(), &rules);
    let equal =
        again.as_ref().is_ok_and(|again| again.as_str() == ours.as_str() && again.query() == ours.query());
    (!equal).then(|| format!("{sent}: we read {ours:?}, Envoy forwards {theirs}"))
}

/// `..;x`.
fn has_dots_with_a_parameter(path: &str) -> bool {
    let dots = path.replace("%2e", ".").replace("%2E", ".");
    dots.split('/').any(|segment| matches!(segment.split_once(';'), Some(("." | "..", _))))
}

/// Paths made of pieces, the same in each run.
fn paths() -> impl Iterator<Item = String> {
    let mut state = 0x9E37_79B9_u32;
    let mut below = move |limit: usize| {
        // xorshift32.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        usize::try_from(state).unwrap() % limit
    };
    (0..PATHS).map(move |_| {
        let mut path = String::from("/");
        for _ in 0..=below(8) {
            // Mostly ordinary pieces, because a path with many odd ones is always rejected.
            let pieces = if below(4) > 0 { ORDINARY } else { ODD };
            path += pieces[below(pieces.len())];
        }
        path
    })
}

const PATHS: usize = 4_000;

const ORDINARY: &[&str] = &[
    "a", "B", "7", "/", "/b/", "/.", "/..", "/../", "/./", "//", "%61", "%2e", "%2E", "%2F", "%2f", "%7e",
    "~", "-", "_", ".", "%20", "%c3%a9", "%C3%A9", "+", "%2B", ":", "%3A", "@", "!", "$", "'", "(", ")", "*",
    "%2A", ",", "=", "&", ";", ";x=1",
];

const ODD: &[&str] = &[
    "\\",
    "%5c",
    "%5C",
    "%25",
    "%2525",
    "%252e",
    "%3b",
    "%00",
    "%0a",
    "%7F",
    "%C2%85",
    "%ff",
    "%c0%af",
    "%EF%BC%8F",
    "%zz",
    "%",
    "%4",
    "|",
    "%7C",
    "[",
    "]",
    "{",
    "}",
    "^",
    "`",
    "\"",
    "<",
    ">",
    "%22",
    "\u{e9}",
    "\u{ff0f}",
    "?",
    "?q=1&r=//../;x",
    "#",
    "#f",
    "/..;/",
    "/.;x/",
    "/%2e%2e;/",
    "/%2e%2e%2f",
    "..%2f",
    "%2f%2f",
    "http://evil.test/",
    "*",
];

const RELAXED: PathRules = PathRules {
    encoded_slash: SlashRule::Normalize,
    duplicate_slash: Rule::Normalize,
    dot_segments: Rule::Normalize,
    semicolon: Rule::Normalize,
    percent: CharacterRule::Reject,
    look_alikes: CharacterRule::Reject,
    invisible: CharacterRule::Reject,
};
