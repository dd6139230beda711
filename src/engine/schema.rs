//! What JSON Schema is to say of the formats: the parts that no derive can tell.
//!
//! Each regular expression takes all that the type's own parser takes. Some refuse less than it does: a schema is
//! for editors and forms, and `lint` has the last word. Not in the module for Envoy.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::engine::document::Entries;
use crate::engine::path::LOOK_ALIKES;

impl<K: JsonSchema, V: JsonSchema> JsonSchema for Entries<K, V> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Of{}", V::schema_name(), K::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (keys, values) = (generator.subschema_for::<K>(), generator.subschema_for::<V>());
        json_schema!({ "type": "object", "propertyNames": keys, "additionalProperties": values })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// An operation: methods, perhaps a host, a path pattern.
pub(crate) fn operation() -> String {
    let methods = r"(?:\*|[A-Z0-9_-]+(?:,[A-Z0-9_-]+)*)";
    let label = "[A-Za-z0-9_-]+";
    // One label alone is no host, but for this one, in capitals or not.
    let localhost = "[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]";
    let name = format!(r"\*\.{label}(?:\.{label})*\.?|{label}(?:\.{label})*\.(?:{label})?|{localhost}");
    let host = format!(r"(?:{name}|\[[0-9A-Fa-f:.]+\]\.?)");
    // Printable ASCII but `# % * + / ; ? \ { }`; an escape but of a control byte or one of `% + / ; \`.
    let literal = r#"(?:[!"$&-),-.0-:<->@-\[\]-z|~]|%(?![01]|2[5BbFf]|3[Bb]|5[Cc]|7[Ff])[0-9A-Fa-f]{2})"#;
    let variable = r"(?:\*|\{[A-Za-z0-9_.-]+\}|\$\{[A-Za-z][A-Za-z0-9._:-]{0,63}\})";
    let dots = r"(?:\.|%2[Ee]){1,2}(?:/|\s*$)";
    let segment = format!("(?!{dots})(?:{literal}*{variable}{literal}*|{literal}+)");
    let path = format!(r"/(?:\*\*|{segment}(?:/{segment}){{0,31}}(?:/(?:\*\*)?)?)?");
    format!(r"^\s*{methods} \s*{host}?{path}\s*$")
}

/// The value of an attribute: what can stand in a path, but for one rule of its length in bytes.
pub(crate) fn attribute_value() -> String {
    let look_alikes: String = LOOK_ALIKES.iter().map(|c| format!(r"\u{:04X}", u32::from(*c))).collect();
    let no = format!(r"\u0000-\u001F\u007F-\u009F/%;\\{look_alikes}");
    format!(r"^(?![ +])[^{no}]*[^{no} +.]$")
}

/// A range of addresses.
pub(crate) fn address_range() -> String {
    let octet = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])";
    let v4 = format!(r"{octet}(?:\.{octet}){{3}}(?:/(?:3[0-2]|[0-2]?[0-9]))?");
    format!("^(?:{v4}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:/(?:12[0-8]|1[01][0-9]|0?[0-9]?[0-9]))?)$")
}

/// Hours of the week, but for the rule that they do not begin when they end.
pub(crate) fn hours() -> String {
    let day = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
    let minute = "(?:[01][0-9]|2[0-3]):[0-5][0-9]";
    format!(
        "^(?:{day}(?:-{day})?(?:,{day}(?:-{day})?)* )?{minute}-(?:{minute}|24:00)(?: (?:Z|[+-]{minute}))?$"
    )
}
