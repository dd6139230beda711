//! Documents with many entries of one kind.

use serde_json::{Map, Value, json};
use tokenward::engine::authoring::lint;
use tokenward::engine::config::bundle::{Bundle, from_json};
use tokenward::engine::policy::gateway::Gateway;
use tokenward::engine::words::secret::SecretDigest;

use crate::{Load, Work};

pub(crate) const COMPILED: &[Load] = &[
    Load { of: "tokens", few: 1_000, work: |n| compiled(tokens(n)) },
    Load { of: "secrets of a token", few: 1_000, work: |n| compiled(with_token(&secrets(n))) },
    Load { of: "permissions of ten operations", few: 200, work: |n| compiled(permissions(n)) },
    Load { of: "operations with one shape but for a suffix", few: 500, work: |n| compiled(verbs(n)) },
    Load { of: "exact hosts", few: 500, work: |n| compiled(operations(n, &|i| format!("GET h{i}.test/a"))) },
    Load { of: "domains", few: 500, work: |n| compiled(operations(n, &|i| format!("GET *.h{i}.test/a"))) },
    Load { of: "roles in a chain", few: 100, work: |n| compiled(chain(n, &json!(["r0"]))) },
    Load { of: "roles in a chain, each of a token", few: 100, work: |n| compiled(chain_of_tokens(n)) },
    Load { of: "roles that one inherits from", few: 100, work: |n| compiled(fan(n)) },
    Load { of: "`inherits` entries of few roles", few: 4_950, work: |n| compiled(dense(n)) },
    Load { of: "roles of a token and of its kind", few: 100, work: |n| compiled(roles_of_kind(n)) },
    Load { of: "permissions in a scope", few: 500, work: |n| compiled(scope(n)) },
    Load { of: "tokens with a scope and many roles", few: 100, work: |n| compiled(scoped(n)) },
    Load { of: "problems", few: 500, work: |n| refused(problems(n)) },
    Load {
        of: "tokens with a role that their kind does not allow",
        few: 100,
        work: |n| refused(forbidden(n)),
    },
    Load { of: "roles in a circle", few: 100, work: |n| refused(circle(n)) },
];

pub(crate) const LINTED: &[Load] = &[
    Load { of: "permissions of ten operations", few: 200, work: |n| linted(permissions(n)) },
    Load { of: "operations with one shape but for a suffix", few: 500, work: |n| linted(verbs(n)) },
    Load { of: "pairs that cross", few: 1_000, work: |n| linted(crossing(n)) },
    Load { of: "subtrees", few: 1_000, work: |n| linted(operations(n, &|i| format!("GET /v1/r{i}/**"))) },
    Load { of: "hosts", few: 1_000, work: |n| linted(operations(n, &|i| format!("GET h{i}.test/v1/{{x}}"))) },
    Load { of: "roles in a chain", few: 100, work: |n| linted(chain(n, &json!(["r0"]))) },
    Load { of: "tokens", few: 1_000, work: |n| linted(tokens(n)) },
];

fn compiled(bundle: Value) -> Work {
    let configuration = json!({ "bundle": bundle }).to_string().into_bytes();
    Box::new(move || drop(Gateway::configure(&configuration).unwrap()))
}

fn refused(bundle: Value) -> Work {
    let configuration = json!({ "bundle": bundle }).to_string().into_bytes();
    Box::new(move || drop(Gateway::configure(&configuration).unwrap_err().to_string()))
}

fn linted(bundle: Value) -> Work {
    let document: Bundle = from_json(bundle.to_string().as_bytes()).unwrap();
    Box::new(move || drop(lint::findings(&document)))
}

/// A bundle with these keys.
fn bundle(keys: Value) -> Value {
    let mut bundle = json!({
        "version": 1, "name": "large",
        "permissions": { "p": ["GET /a"] }, "roles": { "r": { "permissions": ["p"] } }, "kinds": { "k": {} },
    });
    bundle.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    bundle
}

fn keyed(prefix: &str, count: usize, value: impl Fn(usize) -> Value) -> Map<String, Value> {
    (0..count).map(|number| (format!("{prefix}{number}"), value(number))).collect()
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number}")).collect()
}

fn token(keys: &Value) -> Value {
    let mut token = json!({ "kind": "k", "roles": ["r"] });
    token.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    token
}

fn with_token(keys: &Value) -> Value {
    bundle(json!({ "tokens": { "t": token(keys) } }))
}

fn secret(id: usize, text: &str) -> Value {
    json!({ "id": id.to_string(), "sha256": SecretDigest::of(text.as_bytes()) })
}

fn tokens(count: usize) -> Value {
    let one = |n: usize| token(&json!({ "secrets": [secret(1, &n.to_string())] }));
    bundle(json!({ "tokens": keyed("t", count, one) }))
}

fn secrets(count: usize) -> Value {
    json!({ "secrets": (0..count).map(|n| secret(n, &n.to_string())).collect::<Vec<_>>() })
}

fn permissions(count: usize) -> Value {
    let ten = |p: usize| (0..10).map(|n| format!("GET,PUT /v1/s{p}/{{x}}/o{n}/{{y}}")).collect::<Vec<_>>();
    let roles = json!({ "r": { "permissions": names("p", count) } });
    bundle(json!({ "permissions": keyed("p", count, |p| json!(ten(p))), "roles": roles }))
}

fn operations(count: usize, one: &dyn Fn(usize) -> String) -> Value {
    bundle(json!({ "permissions": { "p": (0..count).map(one).collect::<Vec<_>>() } }))
}

fn verbs(count: usize) -> Value {
    operations(count, &|n| format!("POST /v1/items/{{id}}:verb{n}"))
}

/// Pairs of operations that cross; each pair adds one crossing.
fn crossing(count: usize) -> Value {
    let half = |n: usize| if n.is_multiple_of(2) { "{x}/b" } else { "a/{y}" };
    operations(count, &|n| format!("GET /v1/s{}/{}", n / 2, half(n)))
}

/// A chain of roles, each of which inherits from the next.
fn chain(count: usize, held: &Value) -> Value {
    let parent = |n: usize| if n + 1 < count { vec![format!("r{}", n + 1)] } else { vec![] };
    let role = |n: usize| json!({ "inherits": parent(n), "permissions": ["p"] });
    bundle(json!({ "roles": keyed("r", count, role), "tokens": { "t": token(&json!({ "roles": held })) } }))
}

/// Ten tokens with a chain of ten roles, many times.
fn chain_of_tokens(count: usize) -> Value {
    let role = |n: usize| {
        let parent = if n % 10 < 9 { vec![format!("r{}", n + 1)] } else { vec![] };
        json!({ "inherits": parent, "permissions": ["p"] })
    };
    let holder = |n: usize| token(&json!({ "roles": [format!("r{n}")] }));
    bundle(json!({ "roles": keyed("r", count, role), "tokens": keyed("t", count, holder) }))
}

/// The first role inherits from all others.
fn fan(count: usize) -> Value {
    let role = |n: usize| json!({ "inherits": if n == 0 { names("r", count).split_off(1) } else { vec![] } });
    let held = token(&json!({ "roles": ["r0"] }));
    bundle(json!({ "roles": keyed("r", count, role), "tokens": { "t": held } }))
}

/// Each role inherits from all before it; `entries` is the total number of entries.
fn dense(entries: usize) -> Value {
    let roles = (0..).find(|n| n * (n + 1) / 2 > entries).unwrap();
    let role = |n: usize| json!({ "inherits": names("r", n), "permissions": ["p"] });
    let held = token(&json!({ "roles": [format!("r{}", roles - 1)] }));
    bundle(json!({ "roles": keyed("r", roles, role), "tokens": { "t": held } }))
}

fn roles_of_kind(count: usize) -> Value {
    let held = token(&json!({ "roles": names("r", count) }));
    let kinds = json!({ "k": { "roles": names("r", count) } });
    bundle(json!({ "roles": keyed("r", count, |_| json!({})), "kinds": kinds, "tokens": { "t": held } }))
}

fn scope(count: usize) -> Value {
    bundle(json!({
        "permissions": keyed("p", count, |_| json!([])),
        "roles": { "r": { "permissions": names("p", count) } },
        "tokens": { "t": token(&json!({ "scope": names("p", count) })) },
    }))
}

/// As many tokens as roles in their chain, all with one scope.
fn scoped(count: usize) -> Value {
    let mut bundle = chain(count, &json!([]));
    let held = token(&json!({ "roles": ["r0"], "scope": ["p"] }));
    bundle["tokens"] = Value::Object(keyed("t", count, |_| held.clone()));
    bundle
}

fn problems(count: usize) -> Value {
    bundle(json!({ "tokens": keyed("t", count, |n| token(&json!({ "roles": [format!("x{n}")] }))) }))
}

/// As many tokens as roles that their kind allows, each with one forbidden role.
fn forbidden(count: usize) -> Value {
    let mut roles = keyed("r", count, |_| json!({}));
    roles.insert("other".to_owned(), json!({}));
    bundle(json!({
        "roles": roles,
        "kinds": { "k": { "roles": names("r", count) } },
        "tokens": keyed("t", count, |_| token(&json!({ "roles": ["other"] }))),
    }))
}

fn circle(count: usize) -> Value {
    let role = |n: usize| json!({ "inherits": [format!("r{}", (n + 1) % count)] });
    bundle(json!({ "roles": keyed("r", count, role) }))
}
