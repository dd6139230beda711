//! Random bundles whose operations overlap.
//!
//! Everything is drawn from a handful of segments, so that many requests are matched by more than one
//! operation. Every bundle compiles.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};
use tokenward::engine::document::{self, Document};
use tokenward::engine::secret::SecretDigest;
use tokenward::engine::time::Time;

/// A bundle as JSON: a `Document` cannot be copied, and a failure is best read as it was written.
#[derive(Clone)]
pub(crate) struct Bundle(pub(crate) Value);

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl Bundle {
    pub(crate) fn document(&self) -> Document {
        document::from_tree(&self.0).unwrap()
    }
}

/// An operation, as in `GET,POST /a/{x}`.
fn operations() -> impl Strategy<Value = String> {
    let methods = prop_oneof![
        6 => Just("GET"),
        3 => select(vec!["*", "POST", "HEAD", "DELETE"]),
        2 => select(vec!["GET,POST", "GET,HEAD", "DELETE,POST,GET"]),
    ];
    let segments = prop_oneof![
        1 => vec(pattern_segments(), 0),
        6 => vec(pattern_segments(), 1),
        6 => vec(pattern_segments(), 2),
        2 => vec(pattern_segments(), 3..=4),
    ];
    let ends = prop_oneof![8 => Just(""), 1 => Just("/"), 2 => Just("/**")];
    (methods, segments, ends).prop_map(|(methods, segments, end)| {
        let path: String = segments.iter().flat_map(|text| ["/", *text]).collect();
        // The root is `/`, with or without a trailing slash.
        let end = if path.is_empty() && end.is_empty() { "/" } else { end };
        format!("{methods} {path}{end}")
    })
}

fn pattern_segments() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        5 => select(vec!["a", "b", "A", "ab", "aB", "a:go"]),
        4 => select(vec!["{x}", "{y}", "*"]),
        5 => select(vec!["a{x}", "A{y}", "{x}b", "*B", "a{x}b", "{id}:go", "a*:go"]),
    ]
}

/// What a bundle is made of; roles, permissions and so on are numbers, and sets of them bits.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    public: Vec<String>,
    permissions: Vec<Vec<String>>,
    roles: Vec<RoleDraft>,
    tokens: Vec<TokenDraft>,
    expires_at: Option<i64>,
}

#[derive(Clone, Debug)]
struct RoleDraft {
    inherits: u8,
    permissions: u8,
    deny: u8,
}

#[derive(Clone, Debug)]
struct TokenDraft {
    roles: u8,
    scope: Option<u8>,
    revoked_at: Option<i64>,
    secrets: Vec<Life>,
}

#[derive(Clone, Debug)]
struct Life {
    not_before: Option<i64>,
    expires_at: Option<i64>,
    retired_at: Option<i64>,
    revoked_at: Option<i64>,
}

pub(crate) fn drafts() -> impl Strategy<Value = Draft> {
    let public = vec(operations(), 0..=2);
    let permissions = vec(vec(operations(), 1..=6), 2..=8);
    let roles = vec(role_drafts(), 1..=5);
    let tokens = vec(token_drafts(), 1..=4);
    let expires_at = weighted(0.1, 2..=6_i64);
    (public, permissions, roles, tokens, expires_at).prop_map(
        |(public, permissions, roles, tokens, expires_at)| Draft {
            public,
            permissions,
            roles,
            tokens,
            expires_at,
        },
    )
}

fn role_drafts() -> impl Strategy<Value = RoleDraft> {
    let deny = prop_oneof![2 => Just(0), 1 => any::<u8>().prop_map(sparse)];
    (any::<u8>(), any::<u8>(), deny).prop_map(|(inherits, permissions, deny)| RoleDraft {
        inherits: sparse(inherits),
        permissions,
        deny,
    })
}

fn token_drafts() -> impl Strategy<Value = TokenDraft> {
    let scope = weighted(0.3, any::<u8>());
    let revoked_at = weighted(0.03, 0..=3_i64);
    (any::<u8>(), scope, revoked_at, vec(lives(), 1..=3))
        .prop_map(|(roles, scope, revoked_at, secrets)| TokenDraft { roles, scope, revoked_at, secrets })
}

/// Starts lie before ends, and what is retired has an end: else a bundle does not compile.
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

impl Draft {
    /// All operations, as written.
    pub(crate) fn operations(&self) -> Vec<&str> {
        let permissions = self.permissions.iter().flatten();
        permissions.chain(&self.public).map(String::as_str).collect()
    }

    /// A secret of a token, in the clear.
    pub(crate) fn secret(&self, token: &Index, position: &Index) -> String {
        let number = token.index(self.tokens.len());
        let count = self.tokens[number].secrets.len();
        secret(number, position.index(count))
    }

    pub(crate) fn render(&self) -> Bundle {
        let permissions = named("p", self.permissions.iter().map(|texts| json!(texts)));
        let roles = (0_u8..).zip(&self.roles).map(|(number, role)| {
            json!({
                "inherits": names("r", self.earlier(number, role.inherits), self.roles.len()),
                "permissions": names("p", role.permissions, self.permissions.len()),
                "deny": names("p", role.deny, self.permissions.len()),
            })
        });
        let tokens = self.tokens.iter().enumerate();
        let mut bundle = json!({
            "version": 1,
            "name": "oracle",
            "public": self.public,
            "permissions": permissions,
            "roles": named("r", roles),
            "kinds": { "any": {} },
            "tokens": named("t", tokens.map(|(number, token)| self.token(number, token))),
        });
        put_time(&mut bundle, "expires_at", self.expires_at);
        Bundle(bundle)
    }

    /// Roles inherit only from those before them: there is no cycle.
    fn earlier(&self, number: u8, inherits: u8) -> u8 {
        inherits & !(u8::MAX << number)
    }

    fn token(&self, number: usize, token: &TokenDraft) -> Value {
        let secrets = token.secrets.iter().enumerate().map(|(position, life)| {
            let digest = SecretDigest::of(secret(number, position).as_bytes());
            let mut secret = json!({ "id": position.to_string(), "sha256": digest });
            put_time(&mut secret, "not_before", life.not_before);
            put_time(&mut secret, "expires_at", life.expires_at);
            put_time(&mut secret, "retired_at", life.retired_at);
            put_time(&mut secret, "revoked_at", life.revoked_at);
            secret
        });
        let mut rendered = json!({
            "kind": "any",
            "roles": names("r", token.roles, self.roles.len()),
            "secrets": secrets.collect::<Vec<_>>(),
        });
        if let Some(scope) = token.scope {
            // A scope beyond the roles does not compile.
            let scope = scope & self.granted(token.roles);
            rendered["scope"] = json!(names("p", scope, self.permissions.len()));
        }
        put_time(&mut rendered, "revoked_at", token.revoked_at);
        rendered
    }

    fn granted(&self, roles: u8) -> u8 {
        let held = (0_u8..).zip(&self.roles).filter(|(number, _)| has(roles, *number));
        held.fold(0, |granted, (number, role)| {
            granted | role.permissions | self.granted(self.earlier(number, role.inherits))
        })
    }
}

fn secret(token: usize, position: usize) -> String {
    format!("oracle-secret-{token}-{position}")
}

pub(crate) fn time(second: i64) -> Time {
    "2026-03-01T00:00:00Z".parse::<Time>().unwrap().shifted(second.saturating_mul(1_000))
}

fn put_time(value: &mut Value, key: &str, second: Option<i64>) {
    if let Some(second) = second {
        value[key] = json!(time(second));
    }
}

fn named(prefix: &str, values: impl Iterator<Item = Value>) -> Map<String, Value> {
    values.enumerate().map(|(number, value)| (format!("{prefix}{number}"), value)).collect()
}

/// The names of the members of a set of numbers below `count`.
fn names(prefix: &str, members: u8, count: usize) -> Vec<String> {
    (0_u8..8)
        .take(count)
        .filter(|number| has(members, *number))
        .map(|number| format!("{prefix}{number}"))
        .collect()
}

fn has(members: u8, number: u8) -> bool {
    members & (1 << number) != 0
}

/// A quarter of the bits instead of half of them.
fn sparse(members: u8) -> u8 {
    members & members.rotate_left(3)
}
