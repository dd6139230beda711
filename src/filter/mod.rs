//! The enforcement point: the proxy-wasm filter. Reads, asks the engine, acts; no decisions of its own.
//!
//! wasm32 only. Envoy makes one root context for each configuration and thread, and one HTTP context for
//! each request. `on_configure` answers by the configuration's bytes alone; a root context that was never
//! configured denies all, so that no order of calls leaves a request unjudged.

mod bucket;
mod host;
mod http;
mod journal;

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::engine::audit::{ClosedEvent, ConfiguredEvent};
use crate::engine::settings::Gateway;
use crate::engine::time::Time;
use crate::filter::http::Request;
use crate::filter::journal::Journal;

proxy_wasm::main! {{
    std::panic::set_hook(Box::new(|panic| host::log_panic(panic.location())));
    proxy_wasm::set_root_context(|_| Box::new(Root { shared: Rc::new(Shared::of(Gateway::deny_all(), b"")) }));
}}

/// What the requests of one configuration share.
struct Shared {
    gateway: Gateway,
    journal: Journal,
}

impl Shared {
    /// What the requests of a gateway share that was configured by these bytes.
    fn of(gateway: Gateway, configuration: &[u8]) -> Self {
        let journal = Journal::new(gateway.settings.audit.clone(), configuration);
        Self { gateway, journal }
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
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let configuration = host::plugin_configuration();
        match Gateway::configure(&configuration) {
            Ok(gateway) => {
                let shared = Shared::of(gateway, &configuration);
                let trial = shared.journal.open();
                let now = host::now().unwrap_or(Time::EPOCH);
                let policy = &shared.gateway.policy;
                shared.journal.write(|number| ConfiguredEvent::of(policy, trial, now, number).to_json());
                self.shared = Rc::new(shared);
                true
            }
            Err(problems) => {
                host::log_error(&format!("tokenward: the plugin configuration is refused\n{problems}"));
                false
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request::new(Rc::clone(&self.shared))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
