//! The enforcement point: the proxy-wasm filter. Reads, asks the engine, acts; no decisions of its own.
//!
//! wasm32 only. Envoy makes one root context for each configuration and thread, and one HTTP context for
//! each request. `on_configure` answers by the configuration's bytes alone; a root context that was never
//! configured denies all, so that no order of calls leaves a request unjudged.

mod alerts;
mod bucket;
mod defense;
mod host;
mod http;
mod journal;
mod leader;
mod metrics;
mod shared;

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::engine::audit::{ClosedEvent, ConfiguredEvent};
use crate::engine::metrics::Counter;
use crate::engine::settings::Gateway;
use crate::engine::time::Time;
use crate::filter::alerts::Courier;
use crate::filter::defense::Guard;
use crate::filter::http::Request;
use crate::filter::journal::Journal;
use crate::filter::metrics::{Decisions, Gauges};

proxy_wasm::main! {{
    std::panic::set_hook(Box::new(|panic| host::log_panic(panic.location())));
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// What the requests of one configuration share.
struct Shared {
    gateway: Gateway,
    /// Where the policy has a defense.
    guard: Option<Guard>,
    journal: Journal,
    /// Where the configuration has a target for alerts.
    courier: Option<Courier>,
    decisions: Decisions,
}

impl Shared {
    /// What the requests of a gateway share that was configured by these bytes.
    fn of(gateway: Gateway, configuration: &[u8]) -> Self {
        let journal = Journal::new(gateway.settings.audit.clone(), configuration);
        let (guard, courier) = (Guard::of(&gateway), Courier::of(&gateway));
        Self { gateway, guard, journal, courier, decisions: Decisions::new() }
    }
}

/// The last request of a configuration has ended, and its root context too: Envoy took another one, or shuts down.
impl Drop for Shared {
    fn drop(&mut self) {
        let policy = &self.gateway.policy;
        self.journal
            .close(|number| ClosedEvent::of(policy, host::now().unwrap_or(Time::EPOCH), number).to_json());
    }
}

struct Root {
    shared: Rc<Shared>,
    gauges: Option<Gauges>,
}

impl Default for Root {
    fn default() -> Self {
        Self { shared: Rc::new(Shared::of(Gateway::deny_all(), b"")), gauges: None }
    }
}

impl Drop for Root {
    /// Envoy would go on with the timer of a root context that is gone, for as long as the VM lives.
    fn drop(&mut self) {
        host::set_tick_period(NO_TICK);
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, headers: usize, _body: usize, _trailers: usize) {
        if let Some(courier) = &self.shared.courier {
            // Without headers there is no answer: the request was reset.
            let status = (headers > 0).then(host::call_status).flatten();
            courier.answered(call, status, host::now().unwrap_or(Time::EPOCH));
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        metrics::announce();
        let configuration = host::plugin_configuration();
        match Gateway::configure(&configuration) {
            Ok(gateway) => {
                let shared = Shared::of(gateway, &configuration);
                let trial = shared.journal.open();
                let now = host::now().unwrap_or(Time::EPOCH);
                let policy = &shared.gateway.policy;
                shared.journal.write(|number| ConfiguredEvent::of(policy, trial, now, number).to_json());
                self.gauges = Gauges::of(policy);
                self.shared = Rc::new(shared);
                host::set_tick_period(TICK);
                metrics::count(Counter::ConfigurationAccepted);
                true
            }
            Err(problems) => {
                host::log_error(&format!("tokenward: the plugin configuration is refused\n{problems}"));
                metrics::count(Counter::ConfigurationRefused);
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let Some(now) = host::now() else { return };
        if let Some(courier) = &self.shared.courier {
            courier.tick(now);
        }
        if let Some(guard) = &self.shared.guard {
            guard.tell(&self.shared.gateway, now);
        }
        if let Some(gauges) = &self.gauges {
            gauges.tell(&self.shared.gateway.policy, now);
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request::new(Rc::clone(&self.shared))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Milliseconds between ticks.
const TICK: u32 = 1_000;
const NO_TICK: u32 = 0;
