//! Manifests in a real Envoy. The tests themselves do the conversions of Istio and Envoy Gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tokenward::engine::words::secret::SecretDigest;

use crate::envoy::{self, Envoy};
use crate::fixture::{READER, bundle, secret, token, upstream_header};
use crate::nginx::Nginx;
use crate::{echo, feed};

const OTHER: &str = "test_svc_other_0123456789";
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const RBAC: &str = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
const EDGE: [&str; 6] =
    ["--url", "oci://registry.acme.test/tokenward:1", "--sha256", PIN, "--namespace", "edge"];
const PIN: &str = "5eba690460d64f816e44f47a860c9faba7bc7a9b3a84f63bb199cb67cb1ccd3d";

#[test]
fn two_wasm_plugins_work_and_stay_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = bundle();
    other["tokens"] = json!({ "other": token(json!([secret("1", OTHER, json!({}))])) });
    let mut listeners = Vec::new();
    // Both use the same module and no VM id, so on each thread they share one VM.
    for (name, bundle, space) in [("edge", bundle(), ""), ("shop", other, " ")] {
        let plugin = render(folder.path(), &bundle, &["istio", "--name", name, "--selector", "a=b"]);
        let resource = format!("extensions.istio.io/wasmplugin/edge.{name}");
        let filter = discovery(folder.path(), &resource, &[WASM, RBAC], &handed_over(&plugin, space));
        listeners.push(envoy::listener(name, &[filter]));
    }
    let envoy = Envoy::start(&envoy::configuration(&listeners, echo::start()), 2).unwrap();
    for (name, mine, foreign) in [("edge", READER, OTHER), ("shop", OTHER, READER)] {
        let mut client = envoy.client(name);
        let permitted = client.get("/v1/items", Some(mine));
        assert_eq!(permitted.status, 200, "{permitted:?}");
        assert!(upstream_header(&permitted, "x-tokenward-identity").unwrap().contains("kind=service"));
        for (path, secret, status) in
            [("/v1/items", Some(foreign), 401), ("/v1/other", Some(mine), 403), ("/v1/items", None, 401)]
        {
            assert_eq!(client.get(path, secret).status, status, "{name}: {path}");
        }
        assert_eq!(client.get("/healthz", None).status, 200);
    }
    assert!(envoy.decisions().iter().all(|event| event["revision"] == 1_800_000_001));
}

#[test]
fn envoy_filter_restricts_the_module() {
    let folder = tempfile::tempdir().unwrap();
    let mut limited = bundle();
    limited["tokens"]["reader"]["rate_limit"] = json!("2/1h");
    let manifest = render(folder.path(), &limited, &["istio", "--as", "envoy-filter", "--selector", "a=b"]);
    let (extension, filter) = patches(&manifest);
    let run = |change: &dyn Fn(&mut Value)| {
        let mut extension = fetched(&extension);
        change(&mut extension["typed_config"]);
        let filter = watched(folder.path(), filter.clone(), &extension);
        let listener = envoy::listener("main", &[filter]);
        Envoy::start(&envoy::configuration(&[listener], echo::start()), 1).unwrap()
    };
    let statuses = |envoy: &Envoy| {
        let mut client = envoy.client("main");
        let mut get = |path, secret| client.get(path, secret).status;
        let first = [get("/healthz", None), get("/v1/items", None), get("/v1/other", Some(READER))];
        let rest = [(); 3].map(|()| get("/v1/items", Some(READER)));
        [first, rest].concat()
    };
    let envoy = run(&|_| ());
    assert_eq!(statuses(&envoy), [200, 401, 403, 200, 200, 429]);
    assert_eq!(envoy.decisions().len(), 6);
    assert_eq!(envoy.client("main").get("/healthz", None).header("ratelimit"), None);
    // The filter may use only the listed functions: without the clock it cannot judge requests.
    let envoy = run(&|typed_config| {
        let allowed = &mut typed_config["config"]["capability_restriction_config"]["allowed_capabilities"];
        allowed.as_object_mut().unwrap().remove("proxy_get_current_time_nanoseconds").unwrap();
    });
    assert_eq!(statuses(&envoy), [503; 6]);
    // The replacement that Istio's agent uses if it cannot fetch the module.
    let envoy = run(&|typed_config| *typed_config = json!({ "@type": RBAC, "rules": {} }));
    assert_eq!(statuses(&envoy), [403; 6]);
}

#[test]
fn envoy_filter_with_feed_and_alerts_keeps_serving() {
    let folder = tempfile::tempdir().unwrap();
    let nginx = Nginx::start();
    nginx.put("bundle.json", &feed::revision(1, json!({})));
    let mut settings = feed::configuration();
    settings["alerts"] = json!({ "cluster": "bundles", "authority": "alerts.test", "path": "/hook" });
    std::fs::write(folder.path().join("gateway.json"), settings.to_string()).unwrap();
    let render =
        ["render", "istio", "--as", "envoy-filter", "--selector", "a=b", "--settings", "gateway.json"];
    let (extension, filter) = patches(&tokenward(folder.path(), &[&render[..], &EDGE].concat()));
    let filter = watched(folder.path(), filter, &fetched(&extension));
    let mut configuration = envoy::configuration(&[envoy::listener("main", &[filter])], echo::start());
    let clusters = configuration["static_resources"]["clusters"].as_array_mut().unwrap();
    clusters.push(feed::cluster(nginx.address()));
    let envoy = Envoy::start(&configuration, 1).unwrap();
    let mut client = envoy.client("main");
    crate::wait::until(|| client.get("/v1/items", Some(READER)).status == 200);
    // Not only the first response.
    nginx.put("bundle.json", &feed::revision(2, json!({ "tokens": {} })));
    crate::wait::until(|| client.get("/v1/items", Some(READER)).status == 401);
}

#[test]
fn envoy_filter_lists_every_capability() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = render(folder.path(), &bundle(), &["istio", "--as", "envoy-filter", "--selector", "a=b"]);
    let config = &patches(&manifest).0["typed_config"]["config"];
    let allowed = config["capability_restriction_config"]["allowed_capabilities"].as_object().unwrap();
    let allowed: BTreeSet<&str> = allowed.keys().map(String::as_str).collect();
    let module = std::fs::read(envoy::wasm()).unwrap();
    let mut names = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(&module) {
        let payload = payload.unwrap();
        if let wasmparser::Payload::ImportSection(section) = payload {
            names.extend(section.into_imports().map(|import| import.unwrap().name.to_owned()));
        } else if let wasmparser::Payload::ExportSection(section) = payload {
            let exported = section.into_iter().map(|export| export.unwrap().name.to_owned());
            names.extend(exported.filter(|name| name.starts_with("proxy_on_")));
        }
    }
    let module: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let unused = BTreeSet::from(NEVER_CALLED);
    // Every import of the module must be in one of the two lists.
    assert_eq!(module, &allowed | &unused);
    assert!(allowed.is_disjoint(&unused));
}

/// Imports of the module that only exist because the SDK's traits have methods for them. The filter does not call
/// them.
const NEVER_CALLED: [&str; 17] = [
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_header_map_value",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_register_shared_queue",
    "proxy_resolve_shared_queue",
    "proxy_set_buffer_bytes",
    "proxy_set_header_map_pairs",
];

#[test]
fn extension_policy_works_as_envoy_gateway_passes_it() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = render(folder.path(), &bundle(), &["envoy-gateway", "--target", "Gateway/edge"]);
    let wasm = &manifest["spec"]["wasm"][0];
    let module = std::fs::read(envoy::wasm()).unwrap();
    let digest = SecretDigest::of(&module).to_hex();
    let modules = serve(module);
    // (the required digest, the resulting status of a permitted request)
    for (sha256, status) in [(digest.as_str(), 200), (PIN_OF_NOTHING, 503)] {
        // internal/xds/translator/wasm.go: one filter, enabled by the routes that need it.
        let name = "envoy.filters.http.wasm/envoyextensionpolicy/edge/tokenward/wasm/0";
        let filter = json!({
            "name": name, "disabled": true,
            "typed_config": { "@type": WASM, "config": {
                "name": wasm["name"],
                "fail_open": wasm["failOpen"],
                "vm_config": {
                    "vm_id": name, "runtime": "envoy.wasm.runtime.v8",
                    "code": { "remote": {
                        "http_uri": { "uri": "http://envoy-gateway/1.wasm", "cluster": "modules", "timeout": "10s" },
                        "sha256": sha256,
                        "retry_policy": { "num_retries": 1, "retry_back_off": { "base_interval": "0.1s" } },
                    }},
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue", "value": wasm["config"].to_string(),
                },
            }},
        });
        let mut listener = envoy::listener("main", &[filter]);
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        manager["route_config"]["virtual_hosts"][0]["routes"][0]["typed_per_filter_config"] = json!({
            name: { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {} },
        });
        let mut configuration = envoy::configuration(&[listener], echo::start());
        let mut cluster = configuration["static_resources"]["clusters"][0].clone();
        cluster["name"] = json!("modules");
        cluster["load_assignment"]["cluster_name"] = json!("modules");
        cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] = json!({
            "socket_address": { "address": "127.0.0.1", "port_value": modules.port() },
        });
        configuration["static_resources"]["clusters"].as_array_mut().unwrap().push(cluster);
        let envoy = Envoy::start(&configuration, 1).unwrap();
        let mut client = envoy.client("main");
        let refused = |denied: u16| if status == 200 { denied } else { status };
        for (path, secret, expected) in [
            ("/v1/items", Some(READER), status),
            ("/v1/items", None, refused(401)),
            ("/v1/other", Some(READER), refused(403)),
        ] {
            assert_eq!(client.get(path, secret).status, expected, "{sha256}: {path}\n{}", envoy.log());
        }
    }
}

#[test]
fn envoy_reloads_a_watched_config_map() {
    // The kubelet mounts a ConfigMap as links through `..data`, and renames that link to switch to another folder.
    let folder = tempfile::tempdir().unwrap();
    let mount = folder.path().join("mount");
    std::fs::create_dir(&mount).unwrap();
    let publish = |version: &str, bundle: &Value| {
        std::fs::write(folder.path().join("bundle.json"), bundle.to_string()).unwrap();
        let wasm = envoy::wasm();
        let arguments = [
            "render",
            "configmap",
            "--bundle",
            "bundle.json",
            "--namespace",
            "edge",
            "--wasm",
            wasm.to_str().unwrap(),
        ];
        let manifest = tokenward(folder.path(), &arguments);
        std::fs::create_dir(mount.join(version)).unwrap();
        let file = manifest["data"]["filter.json"].as_str().unwrap();
        std::fs::write(mount.join(version).join("filter.json"), file).unwrap();
        std::os::unix::fs::symlink(version, mount.join("..data_tmp")).unwrap();
        std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    publish("..1", &bundle());
    std::os::unix::fs::symlink("..data/filter.json", mount.join("filter.json")).unwrap();
    let listener = envoy::listener("main", &[crate::discovery::discovered(&mount)]);
    let envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 1).unwrap();
    let mut client = envoy.client("main");
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    let mut revoked = bundle();
    revoked["tokens"]["reader"]["revoked_at"] = json!("2026-01-01T00:00:00Z");
    publish("..2", &revoked);
    crate::wait::until(|| envoy.client("main").get("/v1/items", Some(READER)).status == 401);
}

/// The manifest that `tokenward render` writes for a bundle.
fn render(folder: &Path, bundle: &Value, arguments: &[&str]) -> Value {
    std::fs::write(folder.join("bundle.json"), bundle.to_string()).unwrap();
    tokenward(folder, &[&["render"], arguments, &["--bundle", "bundle.json"], &EDGE].concat())
}

fn tokenward(folder: &Path, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenward"));
    let output = command.arg("--json").args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The filter that Istio's control plane and agent make from a WasmPlugin (pilot/pkg/model/extensions.go,
/// pkg/wasm/convert.go): the configuration as JSON from a Struct, no VM id, the module as a file.
fn handed_over(plugin: &Value, space: &str) -> Value {
    let (metadata, spec) = (&plugin["metadata"], &plugin["spec"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    json!({ "@type": WASM, "config": {
        "name": format!("{}.{}", text(&metadata["namespace"]), text(&metadata["name"])),
        "failure_policy": text(&spec["failStrategy"]),
        "vm_config": {
            "runtime": "envoy.wasm.runtime.v8",
            "code": { "local": { "filename": envoy::wasm() } },
        },
        "configuration": {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": from_struct(&spec["pluginConfig"], space),
        },
    }})
}

/// JSON as Go writes a Struct: keys in alphabetic order, every number a double, and sometimes a space.
fn from_struct(value: &Value, space: &str) -> String {
    match value {
        Value::Number(number) => format!("{}", number.as_f64().unwrap()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| from_struct(item, space)).collect();
            format!("[{}]", items.join(&format!(",{space}")))
        }
        Value::Object(entries) => {
            let sorted: BTreeMap<&String, &Value> = entries.iter().collect();
            let entries = sorted
                .into_iter()
                .map(|(key, value)| format!("{}:{space}{}", json!(key), from_struct(value, space)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(&format!(",{space}")))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.to_string(),
    }
}

/// The values of an EnvoyFilter's patches: the extension, and the filter of the listener.
fn patches(manifest: &Value) -> (Value, Value) {
    let [extension, filter] = manifest["spec"]["configPatches"].as_array().unwrap().as_slice() else {
        panic!("{manifest}")
    };
    assert_eq!(
        (&extension["applyTo"], &filter["applyTo"]),
        (&json!("EXTENSION_CONFIG"), &json!("HTTP_FILTER"))
    );
    (extension["patch"]["value"].clone(), filter["patch"]["value"].clone())
}

/// An extension after Istio's agent fetched its module: a local file, and none of the agent's own fields.
fn fetched(extension: &Value) -> Value {
    let mut extension = extension.clone();
    let vm = extension["typed_config"]["config"]["vm_config"].as_object_mut().unwrap();
    assert_eq!(vm["code"]["remote"]["sha256"], PIN);
    vm.insert("code".to_owned(), json!({ "local": { "filename": envoy::wasm() } }));
    let variables = vm.remove("environment_variables").unwrap();
    let names = variables["key_values"].as_object().unwrap();
    assert!(names.keys().all(|name| name.starts_with("ISTIO_META_")), "{variables}");
    extension
}

/// A filter that is discovered from a file, because there is no control plane here.
fn discovery(folder: &Path, name: &str, types: &[&str], typed_config: &Value) -> Value {
    let filter = json!({ "name": name, "config_discovery": {
        "config_source": { "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3" },
        "type_urls": types,
    }});
    watched(folder, filter, &json!({ "name": name, "typed_config": typed_config }))
}

fn watched(folder: &Path, mut filter: Value, extension: &Value) -> Value {
    let file = folder.join(format!("{}.json", extension["name"].as_str().unwrap().replace('/', "_")));
    let mut resource = extension.clone();
    resource["@type"] = json!("type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig");
    std::fs::write(&file, json!({ "version_info": "1", "resources": [resource] }).to_string()).unwrap();
    let source = filter["config_discovery"]["config_source"].as_object_mut().unwrap();
    assert_eq!(source.remove("ads"), Some(json!({})));
    source.insert("path_config_source".to_owned(), json!({ "path": file }));
    filter
}

/// A server that serves a module under any path.
fn serve(module: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut received: Vec<u8> = Vec::new();
            let mut chunk = [0; 4_096];
            while !received.windows(4).any(|end| end == b"\r\n\r\n") {
                let Ok(length @ 1..) = stream.read(&mut chunk) else { break };
                received.extend(&chunk[..length]);
            }
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", module.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&module));
        }
    });
    address
}

/// SHA-256 of empty input.
const PIN_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
