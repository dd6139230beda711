//! The compared configurations: each has its own listener, and all have the same upstream response.
//!
//! In all configurations that check tokens, client `i` may only `GET` below `/v1/things-i/`. The measured request is
//! that of the client in the middle.

use std::path::Path;

use serde_json::{Map, Value, json};
use tokenward::engine::words::secret::SecretDigest;

use crate::envoy;

/// The behaviour of one listener, and the request that measures it.
pub struct Configuration {
    pub id: &'static str,
    pub label: &'static str,
    pub path: String,
    pub secret: String,
    pub status: u16,
    /// Whether it rejects unknown tokens.
    pub guards: bool,
    filters: Vec<Value>,
}

impl Configuration {
    fn open(id: &'static str, label: &'static str, filters: Vec<Value>) -> Self {
        let guarded = Self::guarded(id, label, 100, filters);
        Self { guards: false, ..guarded }
    }

    /// With the request of the client in the middle of this many.
    fn guarded(id: &'static str, label: &'static str, clients: usize, filters: Vec<Value>) -> Self {
        let (path, secret) = (format!("{}1", prefix(clients / 2)), secret(clients / 2));
        Self { id, label, path, secret, status: 200, guards: true, filters }
    }

    /// With an unknown token.
    fn refused(self) -> Self {
        Self { secret: secret(usize::MAX), status: 401, ..self }
    }

    pub fn listener(&self) -> Value {
        let answer = json!({ "status": 200, "body": { "inline_string": "ok\n" } });
        let mut listener = envoy::listener_with(self.id, &self.filters, &answer, "direct_response");
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        manager.as_object_mut().unwrap().remove("access_log");
        listener
    }
}

/// All configurations; with `sizes` also bundles that are much smaller or larger than usual.
pub fn all(folder: &Path, sizes: bool) -> Vec<Configuration> {
    let mut all = vec![
        Configuration::open(NO_FILTER, "no filter", vec![]),
        Configuration::open("idle", "Wasm, nothing per request", vec![module(folder, "idle", "")]),
        Configuration::open("bare", "Wasm, one empty function", vec![module(folder, "bare", ON_HEADERS)]),
        Configuration::open(EMPTY, "Wasm, empty filter of the Rust SDK", vec![sdk()]),
        Configuration::open(CALLS, "Wasm, a permit's host calls alone", vec![calls(folder)]),
        Configuration::guarded("permit", "tokenward permits, audit off", 100, tokenward(100, 100, &off())),
        audited("permit-audit", "… audit to the log", "log", "sha256"),
        audited("permit-log-unchained", "… to the log, not chained", "log", "off"),
        audited("permit-state", "… to filter state", "filter_state", "sha256"),
        audited("permit-state-unchained", "… to filter state, not chained", "filter_state", "off"),
        Configuration::guarded("deny", "tokenward answers 401, audit off", 100, tokenward(100, 100, &off()))
            .refused(),
        Configuration::guarded(
            "rbac-100",
            "api_key_auth + rbac, 100 policies",
            100,
            native(100, &rules(100)),
        ),
        Configuration::guarded(
            "rbac-1000",
            "api_key_auth + rbac, 1,000 policies",
            1_000,
            native(1_000, &rules(1_000)),
        ),
        Configuration::guarded(
            "tree-1000",
            "api_key_auth + rbac as a tree, 1,000",
            1_000,
            native(1_000, &tree(1_000)),
        ),
    ];
    if sizes {
        all.extend([
            Configuration::guarded("tokens-10", "permit, 10 tokens", 10, tokenward(10, 10, &off())),
            Configuration::guarded(
                "tokens-100000",
                "permit, 100,000 tokens",
                10,
                tokenward(100_000, 10, &off()),
            ),
            Configuration::guarded(
                "operations-10000",
                "permit, 10,000 operations",
                10,
                tokenward(10, 10_000, &off()),
            ),
        ]);
    }
    all
}

/// The id of the configuration to which others add filters.
pub const NO_FILTER: &str = "no-filter";
/// The id of the filter that is the unit of cost.
pub const EMPTY: &str = "empty";
/// The id of the filter that makes the same host calls and nothing else: the lower bound.
pub const CALLS: &str = "calls";

/// The module that `make bench` compiles from `empty.rs`.
fn sdk() -> Value {
    let path = std::fs::canonicalize("target/empty.wasm").unwrap();
    envoy::wasm_filter(&path, &string(""))
}

/// A module that enters and leaves the VM as tokenward does, makes the same host calls, and makes the same changes to
/// a permitted request. It reads, decides and allocates nothing.
fn calls(folder: &Path) -> Value {
    module(folder, CALLS, include_str!("calls.wat"))
}

/// An empty module with additional functions.
fn module(folder: &Path, name: &str, functions: &str) -> Value {
    let text = format!(
        r#"(module
            {functions}
            (memory (export "memory") 1)
            (func (export "malloc") (param i32) (result i32) i32.const 4096)
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "_initialize")))"#
    );
    let path = folder.join(name).with_extension("wasm");
    std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
    envoy::wasm_filter(&path, &string(""))
}

const ON_HEADERS: &str =
    r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)"#;

/// A permit with its audit event.
fn audited(id: &'static str, label: &'static str, sink: &str, chain: &str) -> Configuration {
    let audit = json!({ "sinks": [sink], "chain": chain });
    Configuration::guarded(id, label, 100, tokenward(100, 100, &audit))
}

fn off() -> Value {
    json!({ "sinks": [] })
}

/// The filter with a bundle of this many tokens and operations.
fn tokenward(tokens: usize, operations: usize, audit: &Value) -> Vec<Value> {
    // The maximum number of roles in a policy. Beyond it, each permission lists several operations.
    let groups = operations.min(1_000);
    let name = |kind: &str, group: usize| format!("{kind}-{group}");
    let permissions = entries(groups, |group| {
        let operations = (group..operations).step_by(groups).map(|index| format!("GET {}**", prefix(index)));
        (name("permission", group), operations.collect())
    });
    let roles =
        entries(groups, |group| (name("role", group), json!({ "permissions": [name("permission", group)] })));
    let tokens = entries(tokens, |index| {
        let digest = SecretDigest::of(secret(index).as_bytes()).to_hex();
        let secrets = json!([{ "id": "1", "sha256": digest }]);
        (
            client(index),
            json!({ "kind": "service", "roles": [name("role", index % groups)], "secrets": secrets }),
        )
    });
    let bundle = json!({
        "version": 1, "name": "bench", "revision": 1, "kinds": { "service": {} },
        "permissions": permissions, "roles": roles, "tokens": tokens,
    });
    vec![envoy::filter(&json!({ "bundle": bundle, "audit": audit }).to_string())]
}

/// Envoy's own filters: a key identifies a client, the credential is removed, and the rules say what the client may
/// do.
fn native(clients: usize, rules: &Value) -> Vec<Value> {
    let credentials: Vec<Value> =
        (0..clients).map(|index| json!({ "key": secret(index), "client": client(index) })).collect();
    let keys = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth",
        "credentials": credentials,
        "key_sources": [{ "header": "authorization" }],
        "forwarding": { "header": CLIENT_HEADER, "hide_credentials": true },
    });
    vec![
        json!({ "name": "envoy.filters.http.api_key_auth", "typed_config": keys }),
        json!({ "name": "envoy.filters.http.rbac", "typed_config": rules }),
    ]
}

/// A policy for each client, as a list.
fn rules(clients: usize) -> Value {
    let policies = entries(clients, |index| {
        let permission = json!({ "and_rules": { "rules": [
            { "url_path": { "path": { "prefix": prefix(index) } } },
            { "header": { "name": ":method", "string_match": { "exact": "GET" } } },
        ]}});
        let principal =
            json!({ "header": { "name": CLIENT_HEADER, "string_match": { "exact": client(index) } } });
        // Envoy evaluates policies in the order of their names.
        (format!("policy-{index:06}"), json!({ "permissions": [permission], "principals": [principal] }))
    });
    json!({ "@type": RBAC, "rules": { "action": "ALLOW", "policies": policies } })
}

/// The same as a tree: the rules of a client are looked up by its name.
fn tree(clients: usize) -> Value {
    let header = |name: &str| {
        json!({ "name": name, "typed_config": {
            "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
            "header_name": name,
        }})
    };
    let matches = |name: &str, value: Value| json!({ "single_predicate": { "input": header(name), "value_match": value } });
    let allow = json!({ "name": "allow", "typed_config": {
        "@type": "type.googleapis.com/envoy.config.rbac.v3.Action", "name": "allow", "action": "ALLOW",
    }});
    let clients = entries(clients, |index| {
        let path = matches(":path", json!({ "prefix": prefix(index) }));
        let method = matches(":method", json!({ "exact": "GET" }));
        let rule = json!({ "predicate": { "and_matcher": { "predicate": [path, method] } }, "on_match": { "action": allow } });
        (client(index), json!({ "matcher": { "matcher_list": { "matchers": [rule] } } }))
    });
    let tree = json!({ "input": header(CLIENT_HEADER), "exact_match_map": { "map": clients } });
    json!({ "@type": RBAC, "matcher": { "matcher_tree": tree } })
}

fn entries(count: usize, entry: impl FnMut(usize) -> (String, Value)) -> Map<String, Value> {
    (0..count).map(entry).collect()
}

fn client(index: usize) -> String {
    format!("client-{index}")
}

fn secret(index: usize) -> String {
    format!("bench_svc_{index:020}_0123456789abcdef")
}

/// The path below which client `index` has access.
fn prefix(index: usize) -> String {
    format!("/v1/things-{index}/")
}

fn string(value: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": value })
}

const CLIENT_HEADER: &str = "x-client";
const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
