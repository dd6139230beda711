//! What the host says of this plugin itself.

use std::ptr;

use crate::filter::host::{owned, proxy_get_property};

/// The plugin's name in Envoy's configuration; empty where it has none.
pub(in crate::filter) fn plugin_name() -> Vec<u8> {
    let path = b"plugin_name";
    let mut data = ptr::null_mut();
    let mut size = 0;
    #[expect(unsafe_code, reason = "ABI: the host writes a pointer and a size, or neither")]
    let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    owned(status, data, size)
}
