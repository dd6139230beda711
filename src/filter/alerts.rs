//! Alerts: put into a queue in the host's shared data by whichever worker has one, sent from there by one of them.
//!
//! No request waits for an alert. What is sent and not answered with success stays in the queue and is tried again, so
//! that it arrives at least once, or is refused for what it is; only the leader sends, one after the other, so that all
//! is well once and in order.

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

/// What one root context does about alerts.
pub(super) struct Courier {
    target: Alerts,
    /// The queue's key: all gateways of one target share it.
    key: String,
    /// The id of this Envoy.
    node: Vec<u8>,
    /// For a new queue: what no other queue has, of this Envoy or another.
    origin: u64,
    leader: Leader,
    /// The call under way.
    sent: Cell<Option<Sent>>,
    /// How often it failed in a row.
    failures: Cell<u32>,
    /// Not before this it is tried again.
    next: Cell<Time>,
}

/// A call under way.
#[derive(Clone, Copy)]
struct Sent {
    call: u32,
    /// The alert that it brings.
    ticket: Ticket,
    at: Time,
}

impl Courier {
    /// The courier of a gateway; none where it has no target for alerts.
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

    /// Puts an event into the queue.
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

    /// Sends the oldest alert, where that is due and our duty.
    pub(super) fn tick(&self, now: Time) {
        let Some(queue) = self.queue().filter(|queue| !queue.is_empty()) else { return };
        // The duty is kept while we wait for an answer, or for the time to try again.
        if !self.leader.leads(now, TERM) {
            return;
        }
        match self.sent.get() {
            // The host answers every call in time; if it did not, nothing would be sent any more.
            Some(sent) if sent.at.plus(LOST) <= now => {
                self.sent.set(None);
                self.failed("there was no answer", now);
            }
            None if self.next.get() <= now => self.send(&queue, now),
            Some(_) | None => {}
        }
    }

    /// Takes the answer to a call in; `status` is none where there was no answer.
    pub(super) fn answered(&self, call: u32, status: Option<u32>, now: Time) {
        let Some(Sent { ticket, .. }) = self.sent.get().filter(|sent| sent.call == call) else { return };
        self.sent.set(None);
        match Delivery::of(status) {
            Delivery::Taken => {}
            Delivery::Refused => self.refused(&self.told(status)),
            Delivery::Failed => {
                self.failed(&self.told(status), now);
                if is_unauthorized(status) {
                    // A root context of a later configuration may have a renewed authorization.
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

    /// An answer in words, with what to do.
    #[cold]
    fn told(&self, status: Option<u32>) -> String {
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

/// Longer than a call may take, so that nobody else sends the same in the meantime.
const TERM: Span = Span::SECOND.times(15);
/// After that an answer no longer comes.
const LOST: Span = Span::SECOND.times(60);
const TIMEOUT_MILLIS: u32 = 5_000;
