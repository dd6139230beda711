//! The module itself: its imports and exports.

use wasmparser::{Parser, Payload};

use crate::envoy;

#[test]
fn module_exports_only_what_it_needs() {
    let module = std::fs::read(envoy::wasm()).unwrap();
    let mut exports = Vec::new();
    for payload in Parser::new(0).parse_all(&module) {
        if let Payload::ExportSection(section) = payload.unwrap() {
            exports.extend(section.into_iter().map(|export| export.unwrap().name.to_owned()));
        }
    }
    exports.sort();
    // Envoy enters the VM for every exported callback: there is none for bodies, logs or response trailers.
    let callbacks = [
        "proxy_on_configure",
        "proxy_on_context_create",
        "proxy_on_delete",
        "proxy_on_http_call_response",
        "proxy_on_request_headers",
        "proxy_on_request_trailers",
        "proxy_on_response_headers",
        "proxy_on_tick",
    ];
    let others = ["_initialize", "malloc", "memory", "proxy_abi_version_0_2_1"];
    assert_eq!(exports, [&others[..], &callbacks].concat());
}

#[test]
fn module_imports_only_proxy_functions() {
    let module = std::fs::read(envoy::wasm()).unwrap();
    let mut imports = Vec::new();
    for payload in Parser::new(0).parse_all(&module) {
        if let Payload::ImportSection(section) = payload.unwrap() {
            for import in section.into_imports() {
                let import = import.unwrap();
                imports.push((import.module, import.name));
            }
        }
    }
    assert!(imports.contains(&("env", "proxy_get_header_map_pairs")), "{imports:?}");
    for (module, name) in imports {
        assert!(module == "env" && name.starts_with("proxy_"), "{module}.{name} is imported");
    }
}
