//! A hot restart: until the old process ends, Envoy reports the sum of the gauges of both processes.

use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::envoy;
use crate::feed::{configuration as feed, revision};
use crate::fixture::{READER, bundle};
use crate::http::Client;
use crate::metrics::scrape::{Series, parsed, value};
use crate::nginx::Nginx;
use crate::wait::found;
use crate::{echo, metrics};

#[test]
fn hot_restart_sums_gauges_of_both_processes() {
    let nginx = Nginx::start();
    nginx.put("bundle.json", &revision(1_700_000_000_007, json!({ "expires_at": "2099-01-01T00:00:00Z" })));
    let host = Host::start(&nginx);
    let parent = host.process(0);
    let alone = host.wait(0, |series| is_settled(series, 1.0));
    let child = host.process(1);
    let both = host.wait(1, |series| is_settled(series, 2.0));
    for (gauge, labels) in [
        ("tokenward_bundle_revision", BUNDLE),
        ("tokenward_bundle_built_timestamp_seconds", BUNDLE),
        ("tokenward_bundle_expires_timestamp_seconds", BUNDLE),
        ("tokenward_bundle_tokens", BUNDLE),
        ("tokenward_bundle_processes", BUNDLE),
        ("tokenward_feed_processes", [("what", "bundle")]),
    ] {
        let of = |series: &[Series]| value(series, gauge, &labels).unwrap();
        assert_eq!(of(&both), 2.0 * of(&alone), "{gauge}");
    }
    let last = |series: &[Series]| value(series, LAST, &[("what", "bundle")]).unwrap();
    assert!(last(&both) / 2.0 - last(&alone) < 300.0, "{both:#?}");
    // The old process ends after `--parent-shutdown-time-s`.
    let after = host.wait(1, |series| is_settled(series, 1.0));
    drop(parent);
    assert_eq!(value(&after, "tokenward_bundle_revision", &BUNDLE), Some(1_700_000_000_007.0));
    let mut client = found(|| Client::try_connect(host.address(1)).ok(), || host.log(1));
    assert_eq!(client.get("/v1/items", Some(READER)).status, 200);
    drop(child);
}

/// Whether this many processes report a bundle that they fetched.
fn is_settled(series: &[Series], processes: f64) -> bool {
    let time = value(series, LAST, &[("what", "bundle")]).unwrap_or_default();
    value(series, "tokenward_bundle_processes", &BUNDLE) == Some(processes)
        && value(series, "tokenward_bundle_revision", &BUNDLE) == Some(1_700_000_000_007.0 * processes)
        // The sum of one time (in seconds since 1970) for each process.
        && time > 1e9 * processes
}

/// The state that two processes of one Envoy share.
struct Host {
    folder: TempDir,
    /// A number that is unique among the Envoys on this machine.
    base: u32,
}

/// An Envoy process. It ends when this is dropped.
struct Process(Child);

impl Host {
    fn start(nginx: &Nginx) -> Self {
        let mut gateway = feed();
        gateway["feed"].as_object_mut().unwrap().remove("revocations");
        gateway["bundle"] = bundle();
        gateway["bundle"]["revision"] = json!(1);
        let listener = envoy::listener("main", &[envoy::filter(&gateway.to_string())]);
        let mut configuration = envoy::configuration(&[listener], echo::start());
        let clusters = configuration["static_resources"]["clusters"].as_array_mut().unwrap();
        clusters.push(crate::feed::cluster(nginx.address()));
        configuration["stats_config"] = metrics::example();
        configuration["stats_flush_interval"] = json!("1s");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("envoy.yaml"), configuration.to_string()).unwrap();
        // Shared-memory names are global on the machine, and test programs may run in parallel.
        let base = std::process::id() % 100_000 * 10 + NEXT.fetch_add(1, Ordering::Relaxed);
        Self { folder, base }
    }

    /// Starts the process with this restart epoch.
    fn process(&self, epoch: u32) -> Process {
        let path = |name: &str| self.folder.path().join(format!("{name}{epoch}"));
        let log = std::fs::File::create(path("log")).unwrap();
        let mut process = envoy::mortal(&envoy::program());
        process.args(["--base-id", &self.base.to_string(), "--restart-epoch", &epoch.to_string()]);
        process.args(["--concurrency", "1", "--log-level", "warning", "--parent-shutdown-time-s", "60"]);
        process.arg("--config-path").arg(self.folder.path().join("envoy.yaml"));
        process.arg("--admin-address-path").arg(path("admin"));
        Process(process.stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    /// Waits for a condition on the metrics of a process, and returns the metrics.
    fn wait(&self, epoch: u32, condition: impl Fn(&[Series]) -> bool) -> Vec<Series> {
        let look = || self.admin(epoch, "/stats/prometheus").map(|text| parsed(&text));
        let state = || format!("{:#?}\n{}", look(), self.log(epoch));
        found(|| look().filter(|series| condition(series)), state)
    }

    fn address(&self, epoch: u32) -> std::net::SocketAddr {
        let listeners: Value =
            serde_json::from_str(&self.admin(epoch, "/listeners?format=json").unwrap()).unwrap();
        let address = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
        format!("{}:{}", address["address"].as_str().unwrap(), address["port_value"]).parse().unwrap()
    }

    fn admin(&self, epoch: u32, path: &str) -> Option<String> {
        let address = std::fs::read_to_string(self.folder.path().join(format!("admin{epoch}"))).ok()?;
        let mut client = Client::try_connect(address.trim().parse().ok()?).ok()?;
        Some(client.get(path, None).body)
    }

    fn log(&self, epoch: u32) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("log{epoch}"))).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const BUNDLE: [(&str, &str); 1] = [("bundle", "fixture")];
const LAST: &str = "tokenward_feed_last_success_timestamp_seconds";
static NEXT: AtomicU32 = AtomicU32::new(1);
