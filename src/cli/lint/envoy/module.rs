//! Recognizes tokenward among Wasm filters: its configuration has a bundle, or a feed that fetches one.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use crate::cli::lint::envoy::tree::{at, text, type_of};
use crate::engine::config::settings::{IdentityHeaders, Settings};
use crate::engine::words::header::same_header;

/// The tokenward configuration of a filter.
#[derive(Clone, Debug, Default)]
pub(super) struct Ours {
    pub(super) identity_headers: IdentityHeaders,
    pub(super) forward_credential: bool,
}

impl Ours {
    /// Reads the tokenward configuration of a filter; `None` if it is another filter.
    pub(super) fn of(filter: &Value) -> Option<Self> {
        Self::configured(text(filter, "name"), at(filter, "typed_config"))
    }

    /// Reads the tokenward configuration of a filter with this name.
    pub(super) fn configured(name: &str, configuration: &Value) -> Option<Self> {
        if !is_wasm(configuration) {
            return None;
        }
        let plugin = at(configuration, "config");
        let any = at(plugin, "configuration");
        if any.is_null() {
            // The filter has no configuration yet, so go by its name.
            let names =
                [name, text(plugin, "name"), text(plugin, "root_id"), text(plugin, "vm_config/vm_id")];
            return names.iter().any(|name| name.contains(NAME)).then(Self::default);
        }
        let Value::Object(settings) = plugin_configuration(any)? else { return None };
        Self::of_settings(settings)
    }

    fn of_settings(mut settings: Map<String, Value>) -> Option<Self> {
        let bundle = settings.shift_remove("bundle");
        let has_bundle = bundle.is_some_and(|bundle| match bundle {
            Value::Object(bundle) => bundle.contains_key("version") && bundle.contains_key("permissions"),
            Value::String(envelope) => envelope.contains("payloadType"),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => false,
        });
        let has_feed = settings.get("feed").is_some_and(|feed| feed.get("cluster").is_some());
        if !has_bundle && !has_feed {
            return None;
        }
        // Settings may be newer than this version, so only the place of the bundle must be known.
        let settings: Settings = serde_json::from_value(Value::Object(settings)).unwrap_or_default();
        let Settings { identity_headers, forward_credential, .. } = settings;
        Some(Self { identity_headers, forward_credential })
    }

    /// Whether a header tells the upstream who the caller is.
    pub(super) fn names_the_caller(&self, header: &str) -> bool {
        let IdentityHeaders { token, identity } = &self.identity_headers;
        [token, identity].iter().any(|name| same_header(header.as_bytes(), name.as_bytes()))
    }
}

/// Whether this is the configuration of a Wasm filter.
pub(super) fn is_wasm(configuration: &Value) -> bool {
    type_of(configuration) == WASM
}

/// The configuration that Envoy passes to a plugin, if it is JSON (source/common/common/utility.h, `anyToBytes`).
fn plugin_configuration(any: &Value) -> Option<Value> {
    match type_of(any) {
        "google.protobuf.StringValue" => serde_json::from_str(text(any, "value")).ok(),
        "google.protobuf.BytesValue" => {
            let bytes = BASE64_STANDARD.decode(text(any, "value")).ok()?;
            serde_json::from_slice(&bytes).ok()
        }
        "google.protobuf.Struct" => Some(at(any, "value").clone()),
        _ => None,
    }
}

const NAME: &str = "tokenward";
/// The type of a Wasm filter's configuration.
pub(super) const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
