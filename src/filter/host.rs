//! The host: every call to Envoy that a request or a configuration makes.
//!
//! This is the only file that uses the ABI (proxy-wasm 0.2.1). The SDK's own wrappers panic on values that are not
//! UTF-8 and on unexpected statuses, and a panic ends the VM. The functions here take bytes and turn every failure
//! into a value.

use std::panic::Location;
use std::ptr;

use proxy_wasm::types::LogLevel;

use crate::engine::config::settings::Level;
use crate::engine::policy::verdict::Reply;
use crate::engine::words::time::Time;
pub(super) use crate::filter::host::audit::{nanoseconds, set_filter_state};
pub(super) use crate::filter::host::call::{answer_body, answer_headers, call, call_status, get};
pub(super) use crate::filter::host::metrics::{Metric, MetricType, define_metric, increment, record};
pub(super) use crate::filter::host::node::node_id;
use crate::filter::host::pairs::Pairs;
pub(super) use crate::filter::host::plugin::{plugin_configuration, plugin_name};

mod audit;
mod call;
mod metrics;
mod node;
mod pairs;
mod plugin;

/// The value of a key in the host's shared data.
pub(super) enum Stored {
    /// A value and its version.
    Value(Vec<u8>, u32),
    /// The key has no value.
    Nothing,
    /// The host failed to answer.
    Failed,
}

/// Reads the data that all workers' modules share.
pub(super) fn shared_data(key: &[u8]) -> Stored {
    let mut data = ptr::null_mut();
    let (mut size, mut version) = (0, 0);
    #[expect(unsafe_code, reason = "ABI: the host writes a pointer, a size and a version, or nothing")]
    let status = unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), &raw mut data, &raw mut size, &raw mut version)
    };
    match status {
        OK => Stored::Value(owned(status, data, size), version),
        NOT_FOUND => Stored::Nothing,
        _ => Stored::Failed,
    }
}

/// The version to insert a value under a new key. The host counts versions from 1 and replaces a value only if its
/// version is the given one. But if the key has no value, it ignores the given version (proxy-wasm-cpp-host,
/// src/shared_data.cc). So this version means "insert if absent".
pub(super) const ABSENT: u32 = u32::MAX;

/// Replaces the value that has this version ([`ABSENT`], [`ANY`]); false if the value has changed since.
pub(super) fn replace_shared_data(key: &[u8], value: &[u8], version: u32) -> bool {
    #[expect(unsafe_code, reason = "ABI: pointers and sizes that live through the call")]
    let status =
        unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version) };
    status == OK
}

/// The headers of the current request; empty if the host has none, or if its bytes are not a header map.
pub(super) fn request_headers() -> Pairs {
    pairs_of(REQUEST_HEADERS)
}

/// The trailers of the current request; empty in the same cases.
pub(super) fn request_trailers() -> Pairs {
    pairs_of(REQUEST_TRAILERS)
}

fn pairs_of(map: u32) -> Pairs {
    let mut data = ptr::null_mut();
    let mut size = 0;
    #[expect(unsafe_code, reason = "ABI: the host writes a pointer and a size, or neither")]
    let status = unsafe { proxy_get_header_map_pairs(map, &raw mut data, &raw mut size) };
    Pairs::new(owned(status, data, size))
}

/// Removes all headers with this name; false if the host fails.
pub(super) fn remove_request_header(name: &[u8]) -> bool {
    remove(REQUEST_HEADERS, name)
}

/// Removes all trailers with this name; false if the host fails.
pub(super) fn remove_request_trailer(name: &[u8]) -> bool {
    remove(REQUEST_TRAILERS, name)
}

fn remove(map: u32, name: &[u8]) -> bool {
    #[expect(unsafe_code, reason = "ABI: a pointer and a size that live through the call")]
    let status = unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) };
    status == OK
}

/// Sets the only header with this name; false if the host fails.
pub(super) fn set_request_header(name: &[u8], value: &[u8]) -> bool {
    #[expect(unsafe_code, reason = "ABI: pointers and sizes that live through the call")]
    let status = unsafe {
        proxy_replace_header_map_value(
            REQUEST_HEADERS,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        )
    };
    status == OK
}

/// Adds a header with this name, at half the cost of setting it; false if the host fails.
pub(super) fn add_request_header(name: &[u8], value: &[u8]) -> bool {
    add_header(REQUEST_HEADERS, name, value)
}

/// Adds a header to the current response. A failure is ignored: the response is sent without it.
pub(super) fn add_response_header(name: &str, value: &str) {
    let _ = add_header(RESPONSE_HEADERS, name.as_bytes(), value.as_bytes());
}

fn add_header(map: u32, name: &[u8], value: &[u8]) -> bool {
    #[expect(unsafe_code, reason = "ABI: pointers and sizes that live through the call")]
    let status =
        unsafe { proxy_add_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    status == OK
}

/// The source of the current request in Envoy's reading of `x-forwarded-for`, as `address:port`; empty if Envoy has
/// none.
pub(super) fn source_address() -> Vec<u8> {
    let path = b"source\0address";
    let mut data = ptr::null_mut();
    let mut size = 0;
    #[expect(unsafe_code, reason = "ABI: the host writes a pointer and a size, or neither")]
    let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    owned(status, data, size)
}

/// The host's wall clock, if it has one.
pub(super) fn now() -> Option<Time> {
    let mut nanoseconds = 0;
    #[expect(unsafe_code, reason = "ABI: the host writes a number")]
    let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut nanoseconds) };
    (status == OK).then(|| Time::from_nanos(nanoseconds))
}

/// Replies to the current request.
pub(super) fn send_reply(reply: &Reply) {
    let headers = pairs::serialize(&reply.headers);
    let grpc_status =
        reply.grpc_status.and_then(|status| i32::try_from(status).ok()).unwrap_or(NO_GRPC_STATUS);
    #[expect(unsafe_code, reason = "ABI: pointers and sizes that live through the call")]
    let status = unsafe {
        proxy_send_local_response(
            reply.status,
            reply.details.as_ptr(),
            reply.details.len(),
            reply.body.as_ptr(),
            reply.body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    };
    if status != OK {
        // The request stays paused: it gets no reply, but it is not forwarded either.
        log::error!("tokenward: the host refused a reply");
    }
}

/// Writes an audit event to the host's log.
pub(super) fn log_event(level: Level, line: &str) {
    write_log(
        match level {
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
            Level::Critical => LogLevel::Critical,
        },
        line,
    );
}

/// Logs the place of a panic, but never its message, which may contain a request's bytes.
pub(super) fn log_panic(location: Option<&Location<'_>>) {
    match location {
        Some(place) => {
            write_log(LogLevel::Critical, &format!("tokenward: panic at {}:{}", place.file(), place.line()))
        }
        None => write_log(LogLevel::Critical, "tokenward: panic"),
    }
}

/// Asks the host to call `on_tick` of the current root context at this interval. A failure is ignored.
pub(super) fn set_tick_period(milliseconds: u32) {
    #[expect(unsafe_code, reason = "ABI: a plain number")]
    let _ = unsafe { proxy_set_tick_period_milliseconds(milliseconds) };
}

fn write_log(level: LogLevel, line: &str) {
    #[expect(unsafe_code, reason = "ABI: a pointer and a size that live through the call")]
    let _ = unsafe { proxy_log(level as u32, line.as_ptr(), line.len()) };
}

/// Takes ownership of memory that the host allocated with the module's allocator and filled.
fn owned(status: u32, data: *mut u8, size: usize) -> Vec<u8> {
    if status != OK || data.is_null() {
        return Vec::new();
    }
    // INVARIANT: the host asked the SDK's `malloc` for exactly `size` bytes, which is a `Vec` of that capacity.
    #[expect(unsafe_code, reason = "ABI: the host hands over the memory that it asked us for")]
    unsafe {
        Vec::from_raw_parts(data, size, size)
    }
}

/// Matches every version: replaces the value unconditionally.
pub(super) const ANY: u32 = 0;

/// `proxy_map_type_t`: HTTP request headers.
const REQUEST_HEADERS: u32 = 0;
/// `proxy_map_type_t`: HTTP request trailers.
const REQUEST_TRAILERS: u32 = 1;
/// `proxy_map_type_t`: HTTP response headers.
const RESPONSE_HEADERS: u32 = 2;
/// `proxy_status_t`: success.
const OK: u32 = 0;
/// `proxy_status_t`: not found.
const NOT_FOUND: u32 = 1;
const NO_GRPC_STATUS: i32 = -1;

#[link(wasm_import_module = "env")]
#[expect(unsafe_code, reason = "proxy-wasm ABI 0.2.1; statuses as plain numbers, for a host may send any")]
unsafe extern "C" {
    fn proxy_log(level: u32, data: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(nanoseconds: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        version: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        version: u32,
    ) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        length: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
}
