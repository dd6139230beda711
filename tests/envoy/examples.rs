//! The examples in `envoy`: Envoy accepts each of them, and they work as described.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::envoy::{self, Envoy};
use crate::fixture::{READER, bundle};
use crate::{echo, fixture};

#[test]
fn envoy_finds_every_example_valid() {
    let folder = tempfile::tempdir().unwrap();
    render(folder.path());
    let mut count = 0;
    for entry in fs::read_dir("envoy").unwrap() {
        let path = fs::canonicalize(entry.unwrap().path()).unwrap();
        // compose.yaml is for Docker.
        let is_envoys = path.extension().is_some_and(|extension| extension == "yaml");
        if is_envoys && !path.ends_with("compose.yaml") {
            count += 1;
            let mut command = Command::new(envoy::program());
            let output =
                command.args(["--mode", "validate", "-c"]).arg(&path).current_dir(&folder).output().unwrap();
            assert!(
                output.status.success(),
                "{}: {}",
                path.display(),
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
    assert!(count > 1, "{count} examples");
}

#[test]
fn global_rate_limit_counts_tokens_not_public_requests() {
    let folder = tempfile::tempdir().unwrap();
    render(folder.path());
    let example = fs::read_to_string("envoy/ratelimit.yaml").unwrap();
    let configuration = on_free_ports(&example, echo::start());
    let envoy = Envoy::start_in(folder.path(), &configuration, 1).unwrap();
    let mut client = envoy.client("gateway");
    assert_eq!(client.get("/healthz", None).status, 200);
    assert_eq!(client.get("/v1/items", None).status, 401);
    // The rate limit service is missing, so requests that need it are rejected.
    let counted = client.get("/v1/items", Some(READER));
    assert_eq!(counted.status, 503, "{counted:?}");
    let stats = envoy.admin("/stats?filter=cluster.upstream.ratelimit");
    assert!(stats.contains("cluster.upstream.ratelimit.error: 1"), "{stats}");
}

#[test]
fn callers_cannot_forge_source_behind_use_remote_address() {
    let mut bundle = bundle();
    bundle["tokens"]["reader"]["allowed_sources"] = json!(["203.0.113.0/24"]);
    let folder = tempfile::tempdir().unwrap();
    write_resource(folder.path(), &bundle);
    let example = fs::read_to_string("envoy/envoy.yaml").unwrap();
    assert!(example.contains("use_remote_address: true"));
    let upstream = echo::start();
    let mut statuses = Vec::new();
    for trusted in [true, false] {
        let example = if trusted {
            example.clone()
        } else {
            example.replace("use_remote_address: true", "use_remote_address: false")
        };
        let envoy = Envoy::start_in(folder.path(), &on_free_ports(&example, upstream), 1).unwrap();
        let authorization = fixture::reader();
        let mut request = fixture::headers(b"/v1/items", &authorization);
        request.push(("x-forwarded-for", b"203.0.113.7"));
        statuses.push(envoy.client("gateway").send(&request).status);
    }
    // Without the setting, Envoy trusts the header of any client.
    assert_eq!(statuses, [403, 200]);
}

/// Writes the ECDS resource that the examples load.
fn render(folder: &Path) {
    write_resource(folder, &bundle());
}

fn write_resource(folder: &Path, bundle: &serde_json::Value) {
    fs::write(folder.join("bundle.json"), bundle.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenward"));
    command
        .args(["render", "ecds", "--bundle", "bundle.json", "-o", "filter.json", "--wasm"])
        .arg(envoy::wasm());
    let output = command.current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn on_free_ports(example: &str, upstream: SocketAddr) -> String {
    example
        .replace("port_value: 10000", "port_value: 0")
        .replace("port_value: 9901", "port_value: 0")
        .replace("port_value: 8080", &format!("port_value: {}", upstream.port()))
}
