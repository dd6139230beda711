//! The enforcement point: the proxy-wasm filter. It reads, asks the engine and acts; it makes no decisions of its
//! own.
//!
//! wasm32 only. Envoy makes one root context for each configuration and thread, and one HTTP context for each
//! request. The result of `on_configure` depends only on the configuration's bytes. A root context without a
//! configuration denies everything, so every request is judged, whatever the order of calls.

mod alerts;
mod bucket;
mod defense;
mod feed;
mod fetched;
mod host;
mod http;
mod journal;
mod kept;
mod leader;
mod metrics;
mod rollback;
mod root;
mod shared;
mod staleness;

use std::rc::Rc;

use proxy_wasm::types::LogLevel;

use crate::engine::policy::compiled::Policy;
use crate::engine::policy::gateway::Gateway;
use crate::engine::report::audit::{ClosedEvent, Counted, SummaryEvent};
use crate::engine::words::time::Time;
use crate::filter::alerts::Courier;
use crate::filter::defense::Guard;
use crate::filter::journal::Journal;
use crate::filter::metrics::Decisions;
use crate::filter::root::Root;

proxy_wasm::main! {{
    // The SDK's logger writes the output of `log`. This call also sets the SDK's panic hook, which would print
    // payloads.
    proxy_wasm::set_log_level(LogLevel::Info);
    std::panic::set_hook(Box::new(|panic| host::log_panic(panic.location())));
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// The state that all requests of one policy share.
struct Shared {
    gateway: Gateway,
    /// `None` if the policy has no defense.
    guard: Option<Guard>,
    decisions: Decisions,
    /// The journal and the courier outlive the policy: they continue when a fetched policy replaces it.
    journal: Rc<Journal>,
    /// `None` if the configuration has no target for alerts.
    courier: Option<Rc<Courier>>,
}

impl Shared {
    /// The shared state for a gateway with these configuration bytes.
    fn of(gateway: Gateway, configuration: &[u8]) -> Self {
        let journal = Rc::new(Journal::new(gateway.settings.audit.clone(), configuration));
        let (guard, courier) = (Guard::of(&gateway), Courier::of(&gateway).map(Rc::new));
        Self { gateway, guard, decisions: Decisions::new(), journal, courier }
    }

    /// The same configuration with another policy.
    fn with(&self, policy: Policy) -> Self {
        let gateway = self.gateway.with(policy);
        Self {
            guard: Guard::of(&gateway),
            gateway,
            decisions: Decisions::new(),
            journal: Rc::clone(&self.journal),
            courier: self.courier.clone(),
        }
    }
}

impl Shared {
    /// Writes the summary of the requests without their own line, once their second is over.
    fn sum_up(&self, now: Time) {
        self.write_summary(self.journal.over(now), now);
    }

    /// Writes the summary of all counted requests at once, because no later event may follow.
    fn sum_up_all(&self, now: Time) {
        self.write_summary(self.journal.take_counted(), now);
    }

    fn write_summary(&self, counted: Option<Counted>, now: Time) {
        if let Some(counted) = counted {
            let Gateway { policy, settings, .. } = &self.gateway;
            self.journal.write(&SummaryEvent::of(&counted, policy, settings.mode), now);
        }
    }
}

/// Runs when the last request and the root context of a configuration have ended: Envoy has a new configuration, or
/// shuts down.
impl Drop for Shared {
    fn drop(&mut self) {
        if Rc::strong_count(&self.journal) == 1 {
            let policy = &self.gateway.policy;
            let now = host::now().unwrap_or(Time::EPOCH);
            self.sum_up_all(now);
            self.journal.close(|chains| ClosedEvent::of(policy, chains), now);
        }
    }
}
