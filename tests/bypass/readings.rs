//! All loose readings of a request that reached the upstream, and what the upstream would serve for them.

use std::collections::HashSet;

use crate::policy::{Caller, Handler, handler};
use crate::steps::{OUTSIDE, STEPS, Step, decode};
use crate::upstream::Received;

/// Something that the caller may not have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Hit {
    /// A protected handler, and the reading that reaches it.
    Served(Handler, String),
    /// A protected handler, reached by a habit that a filter cannot know about.
    Outside(Handler, String),
    /// An identity of another caller.
    Forged(String),
    /// No identity, although the caller has one.
    Nameless,
}

/// Returns what the caller got without permission, or `None`.
pub(crate) fn judge(caller: Caller, received: &Received) -> Option<Hit> {
    let counted: Vec<&Step> = STEPS.iter().collect();
    if let Some((handler, how)) = reach(caller, received, &counted, Query::Ignored) {
        return Some(Hit::Served(handler, how));
    }
    if let Some(hit) = identity(caller, received) {
        return Some(hit);
    }
    let all: Vec<&Step> = STEPS.iter().chain(OUTSIDE.iter().map(|(step, _)| step)).collect();
    reach(caller, received, &all, Query::Honoured).map(|(handler, how)| Hit::Outside(handler, how))
}

/// Whether a method in the query counts.
#[derive(Clone, Copy, PartialEq)]
enum Query {
    Ignored,
    Honoured,
}

/// A text, and the habits that produced it.
type Reading = (Vec<u8>, Vec<&'static str>);

/// Returns the first forbidden handler that some reading of the request reaches, shortest reading first.
fn reach(caller: Caller, received: &Received, steps: &[&Step], query: Query) -> Option<(Handler, String)> {
    let (methods, hosts) = (methods(received, query), hosts(received));
    for (path, how) in closure(paths(received), steps) {
        for (method, by) in &methods {
            for (host, at) in &hosts {
                let found = handler(method, host, &path).filter(|handler| !caller.may(*handler));
                if let Some(found) = found {
                    let how = [&by[..], at, &how].concat();
                    return Some((
                        found,
                        if how.is_empty() { "as it is".to_owned() } else { how.join(", ") },
                    ));
                }
            }
        }
    }
    None
}

/// Applies the habits to the texts, in any order and number.
fn closure(mut readings: Vec<Reading>, steps: &[&Step]) -> Vec<Reading> {
    let mut seen: HashSet<Vec<u8>> = readings.iter().map(|(path, _)| path.clone()).collect();
    let mut next = 0;
    while next < readings.len() && readings.len() < MAX_READINGS {
        let (path, how) = readings[next].clone();
        for step in steps {
            let read = (step.apply)(&path);
            if seen.insert(read.clone()) {
                readings.push((read, [&how[..], &[step.name]].concat()));
            }
        }
        next += 1;
    }
    readings
}

/// Returns the target's path, and the paths that headers name.
fn paths(received: &Received) -> Vec<Reading> {
    let path = before_query(&received.target);
    let mut paths = vec![(path.to_vec(), Vec::new())];
    for (name, value) in named(received, &PATH_HEADERS) {
        let value = before_query(value);
        paths.push((value.to_vec(), vec![name]));
        // The value may be a prefix, or replace one.
        paths.push(([value, path].concat(), vec![name]));
        paths.push(([path, value].concat(), vec![name]));
        paths.push(([b"/", value].concat(), vec![name]));
    }
    // Programs also read or write the second paths that headers name.
    for (name, value) in named(received, &SECOND_HEADERS) {
        let value = before_query(value);
        paths.push((value.to_vec(), vec![name]));
        paths.push(([b"/", value].concat(), vec![name]));
    }
    paths
}

fn methods(received: &Received, query: Query) -> Vec<Reading> {
    let mut methods = vec![(received.method.clone(), Vec::new())];
    methods.push((received.method.to_ascii_uppercase(), vec!["ignore the method's case"]));
    for (name, value) in named(received, &METHOD_HEADERS) {
        methods.push((value.trim_ascii().to_ascii_uppercase(), vec![name]));
    }
    for (name, _) in named(received, &SECOND_HEADERS) {
        methods.push((b"GET".to_vec(), vec![name, "is read"]));
    }
    if query == Query::Honoured
        && let Some(end) = received.target.iter().position(|byte| *byte == b'?')
    {
        for pair in received.target[end + 1..].split(|byte| *byte == b'&') {
            if let Some(value) = pair.strip_prefix(b"_method=") {
                methods.push((value.to_ascii_uppercase(), vec!["_method in the query"]));
            }
        }
    }
    methods
}

fn hosts(received: &Received) -> Vec<Reading> {
    let mut hosts: Vec<Reading> = Vec::new();
    for (name, value) in named(received, &HOST_HEADERS) {
        let value = String::from_utf8_lossy(value).to_lowercase();
        if name == "host" {
            // Envoy chooses a virtual host in this way: a port (even an empty one) or a trailing dot makes a different
            // host.
            hosts.push((value.clone().into_bytes(), vec!["compare the host as text"]));
        }
        for part in value.split([',', ';', ' ', '/', '@', '"']) {
            let part = part.trim().trim_start_matches("host=").trim_matches('"');
            let host = part.split(':').next().unwrap_or_default().trim_end_matches('.');
            let how = if name == "host" { Vec::new() } else { vec![name] };
            hosts.push((host.as_bytes().to_vec(), how));
        }
    }
    hosts.push((Vec::new(), Vec::new()));
    hosts
}

/// Returns the headers of these names, as CGI spells them: `_` replaces all characters except letters and digits.
fn named<'r>(received: &'r Received, names: &[&'static str]) -> Vec<(&'static str, &'r [u8])> {
    let mut found = Vec::new();
    for name in names {
        let headers = received.headers.iter().filter(|(header, _)| same(header, name.as_bytes()));
        found.extend(headers.map(|(_, value)| (*name, value.as_slice())));
    }
    found
}

pub(crate) fn same(one: &[u8], two: &[u8]) -> bool {
    let fold = |byte: &u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'_' };
    one.trim_ascii().iter().map(fold).eq(two.iter().map(fold))
}

/// Returns an identity of another caller, or a missing identity.
fn identity(caller: Caller, received: &Received) -> Option<Hit> {
    let mut tokens = named(received, &["x-tokenward-token"]);
    let mut identities = named(received, &["x-tokenward-identity"]);
    let honest = |value: &[u8]| caller.token().is_some_and(|token| value == token.as_bytes());
    if let Some((_, value)) = tokens.iter().find(|(_, value)| !honest(value)) {
        return Some(Hit::Forged(value.escape_ascii().to_string()));
    }
    let role = caller.token().map(|token| format!("kind=service, roles=({token}), "));
    let honest = |value: &[u8]| role.as_ref().is_some_and(|role| value.starts_with(role.as_bytes()));
    if let Some((_, value)) = identities.iter().find(|(_, value)| !honest(value)) {
        return Some(Hit::Forged(value.escape_ascii().to_string()));
    }
    if tokens.len() > 1 || identities.len() > 1 {
        return Some(Hit::Forged("twice".to_owned()));
    }
    // The next hop removes the headers that `connection` names (RFC 9110 §7.6.1).
    for headers in [&mut tokens, &mut identities] {
        headers.retain(|(name, _)| !received.nominates(name.as_bytes()));
    }
    // A public operation and a preflight have no identity.
    let path = before_query(&received.target);
    let public = [&b"/healthz"[..], b"/docs/"].iter().any(|public| path.starts_with(public));
    (tokens.is_empty() && !public && !is_preflight(received)).then_some(Hit::Nameless)
}

/// Whether the request is a preflight as browsers send it. Upstreams only answer such a request.
fn is_preflight(received: &Received) -> bool {
    let count = |names: &[&'static str]| named(received, names).len();
    let marks = count(&["origin"]) == 1 && count(&["access-control-request-method"]) == 1;
    let foreign = count(&["cookie", "authorization", "proxy-authorization", "transfer-encoding"]);
    let is_empty = named(received, &["content-length"]).iter().all(|(_, length)| *length == b"0");
    let query = received.target.get(before_query(&received.target).len()..).unwrap_or_default();
    let query = decode(query).to_ascii_lowercase();
    let names_method = query.windows(6).any(|part| part == b"method");
    received.method == b"OPTIONS" && marks && foreign == 0 && is_empty && !names_method
}

fn before_query(target: &[u8]) -> &[u8] {
    let end = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    &target[..end]
}

/// Headers that some framework, server or proxy reads the path from.
pub(crate) const PATH_HEADERS: [&str; 24] = [
    "x-original-url",
    "x-rewrite-url",
    "x-original-uri",
    "x-original-path",
    "x-forwarded-uri",
    "x-forwarded-url",
    "x-forwarded-path",
    "x-forwarded-prefix",
    "x-envoy-original-path",
    "x-script-name",
    "script-name",
    "path-info",
    // Apache Knox and NiFi.
    "x-forwarded-context",
    "x-proxycontextpath",
    // Azure App Service and programs behind it: <https://github.com/Azure/azure-functions-host/pull/9402>.
    "x-waws-unencoded-url",
    // Traefik.
    "x-replaced-path",
    // Cloud Foundry's route services, and SvelteKit.
    "x-cf-forwarded-url",
    "x-sveltekit-pathname",
    // From public lists of such headers.
    "x-override-url",
    "x-http-destinationurl",
    "x-proxy-url",
    "x-request-uri",
    "x-real-url",
    "x-rewrite-path",
];

/// Headers that some framework reads the method from.
pub(crate) const METHOD_HEADERS: [&str; 5] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "x-forwarded-method",
];

/// Headers that some framework reads the host from.
pub(crate) const HOST_HEADERS: [&str; 9] = [
    "host",
    "x-forwarded-host",
    "forwarded",
    "x-host",
    "x-original-host",
    "x-http-host-override",
    "x-forwarded-server",
    "x-envoy-original-host",
    "x-envoy-original-dst-host",
];

/// Headers that name a second path: to copy from, or to move to.
pub(crate) const SECOND_HEADERS: [&str; 24] = [
    // WebDAV, CouchDB.
    "destination",
    // Object stores.
    "x-amz-copy-source",
    "x-amz-rename-source",
    "x-goog-copy-source",
    "x-ms-copy-source",
    "x-ms-rename-source",
    "x-ms-file-rename-source",
    "x-oss-copy-source",
    "x-oss-symlink-target",
    "x-cos-copy-source",
    "x-obs-copy-source",
    "x-bce-copy-source",
    "x-tos-copy-source",
    "x-qs-move-source",
    "x-qs-fetch-source",
    "x-hcp-copysource",
    "x-emc-path",
    // OpenStack Swift.
    "x-copy-from",
    "x-object-manifest",
    "x-symlink-target",
    "x-versions-location",
    // Subversion, and public lists of such headers.
    "x-svn-vr-base",
    "x-move-from",
    "copy-source",
];

const MAX_READINGS: usize = 4_000;
