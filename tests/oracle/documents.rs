//! Documents stay the same when they are converted from YAML to the bundle's JSON and back to YAML.

use std::path::Path;

use proptest::collection::{hash_set, vec};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};
use tokenward::cli::source::Source;
use tokenward::cli::workspace::Workspace;
use tokenward::engine::config::bundle;
use tokenward::engine::config::bundle::Bundle as Document;

use crate::oracle::config;

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn yaml_to_bundle_to_yaml_changes_nothing(
        (policy, registry, shipped) in (policies(), registries(), shipped()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("policy.yaml"), &policy);
        write(&folder.path().join("tokens.yaml"), &registry);
        let read = Workspace::open(folder.path()).unwrap().bundle();
        let read = read.map_err(|failures| TestCaseError::fail(format!("{failures:?}: {policy:?} {registry:?}")))?;

        // The result contains exactly what was written.
        let mut expected = policy;
        expected.insert("revision".to_owned(), json!(0));
        if let Some(tokens) = registry.get("tokens").filter(|tokens| **tokens != json!({})) {
            expected.insert("tokens".to_owned(), tokens.clone());
        }
        prop_assert_eq!(json!(read), Value::Object(expected));

        let mut tree = json!(read);
        tree.as_object_mut().unwrap().extend(shipped);
        let bundle: Document = bundle::from_tree(&tree).unwrap();
        let json = serde_json::to_vec(&bundle).unwrap();
        let from_json: Document = bundle::from_json(&json).unwrap();
        prop_assert_eq!(&from_json, &bundle);

        let path = folder.path().join("bundle.yaml");
        write(&path, json!(from_json).as_object().unwrap());
        let from_yaml: Document = Source::read(&path).unwrap().parse().map_err(|problems| TestCaseError::fail(format!("{problems:?}")))?;
        prop_assert_eq!(&from_yaml, &bundle);
        prop_assert_eq!(serde_json::to_vec(&from_yaml).unwrap(), json);
    }
}

/// A mapping of a document.
type Fields = Map<String, Value>;

fn write(path: &Path, document: &Fields) {
    std::fs::write(path, yaml_serde::to_string(document).unwrap()).unwrap();
}

/// Fields that may each be missing. Empty fields are omitted, as in written documents.
fn fields(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> impl Strategy<Value = Fields> {
    let each: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| weighted(0.6, value).prop_map(move |value| Some((name.to_owned(), value?))))
        .collect();
    each.prop_map(|fields| fields.into_iter().flatten().collect())
}

fn policies() -> impl Strategy<Value = Fields> {
    let role = fields(vec![
        ("description", texts()),
        ("inherits", list_of(names())),
        ("permissions", list_of(names())),
        ("deny", list_of(names())),
        ("shadow", Just(json!(true)).boxed()),
    ]);
    let required = subsequence(REQUIRED.as_slice(), 1..=REQUIRED.len()).prop_map(|names| json!(names));
    let kind = fields(vec![
        ("max_lifetime", spans()),
        ("require", required.boxed()),
        ("roles", vec(names(), 0..=3).prop_map(|names| json!(names)).boxed()),
    ]);
    let threshold = || {
        let threshold = (1..=1_000_u32, spans(), spans());
        threshold.prop_map(|(limit, per, suspend)| json!({ "limit": limit, "per": per, "suspend": suspend }))
    };
    let defense = fields(vec![
        ("denials", threshold().boxed()),
        ("unknown_tokens", threshold().boxed()),
        ("retired_secret", select(vec!["alert", "suspend"]).prop_map(|answer| json!(answer)).boxed()),
    ]);
    let optional = fields(vec![
        ("token_prefix", select(vec!["acme", "no", "x1"]).prop_map(|prefix| json!(prefix)).boxed()),
        ("public", list_of(texts())),
        ("permissions", mapping(vec(texts(), 0..=3).prop_map(|texts| json!(texts)))),
        ("roles", mapping(role.prop_map(Value::Object))),
        ("kinds", mapping(kind.prop_map(Value::Object))),
        ("defense", defense.prop_map(Value::Object).boxed()),
    ]);
    (names(), optional).prop_map(|(name, optional)| {
        let first = [("version".to_owned(), json!(1)), ("name".to_owned(), name)];
        first.into_iter().chain(optional).collect()
    })
}

fn registries() -> impl Strategy<Value = Fields> {
    let secret = fields(vec![
        ("created_at", times()),
        ("not_before", times()),
        ("expires_at", times()),
        ("retired_at", times()),
        ("revoked_at", times()),
    ]);
    let secret = (names(), any::<[u8; 32]>(), secret).prop_map(|(id, digest, mut fields)| {
        fields.insert("id".to_owned(), id);
        fields.insert("sha256".to_owned(), json!(hex::encode(digest)));
        Value::Object(fields)
    });
    let some = |entries: &'static [&'static str]| {
        subsequence(entries, 0..=entries.len()).prop_map(|entries| json!(entries)).boxed()
    };
    let values = select(vec!["acme", "a b", "café", "1", "no", "~", "0x1F", "a+b", "null", "-"]);
    let token = fields(vec![
        ("scope", vec(names(), 0..=2).prop_map(|names| json!(names)).boxed()),
        ("owner", texts()),
        ("purpose", texts()),
        ("environments", vec(names(), 0..=2).prop_map(|names| json!(names)).boxed()),
        ("services", vec(names(), 0..=2).prop_map(|names| json!(names)).boxed()),
        ("attributes", mapping(values.prop_map(|value| json!(value)))),
        ("allowed_sources", some(&["203.0.113.0/24", "::1", "2001:db8::/32", "10.0.0.1"])),
        ("allowed_hours", some(&["Mon-Fri 06:00-20:00 +01:00", "22:00-06:00", "Sat,Sun 00:00-24:00 Z"])),
        ("rate_limit", select(vec!["100/1m", "1/1s", "60/1h"]).prop_map(|limit| json!(limit)).boxed()),
        ("revoked_at", times()),
    ]);
    let token = (names(), vec(names(), 0..=3), vec(secret, 0..=2), token).prop_map(
        |(kind, roles, secrets, mut fields)| {
            fields.insert("kind".to_owned(), kind);
            fields.insert("roles".to_owned(), json!(roles));
            fields.insert("secrets".to_owned(), json!(secrets));
            Value::Object(fields)
        },
    );
    mapping(token).prop_map(|tokens| {
        [("version".to_owned(), json!(1)), ("tokens".to_owned(), tokens)].into_iter().collect()
    })
}

/// Fields that a bundle has in addition to a policy's files.
fn shipped() -> impl Strategy<Value = Fields> {
    fields(vec![
        // The YAML reader supports integers up to this value.
        ("revision", (0..=i64::MAX).prop_map(|revision| json!(revision)).boxed()),
        ("built_at", times()),
        ("expires_at", times()),
        ("environment", names()),
        ("service", names()),
    ])
}

fn list_of(entries: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    vec(entries, 1..=3).prop_map(|entries| json!(entries)).boxed()
}

/// A mapping with names as keys, in no particular order.
fn mapping(values: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    let keys = hash_set(select(NAMES.as_slice()), 1..=4);
    (keys, vec(values, 4))
        .prop_map(|(keys, values)| {
            let entries = keys.into_iter().zip(values);
            Value::Object(entries.map(|(key, value)| (key.to_owned(), value)).collect())
        })
        .boxed()
}

fn names() -> BoxedStrategy<Value> {
    select(NAMES.as_slice()).prop_map(|name| json!(name)).boxed()
}

/// Texts that a YAML reader may misread, and arbitrary ones.
fn texts() -> BoxedStrategy<Value> {
    let odd = select(vec![
        "",
        " ",
        "no",
        "Yes",
        "null",
        "~",
        "1",
        "1e3",
        "0x1F",
        "1_000",
        "-",
        "- x",
        "a: b",
        "a #b",
        "#",
        "{x}",
        "[x]",
        "*x",
        "&x",
        "!x",
        "|",
        ">",
        "%x",
        "@x",
        "`x`",
        "'",
        "\"",
        "\\",
        "2026-03-01",
        "2026-03-01T00:00:00Z",
        "12:30:45",
        ".5",
        ".inf",
        "NaN",
        "<<",
        "=",
        "---",
        "...",
        "? x",
        "two\nlines",
        "lines\n",
        "\tx",
        "a\tb",
        " x ",
        "a\r\nb",
        "\u{feff}x",
        "💡 idea",
        "é",
        "\u{7}",
        "\0",
    ]);
    // Omit characters that end a line in YAML 1.1 (the writer) but not in YAML 1.2 (the reader).
    let any = "[\\PC&&[^\\p{Zl}\\p{Zp}]]{0,20}";
    prop_oneof![2 => odd.prop_map(|text| json!(text)), 1 => any.prop_map(|text| json!(text))].boxed()
}

fn times() -> BoxedStrategy<Value> {
    let times =
        ["2026-03-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-03-01T00:00:00.001Z", "9999-12-30T00:00:00Z"];
    select(times.to_vec()).prop_map(|time| json!(time)).boxed()
}

/// Spans in their shortest spelling, because `24h` is written as `1d`.
fn spans() -> BoxedStrategy<Value> {
    select(vec!["90d", "36h", "15m", "30s"]).prop_map(|span| json!(span)).boxed()
}

/// Names that a YAML reader may misread, and plain ones.
const NAMES: [&str; 12] =
    ["no", "Yes", "null", "e1", "inf", "NaN", "x", "a:b", "metrics:read", "a.b_c-d", "true", "Off"];

const REQUIRED: [&str; 9] = [
    "owner",
    "purpose",
    "scope",
    "environments",
    "services",
    "attributes",
    "allowed_sources",
    "allowed_hours",
    "rate_limit",
];
