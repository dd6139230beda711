//! HTTP calls that the filter makes.

use std::ptr;
use std::time::Duration;

use proxy_wasm::hostcalls;

use crate::filter::host::pairs::Pairs;
use crate::filter::host::{owned, proxy_get_buffer_bytes, proxy_get_header_map_pairs};

/// Sends a request to a cluster; `None` if the host fails, for example because the cluster is missing or empty.
///
/// The number comes back with `on_http_call_response`, whatever the result. The call goes through the SDK, whose
/// dispatcher must know the number. The SDK's function panics only on statuses that the host never returns for a
/// well-formed call (proxy-wasm-cpp-host, src/exports.cc; Envoy, wasm/context.cc).
pub(in crate::filter) fn call(
    cluster: &str,
    headers: Vec<(&str, &str)>,
    body: &[u8],
    timeout_millis: u32,
) -> Option<u32> {
    let timeout = Duration::from_millis(timeout_millis.into());
    hostcalls::dispatch_http_call(cluster, headers, Some(body), Vec::new(), timeout).ok()
}

/// The same, without a body.
pub(in crate::filter) fn get(cluster: &str, headers: Vec<(&str, &str)>, timeout_millis: u32) -> Option<u32> {
    let timeout = Duration::from_millis(timeout_millis.into());
    hostcalls::dispatch_http_call(cluster, headers, None, Vec::new(), timeout).ok()
}

/// The status of the response to the current call; `None` if there was no response.
pub(in crate::filter) fn call_status() -> Option<u32> {
    let headers = answer_headers();
    let (_, value) = headers.iter().find(|(name, _)| *name == b":status")?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The headers of the response to the current call; empty if there was no response.
pub(in crate::filter) fn answer_headers() -> Pairs {
    let mut data = ptr::null_mut();
    let mut size = 0;
    #[expect(unsafe_code, reason = "ABI: the host writes a pointer and a size, or neither")]
    let status = unsafe { proxy_get_header_map_pairs(CALL_RESPONSE_HEADERS, &raw mut data, &raw mut size) };
    Pairs::new(owned(status, data, size))
}

/// The body of the response to the current call: `length` bytes, or fewer if the host has fewer.
pub(in crate::filter) fn answer_body(length: usize) -> Vec<u8> {
    let mut data = ptr::null_mut();
    let mut size = 0;
    #[expect(unsafe_code, reason = "ABI: the host writes a pointer and a size, or neither")]
    let status =
        unsafe { proxy_get_buffer_bytes(CALL_RESPONSE_BODY, 0, length, &raw mut data, &raw mut size) };
    owned(status, data, size)
}

/// `proxy_map_type_t`: headers of the response to an HTTP call.
const CALL_RESPONSE_HEADERS: u32 = 6;
/// `proxy_buffer_type_t`: body of the response to an HTTP call.
const CALL_RESPONSE_BODY: u32 = 4;
