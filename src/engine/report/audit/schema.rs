//! The JSON Schema of the events. It is not part of the Envoy module.

use schemars::JsonSchema;

use crate::engine::report::audit::{
    AuditEvent, ClosedEvent, ConfiguredEvent, CountedEvent, DefenseEvent, FeedEvent, Line, RefusedEvent,
    StaleEvent, SummaryEvent,
};

/// One audit line. Each kind of event is a variant.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Event<'a> {
    /// The decision about a request.
    Decision(Line<'a, AuditEvent<'a>>),
    /// The requests of one second that have no line of their own.
    Summary(Line<'a, SummaryEvent<'a>>),
    /// One of those requests, in its filter state.
    Counted(CountedEvent),
    /// A configuration became active.
    Configured(Line<'a, ConfiguredEvent<'a>>),
    /// A suspension or an alert.
    Defense(Line<'a, DefenseEvent<'a>>),
    /// The result of a fetch.
    Feed(Line<'a, FeedEvent<'a>>),
    /// A rejected bundle: it is older, or ahead of the clock.
    Refused(Line<'a, RefusedEvent<'a>>),
    /// The active bundle or list became stale, or is fresh again.
    Stale(Line<'a, StaleEvent<'a>>),
    /// A VM ended.
    Closed(Line<'a, ClosedEvent<'a>>),
}
