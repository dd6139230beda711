//! Converts the syntax that Envoy's JSON parser accepts beyond protobuf's JSON mapping.
//!
//! In: the fields of a message as written. Out: equivalent fields for a strict parser. Envoy parses with
//! `allow_legacy_syntax`: a boolean may be text, an enum may be in lower case, a list of one item may be the item
//! itself, and a wrapped value may be `{ value: … }`.

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

use crate::engine::config::problem::Place;

/// Reads fields that may hold any message.
pub(super) trait AnyMessage {
    /// Reads the message with these fields; returns a placeholder for it.
    fn stand_in(&mut self, fields: &Map<String, Value>, place: &Place) -> Value;
}

/// Reads the fields of a message, including those that may hold any message.
pub(super) fn message(
    messages: &mut dyn AnyMessage,
    message: &MessageDescriptor,
    fields: &Map<String, Value>,
    place: &Place,
) -> Value {
    let strict = |(key, value): (&String, &Value)| {
        let field = message.get_field_by_name(key).or_else(|| message.get_field_by_json_name(key));
        let value = match field {
            Some(field) => field_value(messages, &field, value, &place.key(key)),
            None => value.clone(),
        };
        (key.clone(), value)
    };
    Value::Object(fields.iter().map(strict).collect())
}

fn field_value(
    messages: &mut dyn AnyMessage,
    field: &FieldDescriptor,
    value: &Value,
    place: &Place,
) -> Value {
    if field.is_map()
        && let (Kind::Message(entry), Value::Object(entries)) = (field.kind(), value)
    {
        let kind = entry.map_entry_value_field().kind();
        let entries = entries.iter();
        return Value::Object(
            entries.map(|(key, value)| (key.clone(), one(messages, &kind, value, &place.key(key)))).collect(),
        );
    }
    if !field.is_list() {
        return one(messages, &field.kind(), value, place);
    }
    let items = match value {
        Value::Array(items) => items.as_slice(),
        Value::Null => &[],
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            std::slice::from_ref(value)
        }
    };
    let items = items.iter().enumerate().filter(|(_, item)| !item.is_null());
    items.map(|(number, item)| one(messages, &field.kind(), item, &place.index(number))).collect()
}

fn one(messages: &mut dyn AnyMessage, kind: &Kind, value: &Value, place: &Place) -> Value {
    let strict = match kind {
        Kind::Message(message) => return nested(messages, message, value, place),
        Kind::Bool => value.as_str().and_then(boolean).map(Value::from),
        Kind::Enum(names) => value.as_str().and_then(|text| constant(names, text)),
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Sint32 | Kind::Sint64 => {
            value.as_str().and_then(integral)
        }
        Kind::Fixed32 | Kind::Fixed64 | Kind::Sfixed32 | Kind::Sfixed64 => None,
        Kind::Double | Kind::Float | Kind::String | Kind::Bytes => None,
    };
    strict.unwrap_or_else(|| value.clone())
}

fn nested(
    messages: &mut dyn AnyMessage,
    descriptor: &MessageDescriptor,
    value: &Value,
    place: &Place,
) -> Value {
    let name = descriptor.full_name().strip_prefix("google.protobuf.");
    match (name, value) {
        (Some("Any"), Value::Object(entries)) if entries.is_empty() => Value::Null,
        (Some("Any"), Value::Object(entries)) => messages.stand_in(entries, place),
        (Some("Duration"), Value::Object(fields)) => {
            let part = |key| fields.get(key).and_then(Value::as_i64).unwrap_or(0);
            format!("{}.{:09}s", part("seconds"), part("nanos")).into()
        }
        (Some(name), _) if name.ends_with("Value") && name != "Value" && name != "ListValue" => {
            let inner = value.as_object().map_or(value, |fields| fields.get("value").unwrap_or(&Value::Null));
            let kind = descriptor.get_field_by_name("value").map(|field| field.kind());
            kind.map_or_else(|| inner.clone(), |kind| one(messages, &kind, inner, place))
        }
        (Some(_), _) => value.clone(),
        (None, Value::Object(fields)) => message(messages, descriptor, fields, place),
        (None, _) => value.clone(),
    }
}

/// Reads a boolean as Abseil's `SimpleAtob` does.
fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// Reads an enum value by its name in any case, or by its number.
fn constant(names: &EnumDescriptor, text: &str) -> Option<Value> {
    if let Some(value) = names.values().find(|value| value.name().eq_ignore_ascii_case(text)) {
        return Some(value.name().into());
    }
    text.trim().parse::<i32>().ok().map(Value::from)
}

/// Reads a whole number that is written with a point or an exponent.
fn integral(text: &str) -> Option<Value> {
    text.contains(['.', 'e', 'E']).then(|| text.parse::<f64>().ok().map(Value::from)).flatten()
}
