//! Generates the schemas from the types that read the files.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};
use tokenward::engine::authoring::case::Case;
use tokenward::engine::config::bundle::{PolicyDocument, Registry};
use tokenward::engine::config::settings::Settings;
use tokenward::engine::memory::chain_id::ChainId;
use tokenward::engine::report::audit::Event;

/// Each schema: the name of its file in `schemas` without `.json`, and its text.
pub(crate) fn all() -> [(&'static str, String); 6] {
    let policy = schema::<PolicyDocument>("policy", "policy", "policy.yaml: who may do what.");
    let tokens =
        schema::<Registry>("tokens", "tokens", "tokens.yaml: who holds a token, and what limits it.");
    let test = schema::<Vec<Case>>(
        "test",
        "policy tests",
        "*.test.yaml beside a policy: requests, and what the policy is to decide about them.",
    );
    let mut gateway = schema::<Settings>(
        "gateway",
        "gateway",
        "gateway.yaml: how the filter acts on decisions; the plugin configuration without its bundle.",
    );
    take_out(&mut gateway, "bundle");
    let mut configuration = schema::<Settings>(
        "configuration",
        "plugin configuration",
        "What Envoy gives the filter: the bundle, and how the filter acts on decisions.",
    );
    configuration.insert("required".to_owned(), json!(["bundle"]));
    let mut event = schema::<Event<'static>>(
        "event",
        "audit event",
        "A line of the audit: what the filter tells of each request, and of itself.",
    );
    definitions(&mut event).for_each(|(_, schema)| chained(schema));
    let schemas = [policy, tokens, test, gateway, configuration, event].map(text);
    let [policy, tokens, test, gateway, configuration, event] = schemas;
    [
        ("policy", policy),
        ("tokens", tokens),
        ("test", test),
        ("gateway", gateway),
        ("configuration", configuration),
        ("event", event),
    ]
}

/// Adds the fields that the journal appends to an event.
fn chained(schema: &mut Map<String, Value>) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    let Some(properties) = properties.filter(|properties| properties.contains_key("seq")) else { return };
    let example = ChainId { life: 0x1b2f_60c4_9a75_d3e8, number: 3 }.to_string();
    properties.insert(
        "chain".to_owned(),
        json!({
            "description": "Name of the chain: the life of an Envoy, and the number of a VM in it.",
            "type": "string", "pattern": "^[0-9a-f]{16}-[1-9][0-9]*$", "examples": [example],
        }),
    );
    properties.insert(
        "hash".to_owned(),
        json!({
            "description": "Hash over all before it and the hash of the event before: docs/reference/audit.md.",
            "type": "string", "pattern": "^[0-9a-f]{32}$",
        }),
    );
    schema.insert("dependentRequired".to_owned(), json!({ "chain": ["hash"], "hash": ["chain"] }));
}

fn schema<T: JsonSchema>(name: &str, title: &str, description: &str) -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(tidy));
    // Events are written; all other types are read.
    let settings = if name == "event" { settings.for_serialize() } else { settings };
    let Value::Object(mut generated) = settings.into_generator().into_root_schema_for::<T>().into() else {
        panic!("`{name}` is no object");
    };
    for (definition, schema) in definitions(&mut generated) {
        introduce(definition, schema);
    }
    let mut schema = Map::new();
    schema.extend(generated.remove_entry("$schema"));
    schema.insert("$id".to_owned(), format!("urn:tokenward:schema:v1:{name}").into());
    schema.insert("title".to_owned(), format!("tokenward {title}").into());
    schema.insert("description".to_owned(), description.into());
    schema.extend(generated.into_iter().filter(|(key, _)| !["title", "description"].contains(&key.as_str())));
    schema
}

/// Removes details that serde's types imply but the formats do not have: `null` for absent values, and the widths of
/// numbers.
fn tidy(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    let null = json!({ "type": "null" });
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get("anyOf")
        && let [Value::Object(choice), other] = choices.as_slice()
        && *other == null
    {
        let choice = choice.clone();
        object.shift_remove("anyOf");
        object.extend(choice);
    }
    if object.get("default") == Some(&Value::Null) {
        object.shift_remove("default");
    }
    if object.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        object.shift_remove("format");
    }
}

/// Gives a definition a readable title, and the message that an editor shows if its pattern does not match.
fn introduce(name: &str, schema: &mut Map<String, Value>) {
    let title = schema.get("title").and_then(Value::as_str).map_or_else(|| words(name), str::to_owned);
    schema.insert("title".to_owned(), title.clone().into());
    if schema.contains_key("pattern") {
        let rule = schema.get("patternErrorMessage").or(schema.get("description")).and_then(Value::as_str);
        let said = format!("not a valid {title}: {}", rule.unwrap_or_default());
        // Editors know this keyword; other programs must ignore it (JSON Schema Core §6.5).
        schema.insert("patternErrorMessage".to_owned(), said.into());
    }
}

/// Converts `PermissionName` to `permission name`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for (position, letter) in name.chars().enumerate() {
        if position > 0 && letter.is_uppercase() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

/// Removes a property from a schema, and the definitions that are then unused.
fn take_out(schema: &mut Map<String, Value>, property: &str) {
    schema.get_mut("properties").unwrap().as_object_mut().unwrap().shift_remove(property).unwrap();
    loop {
        let text = Value::from(schema.clone()).to_string();
        let unused = definitions(schema)
            .map(|(name, _)| name.clone())
            .find(|name| !text.contains(&format!("\"#/$defs/{name}\"")));
        let Some(unused) = unused else { return };
        schema.get_mut("$defs").unwrap().as_object_mut().unwrap().shift_remove(&unused);
    }
}

fn definitions(schema: &mut Map<String, Value>) -> impl Iterator<Item = (&String, &mut Map<String, Value>)> {
    let definitions = schema.get_mut("$defs").and_then(Value::as_object_mut);
    definitions.into_iter().flatten().filter_map(|(name, schema)| Some((name, schema.as_object_mut()?)))
}

fn text(schema: Map<String, Value>) -> String {
    format!("{:#}\n", Value::Object(schema))
}
