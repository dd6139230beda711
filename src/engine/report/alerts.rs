//! Alerts: events that the filter sends to a receiver by HTTP at once.
//!
//! `target` is the configured receiver. `queue` holds the alerts that wait. This file defines the body of an alert,
//! and when to retry it.

use std::borrow::Cow;

use serde::Serialize;

use crate::engine::config::settings::Settings;
use crate::engine::memory::queue::Queue;
use crate::engine::report::audit;
use crate::engine::report::audit::{DefenseEvent, Line};
use crate::engine::words::name::{EnvironmentName, ServiceName};

/// The body of an alert.
#[derive(Serialize)]
struct Body<'a> {
    v: u8,
    id: String,
    gateway: Gateway<'a>,
    dropped: u64,
    event: &'a Line<'a, DefenseEvent<'a>>,
}

/// The gateway that sends the alert.
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
    /// Adds an event to the queue, for a gateway with these settings in the Envoy with this node id.
    pub fn push_event(&mut self, event: &Line<'_, DefenseEvent<'_>>, node: &[u8], settings: &Settings) {
        let Settings { environment, service, .. } = settings;
        let node = String::from_utf8_lossy(node.get(..MAX_NODE).unwrap_or(node));
        let gateway = Gateway { node, environment: environment.as_ref(), service: service.as_ref() };
        self.push(|ticket, dropped| {
            audit::line(&Body { v: 1, id: ticket.to_string(), gateway, dropped, event }).into_bytes()
        });
    }
}

/// The result of sending an alert.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// The receiver accepted the alert.
    Taken,
    /// The receiver will never accept this alert, so the filter drops it to send the next ones.
    Refused,
    /// Sending failed. A retry may succeed.
    Failed,
}

impl Delivery {
    /// Classifies the status of the response (RFC 9110 §15); `None` if there was no response. An operator may fix a
    /// receiver that is unreachable or rejects the filter's credentials, so only a status about the content itself
    /// drops an alert.
    pub fn of(status: Option<u32>) -> Self {
        match status {
            Some(200..=299) => Self::Taken,
            Some(400 | 413 | 415 | 422) => Self::Refused,
            Some(_) | None => Self::Failed,
        }
    }
}

/// What to do about a status; `with_headers` is whether `alerts.headers` went with the request.
pub fn advice(status: u32, with_headers: bool) -> Option<&'static str> {
    match (status, with_headers) {
        (301 | 302 | 303 | 307 | 308, _) => {
            Some("the receiver redirects, and the filter does not follow; set its place in `alerts`")
        }
        (401 | 403, false) => Some("the receiver requires an authorization; set it in `alerts.headers`"),
        (401 | 403, true) => {
            Some("the receiver rejects the authorization in `alerts.headers`; check or renew it")
        }
        _ => None,
    }
}

/// Whether another gateway with the same target may have an authorization that works.
pub fn is_unauthorized(status: Option<u32>) -> bool {
    matches!(status, Some(401 | 403))
}

/// Milliseconds until the next retry after this many consecutive failures: 1 s, doubled each time, at most 60 s.
pub fn backoff(failures: u32) -> i64 {
    FIRST_MILLIS
        .checked_shl(failures.saturating_sub(1).min(MAX_DOUBLINGS))
        .unwrap_or(MAX_MILLIS)
        .min(MAX_MILLIS)
}

/// Maximum length of a node id in an alert, in bytes.
const MAX_NODE: usize = 255;
const FIRST_MILLIS: i64 = 1_000;
const MAX_DOUBLINGS: u32 = 6;
const MAX_MILLIS: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_back_off_but_never_end() {
        let waits = [1, 2, 3, 6, 7, 8, u32::MAX].map(backoff);
        assert_eq!(waits, [1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000]);
    }
}
