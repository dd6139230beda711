//! The event of requests that have no line of their own, and what their filter state holds instead.

use serde::Serialize;

use crate::engine::config::settings::Mode;
use crate::engine::policy::compiled::Policy;
use crate::engine::report::audit::frame::milliseconds;
use crate::engine::report::audit::strangers::{Counted, Reasons};
use crate::engine::report::audit::{Version, line};
use crate::engine::words::reason::Reason;
use crate::engine::words::time::Time;

/// How many requests of one second have no line of their own.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct SummaryEvent<'a> {
    /// What happened.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "summary")))]
    event: &'static str,
    /// Whether decisions were enforced; in `shadow` they are only reported.
    mode: Mode,
    /// When the first of the requests came: all came in this second.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Time"))]
    since: Time,
    /// How many requests there were.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 1)))]
    count: u64,
    /// How many there were with each reason; together as many as `count`.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(
            with = "std::collections::BTreeMap<String, std::num::NonZeroU64>",
            extend("propertyNames" = { "enum": Reason::counted_codes() }, "minProperties" = 1)
        )
    )]
    reasons: &'a Reasons,
    #[serde(flatten)]
    version: Version<'a>,
}

impl<'a> SummaryEvent<'a> {
    /// The event of what a gateway in `mode` with this policy counted.
    pub fn of(counted: &'a Counted, policy: &'a Policy, mode: Mode) -> Self {
        Self {
            event: "summary",
            mode,
            since: counted.since(),
            count: counted.count(),
            reasons: counted.reasons(),
            version: Version::of(policy),
        }
    }
}

/// What the filter state of a request holds that is only counted: no part of the chain.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct CountedEvent {
    /// What happened: a summary counts the request.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "counted")))]
    event: &'static str,
    /// Why the request was permitted or denied.
    reason: Reason,
}

impl CountedEvent {
    /// The event of a request with this reason.
    pub fn of(reason: Reason) -> Self {
        Self { event: "counted", reason }
    }

    /// The event as one line of JSON.
    pub fn to_json(&self) -> String {
        line(self)
    }
}
