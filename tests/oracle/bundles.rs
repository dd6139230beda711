//! Random bundles whose operations overlap.
//!
//! The parts come from a few hosts and segments, so many requests match more than one operation. Every bundle compiles.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};
use tokenward::engine::config::bundle;
use tokenward::engine::config::bundle::Bundle as Document;
use tokenward::engine::words::time::Time;

use crate::oracle::bundles::operations::{free_operations, operations};
use crate::oracle::bundles::tokens::{TokenDraft, secret, token_drafts};

pub(crate) mod operations;
pub(crate) mod tokens;

/// A bundle as JSON, because failures are easiest to read in that form.
#[derive(Clone)]
pub(crate) struct Bundle(pub(crate) Value);

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl Bundle {
    pub(crate) fn document(&self) -> Document {
        bundle::from_tree(&self.0).unwrap()
    }
}

/// The parts of a bundle. Roles, permissions and so on are numbers; sets of them are bits.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    environment: Option<&'static str>,
    service: Option<&'static str>,
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
    shadow: bool,
}

pub(crate) fn drafts() -> impl Strategy<Value = Draft> {
    let place = (
        weighted(0.8, select(vec!["production", "staging"])),
        weighted(0.8, select(vec!["edge", "billing"])),
    );
    let public = vec(free_operations(), 0..=2);
    let permissions = vec(vec(operations(), 1..=6), 2..=8);
    let roles = vec(role_drafts(), 1..=5);
    let tokens = vec(token_drafts(), 1..=4);
    let expires_at = weighted(0.1, 2..=6_i64);
    (place, public, permissions, roles, tokens, expires_at).prop_map(
        |((environment, service), public, permissions, roles, tokens, expires_at)| Draft {
            environment,
            service,
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
    let shadow = prop_oneof![3 => Just(false), 1 => Just(true)];
    (any::<u8>(), any::<u8>(), deny, shadow).prop_map(|(inherits, permissions, deny, shadow)| RoleDraft {
        inherits: sparse(inherits),
        permissions,
        deny,
        shadow,
    })
}

impl Draft {
    /// Returns all operations, as written.
    pub(crate) fn operations(&self) -> Vec<&str> {
        let permissions = self.permissions.iter().flatten();
        permissions.chain(&self.public).map(String::as_str).collect()
    }

    pub(crate) fn token(&self, token: &Index) -> &TokenDraft {
        token.get(&self.tokens)
    }

    /// Returns a secret of a token, in the clear.
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
                "shadow": role.shadow,
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
            "tokens": named("t", tokens.map(|(number, token)| self.render_token(number, token))),
        });
        put(&mut bundle, "environment", self.environment);
        put(&mut bundle, "service", self.service);
        put_time(&mut bundle, "expires_at", self.expires_at);
        Bundle(bundle)
    }

    /// Roles inherit only from earlier roles, so there is no cycle.
    fn earlier(&self, number: u8, inherits: u8) -> u8 {
        inherits & !(u8::MAX << number)
    }

    fn render_token(&self, number: usize, token: &TokenDraft) -> Value {
        let mut rendered = token.render(number);
        rendered["roles"] = json!(names("r", token.roles, self.roles.len()));
        if let Some(scope) = token.scope {
            // A scope that exceeds the roles does not compile.
            let scope = scope & self.granted(token.roles);
            rendered["scope"] = json!(names("p", scope, self.permissions.len()));
        }
        rendered
    }

    fn granted(&self, roles: u8) -> u8 {
        let held = (0_u8..).zip(&self.roles).filter(|(number, _)| has(roles, *number));
        held.fold(0, |granted, (number, role)| {
            granted | role.permissions | self.granted(self.earlier(number, role.inherits))
        })
    }
}

pub(crate) fn time(minute: i64) -> Time {
    "2026-03-01T00:00:00Z".parse::<Time>().unwrap().shifted(minute.saturating_mul(60_000))
}

fn put_time(value: &mut Value, key: &str, minute: Option<i64>) {
    put(value, key, minute.map(time));
}

fn put(value: &mut Value, key: &str, entry: Option<impl serde::Serialize>) {
    if let Some(entry) = entry {
        value[key] = json!(entry);
    }
}

fn named(prefix: &str, values: impl Iterator<Item = Value>) -> Map<String, Value> {
    values.enumerate().map(|(number, value)| (format!("{prefix}{number}"), value)).collect()
}

/// Returns the names of the members of a set of numbers below `count`.
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

/// Sets a quarter of the bits instead of half of them.
fn sparse(members: u8) -> u8 {
    members & members.rotate_left(3)
}
