//! The JSON Schemas in `schemas`: they are current, and they accept the same files as the programs.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;

use jsonschema::Validator;
use serde_json::{Value, json};

mod cases;
mod configurations;
mod events;
mod files;
mod generate;
mod texts;

#[test]
fn schemas_match_the_types() {
    for (name, generated) in generate::all() {
        let path = format!("schemas/{name}.json");
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            fs::write(&path, &generated).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == generated, "{path} is not what the types say: run  make schemas");
    }
}

#[test]
fn schemas_are_valid_and_without_null() {
    for (name, _) in generate::all() {
        let schema = schema(name);
        if let Err(error) = jsonschema::meta::validate(&schema) {
            panic!("{name}: {error}");
        }
        assert!(!schema.to_string().contains("null"), "{name}: what is absent is left out");
    }
}

/// The committed schema.
fn schema(name: &str) -> Value {
    let path = format!("schemas/{name}.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// A validator that is as strict as an editor: it also checks formats.
fn validator(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

/// The validator of one definition of a schema.
fn definition(schema: &Value, name: &str) -> Validator {
    validator(&json!({ "$defs": schema["$defs"], "$ref": format!("#/$defs/{name}") }))
}
