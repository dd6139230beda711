//! The JSON Schema of the events. Not part of the module for Envoy.

use schemars::JsonSchema;

use crate::engine::report::audit::{
    AuditEvent, ClosedEvent, ConfiguredEvent, CountedEvent, DefenseEvent, FeedEvent, Line, RefusedEvent,
    StaleEvent, SummaryEvent,
};

/// One line of the audit: an event of a kind. A new kind of event is a variant here, and nothing else.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Event<'a> {
    /// A request was judged.
    Decision(Line<'a, AuditEvent<'a>>),
    /// Requests of a second that have no line of their own.
    Summary(Line<'a, SummaryEvent<'a>>),
    /// One of them, in its filter state.
    Counted(CountedEvent),
    /// A configuration is in force.
    Configured(Line<'a, ConfiguredEvent<'a>>),
    /// Somebody is suspended, or an alert.
    Defense(Line<'a, DefenseEvent<'a>>),
    /// Something was fetched, or could not be.
    Feed(Line<'a, FeedEvent<'a>>),
    /// A bundle was refused: it goes back, or is ahead of the clock.
    Refused(Line<'a, RefusedEvent<'a>>),
    /// What is in force is stale, or no longer is.
    Stale(Line<'a, StaleEvent<'a>>),
    /// A VM has ended.
    Closed(Line<'a, ClosedEvent<'a>>),
}
