//! Reads a YAML text into a tree of values, with mappings in text order.

use saphyr::{LoadableYamlNode, MarkedYaml, Marker, Scalar, YamlData};
use serde_json::{Map, Value};

use crate::cli::excerpt::lines::Lines;
use crate::cli::position::Position;
use crate::cli::source::syntax::{Mistake, NO_KEY, mistake};
use crate::cli::source::tree::keys::repeated;

mod keys;

/// Reads the tree of a YAML text, and the mistakes that a tree cannot hold; these values are null in the tree.
///
/// # Errors
/// The first syntax error, or every repeated key.
pub(super) fn of(lines: &Lines) -> Result<(Value, Vec<Mistake>), Vec<Mistake>> {
    let documents = MarkedYaml::load_from_str(lines.text()).map_err(|error| {
        let repeated =
            if error.info().contains("duplicated key") { repeated(lines.text()) } else { Vec::new() };
        if repeated.is_empty() { vec![mistake(lines, error.info(), at(*error.marker()))] } else { repeated }
    })?;
    match documents.as_slice() {
        [] => Err(vec![nothing()]),
        [bundle] if is_nothing(bundle) => Err(vec![nothing()]),
        [bundle] => {
            let mut tree = Tree { lines, mistakes: Vec::new() };
            Ok((tree.value(bundle, MAX_DEPTH), tree.mistakes))
        }
        [_, second, ..] => Err(vec![another(at(second.span.start))]),
    }
}

/// The position of a mark.
pub(super) fn at(mark: Marker) -> Position {
    Position { line: mark.line(), column: mark.col().saturating_add(1) }
}

fn nothing() -> Mistake {
    Mistake::new("there is nothing in this file", Position { line: 1, column: 1 })
}

fn another(at: Position) -> Mistake {
    Mistake::new("a second document begins", at)
        .hint("keep one document in a file: remove the `---` or `...` before it")
}

fn is_nothing(node: &MarkedYaml<'_>) -> bool {
    matches!(node.data, YamlData::Value(Scalar::Null)) && node.span.is_empty()
}

/// The state while building a tree.
struct Tree<'l> {
    lines: &'l Lines,
    mistakes: Vec<Mistake>,
}

impl Tree<'_> {
    fn value(&mut self, node: &MarkedYaml<'_>, depth: usize) -> Value {
        let Some(depth) = depth.checked_sub(1) else {
            self.mistakes.push(Mistake::new("the document is nested too deeply", at(node.span.start)));
            return Value::Null;
        };
        match &node.data {
            YamlData::Value(scalar) => scalar_value(scalar),
            YamlData::Sequence(items) => items.iter().map(|item| self.value(item, depth)).collect(),
            YamlData::Mapping(entries) => {
                let mut map = Map::new();
                for (key, entry) in entries {
                    match key.data.as_str() {
                        Some(name) => drop(map.insert(name.to_owned(), self.value(entry, depth))),
                        None => self.not_allowed(key, NO_KEY),
                    }
                }
                // For example `{tenant}`, which was meant as text.
                let is_text = entries.iter().any(|(key, _)| matches!(key.data, YamlData::Mapping(_)));
                if is_text { Value::Null } else { Value::Object(map) }
            }
            YamlData::Tagged(..) => {
                self.not_allowed(node, "tags are not allowed");
                Value::Null
            }
            YamlData::Representation(..) | YamlData::Alias(_) | YamlData::BadValue => {
                self.not_allowed(node, "this is not a value");
                Value::Null
            }
        }
    }

    fn not_allowed(&mut self, node: &MarkedYaml<'_>, what: &str) {
        self.mistakes.push(mistake(self.lines, what, at(node.span.start)));
    }
}

fn scalar_value(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(flag) => Value::from(*flag),
        Scalar::Integer(number) => Value::from(*number),
        Scalar::FloatingPoint(number) => Value::from(number.into_inner()),
        Scalar::String(text) => Value::from(text.as_ref()),
    }
}

/// Maximum nesting of a document.
const MAX_DEPTH: usize = 32;
