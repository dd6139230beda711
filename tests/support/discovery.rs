//! Filters whose configuration Envoy discovers in a file, and filters without some host calls.

use std::path::Path;

use serde_json::{Value, json};

use crate::envoy;

/// The filter of `envoy/envoy.yaml`, with its file in a folder.
pub(crate) fn discovered(folder: &Path) -> Value {
    let example = std::fs::read_to_string("envoy/envoy.yaml").unwrap();
    let example: Value = yaml_serde::from_str(&example).unwrap();
    let manager =
        &example["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let mut filter = manager["http_filters"][0].clone();
    let source = &mut filter["config_discovery"]["config_source"]["path_config_source"];
    *source = json!({ "path": folder.join("filter.json"), "watched_directory": { "path": folder } });
    filter
}

/// Writes the output of `tokenward render ecds`, and renames it into place as the command does.
pub(crate) fn write_resource(path: &Path, bundle: &Value) {
    write_configuration(path, &json!({ "bundle": bundle }));
}

/// The same with a whole configuration.
pub(crate) fn write_configuration(path: &Path, configuration: &Value) {
    let filter = envoy::filter(&configuration.to_string());
    let resource = json!({ "version_info": configuration.to_string(), "resources": [{
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": "tokenward",
        "typed_config": filter["typed_config"],
    }]});
    let new = path.with_extension("new");
    std::fs::write(&new, resource.to_string()).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// The filter without these host calls; it has all others that it uses.
pub(crate) fn without(configuration: &Value, missing: &[&str]) -> Value {
    let all = [
        "proxy_on_context_create",
        "proxy_on_configure",
        "proxy_on_request_headers",
        "proxy_on_delete",
        "proxy_log",
        "proxy_get_buffer_bytes",
        "proxy_get_current_time_nanoseconds",
        "proxy_get_header_map_pairs",
        "proxy_get_property",
        "proxy_get_shared_data",
        "proxy_set_shared_data",
        "proxy_remove_header_map_value",
        "proxy_add_header_map_value",
        "proxy_replace_header_map_value",
        "proxy_send_local_response",
    ];
    let allowed = all.into_iter().filter(|name| !missing.contains(name));
    let allowed: serde_json::Map<String, Value> = allowed.map(|name| (name.to_owned(), json!({}))).collect();
    let mut filter = envoy::filter(&configuration.to_string());
    filter["typed_config"]["config"]["vm_config"]["capability_restriction_config"] =
        json!({ "allowed_capabilities": allowed });
    filter
}
