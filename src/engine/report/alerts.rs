//! Alerts: events that the filter sends to a receiver by HTTP at once.
//!
//! `target` is where they go, as configured; `queue` are those that are still to be sent; here is what is sent, and when
//! it is tried again.

use std::borrow::Cow;

use serde::Serialize;

use crate::engine::config::settings::Settings;
use crate::engine::memory::queue::Queue;
use crate::engine::report::audit;
use crate::engine::report::audit::{DefenseEvent, Line};
use crate::engine::words::name::{EnvironmentName, ServiceName};

/// What is sent of one event.
#[derive(Serialize)]
struct Body<'a> {
    v: u8,
    id: String,
    gateway: Gateway<'a>,
    dropped: u64,
    event: &'a Line<'a, DefenseEvent<'a>>,
}

/// Where the gateway is.
#[derive(Serialize)]
struct Gateway<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    node: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a EnvironmentName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a ServiceName>,
}

impl Queue {
    /// Puts an event of a gateway with these settings, in the Envoy of this node id, behind the others.
    pub fn push_event(&mut self, event: &Line<'_, DefenseEvent<'_>>, node: &[u8], settings: &Settings) {
        let Settings { environment, service, .. } = settings;
        let node = String::from_utf8_lossy(node.get(..MAX_NODE).unwrap_or(node));
        let gateway = Gateway { node, environment: environment.as_ref(), service: service.as_ref() };
        self.push(|ticket, dropped| {
            audit::line(&Body { v: 1, id: ticket.to_string(), gateway, dropped, event }).into_bytes()
        });
    }
}

/// What a receiver made of an alert.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// It has it.
    Taken,
    /// It will never take this one: it stands in the way of those behind it.
    Refused,
    /// It may take it another time.
    Failed,
}

impl Delivery {
    /// By the status of its answer (RFC 9110 §15); none where there was none. A receiver that cannot be found or does not
    /// know us may be mended, so only what speaks of the content itself ends an alert.
    pub fn of(status: Option<u32>) -> Self {
        match status {
            Some(200..=299) => Self::Taken,
            Some(400 | 413 | 415 | 422) => Self::Refused,
            Some(_) | None => Self::Failed,
        }
    }
}

/// Milliseconds until an alert is tried again that failed so often in a row: 1 s, twice as long each time, at most 60 s.
pub fn backoff(failures: u32) -> i64 {
    FIRST_MILLIS
        .checked_shl(failures.saturating_sub(1).min(MAX_DOUBLINGS))
        .unwrap_or(MAX_MILLIS)
        .min(MAX_MILLIS)
}

/// Most bytes of a node id in an alert.
const MAX_NODE: usize = 255;
const FIRST_MILLIS: i64 = 1_000;
const MAX_DOUBLINGS: u32 = 6;
const MAX_MILLIS: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_further_and_further_apart_but_never_end() {
        let waits = [1, 2, 3, 6, 7, 8, u32::MAX].map(backoff);
        assert_eq!(waits, [1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000]);
    }
}
