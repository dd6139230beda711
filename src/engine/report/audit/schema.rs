//! The events as JSON Schema tells of them. Not in the module for Envoy.

use schemars::JsonSchema;

use crate::engine::report::audit::{
    AuditEvent, ClosedEvent, ConfiguredEvent, CountedEvent, DefenseEvent, FeedEvent, RefusedEvent,
    StaleEvent, SummaryEvent,
};

/// One line of the audit: an event of a kind. A new kind of event is a variant here, and nothing else.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Event<'a> {
    /// A request was judged.
    Decision(AuditEvent<'a>),
    /// Requests of a second that have no line of their own.
    Summary(SummaryEvent<'a>),
    /// One of them, in its filter state.
    Counted(CountedEvent),
    /// A configuration is in force.
    Configured(ConfiguredEvent<'a>),
    /// Somebody is suspended, or an alert.
    Defense(DefenseEvent<'a>),
    /// Something was fetched, or could not be.
    Feed(FeedEvent<'a>),
    /// A bundle was refused: it goes back, or is ahead of the clock.
    Refused(RefusedEvent<'a>),
    /// What is in force is stale, or no longer is.
    Stale(StaleEvent<'a>),
    /// A VM has ended.
    Closed(ClosedEvent<'a>),
}
