//! Alerts: each worker puts its alerts into a queue in the host's shared data, and one worker sends them.
//!
//! Requests do not wait for alerts. An alert stays in the queue until the target answers with success, or rejects it
//! for good. So each alert arrives at least once unless it is rejected. Only the leader sends, one alert at a time, so
//! normally each alert arrives once and in order.

use std::cell::Cell;

use crate::engine::config::alerts::Alerts;
use crate::engine::config::settings::Settings;
use crate::engine::memory::queue::{Queue, Ticket};
use crate::engine::policy::gateway::Gateway;
use crate::engine::report::alerts::{Delivery, advice, backoff, is_unauthorized};
use crate::engine::report::audit::{DefenseEvent, Line};
use crate::engine::report::metrics::Counter;
use crate::engine::words::secret::SecretDigest;
use crate::engine::words::time::{Span, Time};
use crate::filter::host::{self, Stored};
use crate::filter::leader::Leader;
use crate::filter::{metrics, shared};

/// The alert state of one root context.
pub(super) struct Courier {
    target: Alerts,
    /// The key of the queue. All gateways with the same target share it.
    key: String,
    /// The id of this Envoy.
    node: Vec<u8>,
    /// Id for a new queue, unique across all queues and Envoys.
    origin: u64,
    leader: Leader,
    /// The pending call.
    sent: Cell<Option<Sent>>,
    /// Number of failures in a row.
    failures: Cell<u32>,
    /// The earliest time of the next attempt.
    next: Cell<Time>,
}

/// A pending call.
#[derive(Clone, Copy)]
struct Sent {
    call: u32,
    /// The alert that it carries.
    ticket: Ticket,
    at: Time,
}

impl Courier {
    /// Returns the courier of a gateway, or `None` if the gateway has no alert target.
    pub(super) fn of(Gateway { policy, settings, .. }: &Gateway) -> Option<Self> {
        let target = settings.alerts.clone()?;
        let address = [target.cluster.as_str(), target.authority.as_str(), target.path.as_str()].join(" ");
        let node = host::node_id();
        let name = SecretDigest::of(address.as_bytes()).fingerprint();
        Some(Self {
            target,
            key: format!("tokenward/alerts/{name}"),
            origin: origin(&policy.salt(host::now().unwrap_or(Time::EPOCH)), &node),
            node,
            leader: Leader::of(&format!("alerts/{name}")),
            sent: Cell::new(None),
            failures: Cell::new(0),
            next: Cell::new(Time::BEGINNING),
        })
    }

    /// Adds an event to the queue.
    pub(super) fn push(&self, event: &Line<'_, DefenseEvent<'_>>, settings: &Settings) {
        let pushed = shared::change(self.key.as_bytes(), |bytes| {
            let mut queue = bytes.and_then(Queue::from_bytes).unwrap_or_else(|| Queue::new(self.origin));
            let dropped = queue.dropped();
            queue.push_event(event, &self.node, settings);
            (Some(queue.to_bytes()), queue.dropped() > dropped)
        });
        match pushed {
            Some(false) => {}
            Some(true) => {
                metrics::count(Counter::DroppedEvent);
                log::error!("tokenward: too many alerts wait to be sent: dropping the oldest")
            }
            None => {
                metrics::count(Counter::DroppedEvent);
                log::error!("tokenward: the host does not store alerts: dropping one");
            }
        }
    }

    /// Sends the oldest alert if it is due and this worker is the leader.
    pub(super) fn tick(&self, now: Time) {
        let Some(queue) = self.queue().filter(|queue| !queue.is_empty()) else { return };
        // The worker stays leader while it waits for an answer or for the next attempt.
        if !self.leader.leads(now, TERM) {
            return;
        }
        match self.sent.get() {
            // The host should answer every call in time. This limit keeps a lost answer from blocking the queue.
            Some(sent) if sent.at.plus(LOST) <= now => {
                self.sent.set(None);
                self.failed("there was no answer", now);
            }
            None if self.next.get() <= now => self.send(&queue, now),
            Some(_) | None => {}
        }
    }

    /// Processes the answer to a call. `status` is `None` if there was no answer.
    pub(super) fn answered(&self, call: u32, status: Option<u32>, now: Time) {
        let Some(Sent { ticket, .. }) = self.sent.get().filter(|sent| sent.call == call) else { return };
        self.sent.set(None);
        match Delivery::of(status) {
            Delivery::Taken => {}
            Delivery::Refused => self.refused(&self.described(status)),
            Delivery::Failed => {
                self.failed(&self.described(status), now);
                if is_unauthorized(status) {
                    // A root context with a newer configuration may have a new authorization.
                    self.leader.give_up(now);
                }
                return;
            }
        }
        self.failures.set(0);
        let rest = shared::change(self.key.as_bytes(), |bytes| {
            let Some(mut queue) = bytes.and_then(Queue::from_bytes) else { return (None, None) };
            queue.remove(ticket);
            (Some(queue.to_bytes()), Some(queue))
        });
        match rest.flatten() {
            Some(queue) if queue.is_empty() => self.leader.give_up(now),
            Some(queue) if self.leader.leads(now, TERM) => self.send(&queue, now),
            Some(_) | None => {}
        }
    }

    fn send(&self, queue: &Queue, now: Time) {
        let Some((ticket, body)) = queue.first() else { return };
        match host::call(self.target.cluster.as_str(), self.target.request(), body, TIMEOUT_MILLIS) {
            Some(call) => self.sent.set(Some(Sent { call, ticket, at: now })),
            None => self.failed("the cluster does not exist or has no endpoints", now),
        }
    }

    /// Describes an answer, and says what to do.
    #[cold]
    fn described(&self, status: Option<u32>) -> String {
        let Some(status) = status else { return "there was no answer".to_owned() };
        match advice(status, !self.target.headers.is_empty()) {
            Some(advice) => format!("{status}: {advice}"),
            None => status.to_string(),
        }
    }

    fn refused(&self, what: &str) {
        metrics::count(Counter::DroppedEvent);
        log::error!(
            "tokenward: cluster `{}` rejects an alert ({what}): dropping it",
            self.target.cluster.as_str()
        );
    }

    fn failed(&self, what: &str, now: Time) {
        let failures = self.failures.get().saturating_add(1);
        self.failures.set(failures);
        self.next.set(now.shifted(backoff(failures)));
        log::warn!(
            "tokenward: cannot send an alert to cluster `{}` ({what}): retrying",
            self.target.cluster.as_str()
        );
    }

    fn queue(&self) -> Option<Queue> {
        match host::shared_data(self.key.as_bytes()) {
            Stored::Value(bytes, _) => Queue::from_bytes(&bytes),
            Stored::Nothing | Stored::Failed => None,
        }
    }
}

fn origin(salt: &[u8], node: &[u8]) -> u64 {
    let hash = SecretDigest::of(&[salt, node].concat()).half();
    hash.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Longer than a call may take, so that no other worker sends the same alert in the meantime.
const TERM: Span = Span::SECOND.times(15);
/// After this time, no answer is expected.
const LOST: Span = Span::SECOND.times(60);
const TIMEOUT_MILLIS: u32 = 5_000;
