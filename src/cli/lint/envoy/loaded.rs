//! The parts of an Envoy configuration: the connection managers, and the parts that they get from elsewhere.
//!
//! In: a tree in one form. A bootstrap or a listener contains routes and filters or names them. A `config_dump`
//! contains the parts that Envoy loaded under those names.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cli::lint::envoy::module::Ours;
use crate::cli::lint::envoy::tree::{Found, at, text, type_of};
use crate::engine::config::problem::Place;

/// Parts of a configuration.
pub(super) struct Loaded<'e> {
    pub(super) managers: Vec<Found<'e>>,
    pub(super) listeners: Vec<Found<'e>>,
    /// Filters of clusters, which run after the router.
    pub(super) upstream: Vec<Found<'e>>,
    /// Configurations of the Wasm filters that are tokenward.
    pub(super) modules: Vec<Found<'e>>,
    /// Plugins of any Wasm filter, logger or service.
    pub(super) plugins: Vec<Found<'e>>,
    /// Clusters that read the address from a header.
    pub(super) original: Vec<Found<'e>>,
    /// The place that says how listeners are discovered, if they are not in this file.
    pub(super) discovers_listeners: Option<Place>,
    routes: BTreeMap<&'e str, Found<'e>>,
    extensions: BTreeMap<&'e str, Found<'e>>,
    scopes: Vec<Found<'e>>,
    is_dump: bool,
}

/// Routes of a connection manager.
pub(super) struct Routes<'e> {
    pub(super) seen: Vec<Found<'e>>,
    /// The places that name parts which are not in this file.
    pub(super) unseen: Vec<(String, Place)>,
}

impl<'e> Loaded<'e> {
    pub(super) fn of(tree: &'e Value) -> Self {
        let everything = Found { value: tree, place: Place::default() }.all();
        let is_dump = everything.iter().any(|found| is_type(found, DUMPED_LISTENERS));
        let everything = || everything.iter().filter(|found| !is_dump || is_active(&found.place));
        let having = |key: &str| -> Vec<Found<'e>> {
            everything().filter(|found| found.value.get(key).is_some()).cloned().collect()
        };
        let typed = |name: &str| -> Vec<Found<'e>> {
            everything().filter(|found| is_type(found, name)).cloned().collect()
        };
        let mut managers = typed(MANAGER);
        managers.extend(typed(MOBILE_MANAGER).iter().filter_map(|found| found.key("config")));
        let mut listeners = having("filter_chains");
        listeners.extend(
            having("default_filter_chain")
                .into_iter()
                .filter(|found| found.value.get("filter_chains").is_none()),
        );
        let mut routes = typed("envoy.config.route.v3.RouteConfiguration");
        if tree.get("virtual_hosts").is_some() {
            routes.push(Found { value: tree, place: Place::default() });
        }
        let extensions = typed("envoy.config.core.v3.TypedExtensionConfig");
        let dynamic = everything()
            .find(|found| ["lds_config", "ads_config"].iter().any(|key| found.value.get(key).is_some()));
        let ours = having("typed_config").into_iter().filter(|found| Ours::of(found.value).is_some());
        let mut upstream = [having("http_filters"), having("upstream_http_filters")].concat();
        upstream.retain(|found| !managers.iter().any(|manager| manager.place == found.place));
        Self {
            managers,
            listeners,
            upstream,
            modules: ours.filter_map(|filter| filter.key("typed_config")).collect(),
            plugins: having("vm_config"),
            original: having("original_dst_lb_config"),
            discovers_listeners: dynamic.filter(|_| !is_dump).map(|found| found.place.clone()),
            routes: named(routes),
            extensions: named(extensions),
            scopes: typed("envoy.config.route.v3.ScopedRouteConfiguration"),
            is_dump,
        }
    }

    /// Whether this is the loaded configuration of a running Envoy.
    pub(super) fn is_dump(&self) -> bool {
        self.is_dump
    }

    /// The configuration that Envoy loaded for a filter under this name.
    pub(super) fn extension(&self, name: &str) -> Option<Found<'e>> {
        self.extensions.get(name).and_then(|found| found.key("typed_config"))
    }

    /// The routes of a connection manager.
    pub(super) fn routes(&self, manager: &Found<'e>) -> Routes<'e> {
        let mut routes = Routes { seen: Vec::new(), unseen: Vec::new() };
        if let Some(inline) = manager.key("route_config") {
            routes.seen.push(inline);
        }
        if let Some(named) = manager.key("rds") {
            self.add(text(named.value, "route_config_name"), &named.place, &mut routes);
        }
        if let Some(scoped) = manager.key("scoped_routes") {
            self.add_scoped(&scoped, &mut routes);
        }
        let hosts = routes.seen.iter().filter_map(|routes| routes.key("vhds"));
        routes.unseen.extend(hosts.map(|vhds| ("the virtual hosts".to_owned(), vhds.place)));
        routes
    }

    fn add(&self, name: &'e str, place: &Place, routes: &mut Routes<'e>) {
        match self.routes.get(name) {
            Some(found) => routes.seen.push(found.clone()),
            None => routes.unseen.push((format!("the routes `{}`", name.escape_debug()), place.clone())),
        }
    }

    fn add_scoped(&self, scoped: &Found<'e>, routes: &mut Routes<'e>) {
        let mut scopes = scoped
            .key("scoped_route_configurations_list")
            .map_or_else(Vec::new, |list| list.items("scoped_route_configurations"));
        if at(scoped.value, "scoped_rds").is_object() {
            scopes.extend(self.scopes.iter().cloned());
            if scopes.is_empty() {
                routes.unseen.push(("the scoped routes".to_owned(), scoped.place.key("scoped_rds")));
            }
        }
        for scope in scopes {
            match scope.key("route_configuration") {
                Some(inline) => routes.seen.push(inline),
                None => self.add(text(scope.value, "route_configuration_name"), &scope.place, routes),
            }
        }
    }
}

fn named(found: Vec<Found<'_>>) -> BTreeMap<&str, Found<'_>> {
    found.into_iter().map(|found| (text(found.value, "name"), found)).collect()
}

fn is_type(found: &Found<'_>, name: &str) -> bool {
    type_of(found.value) == name
}

/// Whether Envoy uses this part: it was not rejected and is not draining. The bootstrap repeats the listeners.
fn is_active(place: &Place) -> bool {
    let place = place.to_string();
    let idle = ["error_state", "draining_state", ".bootstrap.static_resources.listeners"];
    !idle.iter().any(|part| place.contains(part))
}

pub(super) const MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const MOBILE_MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.EnvoyMobileHttpConnectionManager";
const DUMPED_LISTENERS: &str = "envoy.admin.v3.ListenersConfigDump";
