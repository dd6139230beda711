//! Converts a protobuf Struct to a tree: Envoy passes it in protobuf's binary format.
//!
//! In: the bytes of a plugin configuration. Out: the tree, if the bytes are a `google.protobuf.Struct` and not JSON
//! text. Envoy documents that it converts a Struct to JSON, but 1.40 does not.

use prost::Message;
use prost_types::Struct;
use prost_types::value::Kind;
use serde_json::{Map, Value};

/// Reads a Struct; `None` if the bytes are not a Struct.
pub(crate) fn tree(bytes: &[u8]) -> Option<Value> {
    // Text is never mistaken for a Struct: a line feed and a brace would be a field of 123 bytes that starts with
    // another line feed, and so on to the last byte.
    let [TAG_FIELDS, _, ..] = bytes else { return None };
    Struct::decode(bytes).ok().and_then(object)
}

fn object(fields: Struct) -> Option<Value> {
    let entries = fields.fields.into_iter().map(|(key, field)| Some((key, value(field)?)));
    entries.collect::<Option<Map<_, _>>>().map(Value::Object)
}

fn value(value: prost_types::Value) -> Option<Value> {
    Some(match value.kind? {
        Kind::NullValue(_) => Value::Null,
        Kind::BoolValue(flag) => Value::Bool(flag),
        Kind::NumberValue(number) => self::number(number),
        Kind::StringValue(text) => Value::String(text),
        Kind::StructValue(fields) => object(fields)?,
        Kind::ListValue(list) => {
            Value::Array(list.values.into_iter().map(self::value).collect::<Option<_>>()?)
        }
    })
}

/// A Struct has no integers, so a number that a double represents exactly is read as an integer.
fn number(number: f64) -> Value {
    let exact = number.fract() == 0.0 && (0.0..=MAX_EXACT).contains(&number);
    if !exact {
        return Value::from(number);
    }
    format!("{number}").parse::<u64>().map_or(Value::Null, Value::from)
}

/// Field 1, length-delimited: an entry of the map `fields`.
const TAG_FIELDS: u8 = 0x0A;
/// 2^53 - 1.
const MAX_EXACT: f64 = 9_007_199_254_740_991.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_text_is_not_a_struct() {
        for text in ["", "{}", "\n", "\n{}", "\n{\"a\":1}", "\n  {\"bundle\": {}}\n"] {
            assert_eq!(tree(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn whole_numbers_of_a_struct_become_integers() {
        // {"n": 1, "s": [true, 0.5]}: the fields of Struct, Value and ListValue as protobuf writes them.
        let n = b"\n\x0e\n\x01n\x12\x09\x11\0\0\0\0\0\0\xf0\x3f";
        let s = b"\n\x16\n\x01s\x12\x112\x0f\n\x02\x20\x01\n\x09\x11\0\0\0\0\0\0\xe0\x3f";
        let tree = tree(&[&n[..], s].concat());
        assert_eq!(tree, Some(serde_json::json!({ "n": 1, "s": [true, 0.5] })));
    }
}
