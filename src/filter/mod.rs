//! The enforcement point: the proxy-wasm filter. Reads, asks the engine, acts; no decisions of its own.
//!
//! wasm32 only. Envoy makes one root context for each configuration and thread, and one HTTP context for
//! each request. `on_configure` answers by the configuration's bytes alone; a root context that was never
//! configured denies all, so that no order of calls leaves a request unjudged.

mod bucket;
mod feed;
mod freshness;
mod host;
mod http;
mod journal;
mod leader;
mod metrics;
mod root;

use std::rc::Rc;

use crate::engine::settings::Gateway;
use crate::filter::journal::Journal;
use crate::filter::metrics::Decisions;
use crate::filter::root::Root;

proxy_wasm::main! {{
    std::panic::set_hook(Box::new(|panic| host::log_panic(panic.location())));
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// What the requests of one policy share.
struct Shared {
    gateway: Gateway,
    /// The journal outlives the policy: one that is fetched goes on where the last one ended.
    journal: Rc<Journal>,
    decisions: Decisions,
}

impl Shared {
    fn of(gateway: Gateway, journal: Rc<Journal>) -> Self {
        Self { gateway, journal, decisions: Decisions::new() }
    }
}
