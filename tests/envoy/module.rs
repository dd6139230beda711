//! The module itself: what it asks of the host.

use wasmparser::{Parser, Payload};

use crate::envoy;

#[test]
fn the_module_imports_the_proxy_and_nothing_else() {
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
