//! Documents as files: YAML or JSON text into data, and places in the data back into lines of the text.

use std::io::Read;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::cli::failure::Failure;
use crate::cli::position::Position;
use crate::engine::config::bundle;
use crate::engine::config::bundle::MAX_BYTES;
use crate::engine::config::envelope::{Envelope, PayloadType};
use crate::engine::config::problem::{Fault, Place, Problem, Problems, Step};

/// A file that was read.
#[derive(Debug)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    text: String,
}

impl Source {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// That it cannot be read, is not UTF-8, or is too large.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let cannot = |why: String| Failure::new(format!("cannot read {}: {why}", path.display()));
        let size = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?.len();
        if size > MAX_BYTES as u64 {
            return Err(cannot(format!("{size} bytes are more than the {MAX_BYTES} allowed")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// Reads standard input, which is `-` in messages.
    ///
    /// # Errors
    /// That it cannot be read, is not UTF-8, or is too large.
    pub(crate) fn standard_input() -> Result<Self, Failure> {
        let cannot = |why: String| Failure::new(format!("cannot read standard input: {why}"));
        let limit = (MAX_BYTES as u64).saturating_add(1);
        let mut text = String::new();
        std::io::stdin().take(limit).read_to_string(&mut text).map_err(|error| cannot(error.to_string()))?;
        if text.len() > MAX_BYTES {
            return Err(cannot(format!("it has more than the {MAX_BYTES} bytes allowed")));
        }
        Ok(Self { path: "-".into(), text })
    }

    /// The bundle in a signed one, whoever signed it; any other file as it is.
    #[must_use]
    pub fn opened(self) -> Self {
        let envelope = Envelope::parse(self.text.as_bytes(), PayloadType::Bundle).ok();
        let payload = envelope.and_then(|envelope| String::from_utf8(envelope.payload().to_vec()).ok());
        Self { text: payload.unwrap_or(self.text), ..self }
    }

    /// The file's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the file says that it is JSON.
    pub fn is_json(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "json")
    }

    /// The value that the text is.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Problems> {
        if self.is_json() {
            return bundle::from_json(self.text.as_bytes());
        }
        parse_yaml(&self.text)
    }

    /// The position of each place, or of the nearest thing around it that the text has.
    pub fn positions(&self, places: &[&Place]) -> Vec<Option<Position>> {
        let documents = if places.is_empty() { None } else { MarkedYaml::load_from_str(&self.text).ok() };
        let root = documents.as_ref().and_then(|documents| documents.first());
        places.iter().map(|place| root.map(|root| position(root, place))).collect()
    }
}

fn position(root: &MarkedYaml<'_>, place: &Place) -> Position {
    let mut node = root;
    let mut marker = root.span.start;
    for step in place.steps() {
        let found = match (step, &node.data) {
            (Step::Key(key), YamlData::Mapping(entries)) => {
                let entry = entries.iter().find(|(name, _)| name.data.as_str() == Some(key));
                entry.map(|(name, value)| (name.span.start, value))
            }
            (Step::Index(index), YamlData::Sequence(items)) => {
                items.get(*index).map(|item| (item.span.start, item))
            }
            _ => None,
        };
        let Some((start, next)) = found else { break };
        let scalar = matches!(next.data, YamlData::Value(_));
        (node, marker) = (next, if scalar { next.span.start } else { start });
    }
    Position { line: marker.line(), column: marker.col().saturating_add(1) }
}

/// The value that a YAML text is.
///
/// # Errors
/// The first thing that is wrong with it.
pub(super) fn parse_yaml<T: DeserializeOwned>(text: &str) -> Result<T, Problems> {
    bundle::from_tree(&tree(text)?)
}

/// The tree of a YAML text.
fn tree(text: &str) -> Result<Value, Problems> {
    let syntax = |message: String, line, column| {
        Problems::from(Problem { place: Place::default(), fault: Fault::Syntax { message, line, column } })
    };
    let nothing = || syntax("there is nothing in this file".to_owned(), 1, 1);
    let documents = MarkedYaml::load_from_str(text).map_err(|error| {
        let marker = error.marker();
        syntax(error.info().to_owned(), marker.line(), marker.col().saturating_add(1))
    })?;
    match documents.as_slice() {
        [] => Err(nothing()),
        [bundle] if is_nothing(bundle) => Err(nothing()),
        [bundle] => value(bundle, MAX_DEPTH).map_err(|(node, message)| {
            syntax(message.to_owned(), node.span.start.line(), node.span.start.col().saturating_add(1))
        }),
        [_, second, ..] => Err(syntax(
            "a second document begins".to_owned(),
            second.span.start.line(),
            second.span.start.col().saturating_add(1),
        )),
    }
}

fn is_nothing(node: &MarkedYaml<'_>) -> bool {
    matches!(node.data, YamlData::Value(Scalar::Null)) && node.span.is_empty()
}

fn value<'y, 't>(
    node: &'y MarkedYaml<'t>,
    depth: usize,
) -> Result<Value, (&'y MarkedYaml<'t>, &'static str)> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err((node, "the document is nested too deeply"));
    };
    match &node.data {
        YamlData::Value(scalar) => Ok(scalar_value(scalar)),
        YamlData::Sequence(items) => {
            items.iter().map(|item| value(item, depth)).collect::<Result<_, _>>().map(Value::Array)
        }
        YamlData::Mapping(entries) => {
            let mut map = Map::new();
            for (key, entry) in entries {
                let name = key.data.as_str().ok_or((key, "a key must be text: put it in quotes"))?;
                map.insert(name.to_owned(), value(entry, depth)?);
            }
            Ok(Value::Object(map))
        }
        YamlData::Tagged(..) => Err((node, "tags are not allowed")),
        YamlData::Representation(..) | YamlData::Alias(_) | YamlData::BadValue => {
            Err((node, "this is not a value"))
        }
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

/// Deepest nesting of a document.
const MAX_DEPTH: usize = 32;
