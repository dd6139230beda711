//! The host's shared data, which all workers of one Envoy read and change at the same time.

use crate::engine::config::settings::Settings;
use crate::filter::host::{self, ABSENT, Stored};

/// The key of data that belongs to one gateway and outlives its configurations.
///
/// Other modules may share the namespace (every WasmPlugin of Istio does), so the key starts with `tokenward`.
/// Plugins with another name or in another place are other gateways.
pub(super) fn key(what: &str, settings: &Settings) -> Vec<u8> {
    let mut key = format!("tokenward/{what}/{}/", settings.location()).into_bytes();
    key.extend(host::plugin_name());
    key
}

/// Changes the value of a key. `change` gets the current value, if any, and returns the new value, if any, and a
/// result.
///
/// If another worker changes the value at the same moment, `change` runs again with the new value. Returns `None` if
/// the host fails or other workers are always faster.
pub(super) fn change<T>(
    key: &[u8],
    mut change: impl FnMut(Option<&[u8]>) -> (Option<Vec<u8>>, T),
) -> Option<T> {
    for _ in 0..MAX_TRIES {
        let (bytes, version) = match host::shared_data(key) {
            Stored::Value(bytes, version) => (Some(bytes), version),
            Stored::Nothing => (None, ABSENT),
            Stored::Failed => return None,
        };
        let (new, answer) = change(bytes.as_deref());
        match new {
            Some(new) if !host::replace_shared_data(key, &new, version) => {}
            Some(_) | None => return Some(answer),
        }
    }
    None
}

const MAX_TRIES: usize = 100;
