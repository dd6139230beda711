//! Checks manifests against models of Istio's definitions (PyPI `cloudcoil-models-istio`, of Istio 1.24).

use serde_json::{Value, json};

use crate::shipping::{check, printed, workshop};

#[test]
fn manifests_match_istios_models() {
    let workshop = workshop();
    let render = |arguments: &[&str]| -> Value {
        let module =
            ["--url", "oci://registry.acme.test/tokenward:1", "--image", "image", "--namespace", "edge"];
        let arguments =
            [&["--json", "render", "istio", "--bundle", "bundle.json"], &module[..], arguments].concat();
        serde_json::from_str(&printed(workshop.path(), &arguments)).unwrap()
    };
    let (selector, target) = (["--selector", "app=edge"], ["--target", "Gateway/edge"]);
    let (close, filter) = (["--fail-strategy", "close"], ["--as", "envoy-filter"]);
    let mut misspelt = render(&[selector, close].concat());
    misspelt["spec"]["phaze"] = json!("AUTHN");
    let mut patch = render(&[selector, filter].concat());
    patch["spec"]["configPatches"][0]["patch"]["operation"] = json!("APPEND");
    let cases = [
        (render(&[&selector[..], &close, &["--inbound", "--priority", "7"]].concat()), json!([])),
        (render(&[&target[..], &close, &["--pull-secret", "registry"]].concat()), json!([])),
        // Istio has it since 1.27.
        (render(&target), json!([["spec", "failStrategy"]])),
        (render(&[&selector[..], &filter, &["--inbound", "--priority", "-1"]].concat()), json!([])),
        (render(&[target, filter].concat()), json!([])),
        // A mistake is found.
        (misspelt, json!([["spec", "phaze"]])),
        (patch, json!([["spec", "configPatches", 0, "patch", "operation"]])),
    ];
    let lines = cases.iter().map(|(manifest, _)| format!("{manifest}\n")).collect::<String>();
    let output = check(&["tests/shipping/istio.py"], &lines);
    let told = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(told.lines().count(), cases.len(), "{told}{error}");
    for (line, (manifest, wrong)) in told.lines().zip(&cases) {
        assert_eq!(&serde_json::from_str::<Value>(line).unwrap(), wrong, "{manifest}");
    }
}
