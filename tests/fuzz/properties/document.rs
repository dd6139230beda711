//! Plugin configurations and bundles: any bytes give a policy or messages, with one line per problem.

use std::collections::BTreeMap;

use prost::Message;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};
use serde_json::Value;
use tokenward::engine::authoring::lint;
use tokenward::engine::config::bundle::{Bundle, from_json, from_tree};
use tokenward::engine::config::problem::Problems;
use tokenward::engine::policy::compiled::Policy;
use tokenward::engine::policy::gateway::Gateway;

use super::is_one_line;

/// The input is a plugin configuration, as text or as a Struct, and also a bundle alone.
pub(crate) fn holds(data: &[u8]) {
    let configured = Gateway::configure(data);
    if let Err(problems) = &configured {
        are_told(problems);
    }
    let tree = serde_json::from_slice::<Value>(data).ok();
    if let Some(bytes) = tree.as_ref().and_then(structure) {
        let from_struct = Gateway::configure(&bytes);
        assert!(configured.is_err() || from_struct.is_ok(), "a Struct says what text says: {from_struct:?}");
    }
    match from_json::<Bundle>(data) {
        Ok(document) => {
            assert_eq!(from_tree::<Bundle>(tree.as_ref().unwrap()).as_ref(), Ok(&document), "as a tree");
            is_a_document(document);
        }
        Err(problems) => are_told(&problems),
    }
    if let Some(bundle) = tree.as_ref().and_then(|tree| tree.get("bundle"))
        && let Ok(document) = from_tree(bundle)
    {
        is_a_document(document);
    }
}

fn is_a_document(document: Bundle) {
    let written = serde_json::to_vec(&document).unwrap();
    let again: Bundle = from_json(&written).unwrap();
    assert_eq!(again, document, "what is written is read as the same");
    for finding in lint::findings(&document) {
        is_one_line(&finding.message);
        is_one_line(&finding.place.to_string());
    }
    let tokens = document.tokens.len();
    match (Policy::compile(document), Policy::compile(again)) {
        (Ok(policy), Ok(_)) => assert_eq!(policy.token_count(), tokens),
        (Err(one), Err(two)) => {
            assert_eq!(one, two, "the answer depends on the document alone");
            are_told(&one);
        }
        (one, two) => panic!("{one:?} once, {two:?} the other time"),
    }
}

fn are_told(problems: &Problems) {
    assert!(problems.iter().count() > 0);
    for problem in problems.iter() {
        is_one_line(&problem.fault.to_string());
        is_one_line(&problem.place.to_string());
        problem.fault.hint().iter().for_each(|hint| is_one_line(hint));
    }
    assert_eq!(problems.to_string().lines().count(), problems.iter().count());
}

/// The tree as Envoy passes it, if a Struct can represent it.
fn structure(tree: &Value) -> Option<Vec<u8>> {
    Some(fields(tree)?.encode_to_vec())
}

fn fields(tree: &Value) -> Option<Struct> {
    let entries = tree.as_object()?.iter().map(|(key, entry)| Some((key.clone(), value(entry)?)));
    Some(Struct { fields: entries.collect::<Option<BTreeMap<_, _>>>()? })
}

fn value(tree: &Value) -> Option<prost_types::Value> {
    let kind = match tree {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        // A double cannot distinguish larger numbers from their neighbours.
        Value::Number(number) => match number.as_u64() {
            Some(whole) => Kind::NumberValue(f64::from(u32::try_from(whole).ok()?)),
            None => Kind::NumberValue(number.as_f64()?),
        },
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => {
            Kind::ListValue(ListValue { values: items.iter().map(value).collect::<Option<_>>()? })
        }
        Value::Object(_) => Kind::StructValue(fields(tree)?),
    };
    Some(prost_types::Value { kind: Some(kind) })
}
