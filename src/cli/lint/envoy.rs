//! What tokenward assumes of the Envoy that it runs in, checked in Envoy's own configuration.
//!
//! In: a bootstrap, or the file of a listener, as YAML or JSON. Out: findings. Every connection manager in it is
//! looked at, wherever it stands.

use std::cmp::Ordering;

use serde_json::Value;

use crate::engine::authoring::lint::Severity;
use crate::engine::config::problem::Place;
use crate::engine::matching::host::{Host, Ports};

/// One finding.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) code: &'static str,
    pub(super) severity: Severity,
    pub(super) place: Place,
    pub(super) message: String,
    pub(super) hint: &'static str,
}

/// What a policy relies on in Envoy's configuration.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reliance {
    /// A token is bound to addresses.
    pub(super) sources: bool,
    /// An operation names a host.
    pub(super) hosts: bool,
    /// The gateway reads `x-forwarded-for` itself, and trusts so many proxies.
    pub(super) hops: Option<usize>,
}

/// Everything that is found in an Envoy configuration.
pub(super) fn findings(configuration: &Value, reliance: Reliance) -> Vec<Finding> {
    let (mut managers, mut modules) = (Vec::new(), Vec::new());
    visit(configuration, &Place::default(), &mut |value, place| match type_of(value) {
        Some(name) if name.ends_with(".HttpConnectionManager") => {
            managers.push(Manager { value, place: place.clone(), reliance });
        }
        Some(name) if name.ends_with(WASM) => modules.push((value, place.clone())),
        Some(_) | None => {}
    });
    if managers.is_empty() && modules.is_empty() {
        return vec![Finding {
            code: "nothing_to_check",
            severity: Severity::Error,
            place: Place::default(),
            message: "there is no HTTP connection manager in this file, and no Wasm filter".to_owned(),
            hint: "name Envoy's bootstrap, the file with its listeners, or what `tokenward render` wrote",
        }];
    }
    let open = modules.iter().filter_map(|(value, place)| fail_open(value, place));
    managers.iter().flat_map(Manager::findings).chain(open).collect()
}

/// `FAIL_OPEN` lets requests through while the filter is broken.
fn fail_open(filter: &Value, place: &Place) -> Option<Finding> {
    let is = |key: &str, value: Value| at(filter, key) == &value;
    let open = is("/config/failure_policy", "FAIL_OPEN".into()) || is("/config/fail_open", true.into());
    open.then(|| Finding {
        code: "fail_open",
        severity: Severity::Error,
        place: place.key("config"),
        message: "this filter forwards every request while it is broken".to_owned(),
        hint: "set `failure_policy: FAIL_RELOAD`: Envoy rejects requests until the filter is back, a second later",
    })
}

/// A connection manager.
struct Manager<'e> {
    value: &'e Value,
    place: Place,
    reliance: Reliance,
}

impl Manager<'_> {
    fn findings(&self) -> Vec<Finding> {
        let filters: &[Value] = at(self.value, "/http_filters").as_array().map_or(&[], Vec::as_slice);
        let Some(position) = filters.iter().position(is_wasm) else {
            let message =
                "this connection manager has no Wasm filter: its requests bypass the policy".to_owned();
            return vec![self.finding(
                "no_filter",
                Severity::Error,
                self.place.clone(),
                message,
                "put the filter before the router, as in envoy/envoy.yaml",
            )];
        };
        let mut findings = Vec::new();
        let place = self.place.key("http_filters");
        for (number, filter) in filters.iter().enumerate() {
            let place = place.index(number);
            findings.extend(match number.cmp(&position) {
                Ordering::Less => self.answers_before(filter, &place),
                Ordering::Equal => self.switched_off(filter, &place),
                Ordering::Greater => self.changes_behind(filter, &place),
            });
        }
        findings.extend(self.disabled(filters.get(position)));
        findings.extend(self.source_trust());
        findings.extend(self.source_port());
        findings.extend(self.source_hops());
        findings.extend(self.host_spelling());
        findings.extend(self.unreachable_domains());
        findings.extend(self.normalisation());
        findings.extend(self.upgrades());
        findings.extend(self.unfiltered_upgrades());
        findings.extend(self.chosen_by_the_caller());
        findings
    }

    fn changes_behind(&self, filter: &Value, place: &Place) -> Option<Finding> {
        if is_type(filter, WASM) {
            let message =
                "another Wasm filter runs after tokenward and may change the judged request".to_owned();
            return Some(self.finding("changed_after", Severity::Note, place.clone(), message, BEFORE));
        }
        let name = CHANGES.iter().find(|name| is_type(filter, name))?;
        let name = name.trim_start_matches('.');
        let message = format!("{name} runs after tokenward and may change the judged request");
        Some(self.finding("changed_after", Severity::Error, place.clone(), message, BEFORE))
    }

    fn answers_before(&self, filter: &Value, place: &Place) -> Option<Finding> {
        if is_type(filter, ".CacheConfig") || is_type(filter, ".CacheV2Config") {
            let message = "the cache runs before tokenward: every caller gets what it holds".to_owned();
            let hint = "move it after tokenward, and cache only public responses";
            return Some(self.finding("cached_before", Severity::Error, place.clone(), message, hint));
        }
        let counts = is_type(filter, ".RateLimit");
        let message = "the rate limit filter runs before tokenward and cannot count by identity".to_owned();
        let hint = "move it after tokenward, as in envoy/ratelimit.yaml";
        counts.then(|| self.finding("counted_before", Severity::Error, place.clone(), message, hint))
    }

    /// A filter that is off unless a route switches it on.
    fn switched_off(&self, filter: &Value, place: &Place) -> Option<Finding> {
        let off = at(filter, "/disabled") == &Value::Bool(true);
        let message = "the filter is disabled: it judges only routes that enable it".to_owned();
        let hint = "remove `disabled`, and list operations that need no token under the policy's `public`";
        off.then(|| self.finding("disabled_filter", Severity::Error, place.key("disabled"), message, hint))
    }

    /// Routes that switch the filter off.
    fn disabled(&self, filter: Option<&Value>) -> Vec<Finding> {
        let Some(name) = filter.and_then(|filter| at(filter, "/name").as_str()) else { return Vec::new() };
        let mut findings = Vec::new();
        visit(at(self.value, "/route_config"), &self.place.key("route_config"), &mut |value, place| {
            let per_filter = value.get("typed_per_filter_config").and_then(|filters| filters.get(name));
            if per_filter.is_some_and(|filter| at(filter, "/disabled") == &Value::Bool(true)) {
                let message = "this route bypasses the policy: the filter is disabled for it".to_owned();
                let hint = "list operations that need no token under the policy's `public`: then the filter audits them";
                let place = place.key("typed_per_filter_config").key(name);
                findings.push(self.finding("disabled_route", Severity::Error, place, message, hint));
            }
        });
        findings
    }

    /// By Envoy's default whoever connects may say where the request comes from.
    fn source_trust(&self) -> Option<Finding> {
        let trusts = at(self.value, "/use_remote_address") != &Value::Bool(true)
            && at(self.value, "/original_ip_detection_extensions").is_null();
        let severity = if self.reliance.sources { Severity::Error } else { Severity::Note };
        let message = "a caller can claim any address: Envoy takes it from `x-forwarded-for`".to_owned();
        let hint = "set `use_remote_address: true`, and `xff_num_trusted_hops` to the number of proxies before Envoy";
        trusts.then(|| self.finding("source_trust", severity, self.place.clone(), message, hint))
    }

    /// Where Envoy takes the source from `x-forwarded-for`, it cannot read one with a port.
    fn source_port(&self) -> Option<Finding> {
        let direct = at(self.value, "/use_remote_address") == &Value::Bool(true) && self.envoys_hops() == 0;
        let detects = !at(self.value, "/original_ip_detection_extensions").is_null();
        let reads = (!direct || detects) && self.reliance.hops.is_none();
        let severity = if self.reliance.sources { Severity::Error } else { Severity::Note };
        let message =
            "behind a proxy that writes ports into `x-forwarded-for`, requests have no source".to_owned();
        let hint = "set `source: { trusted_hops: N }` in gateway.yaml, with N as in `xff_num_trusted_hops`: then the gateway accepts ports";
        reads.then(|| self.finding("source_port", severity, self.place.clone(), message, hint))
    }

    /// Whether the gateway counts proxies in the header that it gets as Envoy does in the one that came in.
    fn source_hops(&self) -> Option<Finding> {
        let (ours, envoys) = (self.reliance.hops?, self.envoys_hops());
        if at(self.value, "/skip_xff_append") == &Value::Bool(true) {
            let message = "Envoy does not append the caller to `x-forwarded-for`, so the gateway's `source` reads the wrong entry".to_owned();
            let hint = "remove `skip_xff_append`, or `source` from gateway.yaml";
            let place = self.place.key("skip_xff_append");
            return Some(self.finding("source_hops", Severity::Error, place, message, hint));
        }
        let message = format!(
            "the gateway's `source` trusts {ours} proxies, Envoy trusts {envoys}: its access log and other filters see another source"
        );
        let hint = "give `xff_num_trusted_hops` and `source.trusted_hops` the same number";
        let differ = u64::try_from(ours) != Ok(envoys);
        differ.then(|| self.finding("source_hops", Severity::Note, self.place.clone(), message, hint))
    }

    fn envoys_hops(&self) -> u64 {
        at(self.value, "/xff_num_trusted_hops").as_u64().unwrap_or(0)
    }

    /// Envoy builds its chain of filters by the host as it came, and chooses the route again by the one that is forwarded.
    fn host_spelling(&self) -> Option<Finding> {
        let is_set = |key| at(self.value, key) == &Value::Bool(true);
        let strips = is_set("/strip_any_host_port") && is_set("/strip_trailing_host_dot");
        let message = "tokenward rewrites a host with a port or a trailing dot: filters that a route enables or disables follow the host as it came".to_owned();
        let hint = "set `strip_any_host_port: true` and `strip_trailing_host_dot: true`";
        (!strips).then(|| self.finding("host_spelling", Severity::Note, self.place.clone(), message, hint))
    }

    /// Domains of virtual hosts that no forwarded host matches.
    fn unreachable_domains(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        visit(at(self.value, "/route_config"), &self.place.key("route_config"), &mut |value, place| {
            let domains = value.get("domains").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            for (number, domain) in domains.iter().enumerate() {
                let Some(domain) = domain.as_str().filter(|domain| !self.reaches(domain)) else { continue };
                let shown: String = domain.chars().take(MAX_SHOWN).collect();
                let message = format!(
                    "no request reaches the domain `{}`: tokenward never forwards a host in this spelling",
                    shown.escape_default()
                );
                let hint = "write the domain without a trailing dot, without a port where an operation names a host, and an IPv6 address as in RFC 5952";
                let place = place.key("domains").index(number);
                findings.push(self.finding("unreachable_domain", Severity::Warning, place, message, hint));
            }
        });
        findings
    }

    /// Whether a forwarded host can match a domain; Envoy itself compares without case.
    fn reaches(&self, domain: &str) -> bool {
        let ports = if self.reliance.hosts { Ports::Removed } else { Ports::Kept };
        let lower = domain.to_ascii_lowercase();
        // What a `*` may stand for: part of a name, of a port, of an address.
        ["x", "1", "1]"].iter().any(|part| {
            let host = lower.replacen('*', part, 1);
            let host = host.as_bytes();
            Host::parse(host).is_ok_and(|read| read.rewritten(host, ports).is_none())
        })
    }

    /// What Envoy puts right the filter never sees: safe, but then nobody is refused for it.
    fn normalisation(&self) -> Option<Finding> {
        let is_on = |key: &&str| match at(self.value, &format!("/{key}")) {
            Value::Bool(on) => *on,
            Value::String(action) => action.starts_with("UNESCAPE"),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
        };
        let on: Vec<String> =
            NORMALISATION.iter().filter(|key| is_on(key)).map(|key| format!("`{key}`")).collect();
        let message = format!("Envoy normalises paths before the filter judges them ({})", on.join(", "));
        let hint = "disable it if the filter shall reject and audit such requests; leaving it on is safe, but makes the gateway's `paths` ineffective";
        (!on.is_empty())
            .then(|| self.finding("normalised_before", Severity::Note, self.place.clone(), message, hint))
    }

    fn upgrades(&self) -> Option<Finding> {
        let upgrades =
            at(self.value, "/upgrade_configs").as_array().is_some_and(|upgrades| !upgrades.is_empty());
        let message = "connections can be upgraded: the filter judges only the upgrade request".to_owned();
        let hint = "limit them with `max_connection_duration`: a revoked token keeps its open connections";
        upgrades.then(|| {
            self.finding("upgrades", Severity::Note, self.place.key("upgrade_configs"), message, hint)
        })
    }

    /// Upgrades that have filters of their own, the filter not among them.
    fn unfiltered_upgrades(&self) -> Vec<Finding> {
        let upgrades = at(self.value, "/upgrade_configs").as_array().map_or(&[][..], Vec::as_slice);
        let mut findings = Vec::new();
        for (number, upgrade) in upgrades.iter().enumerate() {
            let filters = at(upgrade, "/filters").as_array();
            if filters.is_some_and(|filters| !filters.is_empty() && !filters.iter().any(is_wasm)) {
                let message =
                    "this upgrade has its own filters without a Wasm filter: it bypasses the policy"
                        .to_owned();
                let hint = "put the filter there too, or omit `filters`";
                let place = self.place.key("upgrade_configs").index(number).key("filters");
                findings.push(self.finding("unjudged_upgrade", Severity::Error, place, message, hint));
            }
        }
        findings
    }

    /// Routes by which a header of the caller's names the cluster or the host.
    fn chosen_by_the_caller(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        visit(at(self.value, "/route_config"), &self.place.key("route_config"), &mut |value, place| {
            for key in ["cluster_header", "host_rewrite_header"] {
                let Some(header) = value.get(key).and_then(Value::as_str) else { continue };
                let header: String = header.chars().take(MAX_SHOWN).collect();
                let message = format!(
                    "the header `{}` chooses where a request goes, and a caller can send it",
                    header.escape_default()
                );
                let hint =
                    "set the header in Envoy, after tokenward, or name the cluster and host in the route";
                findings.push(self.finding(
                    "chosen_by_caller",
                    Severity::Error,
                    place.key(key),
                    message,
                    hint,
                ));
            }
        });
        findings
    }

    fn finding(
        &self,
        code: &'static str,
        severity: Severity,
        place: Place,
        message: String,
        hint: &'static str,
    ) -> Finding {
        Finding { code, severity, place, message, hint }
    }
}

/// Whether it is a Wasm filter, or one that is delivered by ECDS and may be.
fn is_wasm(filter: &Value) -> bool {
    let discovered = at(filter, "/config_discovery/type_urls").as_array();
    is_type(filter, WASM)
        || discovered
            .is_some_and(|urls| urls.iter().any(|url| url.as_str().is_some_and(|url| url.ends_with(WASM))))
}

fn is_type(filter: &Value, name: &str) -> bool {
    type_of(at(filter, "/typed_config")).is_some_and(|url| url.ends_with(name))
}

fn type_of(value: &Value) -> Option<&str> {
    at(value, "/@type").as_str()
}

/// What a JSON pointer (RFC 6901) finds; nothing is null.
fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// Visits a value and everything in it, each with its place.
fn visit<'v>(value: &'v Value, place: &Place, with: &mut impl FnMut(&'v Value, &Place)) {
    with(value, place);
    match value {
        Value::Object(entries) => {
            entries.iter().for_each(|(key, value)| visit(value, &place.key(key), with));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(number, item)| visit(item, &place.index(number), with));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

const BEFORE: &str =
    "move it before tokenward, or make sure that it keeps method, host, path and identity headers";
/// Settings of a connection manager by which Envoy changes a path before any filter sees it.
const NORMALISATION: [&str; 3] = ["normalize_path", "merge_slashes", "path_with_escaped_slashes_action"];
/// Most characters of a header's name that a message quotes.
const MAX_SHOWN: usize = 64;
const WASM: &str = ".wasm.v3.Wasm";
/// Filters that may change a request's method, host, path or headers, by the end of their type's name.
const CHANGES: [&str; 7] = [
    ".lua.v3.Lua",
    ".ext_proc.v3.ExternalProcessor",
    ".header_mutation.v3.HeaderMutation",
    ".grpc_json_transcoder.v3.GrpcJsonTranscoder",
    ".ext_authz.v3.ExtAuthz",
    ".golang.v3alpha.Config",
    ".dynamic_modules.v3.DynamicModuleFilter",
];
