//! The event for requests without their own line, and the value in their filter state.

use serde::Serialize;

use crate::engine::config::settings::Mode;
use crate::engine::policy::compiled::Policy;
use crate::engine::report::audit::frame::milliseconds;
use crate::engine::report::audit::strangers::{Counted, Reasons};
use crate::engine::report::audit::{Version, line};
use crate::engine::words::reason::Reason;
use crate::engine::words::time::Time;

/// The number of requests in one second without their own line.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct SummaryEvent<'a> {
    /// The kind of event.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "summary")))]
    event: &'static str,
    /// Whether decisions were enforced. In `shadow` they are only reported.
    mode: Mode,
    /// When the first of the requests arrived. All arrived in this second.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Time"))]
    since: Time,
    /// The number of requests.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(min = 1)))]
    count: u64,
    /// The number of requests for each reason. The sum is `count`.
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
    /// The event for the counts of a gateway in `mode` with this policy.
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

/// The value in the filter state of a request that is only counted. It is not part of the chain.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct CountedEvent {
    /// The kind of event: a summary counts the request.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "counted")))]
    event: &'static str,
    /// The reason of the decision.
    reason: Reason,
}

impl CountedEvent {
    /// The event for a request with this reason.
    pub fn of(reason: Reason) -> Self {
        Self { event: "counted", reason }
    }

    /// The event as one line of JSON.
    pub fn to_json(&self) -> String {
        line(self)
    }
}
