//! A connection manager: its filter chain, its routes, and how it reads requests.

use serde_json::Value;

use crate::cli::lint::envoy::addresses::Addresses;
use crate::cli::lint::envoy::chain::{Chain, DUMP};
use crate::cli::lint::envoy::loaded::{Loaded, Routes};
use crate::cli::lint::envoy::tree::{Found, at, is_set, text};
use crate::cli::lint::envoy::{Finding, Reliance, routes};
use crate::engine::config::problem::Place;
use crate::engine::matching::host::{Host, Ports};

/// A connection manager.
pub(super) struct Manager<'c, 'e> {
    pub(super) found: &'c Found<'e>,
    pub(super) loaded: &'c Loaded<'e>,
    pub(super) reliance: Reliance,
}

impl Manager<'_, '_> {
    pub(super) fn findings(&self) -> Vec<Finding> {
        let chain = Chain { filters: self.found.items("http_filters"), loaded: self.loaded };
        let Some(judge) = chain.judge() else { return vec![self.no_filter(&chain)] };
        let mut findings = chain.findings(&judge);
        let Routes { seen, unseen } = self.loaded.routes(self.found);
        let (name, ours) = (text(judge.filter.value, "name"), judge.ours());
        findings.extend(seen.iter().flat_map(|routes| routes::findings(routes, name, &ours)));
        findings.extend(unseen.into_iter().map(routes_not_seen));
        findings.extend(Addresses::of(self.found, self.reliance).findings());
        findings.extend(self.host_spelling());
        findings.extend(seen.iter().flat_map(|routes| self.unreachable_domains(routes)));
        findings.extend(self.normalization());
        findings.extend(self.upgrades());
        findings.extend(self.unfiltered_upgrades());
        findings
    }

    fn no_filter(&self, chain: &Chain<'_, '_>) -> Finding {
        let message = if chain.has_wasm() {
            "the Wasm filters of this connection manager are not tokenward: its requests bypass the policy"
        } else {
            "this connection manager has no Wasm filter: its requests bypass the policy"
        };
        let hint = "put the filter before the router, as in envoy/envoy.yaml";
        Finding::error("no_filter", self.found.place.clone(), message.to_owned(), hint)
    }

    /// Envoy builds its filter chain for the host as received, and chooses the route again for the forwarded host.
    fn host_spelling(&self) -> Option<Finding> {
        let strips = ["strip_any_host_port", "strip_trailing_host_dot"];
        let strips = strips.iter().all(|key| is_set(self.found.value, key));
        let message = "tokenward rewrites a host with a port or a trailing dot: filters that a route enables or disables follow the host as it came".to_owned();
        let hint = "set `strip_any_host_port: true` and `strip_trailing_host_dot: true`";
        (!strips).then(|| Finding::note("host_spelling", self.found.place.clone(), message, hint))
    }

    /// Domains of virtual hosts that match no forwarded host.
    fn unreachable_domains(&self, routes: &Found<'_>) -> Vec<Finding> {
        let domains = routes.all().into_iter().flat_map(|found| found.items("domains"));
        let finding = |domain: Found<'_>| {
            let name = domain.value.as_str().filter(|name| !self.reaches(name))?;
            let shown: String = name.chars().take(MAX_SHOWN).collect();
            let message = format!(
                "no request reaches the domain `{}`: tokenward never forwards a host in this spelling",
                shown.escape_default()
            );
            let hint = "write the domain without a trailing dot, without a port where an operation names a host, and an IPv6 address as in RFC 5952";
            Some(Finding::warning("unreachable_domain", domain.place, message, hint))
        };
        domains.filter_map(finding).collect()
    }

    /// Whether a forwarded host can match a domain; Envoy compares case-insensitively.
    fn reaches(&self, domain: &str) -> bool {
        let ports = if self.reliance.hosts { Ports::Removed } else { Ports::Kept };
        let lower = domain.to_ascii_lowercase();
        // Examples of what a `*` may stand for: part of a name, of a port, of an address.
        ["x", "1", "1]"].iter().any(|part| {
            let host = lower.replacen('*', part, 1);
            let host = host.as_bytes();
            Host::parse(host).is_ok_and(|read| read.rewritten(host, ports).is_none())
        })
    }

    /// The filter never sees problems that Envoy repairs. That is safe, but then the filter does not reject such
    /// requests.
    fn normalization(&self) -> Option<Finding> {
        let is_on = |key: &&str| match at(self.found.value, key) {
            Value::Bool(on) => *on,
            Value::String(action) => action.starts_with("UNESCAPE"),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
        };
        let on: Vec<String> =
            NORMALIZATION.iter().filter(|key| is_on(key)).map(|key| format!("`{key}`")).collect();
        let message = format!("Envoy normalizes paths before the filter judges them ({})", on.join(", "));
        let hint = "disable it if the filter must reject and audit such requests; leaving it on is safe, but makes the gateway's `paths` ineffective";
        (!on.is_empty()).then(|| Finding::note("normalized_before", self.found.place.clone(), message, hint))
    }

    fn upgrades(&self) -> Option<Finding> {
        let message = "connections can be upgraded: the filter judges only the upgrade request".to_owned();
        let hint = "limit them with `max_connection_duration`: a revoked token keeps its open connections";
        let upgrades = self.found.key("upgrade_configs")?;
        Some(Finding::note("upgrades", upgrades.place, message, hint))
    }

    /// Upgrades with their own filters.
    fn unfiltered_upgrades(&self) -> Vec<Finding> {
        let upgrades = self.found.items("upgrade_configs");
        let own = upgrades.iter().filter_map(|upgrade| {
            let filters = upgrade.items("filters");
            (!filters.is_empty()).then(|| (upgrade.place.key("filters"), filters))
        });
        let findings = own.flat_map(|(place, filters)| {
            let chain = Chain { filters, loaded: self.loaded };
            chain.judge().map_or_else(|| vec![unjudged_upgrade(place)], |judge| chain.findings(&judge))
        });
        findings.collect()
    }
}

fn unjudged_upgrade(place: Place) -> Finding {
    let message = "this upgrade has its own filters without tokenward: it bypasses the policy".to_owned();
    let hint = "put the filter there too, or omit `filters`";
    Finding::error("unjudged_upgrade", place, message, hint)
}

fn routes_not_seen((what, place): (String, Place)) -> Finding {
    let message = format!("{what} are not in this file: one of them may switch the filter off");
    Finding::warning("routes_not_seen", place, message, DUMP)
}

/// Settings of a connection manager with which Envoy changes a path before any filter runs.
const NORMALIZATION: [&str; 3] = ["normalize_path", "merge_slashes", "path_with_escaped_slashes_action"];
/// Maximum number of characters of a domain that a message quotes.
const MAX_SHOWN: usize = 64;
