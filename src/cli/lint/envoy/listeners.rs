//! Connections that bypass every connection manager with tokenward, because Envoy only forwards them.

use crate::cli::lint::envoy::Finding;
use crate::cli::lint::envoy::chain::DUMP;
use crate::cli::lint::envoy::loaded::{Loaded, MANAGER};
use crate::cli::lint::envoy::tree::{Found, at, text, type_of};

/// The findings in a listener's filter chains.
pub(super) fn findings(listener: &Found<'_>, loaded: &Loaded<'_>) -> Vec<Finding> {
    let mut chains = listener.items("filter_chains");
    chains.extend(listener.key("default_filter_chain"));
    chains.iter().filter_map(|chain| passes_on(chain, loaded)).collect()
}

/// A chain without a connection manager that forwards its traffic.
fn passes_on(chain: &Found<'_>, loaded: &Loaded<'_>) -> Option<Finding> {
    let filters = chain.items("filters");
    let mut unseen = None;
    let mut forwards = None;
    for filter in &filters {
        let name = text(filter.value, "name");
        let Some(configuration) = filter.key("typed_config").or_else(|| loaded.extension(name)) else {
            unseen = Some(filter.place.clone()).filter(|_| at(filter.value, "config_discovery").is_object());
            continue;
        };
        let kind = type_of(configuration.value);
        if kind == MANAGER {
            return None;
        }
        if FORWARDS.contains(&kind) {
            forwards = Some(filter.place.clone());
        }
    }
    if let Some(place) = forwards {
        let message =
            "this filter chain forwards connections without reading requests: they bypass the policy"
                .to_owned();
        let hint =
            "give the chain a connection manager with tokenward, or make sure that no request comes here";
        return Some(Finding::warning("unjudged_chain", place, message, hint));
    }
    let message =
        "the configuration of this filter is in another file: it may forward connections".to_owned();
    unseen.map(|place| Finding::warning("filter_not_seen", place, message, DUMP))
}

/// Network filters that forward HTTP without a connection manager.
const FORWARDS: [&str; 2] = [
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "envoy.extensions.filters.network.generic_proxy.v3.GenericProxy",
];
