//! The enforcement point: the proxy-wasm filter. Reads, asks the engine, acts; no decisions of its own.
//!
//! wasm32 only. Envoy makes one root context for each configuration and thread, and one HTTP context for
//! each request. `on_configure` answers by the configuration's bytes alone; a root context that was never
//! configured denies all, so that no order of calls leaves a request unjudged.

mod bucket;
mod freshness;
mod host;
mod http;
mod journal;
mod metrics;

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::engine::audit::{ConfiguredEvent, RefusedEvent};
use crate::engine::metrics::Counter;
use crate::engine::settings::Gateway;
use crate::engine::time::Time;
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
    journal: Journal,
    decisions: Decisions,
}

impl Shared {
    fn of(gateway: Gateway) -> Self {
        let journal = Journal::new(gateway.settings.audit.clone());
        Self { gateway, journal, decisions: Decisions::new() }
    }
}

struct Root {
    shared: Rc<Shared>,
    gauges: Option<Gauges>,
}

impl Default for Root {
    fn default() -> Self {
        Self { shared: Rc::new(Shared::of(Gateway::deny_all())), gauges: None }
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        metrics::announce();
        match Gateway::configure(&host::plugin_configuration()) {
            Ok(gateway) => {
                self.shared = Rc::new(in_force(gateway));
                self.gauges = Gauges::of(&self.shared.gateway.policy);
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
        if let (Some(gauges), Some(now)) = (&self.gauges, host::now()) {
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

/// What a configuration puts in force: its policy, or none where a newer one was there. Envoy is told the same in
/// either case, for its threads are not asked at the same time, and one that says "no" is skipped.
fn in_force(gateway: Gateway) -> Shared {
    let now = host::now().unwrap_or(Time::EPOCH);
    match freshness::check(&gateway.policy) {
        Ok(()) => {
            let shared = Shared::of(gateway);
            let policy = &shared.gateway.policy;
            shared.journal.write(|number| ConfiguredEvent::of(policy, now, number).to_json());
            shared
        }
        Err(newer) => {
            let shared = Shared::of(Gateway { policy: gateway.policy.withdrawn(), ..gateway });
            let policy = &shared.gateway.policy;
            let event = |number| RefusedEvent::of(policy, newer, now, number);
            shared.journal.write(|number| event(number).to_json());
            host::log_error(&event(0).told());
            shared
        }
    }
}

/// Milliseconds between ticks.
const TICK: u32 = 1_000;
