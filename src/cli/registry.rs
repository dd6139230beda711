//! Editing the registry's text: comments, order and style of what is not changed stay as they are.

use std::collections::BTreeMap;

use serde_json::Value;
use yaml_serde::Value as Yaml;
use yamlpatch::{Op, Patch};
use yamlpath::route;

use crate::cli::failure::Failure;
use crate::engine::document::{Registry, Secret, Token};
use crate::engine::name::TokenId;

/// The text of a registry with one token more.
///
/// # Errors
/// That the text is in a style that cannot be edited.
pub(super) fn with_token(
    text: &str,
    registry: &Registry,
    id: &TokenId,
    token: &Token,
) -> Result<String, Failure> {
    let token = yaml(token)?;
    if registry.tokens.is_empty() {
        // `tokens: {}` or no `tokens` at all: nothing there is worth keeping.
        let tokens = Yaml::Mapping([(Yaml::from(id.as_str()), token)].into_iter().collect());
        let present = registry_has_tokens(text);
        let operation =
            if present { Op::Replace(tokens) } else { Op::Add { key: "tokens".to_owned(), value: tokens } };
        let route = if present { route!("tokens") } else { route!() };
        return patch(text, Patch { route, operation });
    }
    patch(text, Patch { route: route!("tokens"), operation: Op::Add { key: id.to_string(), value: token } })
}

/// The text of a registry in which `id` has one secret more.
///
/// # Errors
/// That the text is in a style that cannot be edited.
pub(super) fn with_secret(
    text: &str,
    known: &Token,
    id: &TokenId,
    secret: &Secret,
) -> Result<String, Failure> {
    let secret = yaml(secret)?;
    let token = || route!("tokens", id.as_str());
    let secrets = || route!("tokens", id.as_str(), "secrets");
    if !known.secrets.is_empty() {
        return patch(text, Patch { route: secrets(), operation: Op::Append { value: secret } });
    }
    let list = Yaml::Sequence(vec![secret]);
    patch(text, Patch { route: secrets(), operation: Op::Replace(list.clone()) }).or_else(|_| {
        patch(text, Patch { route: token(), operation: Op::Add { key: "secrets".to_owned(), value: list } })
    })
}

fn registry_has_tokens(text: &str) -> bool {
    yaml_serde::from_str::<BTreeMap<String, Yaml>>(text).is_ok_and(|document| document.contains_key("tokens"))
}

fn patch(text: &str, patch: Patch<'_>) -> Result<String, Failure> {
    let cannot = |error: String| {
        Failure::new(format!("cannot edit the registry's text: {error}"))
            .hint("write `tokens` and `secrets` in block style: one key or `- ` item a line")
    };
    let document = yamlpath::Document::new(text).map_err(|error| cannot(error.to_string()))?;
    let patched =
        yamlpatch::apply_yaml_patches(&document, &[patch]).map_err(|error| cannot(error.to_string()))?;
    Ok(patched.source().to_owned())
}

fn yaml(value: &impl serde::Serialize) -> Result<Yaml, Failure> {
    let json: Value = serde_json::to_value(value).map_err(|error| Failure::new(error.to_string()))?;
    yaml_serde::to_value(json).map_err(|error| Failure::new(error.to_string()))
}
