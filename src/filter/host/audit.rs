//! What only the audit asks of the host.

use std::ptr;

use crate::filter::host::{OK, owned, proxy_get_current_time_nanoseconds, proxy_get_property};

/// Puts a line into the current request's filter state `wasm.tokenward`; false where the host refuses.
///
/// Envoy's access loggers write it by `%FILTER_STATE(wasm.tokenward:PLAIN)%`.
pub(in crate::filter) fn set_filter_state(line: &str) -> bool {
    // One segment: with more of them their separators would be in the name.
    let path = b"tokenward";
    #[expect(unsafe_code, reason = "ABI: pointers and sizes that live through the call")]
    let status = unsafe { proxy_set_property(path.as_ptr(), path.len(), line.as_ptr(), line.len()) };
    status == OK
}

/// The node id of this Envoy; empty where the host does not say.
pub(in crate::filter) fn node_id() -> Vec<u8> {
    let path = b"xds\0node\0id";
    let mut data = ptr::null_mut();
    let mut size = 0;
    #[expect(unsafe_code, reason = "ABI: the host writes a pointer and a size, or neither")]
    let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    owned(status, data, size)
}

/// The host's wall clock in nanoseconds since 1970; 0 where it has none.
pub(in crate::filter) fn nanoseconds() -> u64 {
    let mut nanoseconds = 0;
    #[expect(unsafe_code, reason = "ABI: the host writes a number")]
    let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut nanoseconds) };
    if status == OK { nanoseconds } else { 0 }
}

#[link(wasm_import_module = "env")]
#[expect(unsafe_code, reason = "proxy-wasm ABI 0.2.1; statuses as plain numbers, for a host may send any")]
unsafe extern "C" {
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
}
