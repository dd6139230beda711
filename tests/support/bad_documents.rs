//! Bad documents: a policy, an optional registry, and the messages of `tokenward lint` about them.
//!
//! Each file in `tests/documents` is a list of them. Paths in `error` are relative to the document's own folder.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

/// A document that `lint`, `build` and the filter reject.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BadDocument {
    pub(crate) name: String,
    /// The text of `policy.yaml`.
    pub(crate) policy: String,
    /// The text of `tokens.yaml`, if there is one.
    pub(crate) tokens: Option<String>,
    /// What `lint` writes to stderr.
    pub(crate) error: String,
}

impl BadDocument {
    /// Writes the files to a new folder in `parent`; returns that folder.
    pub(crate) fn write(&self, parent: &Path) -> PathBuf {
        let folder = parent.join(self.name.replace(' ', "-"));
        std::fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        std::fs::write(folder.join("policy.yaml"), &self.policy).unwrap();
        if let Some(tokens) = &self.tokens {
            std::fs::write(folder.join("tokens.yaml"), tokens).unwrap();
        }
        folder
    }

    /// The plugin configuration with the same bundle; `None` if JSON has no equivalent of the YAML.
    pub(crate) fn configuration(&self) -> Option<String> {
        let mut bundle = mapping(&self.policy)?;
        if let Some(tokens) = &self.tokens {
            bundle.extend(mapping(tokens)?.into_iter().filter(|(key, _)| key != "version"));
        }
        Some(serde_json::json!({ "bundle": bundle }).to_string())
    }
}

/// All bad documents by topic, which is the name of their file.
pub(crate) fn topics() -> Vec<(String, Vec<BadDocument>)> {
    let entries = std::fs::read_dir("tests/documents").unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let documents = yaml_serde::from_str(&std::fs::read_to_string(&path).unwrap());
        let documents = documents.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.file_stem().unwrap().to_string_lossy().into_owned(), documents)
    };
    files.into_iter().map(read).collect()
}

/// All bad documents. Their names are unique.
pub(crate) fn all() -> impl Iterator<Item = BadDocument> {
    topics().into_iter().flat_map(|(_, documents)| documents)
}

fn mapping(text: &str) -> Option<Map<String, Value>> {
    match yaml_serde::from_str(text) {
        Ok(Value::Object(mapping)) => Some(mapping),
        Ok(_) | Err(_) => None,
    }
}
