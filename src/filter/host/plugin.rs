//! The host's information about this plugin.

use std::ptr;

use crate::filter::host::{owned, proxy_get_buffer_bytes, proxy_get_property};

/// The plugin's name in Envoy's configuration; empty if it has none.
pub(in crate::filter) fn plugin_name() -> Vec<u8> {
    let path = b"plugin_name";
    let mut data = ptr::null_mut();
    let mut size = 0;
    #[expect(unsafe_code, reason = "ABI: the host writes a pointer and a size, or neither")]
    let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    owned(status, data, size)
}

/// The plugin configuration of `length` bytes; `None` if the host fails or returns fewer bytes.
pub(in crate::filter) fn plugin_configuration(length: usize) -> Option<Vec<u8>> {
    if length == 0 {
        return Some(Vec::new());
    }
    let mut data = ptr::null_mut();
    let mut size = 0;
    #[expect(unsafe_code, reason = "ABI: the host writes a pointer and a size, or neither")]
    let status =
        unsafe { proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, length, &raw mut data, &raw mut size) };
    Some(owned(status, data, size)).filter(|configuration| configuration.len() == length)
}

/// `proxy_buffer_type_t`: the plugin configuration.
const PLUGIN_CONFIGURATION: u32 = 7;
