//! Checks Envoy's configuration for everything that tokenward assumes about it.
//!
//! In: a bootstrap, a listener file, or the loaded configuration of a running Envoy (`config_dump`), as YAML or JSON.
//! Out: findings. Lint checks every connection manager, wherever it is.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::lint::envoy::chain::DUMP;
use crate::cli::lint::envoy::loaded::Loaded;
use crate::cli::lint::envoy::manager::Manager;
use crate::cli::lint::envoy::schema::{Rejection, Schema, VERSION};
use crate::cli::lint::envoy::tree::{Found, at, is_set, text, written};
use crate::engine::authoring::lint::Severity;
use crate::engine::config::problem::{Place, Problem};

mod addresses;
mod chain;
mod legacy;
mod listeners;
mod loaded;
mod manager;
mod module;
mod routes;
mod schema;
mod tree;
mod yaml;

/// One finding.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) code: &'static str,
    pub(super) severity: Severity,
    pub(super) place: Place,
    pub(super) message: String,
    pub(super) hint: &'static str,
}

impl Finding {
    fn error(code: &'static str, place: Place, message: String, hint: &'static str) -> Self {
        Self { code, severity: Severity::Error, place, message, hint }
    }

    fn warning(code: &'static str, place: Place, message: String, hint: &'static str) -> Self {
        Self { code, severity: Severity::Warning, place, message, hint }
    }

    fn note(code: &'static str, place: Place, message: String, hint: &'static str) -> Self {
        Self { code, severity: Severity::Note, place, message, hint }
    }
}

/// The parts of Envoy's configuration on which a policy relies.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reliance {
    /// A token is restricted to source addresses.
    pub(super) sources: bool,
    /// An operation names a host.
    pub(super) hosts: bool,
    /// The gateway reads `x-forwarded-for` itself and trusts this number of proxies.
    pub(super) hops: Option<usize>,
}

/// The tree of Envoy's configuration, as Envoy reads the text.
///
/// # Errors
/// Fails if the text is neither YAML nor JSON.
pub(super) fn parse(configuration: &str) -> Result<Value, Problem> {
    yaml::parse(configuration)
}

/// All findings about an Envoy configuration.
///
/// # Errors
/// Never, with the descriptors of the repository.
pub(super) fn findings(configuration: &Value, reliance: Reliance) -> Result<Vec<Finding>, Failure> {
    let mut findings = match Schema::load()?.read(configuration) {
        Ok(tree) => of_tree(&tree, reliance),
        Err(rejections) => rejections.into_iter().map(rejected).collect(),
    };
    // Several connection managers may share routes.
    let mut seen = BTreeSet::new();
    findings.retain(|finding| seen.insert((finding.code, finding.place.clone(), finding.message.clone())));
    for finding in &mut findings {
        finding.place = written(&finding.place, configuration);
    }
    Ok(findings)
}

fn rejected(Rejection { place, message }: Rejection) -> Finding {
    let message = format!("Envoy {VERSION} rejects this: {message}");
    Finding::error(
        "rejected",
        place,
        message,
        "correct it; `envoy --mode validate` finds the rest of what Envoy rejects",
    )
}

fn of_tree(tree: &Value, reliance: Reliance) -> Vec<Finding> {
    let loaded = Loaded::of(tree);
    if loaded.managers.is_empty() && loaded.modules.is_empty() {
        return vec![nothing_to_check(&loaded)];
    }
    let managers = loaded.managers.iter();
    let managers = managers.flat_map(|found| Manager { found, loaded: &loaded, reliance }.findings());
    let mut findings: Vec<Finding> = managers.collect();
    findings.extend(loaded.listeners.iter().flat_map(|listener| listeners::findings(listener, &loaded)));
    findings
        .extend(loaded.discovers_listeners.iter().map(|place| listeners_not_seen(place, Severity::Warning)));
    findings.extend(behind_the_router(&loaded));
    findings.extend(loaded.original.iter().filter_map(routes::original_destination));
    findings.extend(loaded.modules.iter().filter_map(fail_open));
    findings.extend(shared_vm(&loaded));
    findings
}

fn nothing_to_check(loaded: &Loaded<'_>) -> Finding {
    if let Some(place) = &loaded.discovers_listeners {
        return listeners_not_seen(place, Severity::Error);
    }
    let message = "there is no HTTP connection manager in this file, and tokenward is not in it".to_owned();
    let hint = "name Envoy's bootstrap, the file with its listeners, or what `tokenward render` wrote";
    Finding::error("nothing_to_check", Place::default(), message, hint)
}

fn listeners_not_seen(place: &Place, severity: Severity) -> Finding {
    let message = "Envoy gets more listeners from elsewhere: they are not in this file".to_owned();
    Finding { code: "listeners_not_seen", severity, place: place.clone(), message, hint: DUMP }
}

/// Filters of the router and of clusters, which run after tokenward.
fn behind_the_router(loaded: &Loaded<'_>) -> Vec<Finding> {
    let keys = ["http_filters", "upstream_http_filters"];
    let chains = loaded.upstream.iter().flat_map(|found| keys.map(|key| found.items(key)));
    let filters = chains.flatten().filter_map(|filter| filter.key("typed_config"));
    filters.filter_map(|configuration| chain::changes(&configuration, configuration.place.clone())).collect()
}

/// `FAIL_OPEN` forwards requests while the filter is broken.
fn fail_open(filter: &Found<'_>) -> Option<Finding> {
    let open = text(filter.value, "config/failure_policy") == "FAIL_OPEN"
        || is_set(filter.value, "config/fail_open");
    let message = "this filter forwards every request while it is broken".to_owned();
    let hint =
        "set `failure_policy: FAIL_RELOAD`: Envoy rejects requests until the filter is back, a second later";
    open.then(|| Finding::error("fail_open", filter.place.key("config"), message, hint))
}

/// Other modules with the same `vm_id` can read and write tokenward's shared data.
fn shared_vm(loaded: &Loaded<'_>) -> Vec<Finding> {
    let vm = |plugin: &Value| text(plugin, "vm_config/vm_id").to_owned();
    let ours: Vec<Place> = loaded.modules.iter().map(|module| module.place.key("config")).collect();
    let ids: BTreeSet<String> = loaded.modules.iter().map(|module| vm(at(module.value, "config"))).collect();
    let others = loaded.plugins.iter().filter(|plugin| !ours.contains(&plugin.place));
    let sharing = others.filter(|plugin| ids.contains(&vm(plugin.value)));
    let finding = |plugin: &Found<'_>| {
        let message = format!(
            "this module has tokenward's `vm_id` (`{}`): it can change suspensions, rate limits and revisions",
            vm(plugin.value).escape_debug()
        );
        Finding::warning(
            "shared_vm",
            plugin.place.key("vm_config"),
            message,
            "give tokenward a `vm_id` of its own",
        )
    };
    sharing.map(finding).collect()
}
