//! The host's information about itself.

use std::ptr;

use crate::filter::host::{owned, proxy_get_property};

/// The node id of this Envoy; empty if the host does not report it.
pub(in crate::filter) fn node_id() -> Vec<u8> {
    let path = b"xds\0node\0id";
    let mut data = ptr::null_mut();
    let mut size = 0;
    #[expect(unsafe_code, reason = "ABI: the host writes a pointer and a size, or neither")]
    let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    owned(status, data, size)
}
