//! The host's shared data, which all workers of one Envoy read and change at the same time.

use crate::engine::config::settings::Settings;
use crate::filter::host::{self, ABSENT, Stored};

/// The key of what belongs to one gateway, whatever its configuration is at the time.
///
/// Other modules may share the namespace (every WasmPlugin of Istio does), so the key begins with our name. Plugins of
/// other names, and those in other places, are other gateways.
pub(super) fn key(what: &str, settings: &Settings) -> Vec<u8> {
    let mut key = format!("tokenward/{what}/{}/", settings.location()).into_bytes();
    key.extend(host::plugin_name());
    key
}

/// Changes what is under a key: `change` gets the value, if there is one, and gives the new one, if there is to be
/// one, and an answer.
///
/// Another worker may change it at the same moment: then `change` is asked again, with what that one left. None where
/// the host fails, or others are faster all the time.
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
