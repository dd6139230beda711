//! Renders values in the styles of the registry's text: block style, flow style, or JSON.

use serde_json::{Map, Value};

use crate::engine::words::text::is_hidden;
use crate::engine::words::time::Time;

/// A value to add after the last child of a node.
pub(super) enum Addition {
    /// A key and its value, for a mapping.
    Entry(String, Value),
    /// An item, for a list.
    Item(Value),
}

/// The style inside brackets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flow {
    /// `{ id: "1" }`
    Yaml,
    /// `{"id":"1"}`
    Json,
}

impl Addition {
    /// Renders the addition for use inside brackets.
    pub(super) fn flow(&self, flow: Flow) -> String {
        match (self, flow) {
            (Self::Entry(key, value), Flow::Yaml) => format!("{}: {}", scalar(key), inline(value)),
            (Self::Entry(key, value), Flow::Json) => format!("{}: {value}", Value::from(key.as_str())),
            (Self::Item(item), Flow::Yaml) => inline(item),
            (Self::Item(item), Flow::Json) => item.to_string(),
        }
    }

    /// Renders the addition as lines, indented by `indent`.
    pub(super) fn block(&self, indent: usize) -> Vec<String> {
        match self {
            Self::Entry(key, value) => entry(key, value, indent),
            Self::Item(item) => list_item(item, indent),
        }
    }
}

/// Renders a value on one line.
pub(in crate::cli) fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries =
                entries.iter().map(|(key, value)| format!("{}: {}", scalar(key), quoted(key, value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn entry(key: &str, value: &Value, indent: usize) -> Vec<String> {
    let deeper = indent.saturating_add(INDENT);
    let below = match value {
        Value::Object(entries) if !entries.is_empty() => block(entries, deeper),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().flat_map(|item| list_item(item, deeper)).collect()
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => return vec![format!("{:indent$}{}: {}", "", scalar(key), quoted(key, value))],
    };
    [vec![format!("{:indent$}{}:", "", scalar(key))], below].concat()
}

fn block(entries: &Map<String, Value>, indent: usize) -> Vec<String> {
    entries.iter().flat_map(|(key, value)| entry(key, value, indent)).collect()
}

fn list_item(item: &Value, indent: usize) -> Vec<String> {
    let mut lines = match item {
        Value::Object(entries) => block(entries, indent.saturating_add(INDENT)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            vec![inline(item)]
        }
    };
    if let Some(first) = lines.first_mut() {
        *first = format!("{:indent$}- {}", "", first.trim_start());
    }
    lines
}

/// Renders the value of a key on one line. A digest is quoted, because it may look like a number.
fn quoted(key: &str, value: &Value) -> String {
    if key == "sha256" { value.to_string() } else { inline(value) }
}

/// Renders a text as YAML: without quotes if every reader parses it as text, otherwise in JSON's quotes.
pub(in crate::cli) fn scalar(text: &str) -> String {
    let letters = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:/@+ ".contains(c));
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if letters && bare || text.parse::<Time>().is_ok() {
        return text.to_owned();
    }
    in_quotes(text)
}

/// Renders a text in double quotes. Some readers break lines at U+0085 or U+2028, or reject unprintable characters. So
/// characters that an editor would not show are written as YAML escapes.
pub(in crate::cli) fn in_quotes(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in Value::from(text).to_string().chars() {
        match u32::from(c) {
            _ if !is_hidden(c) => quoted.push(c),
            code @ ..=0xffff => quoted.push_str(&format!("\\u{code:04x}")),
            code => quoted.push_str(&format!("\\U{code:08x}")),
        }
    }
    quoted
}

const INDENT: usize = 2;
/// Words that YAML 1.1 or 1.2 does not parse as text.
const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
