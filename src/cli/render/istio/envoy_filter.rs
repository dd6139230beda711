//! The EnvoyFilter of `tokenward render istio --as envoy-filter`.
//!
//! Istio's agent fetches the module of an `EXTENSION_CONFIG` patch as it does for a WasmPlugin: also from a registry,
//! and by the pinned digest. If that fails, all requests are rejected. So the filter is discovered by ECDS in both
//! cases.

use serde_json::{Map, Value, json};

use crate::cli::failure::Failure;
use crate::cli::render::ecds::{RUNTIME, WASM_FILTER, string_value};
use crate::cli::render::istio::{FailStrategy, Istio};
use crate::engine::words::secret::SecretDigest;

/// The EnvoyFilter (istio/api networking/v1alpha3/envoy_filter.proto).
///
/// # Errors
/// Fails if the module is not pinned, or cannot be attached there.
pub(super) fn manifest(istio: &Istio, configuration: &Value) -> Result<Map<String, Value>, Failure> {
    let mut spec = Map::new();
    istio.insert_where(&mut spec, "workloadSelector", "labels")?;
    if let Some(other) =
        istio.target.iter().find(|target| target.kind == "Service" || target.kind == "ServiceEntry")
    {
        return Err(Failure::new(format!("an EnvoyFilter is not attached to a {}", other.kind))
            .hint("a WasmPlugin is: leave out `--as`"));
    }
    if let Some(priority) = istio.priority {
        spec.insert("priority".to_owned(), json!(priority));
    }
    let name = format!("{}.{}", istio.identity.namespace, istio.identity.name);
    let context = if istio.inbound { "SIDECAR_INBOUND" } else { "ANY" };
    spec.insert(
        "configPatches".to_owned(),
        json!([
            {
                "applyTo": "EXTENSION_CONFIG",
                "match": { "context": context },
                "patch": { "operation": "ADD", "value": extension(istio, &name, configuration)? },
            },
            {
                "applyTo": "HTTP_FILTER",
                "match": { "context": context, "listener": { "filterChain": { "filter": {
                    "name": "envoy.filters.network.http_connection_manager",
                }}}},
                // Insert it first, not before a named filter: if that filter were missing, nothing would be inserted.
                "patch": { "operation": "INSERT_FIRST", "value": discovered(&name) },
            },
        ]),
    );
    Ok(istio.identity.manifest("networking.istio.io/v1alpha3", "EnvoyFilter", json!({ "spec": spec })))
}

/// The filter in the filter chain of a listener (envoy/config/core/v3/extension.proto, ExtensionConfigSource).
///
/// The listener waits for it: `initial_fetch_timeout` 0 means no timeout. If the agent cannot fetch the module, it
/// uses Envoy's RBAC filter, which denies everything.
fn discovered(name: &str) -> Value {
    json!({
        "name": name,
        "config_discovery": {
            "config_source": { "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3" },
            "type_urls": [WASM_FILTER, "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"],
        },
    })
}

/// The discovered configuration (envoy/extensions/wasm/v3/wasm.proto).
fn extension(istio: &Istio, name: &str, configuration: &Value) -> Result<Value, Failure> {
    let (location, sha256) = istio.module.pinned()?;
    let configuration = configuration.to_string();
    let mut config = json!({
        "name": name,
        "vm_config": {
            "vm_id": name,
            "runtime": RUNTIME,
            "code": { "remote": {
                // The agent fetches the module, so the cluster need not exist.
                "http_uri": { "uri": location.url, "timeout": "30s", "cluster": "_" },
                "sha256": sha256,
            }},
            // The agent uses it for its cache, and removes it.
            "environment_variables": { "key_values": {
                "ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION": SecretDigest::of(configuration.as_bytes()).to_hex(),
            }},
        },
        "configuration": string_value(&configuration),
        "capability_restriction_config": { "allowed_capabilities": capabilities() },
    });
    if let Value::Object(config) = &mut config {
        let policy = match istio.fail_strategy {
            FailStrategy::Reload => "FAIL_RELOAD",
            FailStrategy::Close => "FAIL_CLOSED",
        };
        config.insert("failure_policy".to_owned(), json!(policy));
        if istio.fail_strategy == FailStrategy::Reload {
            config.insert("reload_config".to_owned(), json!({ "backoff": { "base_interval": "1s" } }));
        }
    }
    Ok(json!({ "name": name, "typed_config": { "@type": WASM_FILTER, "config": config } }))
}

fn capabilities() -> Map<String, Value> {
    CAPABILITIES.iter().map(|name| ((*name).to_owned(), json!({}))).collect()
}

/// The functions that Envoy calls in the module, and those that the filter and its SDK call in Envoy. A test compares
/// them with the module.
const CAPABILITIES: [&str; 26] = [
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_response_headers",
    "proxy_on_tick",
    "proxy_add_header_map_value",
    "proxy_define_metric",
    "proxy_get_buffer_bytes",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_send_local_response",
    "proxy_set_effective_context",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
];
