//! The host calls that only the audit needs.

use crate::filter::host::{OK, proxy_get_current_time_nanoseconds};

/// Puts a line into the current request's filter state `wasm.tokenward`; false if the host fails.
///
/// Envoy's access loggers write it with `%FILTER_STATE(wasm.tokenward:PLAIN)%`.
pub(in crate::filter) fn set_filter_state(line: &str) -> bool {
    // Use one segment: with several, their separators would be part of the name.
    let path = b"tokenward";
    #[expect(unsafe_code, reason = "ABI: pointers and sizes that live through the call")]
    let status = unsafe { proxy_set_property(path.as_ptr(), path.len(), line.as_ptr(), line.len()) };
    status == OK
}

/// The host's wall clock in nanoseconds since 1970; 0 without a clock.
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
