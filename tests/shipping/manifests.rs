//! Checks manifests against their definitions, and that every YAML parser reads them alike.

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::shipping::{bundle, printed, tokenward, workshop};

/// The arguments for every kind of manifest, and its schema.
const MANIFESTS: [(&str, &[&str]); 5] = [
    ("wasmplugin", &["istio", "--selector", "app=edge", "--inbound", "--priority", "-3"]),
    (
        "wasmplugin",
        &["istio", "--target", "Gateway/edge", "--target", "Service/a.b", "--pull-secret", "pull"],
    ),
    ("wasmplugin", &["istio", "--selector", "a/b=c", "--fail-strategy", "close"]),
    ("envoyextensionpolicy", &["envoy-gateway", "--target", "Gateway/edge/https", "--pull-secret", "pull"]),
    ("envoyextensionpolicy", &["envoy-gateway", "--target", "HTTPRoute/a", "--target", "GRPCRoute/b"]),
];
const MODULE: [&str; 6] =
    ["--url", "oci://registry.acme.test:5000/a/tokenward:1", "--image", "image", "--namespace", "edge"];

#[test]
fn manifests_match_their_definitions() {
    let workshop = workshop();
    for (name, arguments) in MANIFESTS {
        let text = printed(
            workshop.path(),
            &[&["--json", "render"], arguments, &["--bundle", "bundle.json"], &MODULE].concat(),
        );
        let manifest: Value = serde_json::from_str(&text).unwrap();
        let schema = schema(name);
        let wrong: Vec<String> = schema.iter_errors(&manifest).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{arguments:?}: {wrong:?}\n{manifest}");
        for misspelt in ["phaze", "failOpen", "targets"] {
            let mut other = manifest.clone();
            other["spec"][misspelt] = json!(true);
            assert!(!schema.is_valid(&other), "{name} takes {misspelt}");
        }
    }
}

#[test]
fn http_module_is_pinned_by_its_digest() {
    let workshop = workshop();
    let arguments = [
        "--json",
        "render",
        "envoy-gateway",
        "--bundle",
        "bundle.json",
        "--namespace",
        "edge",
        "--target",
        "Gateway/a",
    ];
    let module = ["--url", "https://files.acme.test/tokenward.wasm", "--wasm", "module.wasm"];
    let manifest: Value =
        serde_json::from_str(&printed(workshop.path(), &[&arguments[..], &module].concat())).unwrap();
    assert!(schema("envoyextensionpolicy").is_valid(&manifest), "{manifest}");
    let digest = tokenward::engine::words::secret::SecretDigest::of(b"\0asm\x01\0\0\0").to_hex();
    assert_eq!(manifest["spec"]["wasm"][0]["code"]["http"]["sha256"], digest);
    assert_eq!(manifest["spec"]["wasm"][0]["failOpen"], false);
}

#[test]
fn manifests_are_the_same_in_yaml_and_json() {
    let workshop = workshop();
    let config_map =
        ["configmap", "--wasm", "/etc/tokenward.wasm", "--namespace", "edge", "--bundle", "bundle.json"];
    let envoy_filter = ["istio", "--as", "envoy-filter", "--selector", "a=b", "--bundle", "bundle.json"];
    let all =
        MANIFESTS.iter().map(|(_, arguments)| [*arguments, &["--bundle", "bundle.json"], &MODULE].concat());
    let all = all.chain([config_map.to_vec(), [&envoy_filter[..], &MODULE].concat()]);
    for arguments in all {
        let yaml = printed(workshop.path(), &[&["render"][..], &arguments].concat());
        let json = printed(workshop.path(), &[&["--json", "render"][..], &arguments].concat());
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(yaml_serde::from_str::<Value>(&yaml).unwrap(), json, "{yaml}");
        // PyYAML has the words and dates of YAML 1.1.
        let script = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))";
        let read = crate::shipping::check(&["-c", script], &yaml);
        let error = String::from_utf8_lossy(&read.stderr).into_owned();
        let read: Value = serde_json::from_slice(&read.stdout).unwrap_or_else(|_| panic!("{error}\n{yaml}"));
        assert_eq!(read, json, "{yaml}");
    }
}

#[test]
fn oversized_manifest_is_not_rendered() {
    let workshop = workshop();
    let render = |tokens: usize| {
        std::fs::write(workshop.path().join("bundle.json"), bundle(tokens).to_string()).unwrap();
        let arguments = [
            "render",
            "configmap",
            "--wasm",
            "module.wasm",
            "--namespace",
            "edge",
            "--bundle",
            "bundle.json",
        ];
        let output = tokenward(workshop.path(), &[&arguments[..], &["--settings", "gateway.yaml"]].concat());
        (output.status.code(), output.stdout, String::from_utf8(output.stderr).unwrap())
    };
    let (code, stdout, told) = render(100);
    assert_eq!((code, told.as_str(), stdout.is_empty()), (Some(0), "", false));
    let (code, stdout, told) = render(1_500);
    assert!(code == Some(0) && told.contains("kubectl apply --server-side") && !stdout.is_empty(), "{told}");
    let (code, stdout, told) = render(6_000);
    assert!(
        code == Some(2) && told.contains("1048576 that Kubernetes stores") && stdout.is_empty(),
        "{told}"
    );
    assert!(told.contains("render ecds") && told.contains("prune"), "{told}");
}

fn schema(name: &str) -> Validator {
    let text = std::fs::read_to_string(format!("tests/shipping/schemas/{name}.json")).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}
