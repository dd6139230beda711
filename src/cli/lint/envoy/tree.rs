//! Walks a tree of JSON.

use serde_json::Value;

use crate::engine::config::problem::{Place, Step};

/// A value, and its place.
#[derive(Clone, Debug)]
pub(super) struct Found<'e> {
    pub(super) value: &'e Value,
    pub(super) place: Place,
}

impl<'e> Found<'e> {
    /// The value of this key.
    pub(super) fn key(&self, key: &str) -> Option<Self> {
        self.value.get(key).map(|value| Self { value, place: self.place.key(key) })
    }

    /// The items of this key.
    pub(super) fn items(&self, key: &str) -> Vec<Self> {
        let place = self.place.key(key);
        let items = at(self.value, key).as_array().map_or(&[][..], Vec::as_slice);
        items.iter().enumerate().map(|(number, value)| Self { value, place: place.index(number) }).collect()
    }

    /// The value and everything inside it.
    pub(super) fn all(&self) -> Vec<Self> {
        let mut all = Vec::new();
        self.add_all(&mut all);
        all
    }

    fn add_all(&self, all: &mut Vec<Self>) {
        all.push(self.clone());
        match self.value {
            Value::Object(entries) => {
                let below = entries.iter().map(|(key, value)| Self { value, place: self.place.key(key) });
                below.for_each(|found| found.add_all(all));
            }
            Value::Array(items) => {
                let below = items.iter().enumerate();
                let below = below.map(|(number, value)| Self { value, place: self.place.index(number) });
                below.for_each(|found| found.add_all(all));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// The value at the path, as in `config/vm_config`; null if it is missing.
pub(super) fn at<'v>(value: &'v Value, keys: &str) -> &'v Value {
    keys.split('/').try_fold(value, |value, key| value.get(key)).unwrap_or(&Value::Null)
}

/// Whether the value at the path is `true`.
pub(super) fn is_set(value: &Value, keys: &str) -> bool {
    at(value, keys) == &Value::Bool(true)
}

/// The text at the path; empty if it is missing.
pub(super) fn text<'v>(value: &'v Value, keys: &str) -> &'v str {
    at(value, keys).as_str().unwrap_or_default()
}

/// The type name of a message in a `google.protobuf.Any`, such as `envoy.config.route.v3.FilterConfig`.
pub(super) fn type_of(value: &Value) -> &str {
    text(value, TYPE).rsplit('/').next().unwrap_or_default()
}

/// The place in the original text, where a key may be `failurePolicy` and a single item needs no list.
pub(super) fn written(place: &Place, mut value: &Value) -> Place {
    let mut written = Vec::new();
    for step in place.steps() {
        // A `TypedStruct` holds the message in its `value`.
        let below = |value: &Value| is_key_of(step, value.get("value")?).then_some(());
        if !is_key_of(step, value)
            && below(value).is_some()
            && let Some(inner) = value.get("value")
        {
            written.push(Step::Key("value".to_owned()));
            value = inner;
        }
        match (step, value) {
            (Step::Key(key), Value::Object(entries)) => {
                let Some((name, inner)) = entries.iter().find(|(name, _)| is_same(name, key)) else { break };
                written.push(Step::Key(name.clone()));
                value = inner;
            }
            (Step::Index(index), Value::Array(items)) => {
                let Some(inner) = items.get(*index) else { break };
                written.push(Step::Index(*index));
                value = inner;
            }
            (Step::Index(_), _) => {}
            (Step::Key(_), _) => break,
        }
    }
    written.into_iter().collect()
}

fn is_key_of(step: &Step, value: &Value) -> bool {
    match (step, value) {
        (Step::Key(key), Value::Object(entries)) => entries.keys().any(|name| is_same(name, key)),
        _ => false,
    }
}

/// Whether `written` is `name`, or `name` in camel case.
fn is_same(written: &str, name: &str) -> bool {
    let bare = |text: &str| text.replace('_', "").to_ascii_lowercase();
    written == name || bare(written) == bare(name)
}

/// The key of a `google.protobuf.Any` with its type.
pub(super) const TYPE: &str = "@type";
