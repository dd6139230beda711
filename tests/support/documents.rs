//! Bad documents: folders with a policy, perhaps a registry, and what `tokenward lint` is to say of them.

use std::path::Path;

use serde_json::{Map, Value};

/// The plugin configuration with the bundle that a folder would be; `None` where its YAML has no like in JSON.
pub(crate) fn configuration(folder: &Path) -> Option<String> {
    let mut bundle = mapping(&folder.join("policy.yaml"))?;
    let registry = folder.join("tokens.yaml");
    if registry.exists() {
        bundle.extend(mapping(&registry)?.into_iter().filter(|(key, _)| key != "version"));
    }
    Some(serde_json::json!({ "bundle": bundle }).to_string())
}

fn mapping(path: &Path) -> Option<Map<String, Value>> {
    match yaml_serde::from_str(&std::fs::read_to_string(path).unwrap()) {
        Ok(Value::Object(mapping)) => Some(mapping),
        Ok(_) | Err(_) => None,
    }
}

/// Where they are.
pub(crate) const ROOT: &str = "tests/documents";
