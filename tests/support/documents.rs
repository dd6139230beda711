//! Bad documents: folders with a policy, perhaps a registry, and what `tokenward lint` is to say of them.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// The folders, in the order of their names.
pub(crate) fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(ROOT).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

/// The bundle that a folder would be, as JSON; `None` where its YAML has no like in JSON.
pub(crate) fn bundle(folder: &Path) -> Option<Value> {
    let mut bundle = mapping(&folder.join("policy.yaml"))?;
    let registry = folder.join("tokens.yaml");
    if registry.exists() {
        bundle.extend(mapping(&registry)?.into_iter().filter(|(key, _)| key != "version"));
    }
    Some(Value::Object(bundle))
}

/// The plugin configuration with the bundle of a folder.
pub(crate) fn configuration(folder: &Path) -> Option<String> {
    bundle(folder).map(|bundle| serde_json::json!({ "bundle": bundle }).to_string())
}

fn mapping(path: &Path) -> Option<Map<String, Value>> {
    match yaml_serde::from_str(&std::fs::read_to_string(path).unwrap()) {
        Ok(Value::Object(mapping)) => Some(mapping),
        Ok(_) | Err(_) => None,
    }
}

/// Where they are.
pub(crate) const ROOT: &str = "tests/documents";
