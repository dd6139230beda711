//! Routes that let requests pass unjudged, or send them elsewhere than the judged host and path.

use crate::cli::lint::envoy::Finding;
use crate::cli::lint::envoy::module::Ours;
use crate::cli::lint::envoy::tree::{Found, is_set, text};

/// The findings in the routes for a filter with this name.
pub(super) fn findings(routes: &Found<'_>, filter: &str, ours: &Ours) -> Vec<Finding> {
    let mut findings = Vec::new();
    for found in routes.all().iter().filter(|found| found.value.is_object()) {
        findings.extend(disabled(found, filter));
        findings.extend(chosen_by_header(found));
        findings.extend(formatted(found, ours));
        findings.extend(overwrites(found, ours));
        findings.extend(removes(found, ours));
        findings.extend(redirects(found, ours));
    }
    findings
}

/// A route, virtual host or weighted cluster disables the filter.
fn disabled(found: &Found<'_>, filter: &str) -> Option<Finding> {
    let per_filter = found.key("typed_per_filter_config")?.key(filter)?;
    let message = "this route bypasses the policy: the filter is disabled for it".to_owned();
    let hint = "list operations that need no token under the policy's `public`: then the filter audits them";
    is_set(per_filter.value, "disabled")
        .then(|| Finding::error("disabled_route", per_filter.place, message, hint))
}

/// A header from the caller, or a part of its path, selects the cluster or the host.
fn chosen_by_header(found: &Found<'_>) -> Vec<Finding> {
    let hint = "set the header in Envoy, after tokenward, or name the cluster and host in the route";
    let headers = ["cluster_header", "host_rewrite_header"].iter().filter_map(|key| {
        let header = found.value.get(*key)?.as_str()?;
        let message =
            format!("the header `{}` chooses where a request goes, and a caller can send it", shown(header));
        Some(Finding::error("chosen_by_caller", found.place.key(key), message, hint))
    });
    let host = found.key("host_rewrite_path_regex").map(|rewrite| {
        let message =
            "the path chooses the host that a request goes to: the policy judged another one".to_owned();
        Finding::error("chosen_by_caller", rewrite.place, message, "name the host in the route")
    });
    headers.chain(host).collect()
}

/// A path or host is composed of text from the caller.
fn formatted(found: &Found<'_>, ours: &Ours) -> Vec<Finding> {
    let rewrites = ["path_rewrite", "host_rewrite"].iter().filter_map(|key| {
        let operator = from_caller(found.value.get(*key)?.as_str()?, ours)?;
        let message = format!(
            "`%{}%` of the caller's chooses where a request goes: the policy judged another request",
            shown(operator)
        );
        let hint = "write the path and host into the route, or use only what tokenward judged or set";
        Some(Finding::error("chosen_by_caller", found.place.key(key), message, hint))
    });
    rewrites.collect()
}

/// Headers that overwrite tokenward's identity headers, or that make an upstream see another request.
fn overwrites(found: &Found<'_>, ours: &Ours) -> Vec<Finding> {
    let added = found.items("request_headers_to_add");
    let finding = |item: Found<'_>| {
        let name = text(item.value, "header/key");
        if ours.names_the_caller(name) {
            let message = format!(
                "the route writes `{}` after tokenward: the upstream sees another identity than was judged",
                shown(name)
            );
            let hint = "remove the header from `request_headers_to_add`";
            return Some(Finding::error("identity_overwritten", item.place, message, hint));
        }
        let operator = from_caller(text(item.value, "header/value"), ours)?;
        if !OVERRIDES.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            return None;
        }
        let message = format!(
            "`%{}%` of the caller's goes into `{}`: an upstream may see another request than was judged",
            shown(operator),
            shown(name)
        );
        let hint = "remove the header from `request_headers_to_add`";
        Some(Finding::error("chosen_by_caller", item.place, message, hint))
    };
    added.into_iter().filter_map(finding).collect()
}

/// Headers that are removed before the upstream.
fn removes(found: &Found<'_>, ours: &Ours) -> Vec<Finding> {
    let removed = found.items("request_headers_to_remove");
    let finding = |item: Found<'_>| {
        let name = item.value.as_str().filter(|name| ours.names_the_caller(name))?;
        let message = format!("the route removes `{}`: the upstream does not see who calls", shown(name));
        let hint = "remove the header from `request_headers_to_remove`";
        Some(Finding::warning("identity_removed", item.place, message, hint))
    };
    removed.into_iter().filter_map(finding).collect()
}

/// Redirects that Envoy follows itself.
fn redirects(found: &Found<'_>, ours: &Ours) -> Option<Finding> {
    let policy = found.key("internal_redirect_policy")?;
    let message = "Envoy follows redirects of the upstream, and tokenward judges each as a new request: it has no credential any more".to_owned();
    let hint = "set `forward_credential: true` in gateway.yaml if the upstream may see credentials, or leave the redirect to the caller";
    (!ours.forward_credential).then(|| Finding::note("internal_redirect", policy.place, message, hint))
}

/// The first command operator in a format that a caller can influence.
fn from_caller<'t>(format: &'t str, ours: &Ours) -> Option<&'t str> {
    // A literal `%` is `%%`; other pairs enclose an operator.
    let mut rest = format;
    while let Some((_, behind)) = rest.split_once('%') {
        let (operator, behind) = behind.split_once('%')?;
        if !operator.is_empty() && !is_envoys_own(operator) && !is_judged(operator, ours) {
            return Some(operator);
        }
        rest = behind;
    }
    None
}

fn is_envoys_own(operator: &str) -> bool {
    ENVOYS_OWN.iter().any(|own| operator.starts_with(own))
}

/// Whether this is a header that tokenward set, or the judged path.
fn is_judged(operator: &str, ours: &Ours) -> bool {
    let header = operator.strip_prefix("REQ(").and_then(|rest| rest.split(')').next());
    let is_path = |name: &str| name.eq_ignore_ascii_case(":path");
    header.is_some_and(|name| ours.names_the_caller(name) || is_path(name)) || operator.starts_with("PATH(")
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect()
}

/// Clusters that read the address from a header.
pub(super) fn original_destination(cluster: &Found<'_>) -> Option<Finding> {
    let options = cluster.key("original_dst_lb_config")?;
    let name = text(options.value, "http_header_name");
    let header = if name.is_empty() { "x-envoy-original-dst-host" } else { name };
    let message =
        format!("the header `{}` chooses where a request goes, and a caller can send it", shown(header));
    let hint = "remove `use_http_header`";
    let place = options.place.key("use_http_header");
    is_set(options.value, "use_http_header").then(|| Finding::error("chosen_by_caller", place, message, hint))
}

/// Headers that may make a backend see another request; tokenward removes them.
const OVERRIDES: [&str; 7] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-prefix",
    "x-forwarded-host",
];
/// Operators whose values callers cannot choose.
const ENVOYS_OWN: [&str; 9] = [
    "HOSTNAME",
    "ENVIRONMENT(",
    "START_TIME",
    "DOWNSTREAM_LOCAL",
    "DOWNSTREAM_PEER",
    "UPSTREAM_",
    "PROTOCOL",
    "ROUTE_NAME",
    "VIRTUAL_CLUSTER_NAME",
];
/// Maximum number of characters of a text that a message quotes.
const MAX_SHOWN: usize = 64;
