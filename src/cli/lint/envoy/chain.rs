//! A chain of HTTP filters: whether tokenward judges every request in it, and which filters run before and after it.

use serde_json::Value;

use crate::cli::lint::envoy::Finding;
use crate::cli::lint::envoy::loaded::Loaded;
use crate::cli::lint::envoy::module::{Ours, WASM, is_wasm};
use crate::cli::lint::envoy::tree::{Found, at, is_set, text, type_of};

/// The chain of a connection manager, or of one of its upgrades.
pub(super) struct Chain<'c, 'e> {
    pub(super) filters: Vec<Found<'e>>,
    pub(super) loaded: &'c Loaded<'e>,
}

/// How a filter contains tokenward.
pub(super) enum Presence {
    /// The filter is tokenward.
    Itself(Ours),
    /// Another filter runs tokenward, perhaps not for every request.
    Inside(Ours),
    /// The filter's configuration is not in this file, and may be tokenward's.
    Unseen,
}

/// The filter of a chain that judges requests.
pub(super) struct Judge<'e> {
    pub(super) filter: Found<'e>,
    presence: Presence,
    position: usize,
}

impl Judge<'_> {
    /// Its configuration, if known.
    pub(super) fn ours(&self) -> Ours {
        match &self.presence {
            Presence::Itself(ours) | Presence::Inside(ours) => ours.clone(),
            Presence::Unseen => Ours::default(),
        }
    }
}

impl<'e> Chain<'_, 'e> {
    /// The filter that judges requests: tokenward itself, rather than a filter that may run it.
    pub(super) fn judge(&self) -> Option<Judge<'e>> {
        let found = self.filters.iter().enumerate().filter_map(|(position, filter)| {
            let presence = self.presence(filter)?;
            Some(Judge { filter: filter.clone(), presence, position })
        });
        found.min_by_key(|judge| match judge.presence {
            Presence::Itself(_) => 0,
            Presence::Inside(_) => 1,
            Presence::Unseen => 2,
        })
    }

    /// Whether the chain has any Wasm filter.
    pub(super) fn has_wasm(&self) -> bool {
        self.filters.iter().any(|filter| {
            self.configuration(filter).is_some_and(|configuration| is_wasm(configuration.value))
        })
    }

    fn presence(&self, filter: &Found<'e>) -> Option<Presence> {
        let Some(configuration) = self.configuration(filter) else {
            let types = at(filter.value, "config_discovery/type_urls").as_array();
            let is_wasm = |url: &Value| url.as_str().is_some_and(|url| url.ends_with(WASM));
            // A dump has every configuration that Envoy has. If it has none, the default is active.
            let may_be = types.is_some_and(|types| types.iter().any(is_wasm));
            return may_be.then_some(Presence::Unseen);
        };
        if let Some(ours) = Ours::configured(text(filter.value, "name"), configuration.value) {
            return Some(Presence::Itself(ours));
        }
        configuration.all().iter().find_map(|found| Ours::of(found.value)).map(Presence::Inside)
    }

    /// The configuration of a filter; `None` if it is not in this file.
    fn configuration(&self, filter: &Found<'e>) -> Option<Found<'e>> {
        filter.key("typed_config").or_else(|| self.loaded.extension(text(filter.value, "name")))
    }

    /// The faults of the chain around the filter that judges.
    pub(super) fn findings(&self, judge: &Judge<'e>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (number, filter) in self.filters.iter().enumerate() {
            if number < judge.position {
                findings.extend(self.answers_before(filter));
            } else if number > judge.position {
                findings.extend(self.behind(filter));
            } else {
                findings.extend(self.of_judge(judge));
            }
        }
        findings
    }

    fn of_judge(&self, judge: &Judge<'e>) -> Vec<Finding> {
        let filter = &judge.filter;
        [
            switched_off(filter),
            optional(filter),
            self.default_passes(filter),
            self.within(judge),
            self.unseen(judge),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Another filter runs tokenward, depending on its matcher.
    fn within(&self, judge: &Judge<'e>) -> Option<Finding> {
        let Presence::Inside(_) = judge.presence else { return None };
        let configuration = self.configuration(&judge.filter)?;
        let message = format!(
            "`{}` decides whether tokenward judges a request: others bypass the policy",
            short(configuration.value)
        );
        let hint = "put the filter itself into `http_filters`, and list operations that need no token under the policy's `public`";
        let place = configuration.place.clone();
        Some(match type_of(configuration.value).rsplit('.').next() {
            Some("FilterChainConfig") => Finding::warning("conditional_filter", place, message, hint),
            Some(_) | None => Finding::error("conditional_filter", place, message, hint),
        })
    }

    /// The configuration of a filter is not in this file.
    fn unseen(&self, judge: &Judge<'e>) -> Option<Finding> {
        let Presence::Unseen = judge.presence else { return None };
        let place = judge.filter.place.key("config_discovery");
        if self.loaded.is_dump() {
            let message =
                "Envoy has not loaded this filter's configuration: its `default_config` is active".to_owned();
            let hint = "look for `config_reload` and `update_rejected` in Envoy's log and counters";
            return Some(Finding::warning("filter_not_loaded", place, message, hint));
        }
        let message =
            "this filter's configuration is in another file: lint assumes that it is tokenward's".to_owned();
        Some(Finding::note("filter_not_seen", place, message, DUMP))
    }

    /// The default configuration is active until the first one arrives.
    fn default_passes(&self, filter: &Found<'e>) -> Option<Finding> {
        let default = filter.key("config_discovery")?.key("default_config")?;
        let message =
            "this `default_config` forwards requests until Envoy has loaded the filter's configuration"
                .to_owned();
        let hint = "remove it, or let it answer 503 as in envoy/envoy.yaml";
        (!denies(default.value)).then(|| Finding::error("default_passes", default.place, message, hint))
    }

    fn answers_before(&self, filter: &Found<'e>) -> Option<Finding> {
        let configuration = self.configuration(filter)?;
        let place = filter.place.clone();
        let name = type_of(configuration.value).rsplit('.').next()?;
        match name {
            "CacheConfig" | "CacheV2Config" => {
                let message = "the cache runs before tokenward: every caller gets what it holds".to_owned();
                let hint = "move it after tokenward, and cache only public responses";
                Some(Finding::error("cached_before", place, message, hint))
            }
            "FileServerConfig" => {
                let message = "the file server runs before tokenward: every caller gets its files".to_owned();
                Some(Finding::error("served_before", place, message, "move it after tokenward"))
            }
            "RateLimit" => {
                let message =
                    "the rate limit filter runs before tokenward and cannot count by identity".to_owned();
                let hint = "move it after tokenward, as in envoy/ratelimit.yaml";
                Some(Finding::error("counted_before", place, message, hint))
            }
            _ => None,
        }
    }

    fn behind(&self, filter: &Found<'e>) -> Option<Finding> {
        let place = filter.place.clone();
        let Some(configuration) = self.configuration(filter) else {
            let message =
                "the configuration of this filter is in another file: it may change the judged request"
                    .to_owned();
            let is_router = filter.value.get("config_discovery").is_none();
            return (!is_router).then(|| Finding::note("changed_after", place, message, DUMP));
        };
        changes(&configuration, place.clone()).or_else(|| {
            let message =
                "the `cors` filter runs after tokenward: a browser cannot read the reply to a rejected request"
                    .to_owned();
            let hint = "move it before tokenward; in Istio, use a later phase than AUTHN for tokenward";
            let is_cors = type_of(configuration.value) == "envoy.extensions.filters.http.cors.v3.Cors";
            is_cors.then(|| Finding::note("cors_behind", place, message, hint))
        })
    }
}

/// A filter that may change the judged request, either itself or through a filter inside it.
pub(super) fn changes(
    configuration: &Found<'_>,
    place: crate::engine::config::problem::Place,
) -> Option<Finding> {
    let inner = configuration.all();
    let changing = inner.iter().find(|found| CHANGES.iter().any(|name| type_of(found.value).ends_with(name)));
    if let Some(found) = changing {
        let message =
            format!("{} runs after tokenward and may change the judged request", short(found.value));
        return Some(Finding::error("changed_after", place, message, BEFORE));
    }
    if inner.iter().any(|found| is_wasm(found.value) && Ours::configured("", found.value).is_none()) {
        let message = "another Wasm filter runs after tokenward and may change the judged request".to_owned();
        return Some(Finding::note("changed_after", place, message, BEFORE));
    }
    if !type_of(configuration.value).starts_with("envoy.") {
        let message = format!(
            "lint does not know the filter `{}`: it runs after tokenward and may change the judged request",
            type_of(configuration.value).escape_debug()
        );
        return Some(Finding::note("changed_after", place, message, BEFORE));
    }
    None
}

/// A filter that is off unless a route enables it.
fn switched_off(filter: &Found<'_>) -> Option<Finding> {
    let message = "the filter is disabled: it judges only routes that enable it".to_owned();
    let hint = "remove `disabled`, and list operations that need no token under the policy's `public`";
    let place = filter.place.key("disabled");
    is_set(filter.value, "disabled").then(|| Finding::error("disabled_filter", place, message, hint))
}

/// A filter that Envoy may skip.
fn optional(filter: &Found<'_>) -> Option<Finding> {
    let message = "an Envoy that cannot load this filter forwards requests without it".to_owned();
    let hint = "remove `is_optional`: then such an Envoy rejects the configuration";
    let place = filter.place.key("is_optional");
    is_set(filter.value, "is_optional").then(|| Finding::error("optional_filter", place, message, hint))
}

/// Whether a filter with this configuration rejects every request.
fn denies(configuration: &Value) -> bool {
    match type_of(configuration) {
        WASM => Ours::configured("", configuration).is_some(),
        "envoy.extensions.filters.http.fault.v3.HTTPFault" => aborts_everything(configuration),
        "envoy.extensions.filters.http.rbac.v3.RBAC" => {
            let rules = at(configuration, "rules");
            // ALLOW is the default, and without policies nothing is allowed.
            rules.is_object() && rules.get("action").is_none() && rules.get("policies").is_none()
        }
        _ => false,
    }
}

fn aborts_everything(fault: &Value) -> bool {
    let number = |key| at(fault, key).as_u64().unwrap_or(0);
    let hundred = match text(fault, "abort/percentage/denominator") {
        "TEN_THOUSAND" => 10_000,
        "MILLION" => 1_000_000,
        _ => 100,
    };
    let answers = ["abort/http_status", "abort/grpc_status"].into_iter().any(|key| number(key) > 0);
    let limits = ["headers", "upstream_cluster", "downstream_nodes", "max_active_faults"];
    answers
        && number("abort/percentage/numerator") >= hundred
        && limits.iter().all(|key| fault.get(*key).is_none())
}

/// The type of a configuration, without the common prefix of its package.
fn short(configuration: &Value) -> &str {
    let name = type_of(configuration);
    name.strip_prefix("envoy.extensions.filters.http.").unwrap_or(name)
}

/// How to lint configuration that is not in a file.
pub(super) const DUMP: &str = "lint what a running Envoy has loaded: `curl http://127.0.0.1:9901/config_dump | tokenward lint --envoy -`";
const BEFORE: &str =
    "move it before tokenward, or make sure that it keeps method, host, path and identity headers";
/// Filters that may change a request's method, host, path or headers, by the end of their type name.
const CHANGES: [&str; 12] = [
    ".lua.v3.Lua",
    ".ext_proc.v3.ExternalProcessor",
    ".header_mutation.v3.HeaderMutation",
    ".grpc_json_transcoder.v3.GrpcJsonTranscoder",
    ".grpc_json_reverse_transcoder.v3.GrpcJsonReverseTranscoder",
    ".mcp_json_rest_bridge.v3.McpJsonRestBridge",
    ".transform.v3.TransformConfig",
    ".aws_lambda.v3.Config",
    ".ext_authz.v3.ExtAuthz",
    ".golang.v3alpha.Config",
    ".dynamic_modules.v3.DynamicModuleFilter",
    ".mcp_router.v3.McpRouter",
];
