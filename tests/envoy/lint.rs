//! `tokenward lint --envoy` and a real Envoy agree: without findings every request is judged; with a warning a
//! request bypasses the policy or is changed afterwards.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::envoy::{self, Envoy};
use crate::fixture::{bundle, headers, reader};
use crate::http::Response;
use crate::tripwire::{Wire, module_with_tripwire, trap};
use crate::{echo, wait};

/// A listener that differs from a good one, and the effect on requests.
struct Case {
    name: &'static str,
    change: fn(&mut Listener),
    /// The findings in the file.
    finds: &'static str,
    /// The findings in the loaded configuration.
    finds_loaded: &'static str,
    outcome: Outcome,
}

enum Outcome {
    /// The filter stops a request without a token.
    Judged,
    /// A request with this header bypasses the filter.
    Unjudged(&'static str),
    /// The upstream receives another path, host or caller than the filter judged.
    Changed(fn(&Response) -> bool),
}

/// Parts of a listener.
struct Listener {
    /// The connection manager.
    manager: Value,
    /// Filter chains before the one with the connection manager.
    others: Vec<Value>,
    folder: std::path::PathBuf,
}

impl Listener {
    fn filter(&mut self) -> &mut Value {
        &mut self.manager["http_filters"][0]
    }

    fn plugin(&mut self) -> &mut Value {
        &mut self.filter()["typed_config"]["config"]
    }

    fn routes(&mut self) -> &mut Value {
        &mut self.manager["route_config"]
    }

    fn host(&mut self) -> &mut Value {
        &mut self.routes()["virtual_hosts"][0]
    }

    fn route(&mut self) -> &mut Value {
        &mut self.host()["routes"][0]
    }
}

#[test]
fn lint_agrees_with_envoy() {
    let folder = tempfile::tempdir().unwrap();
    let listeners: Vec<String> = CASES.iter().map(|case| listener(case, folder.path())).collect();
    let upstream = echo::start();
    let envoy = Envoy::start_in(folder.path(), &file(&listeners, upstream), 1);
    let envoy = envoy.unwrap_or_else(|log| panic!("{log}"));
    let dump: Value = serde_json::from_str(&envoy.admin("/config_dump")).unwrap();
    for (case, listener) in CASES.iter().zip(&listeners) {
        let name = case.name;
        let found = lint(&file(std::slice::from_ref(listener), upstream));
        assert_eq!(found, expected(case.finds), "{name}: {listener}");
        assert_eq!(lint(&only(&dump, name).to_string()), expected(case.finds_loaded), "{name}, as loaded");
        check(case, &envoy);
    }
}

fn expected(code: &str) -> BTreeSet<String> {
    code.split_whitespace().map(str::to_owned).collect()
}

fn check(case: &Case, envoy: &Envoy) {
    let name = case.name;
    let mut request = headers(b"/v1/items/7", b"");
    request.pop();
    let authorization = reader();
    match case.outcome {
        Outcome::Judged => {
            let response = envoy.client(name).send(&request);
            assert!(response.header("x-upstream").is_none(), "{name}: {}", response.status);
        }
        Outcome::Unjudged("trap") => {
            assert_eq!(trap(&mut envoy.client(name)).status, 503, "{name}");
            let passes = || envoy.client(name).send(&request).header("x-upstream").map(|_| ());
            wait::found(passes, || format!("{name} does not pass"));
        }
        Outcome::Unjudged(header) => {
            request.extend([(header, &b"1"[..])].iter().filter(|(header, _)| !header.is_empty()));
            let response = envoy.client(name).send(&request);
            assert!(response.header("x-upstream").is_some(), "{name}: {}", response.status);
        }
        Outcome::Changed(is_changed) => {
            request.extend([("authorization", authorization.as_slice()), ("x-other", b"/v1/other")]);
            let response = envoy.client(name).send(&request);
            assert_eq!(response.status, 200, "{name}");
            assert!(is_changed(&response), "{name}: {}", response.body);
        }
    }
}

/// The configuration with these listeners, where `"raw:yes"` is a plain `yes`.
fn file(listeners: &[String], upstream: std::net::SocketAddr) -> String {
    let mut text = envoy::configuration(&[json!("listeners")], upstream).to_string();
    text = text.replace("\"listeners\"]", &format!("{}]", listeners.join(",")));
    plain(text)
}

/// The text with a plain `yes` for `"raw:yes"`.
fn plain(text: String) -> String {
    ["yes", "on", "no", "3"].iter().fold(text, |text, word| text.replace(&format!("\"raw:{word}\""), word))
}

fn listener(case: &Case, folder: &Path) -> String {
    let filter = envoy::filter(&json!({ "bundle": bundle() }).to_string());
    let mut whole = envoy::listener(case.name, &[filter]);
    let manager = whole["filter_chains"][0]["filters"][0]["typed_config"].take();
    let mut parts = Listener { manager, others: Vec::new(), folder: folder.to_owned() };
    (case.change)(&mut parts);
    whole["filter_chains"][0]["filters"][0]["typed_config"] = parts.manager;
    let chains = whole["filter_chains"].as_array_mut().unwrap();
    chains.splice(0..0, parts.others);
    whole.to_string()
}

/// The loaded configuration, with only one listener.
fn only(dump: &Value, name: &str) -> Value {
    let mut dump = dump.clone();
    for config in dump["configs"].as_array_mut().unwrap() {
        if let Some(listeners) = config.get_mut("static_listeners").and_then(Value::as_array_mut) {
            listeners.retain(|listener| listener["listener"]["name"] == name);
            assert_eq!(listeners.len(), 1, "{name}");
        }
    }
    dump
}

/// The codes of errors and warnings.
fn lint(configuration: &str) -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenward"));
    let mut process = command
        .args(["lint", "--json", "--envoy", "-"])
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(configuration.as_bytes()).unwrap();
    let output = String::from_utf8(process.wait_with_output().unwrap().stdout).unwrap();
    let findings = output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let findings = findings.filter(|finding| finding["severity"] != "note");
    findings.map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

const CASES: &[Case] = &[
    judged("good", |_| {}),
    judged("not-disabled", |listener| listener.filter()["disabled"] = json!("raw:no")),
    unjudged("disabled-yes", "disabled_filter", |listener| listener.filter()["disabled"] = json!("raw:yes")),
    unjudged("disabled-on", "disabled_filter", |listener| listener.filter()["disabled"] = json!("raw:on")),
    unjudged("disabled-text", "disabled_filter", |listener| listener.filter()["disabled"] = json!("T")),
    unjudged("camel-case-route", "disabled_route", |listener| {
        listener.route()["typedPerFilterConfig"] = off();
    }),
    unjudged("virtual-host", "disabled_route", |listener| listener.host()["typed_per_filter_config"] = off()),
    unjudged("route-config", "disabled_route", |listener| {
        listener.routes()["typed_per_filter_config"] = off()
    }),
    unjudged("weighted-cluster", "disabled_route", |listener| {
        listener.route()["route"] = json!({ "weighted_clusters": { "clusters": [
            { "name": "upstream", "weight": 1, "typed_per_filter_config": off() },
        ]}});
    }),
    unjudged("matched-route", "disabled_route", |listener| {
        let mut route = listener.route().take();
        route["@type"] = json!("type.googleapis.com/envoy.config.route.v3.Route");
        route["typed_per_filter_config"] = off();
        let action = json!({ "action": { "name": "route", "typed_config": route } });
        *listener.host() = json!({ "name": "all", "domains": ["*"], "matcher": { "on_no_match": action } });
    }),
    with_header("matcher", "x-skip", "conditional_filter", |listener| {
        let ours = listener.filter().take();
        *listener.filter() = json!({ "name": "tokenward", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher",
            "extension_config": ours,
            "xds_matcher": with_a_header(json!({
                "name": "skip",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.common.matcher.action.v3.SkipFilter",
                },
            })),
        }});
    }),
    unjudged("composite", "conditional_filter", |listener| {
        let ours = listener.filter().take();
        *listener.filter() = json!({ "name": "composite", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher",
            "extension_config": { "name": "composite", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.composite.v3.Composite",
            }},
            "xds_matcher": with_a_header(json!({ "name": "composite-action", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.composite.v3.ExecuteFilterAction",
                "typed_config": ours,
            }})),
        }});
    }),
    unjudged("other-module", "no_filter", |listener| {
        let module = listener.folder.join("other.wasm");
        std::fs::write(&module, wat::parse_str(OTHER_MODULE).unwrap()).unwrap();
        let configuration =
            json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": "{}" });
        *listener.filter() = envoy::wasm_filter(&module, &configuration);
        listener.plugin()["vm_config"]["vm_id"] = json!("other");
    }),
    unjudged("passed-on", "unjudged_chain", |listener| {
        listener.others.push(json!({
            "filter_chain_match": { "source_prefix_ranges": [{ "address_prefix": "127.0.0.0", "prefix_len": 8 }] },
            "filters": [{ "name": "tcp", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": "tcp", "cluster": "upstream",
            }}],
        }));
    }),
    case(
        "default-passes",
        "default_passes",
        "default_passes filter_not_loaded",
        Outcome::Unjudged(""),
        |listener| {
            discover(
                listener,
                json!({
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
                    "max_request_bytes": 1024,
                }),
            );
        },
    ),
    case("default-denies", "", "filter_not_loaded", Outcome::Judged, |listener| {
        discover(
            listener,
            json!({
                "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {},
            }),
        );
    }),
    case("routes-elsewhere", "routes_not_seen", "disabled_route", Outcome::Unjudged(""), |listener| {
        let mut routes = listener.routes().take();
        routes["@type"] = json!("type.googleapis.com/envoy.config.route.v3.RouteConfiguration");
        routes["name"] = json!("elsewhere");
        routes["virtual_hosts"][0]["typed_per_filter_config"] = off();
        let path = listener.folder.join("routes.yaml");
        let resources = json!({ "resources": [routes] }).to_string();
        std::fs::write(&path, plain(resources)).unwrap();
        listener.manager.as_object_mut().unwrap().remove("route_config");
        listener.manager["rds"] = json!({
            "route_config_name": "elsewhere",
            "config_source": { "path_config_source": { "path": path } },
        });
    }),
    case("fail-open-number", "fail_open", "fail_open", Outcome::Unjudged("trap"), |listener| {
        break_open(listener, "failure_policy", json!("raw:3"));
    }),
    changed(
        "path-rewrite",
        "chosen_by_caller",
        |response| response.json()["path"] == "/v1/other",
        |listener| {
            listener.route()["route"]["path_rewrite"] = json!("%REQ(x-other)%");
        },
    ),
    changed("host-rewrite", "chosen_by_caller", is_other_host, |listener| {
        listener.route()["route"]["host_rewrite"] = json!("%REQ(x-other)%");
    }),
    changed("host-header", "chosen_by_caller", is_other_host, |listener| {
        listener.route()["route"]["hostRewriteHeader"] = json!("x-other");
    }),
    changed(
        "identity",
        "identity_overwritten",
        |response| response.body.contains("/v1/other"),
        |listener| {
            listener.host()["requestHeadersToAdd"] = json!([{
                "header": { "key": "X-Tokenward-Token", "value": "%REQ(x-other)%" },
                "append_action": "overwrite_if_exists_or_add",
            }]);
        },
    ),
];

const fn case(
    name: &'static str,
    finds: &'static str,
    finds_loaded: &'static str,
    outcome: Outcome,
    change: fn(&mut Listener),
) -> Case {
    Case { name, change, finds, finds_loaded, outcome }
}

const fn judged(name: &'static str, change: fn(&mut Listener)) -> Case {
    case(name, "", "", Outcome::Judged, change)
}

const fn unjudged(name: &'static str, finds: &'static str, change: fn(&mut Listener)) -> Case {
    with_header(name, "", finds, change)
}

const fn with_header(
    name: &'static str,
    header: &'static str,
    finds: &'static str,
    change: fn(&mut Listener),
) -> Case {
    case(name, finds, finds, Outcome::Unjudged(header), change)
}

const fn changed(
    name: &'static str,
    finds: &'static str,
    is_changed: fn(&Response) -> bool,
    change: fn(&mut Listener),
) -> Case {
    case(name, finds, finds, Outcome::Changed(is_changed), change)
}

fn is_other_host(response: &Response) -> bool {
    response.json()["headers"].as_array().unwrap().contains(&json!(["host", "/v1/other"]))
}

/// The configuration with which a route disables the filter.
fn off() -> Value {
    json!({ "tokenward": {
        "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": "raw:yes",
    }})
}

/// A matcher for requests with the header `x-skip`.
fn with_a_header(action: Value) -> Value {
    json!({ "matcher_tree": {
        "input": { "name": "header", "typed_config": {
            "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
            "header_name": "x-skip",
        }},
        "exact_match_map": { "map": { "1": { "action": action } } },
    }})
}

/// The filter comes from a file that is still empty.
fn discover(listener: &mut Listener, default: Value) {
    let path = listener.folder.join("nothing.yaml");
    std::fs::write(&path, "{}").unwrap();
    *listener.filter() = json!({ "name": "tokenward", "config_discovery": {
        "config_source": { "path_config_source": { "path": path } },
        "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", default["@type"]],
        "apply_default_config_without_warming": true,
        "default_config": default,
    }});
}

/// The filter has a module that a request can crash.
fn break_open(listener: &mut Listener, key: &str, value: Value) {
    let module = module_with_tripwire(&listener.folder, Wire::Trap);
    let plugin = listener.plugin();
    plugin[key] = value;
    plugin["vm_config"]["vm_id"] = json!("broken");
    plugin["vm_config"]["code"]["local"]["filename"] = json!(module);
}

/// A module that lets every request pass.
const OTHER_MODULE: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024))"#;
