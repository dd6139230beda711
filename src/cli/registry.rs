//! Editing the registry's text: text is put in, and every byte that was there stays.
//!
//! A token or secret goes behind the last one, in block style where the text is, else in JSON's way of
//! writing. What comes out is read again: if it is not the registry that was meant, the edit is refused.

use saphyr::{LoadableYamlNode, MarkedYaml, YamlData};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::failure::Failure;
use crate::cli::source::parse_yaml;
use crate::engine::document::{Registry, Secret, Token};
use crate::engine::name::TokenId;
use crate::engine::time::Time;

/// The text of a registry with one token more.
///
/// # Errors
/// That the text is in a style that cannot be edited.
pub(super) fn with_token(
    text: &str,
    registry: &Registry,
    id: &TokenId,
    token: &Token,
) -> Result<String, Failure> {
    let mut expected = registry.clone();
    expected.tokens.0.push((id.clone(), token.clone()));
    let entry = Addition::Entry(id.to_string(), value(token)?);
    let edited = edit(text, |root| match child(root, "tokens") {
        Some(tokens) => Some((tokens, entry)),
        None => Some((root, Addition::Entry("tokens".to_owned(), entry.into_value()))),
    });
    checked(edited, &expected)
}

/// The text of a registry in which `id` has one secret more.
///
/// # Errors
/// That the text is in a style that cannot be edited.
pub(super) fn with_secret(
    text: &str,
    registry: &Registry,
    id: &TokenId,
    secret: &Secret,
) -> Result<String, Failure> {
    let mut expected = registry.clone();
    for (_, token) in expected.tokens.0.iter_mut().filter(|(known, _)| known == id) {
        token.secrets.push(secret.clone());
    }
    let item = Addition::Item(value(secret)?);
    let edited = edit(text, |root| {
        let token = child(child(root, "tokens")?, id.as_str())?;
        Some(match child(token, "secrets") {
            Some(secrets) => (secrets, item),
            None => (token, Addition::Entry("secrets".to_owned(), item.into_value())),
        })
    });
    checked(edited, &expected)
}

/// What is put behind the last child of a node.
enum Addition {
    /// A key with its value, into a mapping.
    Entry(String, Value),
    /// An item, into a list.
    Item(Value),
}

impl Addition {
    /// What the node has to be where there is none.
    fn into_value(self) -> Value {
        match self {
            Self::Entry(key, value) => Value::Object(Map::from_iter([(key, value)])),
            Self::Item(item) => Value::Array(vec![item]),
        }
    }

    /// In JSON, which is YAML's flow style too.
    fn flow(&self) -> String {
        match self {
            Self::Entry(key, value) => format!("{}: {value}", Value::from(key.as_str())),
            Self::Item(item) => item.to_string(),
        }
    }

    /// In lines that are `indent` deep.
    fn block(&self, indent: usize) -> Vec<String> {
        match self {
            Self::Entry(key, value) => entry(key, value, indent),
            Self::Item(item) => list_item(item, indent),
        }
    }
}

/// The text with an addition to the node that `target` finds.
fn edit<'t, F>(text: &'t str, target: F) -> Option<String>
where
    F: for<'n> FnOnce(&'n MarkedYaml<'t>) -> Option<(&'n MarkedYaml<'t>, Addition)>,
{
    let documents = MarkedYaml::load_from_str(text).ok()?;
    let root = documents.first()?;
    let (node, addition) = target(root)?;
    if !is_flow(text, node) {
        return insert_lines(text, end_line(text, node), &addition.block(column(text, node)?));
    }
    match (last_child(node), parent(root, node)) {
        // `[]` and `{}` in block style become a block.
        (None, Some(parent)) if !is_flow(text, parent) => {
            let indent = parent.span.start.col().checked_add(INDENT)?;
            let (start, end) = (byte(text, node.span.start.index())?, byte(text, end_index(text, node)?)?);
            let emptied = format!("{}{}", text.get(..start)?.trim_end_matches(' '), text.get(end..)?);
            insert_lines(&emptied, node.span.start.line(), &addition.block(indent))
        }
        (None, _) => insert(text, node.span.start.index().checked_add(1)?, &addition.flow()),
        (Some(last), _) => insert(text, end_index(text, last)?, &format!(", {}", addition.flow())),
    }
}

/// The edited text, if it is the registry that was meant.
fn checked(edited: Option<String>, expected: &Registry) -> Result<String, Failure> {
    edited.filter(|text| parse_yaml::<Registry>(text).is_ok_and(|registry| registry == *expected)).ok_or_else(
        || {
            Failure::new("cannot edit the registry's text: it is in a style that this command does not write")
                .hint("write `tokens` and `secrets` in block style: one key or `- ` item a line")
        },
    )
}

fn insert(text: &str, index: usize, addition: &str) -> Option<String> {
    let mut edited = text.to_owned();
    edited.insert_str(byte(text, index)?, addition);
    Some(edited)
}

/// The text with `lines` behind its first `count` lines.
fn insert_lines(text: &str, count: usize, lines: &[String]) -> Option<String> {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut old = text.split_inclusive('\n');
    let mut edited: String = old.by_ref().take(count).collect();
    if !edited.ends_with('\n') {
        edited.push_str(end);
    }
    for line in lines {
        edited.push_str(line);
        edited.push_str(end);
    }
    edited.extend(old);
    Some(edited)
}

/// How many lines the text has up to the end of `node`.
fn end_line(text: &str, node: &MarkedYaml<'_>) -> usize {
    // A block ends where the next thing begins, behind comments and blank lines: its last child knows better.
    if !is_flow(text, node)
        && let Some(child) = last_child(node)
    {
        return end_line(text, child);
    }
    let (start, end) = (node.span.start, node.span.end);
    // Likewise a text of several lines ends at the beginning of a line that is not its own.
    if end.col() == 0 && end.line() > start.line() { end.line().saturating_sub(1) } else { end.line() }
}

/// The character behind the node; a `[…]` or `{…}` has the mark of its end before the bracket.
fn end_index(text: &str, node: &MarkedYaml<'_>) -> Option<usize> {
    node.span.end.index().checked_add(usize::from(is_flow(text, node)))
}

/// Whether the node is `[…]` or `{…}`.
fn is_flow(text: &str, node: &MarkedYaml<'_>) -> bool {
    let first = text.chars().nth(node.span.start.index());
    match node.data {
        YamlData::Sequence(_) => first == Some('['),
        YamlData::Mapping(_) => first == Some('{'),
        YamlData::Value(_)
        | YamlData::Representation(..)
        | YamlData::Tagged(..)
        | YamlData::Alias(_)
        | YamlData::BadValue => false,
    }
}

fn child<'n, 't>(node: &'n MarkedYaml<'t>, key: &str) -> Option<&'n MarkedYaml<'t>> {
    let YamlData::Mapping(entries) = &node.data else { return None };
    entries.iter().find(|(name, _)| name.data.as_str() == Some(key)).map(|(_, value)| value)
}

/// The last value or item.
fn last_child<'n, 't>(node: &'n MarkedYaml<'t>) -> Option<&'n MarkedYaml<'t>> {
    match &node.data {
        YamlData::Mapping(entries) => entries.iter().next_back().map(|(_, value)| value),
        YamlData::Sequence(items) => items.last(),
        YamlData::Value(_)
        | YamlData::Representation(..)
        | YamlData::Tagged(..)
        | YamlData::Alias(_)
        | YamlData::BadValue => None,
    }
}

/// The mapping that has `node` as a value.
fn parent<'n, 't>(root: &'n MarkedYaml<'t>, node: &MarkedYaml<'t>) -> Option<&'n MarkedYaml<'t>> {
    let YamlData::Mapping(entries) = &root.data else { return None };
    let found =
        |value: &'n MarkedYaml<'t>| if std::ptr::eq(value, node) { Some(root) } else { parent(value, node) };
    entries.iter().find_map(|(_, value)| found(value))
}

/// The column that the keys or items of a block begin in.
fn column(text: &str, node: &MarkedYaml<'_>) -> Option<usize> {
    let line = text.lines().nth(last_child(node)?.span.start.line().checked_sub(1)?)?;
    let trimmed = line.trim_start_matches(' ');
    if matches!(node.data, YamlData::Sequence(_)) && trimmed.starts_with('-') {
        return Some(line.len().saturating_sub(trimmed.len()));
    }
    Some(node.span.start.col())
}

/// The byte that the character `index` begins at.
fn byte(text: &str, index: usize) -> Option<usize> {
    text.char_indices().map(|(byte, _)| byte).chain([text.len()]).nth(index)
}

fn entry(key: &str, value: &Value, indent: usize) -> Vec<String> {
    let (key, deeper) = (scalar(key), indent.saturating_add(INDENT));
    let below = match value {
        Value::Object(entries) => block(entries, deeper),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().flat_map(|item| list_item(item, deeper)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return vec![format!("{:indent$}{key}: {}", "", inline(value))];
        }
    };
    [vec![format!("{:indent$}{key}:", "")], below].concat()
}

fn block(entries: &Map<String, Value>, indent: usize) -> Vec<String> {
    entries
        .iter()
        .flat_map(|(key, value)| match (key.as_str(), value) {
            // Nobody mistakes it for a number, as it may look like one.
            ("sha256", Value::String(_)) => vec![format!("{:indent$}{key}: {value}", "")],
            _ => entry(key, value, indent),
        })
        .collect()
}

fn list_item(item: &Value, indent: usize) -> Vec<String> {
    let mut lines = match item {
        Value::Object(entries) => block(entries, indent.saturating_add(INDENT)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            vec![format!("{:width$}{}", "", inline(item), width = indent.saturating_add(INDENT))]
        }
    };
    if let Some(first) = lines.first_mut() {
        *first = format!("{:indent$}- {}", "", first.trim_start());
    }
    lines
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// A text as YAML: bare where every reader takes it for text, else in JSON's quotes.
fn scalar(text: &str) -> String {
    let letters = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:/@+ ".contains(c));
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if letters && bare || text.parse::<Time>().is_ok() {
        return text.to_owned();
    }
    Value::from(text).to_string()
}

fn value(of: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(of).map_err(|error| Failure::new(error.to_string()))
}

const INDENT: usize = 2;
/// What YAML 1.1 or 1.2 does not take for text.
const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
