//! Reads YAML as Envoy does (source/common/protobuf/yaml_utility.cc, with yaml-cpp).
//!
//! In: a text. Out: a tree of JSON. YAML 1.1's booleans (`yes`, `on`), octal numbers and tags have the same meaning
//! as in Envoy.

use saphyr::{MarkedYaml, ScalarStyle, Tag, YamlData, YamlLoader};
use saphyr_parser::{Parser, ScanError};
use serde_json::{Map, Value};

use crate::engine::config::problem::{Fault, Place, Problem};

/// Reads a text in JSON or YAML.
///
/// # Errors
/// Fails if the text is neither, with the position.
pub(super) fn parse(text: &str) -> Result<Value, Problem> {
    if text.trim_start().starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str(text)
    {
        return Ok(value);
    }
    let documents = load(text).map_err(|error| {
        let marker = error.marker();
        syntax(error.info(), marker.line(), marker.col())
    })?;
    let node = match documents.as_slice() {
        [] => return Err(syntax("there is nothing in this file", 1, 0)),
        [node] => node,
        [_, second, ..] => return Err(at_node("a second document begins", second)),
    };
    value(node, MAX_DEPTH)
}

fn load(text: &str) -> Result<Vec<MarkedYaml<'_>>, ScanError> {
    let mut loader = YamlLoader::default();
    loader.early_parse(false);
    // As in Envoy, the last duplicate counts.
    loader.allow_duplicate_keys(true);
    Parser::new_from_str(text).load(&mut loader, true)?;
    match loader.error() {
        Some(error) => Err(error.clone()),
        None => Ok(loader.into_documents()),
    }
}

fn value(node: &MarkedYaml<'_>, depth: usize) -> Result<Value, Problem> {
    let Some(below) = depth.checked_sub(1) else {
        return Err(at_node("the document is nested too deeply", node));
    };
    match &node.data {
        YamlData::Representation(text, style, tag) => Ok(scalar(text, *style, tag.as_deref())),
        YamlData::Sequence(items) => items.iter().map(|item| value(item, below)).collect(),
        YamlData::Mapping(entries) => {
            let mut map = Map::new();
            for (key, entry) in entries {
                let YamlData::Representation(name, _, tag) = &key.data else {
                    return Err(at_node("a key must be text", key));
                };
                if !tag.as_deref().is_some_and(|tag| is(tag, "ignore")) {
                    map.insert(name.to_string(), value(entry, below)?);
                }
            }
            Ok(Value::Object(map))
        }
        YamlData::Tagged(_, node) => value(node, below),
        YamlData::Value(_) | YamlData::Alias(_) | YamlData::BadValue => {
            Err(at_node("this is not a value", node))
        }
    }
}

/// Text in quotes or in a block is text. Envoy reads other text as null, boolean or number if it can.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let is_text = style != ScalarStyle::Plain && tag.is_none() || tag.is_some_and(|tag| is(tag, ""));
    if is_text {
        return text.into();
    }
    if tag.is_none() && ["", "~", "null", "Null", "NULL"].contains(&text) {
        return Value::Null;
    }
    let boolean = boolean(text).map(Value::from);
    boolean.or_else(|| integer(text).map(Value::from)).unwrap_or_else(|| text.into())
}

/// Reads a boolean in lower case, in upper case, or capitalized.
fn boolean(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    let rest = text.get(1..)?;
    let is_flexible = text == lower
        || text == text.to_ascii_uppercase()
        || text.starts_with(|first: char| first.is_ascii_uppercase()) && rest == rest.to_ascii_lowercase();
    match lower.as_str() {
        "y" | "yes" | "true" | "on" if is_flexible => Some(true),
        "n" | "no" | "false" | "off" if is_flexible => Some(false),
        _ => None,
    }
}

/// Reads a number as C++ streams do: decimal, `0x…`, or octal with a leading zero.
fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (radix, digits) = match (hexadecimal, digits.strip_prefix('0')) {
        (Some(digits), _) => (16, digits),
        (None, Some(octal)) if !octal.is_empty() => (8, octal),
        (None, _) => (10, digits),
    };
    if !digits.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

/// Whether this is the local tag `!suffix`.
fn is(tag: &Tag, suffix: &str) -> bool {
    format!("{}{}", tag.handle, tag.suffix) == format!("!{suffix}")
}

fn at_node(message: &str, node: &MarkedYaml<'_>) -> Problem {
    syntax(message, node.span.start.line(), node.span.start.col())
}

fn syntax(message: &str, line: usize, column: usize) -> Problem {
    let fault = Fault::Syntax { message: message.to_owned(), line, column: column.saturating_add(1) };
    Problem { place: Place::default(), fault }
}

/// Maximum nesting of a configuration.
const MAX_DEPTH: usize = 128;
