//! Writes a manifest as YAML that is readable and that every parser reads alike.

use serde_json::{Map, Value};

use crate::cli::registry::yaml::{in_quotes, scalar};
use crate::engine::words::text::is_hidden;
use crate::engine::words::time::Time;

/// The text of a document; keys stay in their order.
pub(super) fn bundle(entries: &Map<String, Value>) -> String {
    let mut text = block(entries, 0).join("\n");
    text.push('\n');
    text
}

fn block(entries: &Map<String, Value>, indent: usize) -> Vec<String> {
    entries.iter().flat_map(|(key, value)| entry(&scalar(key), value, indent)).collect()
}

fn entry(key: &str, value: &Value, indent: usize) -> Vec<String> {
    let deeper = indent.saturating_add(INDENT);
    let (head, below) = if let Some(lines) = below(value, deeper) {
        (format!("{key}:"), lines)
    } else if let Some(line) = value.as_str().and_then(file) {
        (format!("{key}: |"), vec![format!("{:deeper$}{line}", "")])
    } else {
        (format!("{key}: {}", leaf(value)), Vec::new())
    };
    [vec![format!("{:indent$}{head}", "")], below].concat()
}

/// The lines of a non-empty mapping or list.
fn below(value: &Value, indent: usize) -> Option<Vec<String>> {
    if let Some(items) = value.as_array().filter(|items| !items.is_empty()) {
        return Some(items.iter().flat_map(|value| item(value, indent)).collect());
    }
    value.as_object().filter(|entries| !entries.is_empty()).map(|entries| block(entries, indent))
}

fn item(value: &Value, indent: usize) -> Vec<String> {
    let lines = value.as_object().and_then(|_| below(value, indent.saturating_add(INDENT)));
    let mut lines = lines.unwrap_or_else(|| vec![leaf(value)]);
    if let Some(first) = lines.first_mut() {
        *first = format!("{:indent$}- {}", "", first.trim_start());
    }
    lines
}

/// A value on one line. Times are quoted, because some parsers would convert them to dates.
fn leaf(value: &Value) -> String {
    let text = value.as_str().filter(|text| text.parse::<Time>().is_err());
    text.map_or_else(|| flow(value), scalar)
}

/// A value in YAML's flow style, with all texts in quotes.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => in_quotes(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(",")),
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{}: {}", in_quotes(key), flow(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// The content of a single-line file, which is shown unchanged.
fn file(text: &str) -> Option<&str> {
    text.strip_suffix('\n').filter(|line| line.starts_with('{') && !line.contains(is_hidden))
}

const INDENT: usize = 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn written_text_is_read_back_unchanged(text in prop_oneof![any::<String>(), "[\\u{80}-\\u{9f}\\u{7f}\\u{2028}\\u{2029}\\u{feff}\\u{fffe}\\u{e0001} a:#\\-\n\t{}]*"]) {
            let json = format!("{}\n", json!({ "owner": text }));
            let tree = json!({ "owner": text, "list": [text, [text]], "by": { text.clone(): text }, "file": json });
            let written = bundle(tree.as_object().unwrap());
            let read: Value = yaml_serde::from_str(&written).unwrap();
            prop_assert_eq!(&read, &tree, "{}", written);
            let read: Value = crate::cli::source::parse_yaml(&written).unwrap();
            prop_assert_eq!(&read, &tree, "{}", written);
            prop_assert!(!written.contains(|c| c != '\n' && is_hidden(c)), "{}", written);
        }
    }

    #[test]
    fn yaml_versions_read_the_same_values() {
        let tree = json!({
            "no": "yes", "012": "1e3", "plain": "GET /v1/a/{id}:cancel", "empty": "", "n": 7, "list": [], "map": {},
            "at": "2026-01-01T00:00:00Z", "file": "{\"a\": \"b: c # d\"}\n", "lines": "a\nb\n",
            "deep": { "list": [{ "a": [1, "x"], "b": { "c": null } }, ["flow", { "in": "flow" }], "- x", "a: b"] },
        });
        let text = bundle(tree.as_object().unwrap());
        // A YAML 1.2 parser, and a parser with the rules of YAML 1.1.
        let read: Value = yaml_serde::from_str(&text).unwrap();
        assert_eq!(read, tree, "{text}");
        let read: Value = crate::cli::source::parse_yaml(&text).unwrap();
        assert_eq!(read, tree, "{text}");
        for quoted in ["\"no\": \"yes\"", "\"012\": \"1e3\"", "at: \"2026-01-01T00:00:00Z\"", "file: |\n  {"]
        {
            assert!(text.contains(quoted), "{text}");
        }
    }
}
