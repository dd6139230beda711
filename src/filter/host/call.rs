//! Calls to other servers, through a cluster of the host.

use std::time::Duration;

use proxy_wasm::hostcalls;

use crate::filter::host::owned;
use crate::filter::host::pairs::Pairs;

/// The number of a call that is under way.
pub(in crate::filter) type Call = u32;

/// Sends a request; its answer comes to the root context as `on_http_call_response`.
///
/// None where the host does not send it: there is no such cluster, or it has no healthy host. By way of the SDK, which
/// must know the call to find the context that its answer belongs to; it takes both of these refusals for an error.
pub(in crate::filter) fn send(
    cluster: &str,
    head: Vec<(&str, &str)>,
    body: Option<&[u8]>,
    timeout: Duration,
) -> Option<Call> {
    hostcalls::dispatch_http_call(cluster, head, body, Vec::new(), timeout).ok()
}

/// The head of the answer, while it is told; empty where there is none.
pub(in crate::filter) fn answer_headers() -> Pairs {
    let mut data = std::ptr::null_mut();
    let mut size = 0;
    #[expect(unsafe_code, reason = "ABI: the host writes a pointer and a size, or neither")]
    let status =
        unsafe { proxy_get_header_map_pairs(HTTP_CALL_RESPONSE_HEADERS, &raw mut data, &raw mut size) };
    Pairs::new(owned(status, data, size))
}

/// The body of the answer, while it is told: `length` bytes, fewer where the host has no more.
pub(in crate::filter) fn answer_body(length: usize) -> Vec<u8> {
    if length == 0 {
        return Vec::new();
    }
    let mut data = std::ptr::null_mut();
    let mut size = 0;
    #[expect(unsafe_code, reason = "ABI: the host writes a pointer and a size, or neither")]
    let status =
        unsafe { proxy_get_buffer_bytes(HTTP_CALL_RESPONSE_BODY, 0, length, &raw mut data, &raw mut size) };
    owned(status, data, size)
}

/// `proxy_map_type_t`: headers of the answer to a call.
const HTTP_CALL_RESPONSE_HEADERS: u32 = 6;
/// `proxy_buffer_type_t`: body of the answer to a call.
const HTTP_CALL_RESPONSE_BODY: u32 = 4;

#[link(wasm_import_module = "env")]
#[expect(unsafe_code, reason = "proxy-wasm ABI 0.2.1; statuses as plain numbers, for a host may send any")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        length: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
}
