//! Statistics of the host: counters that all threads share, and gauges that hold the last written value.

use crate::filter::host::OK;

/// A statistic, by its number in this VM.
#[derive(Clone, Copy)]
pub(in crate::filter) struct Metric(u32);

/// The type of a statistic (`proxy_metric_type_t`).
#[derive(Clone, Copy)]
pub(in crate::filter) enum MetricType {
    /// Only grows.
    Counter = 0,
    /// Holds the last written value.
    Gauge = 1,
}

/// Finds or creates the statistic with this name; `None` if the host fails.
///
/// Each call permanently uses up a number of the VM, so call it once per name.
pub(in crate::filter) fn define_metric(metric_type: MetricType, name: &str) -> Option<Metric> {
    let mut metric = 0;
    #[expect(
        unsafe_code,
        reason = "ABI: a pointer and a size that live through the call; the host writes a number"
    )]
    let status =
        unsafe { proxy_define_metric(metric_type as u32, name.as_ptr(), name.len(), &raw mut metric) };
    (status == OK).then_some(Metric(metric))
}

/// Adds one to a counter. A failure is ignored: no request depends on it.
pub(in crate::filter) fn increment(Metric(metric): Metric) {
    #[expect(unsafe_code, reason = "ABI: plain numbers")]
    let _ = unsafe { proxy_increment_metric(metric, 1) };
}

/// Sets a gauge. A failure is ignored.
pub(in crate::filter) fn record(Metric(metric): Metric, value: u64) {
    #[expect(unsafe_code, reason = "ABI: plain numbers")]
    let _ = unsafe { proxy_record_metric(metric, value) };
}

#[link(wasm_import_module = "env")]
#[expect(unsafe_code, reason = "proxy-wasm ABI 0.2.1; statuses as plain numbers, for a host may send any")]
unsafe extern "C" {
    fn proxy_define_metric(metric_type: u32, name: *const u8, name_size: usize, metric: *mut u32) -> u32;
    fn proxy_increment_metric(metric: u32, offset: i64) -> u32;
    fn proxy_record_metric(metric: u32, value: u64) -> u32;
}
