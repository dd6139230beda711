//! Edits the text of the registry: changes only the differences and keeps every other byte.
//!
//! In: the text, the registry that it describes, and the wanted registry. A new item goes after its last sibling, in
//! the existing style. When an item is removed, the comments on its lines and inside it are removed too; comments above
//! it stay. The editor parses its result, and rejects the edit if the result is not the wanted registry.

use saphyr::{LoadableYamlNode, MarkedYaml, Marker, YamlData};
use serde_json::{Map, Value};

use crate::cli::failure::Failure;
use crate::cli::registry::text::{Splice, Text};
use crate::cli::registry::yaml::{Addition, Flow, inline};
use crate::cli::source::parse_yaml;
use crate::engine::config::bundle::Registry;

/// Edits the text of `old` so that it describes `new`.
///
/// # Errors
/// Fails if the editor does not support the style of the text.
pub(super) fn edited(text: &str, old: &Registry, new: &Registry) -> Result<String, Failure> {
    let edited = rewritten(text, &value(old)?, &value(new)?);
    edited.filter(|text| parse_yaml::<Registry>(text).is_ok_and(|registry| registry == *new)).ok_or_else(
        || {
            Failure::new("cannot edit the registry's text: it is in a style that this command does not write")
                .hint("write `tokens` and `secrets` in block style: one key or `- ` item a line")
        },
    )
}

fn rewritten(text: &str, old: &Value, new: &Value) -> Option<String> {
    let documents = MarkedYaml::load_from_str(text).ok()?;
    let root = documents.first()?;
    let text = Text::of(text);
    let flow = if text.is_flow(root) { Flow::Json } else { Flow::Yaml };
    let mut editor = Editor { text, flow, splices: Vec::new() };
    editor.change(&Node { key: None, value: root, in_flow: false }, old, new)?;
    editor.text.spliced(editor.splices)
}

/// A value in the text with its key, if it is in a mapping.
struct Node<'n, 't> {
    key: Option<&'n MarkedYaml<'t>>,
    value: &'n MarkedYaml<'t>,
    /// Whether the node is inside brackets.
    in_flow: bool,
}

struct Editor<'t> {
    text: Text<'t>,
    flow: Flow,
    splices: Vec<Splice>,
}

impl Editor<'_> {
    /// Changes the node from `old` to `new`. Returns `None` if the editor does not support this change.
    fn change(&mut self, node: &Node<'_, '_>, old: &Value, new: &Value) -> Option<()> {
        match (old, new) {
            _ if old == new => Some(()),
            (Value::Object(old), Value::Object(new)) => self.change_mapping(node, old, new),
            (Value::Array(old), Value::Array(new)) => self.change_list(node, old, new),
            _ => {
                let range = self.text.offset(node.value.span.start)?..self.text.end(node.value)?;
                let new = if self.flow == Flow::Json { new.to_string() } else { inline(new) };
                self.splices.push(Splice::replace(range, new));
                Some(())
            }
        }
    }

    fn change_mapping(
        &mut self,
        node: &Node<'_, '_>,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
    ) -> Option<()> {
        let (children, mut added) = (self.children(node), Vec::new());
        let child = |name: &str| children.iter().find(|child| child.name() == Some(name));
        for (key, value) in new.iter().filter(|(key, value)| old.get(*key) != Some(*value)) {
            match (old.get(key), child(key)) {
                (Some(old), Some(child)) => self.change(child, old, value)?,
                // A key that is missing in the text may still have a parsed value, such as an empty list.
                (Some(_), None) | (None, _) => added.push(Addition::Entry(key.clone(), value.clone())),
            }
        }
        let gone = |name| old.contains_key(name) && !new.contains_key(name);
        let removed: Vec<bool> = children.iter().map(|child| child.name().is_some_and(gone)).collect();
        self.remove(node, &removed)?;
        added.iter().try_for_each(|addition| self.add(node, addition))
    }

    fn change_list(&mut self, node: &Node<'_, '_>, old: &[Value], new: &[Value]) -> Option<()> {
        let mut new = new.iter().peekable();
        let (children, mut removed) = (self.children(node), Vec::new());
        for (child, old) in children.iter().zip(old) {
            let kept = new.next_if(|new| is_same(old, new));
            removed.push(kept.is_none());
            if let Some(new) = kept {
                self.change(child, old, new)?;
            }
        }
        self.remove(node, &removed)?;
        new.try_for_each(|item| self.add(node, &Addition::Item(item.clone())))
    }

    /// Adds an item after the last child of `node`.
    fn add(&mut self, node: &Node<'_, '_>, addition: &Addition) -> Option<()> {
        if !self.text.is_flow(node.value) {
            let next = self.text.end_line(node.value).checked_add(1)?;
            let lines = addition.block(self.column(node)?);
            self.splices.push(self.text.lines(next, &lines));
            return Some(());
        }
        match (self.children(node).last(), node.key) {
            // In block style, `[]` and `{}` become a block.
            (None, Some(key)) if !node.in_flow => self.unfold(node, key, addition),
            (None, _) => {
                let inside = self.text.offset(node.value.span.start)?.checked_add(1)?;
                self.splices.push(Splice::insert(inside, addition.flow(self.flow)));
                Some(())
            }
            (Some(last), _) => {
                let addition = format!(", {}", addition.flow(self.flow));
                self.splices.push(Splice::insert(self.text.end(last.value)?, addition));
                Some(())
            }
        }
    }

    fn unfold(&mut self, node: &Node<'_, '_>, key: &MarkedYaml<'_>, addition: &Addition) -> Option<()> {
        let (start, end) = (self.text.offset(node.value.span.start)?, self.text.end(node.value)?);
        let start = self.text.get(0..start)?.trim_end_matches(' ').len();
        self.splices.push(Splice::remove(start..end));
        let next = self.text.end_line(node.value).checked_add(1)?;
        let lines = addition.block(key.span.start.col().checked_add(INDENT)?);
        self.splices.push(self.text.lines(next, &lines));
        Some(())
    }

    /// Removes the children that `removed` marks by position.
    fn remove(&mut self, node: &Node<'_, '_>, removed: &[bool]) -> Option<()> {
        let children = self.children(node);
        match (removed.contains(&true), removed.contains(&false)) {
            (false, _) => Some(()),
            (true, false) => self.empty(node),
            (true, true) if self.text.is_flow(node.value) => self.remove_flow(&children, removed),
            (true, true) => {
                let gone = children.iter().zip(removed).filter(|(_, removed)| **removed);
                gone.map(|(child, _)| child).try_for_each(|child| self.remove_lines(child))
            }
        }
    }

    /// Replaces the node with `[]` or `{}`.
    fn empty(&mut self, node: &Node<'_, '_>) -> Option<()> {
        let nothing = if matches!(node.value.data, YamlData::Sequence(_)) { "[]" } else { "{}" };
        if self.text.is_flow(node.value) {
            let range = self.text.offset(node.value.span.start)?..self.text.end(node.value)?;
            if !self.text.get(range.clone())?.contains('#') {
                self.splices.push(Splice::replace(range, nothing));
                return Some(());
            }
            // Comments from inside the brackets stay, after the brackets.
            let (open, close) = (range.start.checked_add(1)?, range.end.checked_sub(1)?);
            self.splices.push(Splice::replace(range.start..open, nothing));
            self.splices.push(Splice::remove(self.text.extent(close..range.end)?));
            return self.remove_extents(&self.children(node));
        }
        let key_end = self.text.end(node.key?)?;
        let colon = self.text.get(key_end..self.text.offset(node.value.span.start)?)?.find(':')?;
        let behind = key_end.checked_add(colon)?.checked_add(1)?;
        self.splices.push(Splice::insert(behind, format!(" {nothing}")));
        self.children(node).iter().try_for_each(|child| self.remove_lines(child))
    }

    /// Removes the lines of a block's child, and the comments below it that are indented deeper.
    fn remove_lines(&mut self, child: &Node<'_, '_>) -> Option<()> {
        let first = match child.key {
            Some(key) => key.span.start.line(),
            None => self.text.dash_line(child.value)?,
        };
        let depth = indent(self.text.line(first));
        let mut next = self.text.end_line(child.value).checked_add(1)?;
        while self.text.line(next).trim_start().starts_with('#') && indent(self.text.line(next)) > depth {
            next = next.checked_add(1)?;
        }
        self.splices.push(Splice::remove(self.text.line_start(first)..self.text.line_start(next)));
        Some(())
    }

    /// Removes some children of `[…]` or `{…}`, each with one comma. At least one child must stay.
    fn remove_flow(&mut self, children: &[Node<'_, '_>], removed: &[bool]) -> Option<()> {
        let (kept, tail) = children.split_at(removed.iter().rposition(|removed| !removed)?.checked_add(1)?);
        for ((child, next), _) in
            kept.iter().zip(kept.iter().skip(1)).zip(removed).filter(|(_, removed)| **removed)
        {
            let (start, next) = (self.text.offset(child.start())?, self.text.offset(next.start())?);
            let has_comment = self.text.get(start..next)?.contains('#');
            let range =
                if has_comment { self.text.extent(start..self.text.end(child.value)?)? } else { start..next };
            self.splices.push(Splice::remove(range));
        }
        match tail.last() {
            Some(last) => {
                self.remove_tail(self.text.end(kept.last()?.value)?, tail, self.text.end(last.value)?)
            }
            None => Some(()),
        }
    }

    /// Removes the children from `start`, where the last remaining child ends, to `end`, where they end.
    fn remove_tail(&mut self, start: usize, tail: &[Node<'_, '_>], end: usize) -> Option<()> {
        let text = self.text.get(start..end)?;
        if !text.contains('#') {
            self.splices.push(Splice::remove(start..end));
            return Some(());
        }
        let comma = start.checked_add(text.find(',')?)?;
        self.splices.push(Splice::remove(comma..comma.checked_add(1)?));
        self.remove_extents(tail)
    }

    /// Removes children of `[…]` or `{…}` one by one, and keeps the comments between them.
    fn remove_extents(&mut self, children: &[Node<'_, '_>]) -> Option<()> {
        for child in children {
            let range = self.text.offset(child.start())?..self.text.end(child.value)?;
            self.splices.push(Splice::remove(self.text.extent(range)?));
        }
        Some(())
    }

    /// Returns the column in which the keys or items of a block start.
    fn column(&self, node: &Node<'_, '_>) -> Option<usize> {
        if matches!(node.value.data, YamlData::Mapping(_)) {
            return Some(node.value.span.start.col());
        }
        let last = self.children(node).last()?.value;
        Some(indent(self.text.line(self.text.dash_line(last)?)))
    }

    fn children<'n, 't>(&self, node: &Node<'n, 't>) -> Vec<Node<'n, 't>> {
        let in_flow = self.text.is_flow(node.value);
        match &node.value.data {
            YamlData::Mapping(entries) => {
                entries.iter().map(|(key, value)| Node { key: Some(key), value, in_flow }).collect()
            }
            YamlData::Sequence(items) => {
                items.iter().map(|value| Node { key: None, value, in_flow }).collect()
            }
            YamlData::Value(_)
            | YamlData::Representation(..)
            | YamlData::Tagged(..)
            | YamlData::Alias(_)
            | YamlData::BadValue => Vec::new(),
        }
    }
}

impl Node<'_, '_> {
    fn name(&self) -> Option<&str> {
        self.key?.data.as_str()
    }

    fn start(&self) -> Marker {
        self.key.unwrap_or(self.value).span.start
    }
}

/// Whether two list items are the same: they are equal, or have the same id.
fn is_same(one: &Value, other: &Value) -> bool {
    one == other || one.get("id").is_some_and(|id| other.get("id") == Some(id))
}

fn indent(line: &str) -> usize {
    line.len().saturating_sub(line.trim_start_matches(' ').len())
}

fn value(registry: &Registry) -> Result<Value, Failure> {
    serde_json::to_value(registry).map_err(|error| Failure::new(error.to_string()))
}

const INDENT: usize = 2;
