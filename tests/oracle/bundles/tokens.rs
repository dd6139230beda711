//! Random tokens, with their secrets and use limits.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};
use tokenward::engine::words::secret::SecretDigest;

use crate::oracle::bundles::put_time;

/// A token. Its roles and its scope are numbers, as bits.
#[derive(Clone, Debug)]
pub(crate) struct TokenDraft {
    pub(crate) roles: u8,
    pub(crate) scope: Option<u8>,
    /// The attributes `t` and `u`.
    attributes: [Option<&'static str>; 2],
    limits: Map<String, Value>,
    pub(crate) revoked_at: Option<i64>,
    pub(crate) secrets: Vec<Life>,
}

/// When a secret works.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    not_before: Option<i64>,
    expires_at: Option<i64>,
    retired_at: Option<i64>,
    revoked_at: Option<i64>,
}

pub(crate) fn token_drafts() -> impl Strategy<Value = TokenDraft> {
    let values = || weighted(0.7, select(vec!["a", "b", "A", "ab", "a:go"]));
    let attributes = (values(), values()).prop_map(|(t, u)| [t, u]);
    let scope = weighted(0.3, any::<u8>());
    let revoked_at = weighted(0.03, 0..=3_i64);
    (any::<u8>(), scope, attributes, limits(), revoked_at, vec(lives(), 1..=3)).prop_map(
        |(roles, scope, attributes, limits, revoked_at, secrets)| TokenDraft {
            roles,
            scope,
            attributes,
            limits,
            revoked_at,
            secrets,
        },
    )
}

/// Fields that limit a token's use. Most tokens have none of them, and each field permits most requests.
fn limits() -> impl Strategy<Value = Map<String, Value>> {
    let some_of = |entries: &'static [&'static str]| {
        let sizes = prop_oneof![1 => Just(0), 8 => 1..=entries.len()];
        let chosen = sizes.prop_flat_map(move |size| subsequence(entries, size));
        weighted(0.1, chosen.prop_map(|chosen| json!(chosen)))
    };
    let limits = (
        some_of(&["production", "staging", "test"]),
        some_of(&["edge", "billing"]),
        some_of(&SOURCES),
        some_of(&HOURS),
    );
    limits.prop_map(|(environments, services, sources, hours)| {
        [
            ("environments", environments),
            ("services", services),
            ("allowed_sources", sources),
            ("allowed_hours", hours),
        ]
        .into_iter()
        .filter_map(|(name, limit)| Some((name.to_owned(), limit?)))
        .collect()
    })
}

/// Starts come before ends, and each retired secret has an end: otherwise a bundle does not compile.
fn lives() -> impl Strategy<Value = Life> {
    let start = weighted(0.25, 1..=2_i64);
    let end = weighted(0.4, 3..=5_i64);
    (start, end, weighted(0.3, 0..=4_i64), weighted(0.03, 0..=5_i64)).prop_map(
        |(not_before, expires_at, retired_at, revoked_at)| Life {
            not_before,
            expires_at,
            retired_at: retired_at.filter(|_| expires_at.is_some()),
            revoked_at,
        },
    )
}

impl TokenDraft {
    /// Renders the token with this number, without its roles and scope.
    pub(crate) fn render(&self, number: usize) -> Value {
        let secrets = self.secrets.iter().enumerate().map(|(position, life)| {
            let digest = SecretDigest::of(secret(number, position).as_bytes());
            let mut secret = json!({ "id": position.to_string(), "sha256": digest });
            put_time(&mut secret, "not_before", life.not_before);
            put_time(&mut secret, "expires_at", life.expires_at);
            put_time(&mut secret, "retired_at", life.retired_at);
            put_time(&mut secret, "revoked_at", life.revoked_at);
            secret
        });
        let mut rendered = self.limits.clone();
        rendered.insert("kind".to_owned(), json!("any"));
        rendered.insert("secrets".to_owned(), secrets.collect());
        let attributes = ["t", "u"].into_iter().zip(self.attributes);
        let attributes = attributes.filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
        rendered.insert("attributes".to_owned(), Value::Object(attributes.collect()));
        let mut rendered = Value::Object(rendered);
        put_time(&mut rendered, "revoked_at", self.revoked_at);
        rendered
    }

    /// Returns the value of the attribute `t` or `u`, if the token has it.
    pub(crate) fn attribute(&self, name: &str) -> Option<&'static str> {
        self.attributes[usize::from(name == "u")]
    }
}

/// Returns the secret of a token at this position, in the clear.
pub(crate) fn secret(token: usize, position: usize) -> String {
    // Some secrets look like those of other programs.
    let joint = ["-", "|", ":", ",", "%7C"][token % 5];
    format!("oracle-secret-{token}{joint}{position}")
}

/// Ranges that contain some of the requests' sources.
const SOURCES: [&str; 6] =
    ["203.0.113.0/24", "203.0.113.7", "2001:db8::/32", "::ffff:198.51.100.0/120", "0.0.0.0/0", "::/0"];

/// Most of these contain the first seconds of 2026-03-01, a Sunday; some start or end there.
const HOURS: [&str; 8] = [
    "00:00-24:00",
    "Sun 00:00-24:00",
    "Sat 00:00-24:00",
    "Sat 22:00-06:00",
    "Sun 22:00-06:00",
    "Fri-Mon 01:00-02:00 +01:00",
    "Sat,Sun 12:00-13:00 -12:00",
    "Mon-Fri 00:00-24:00 +01:00",
];
