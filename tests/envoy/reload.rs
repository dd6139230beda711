//! The policy changes under load: every request is judged by an active policy, and no request is lost.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::discovery::{discovered, write_resource};
use crate::envoy::{self, Envoy};
use crate::fixture::{READER, secret, token, upstream_header};
use crate::http::Response;
use crate::{echo, http, wait};

/// Number of policy changes under load.
const CHANGES: u64 = 200;
/// Minimum time between two changes.
const PACE: Duration = Duration::from_millis(100);
/// Connections under load; Envoy has two workers.
const CONNECTIONS: usize = 6;

/// The state that the writer and the connections share.
struct Progress {
    /// The latest revision that every connection has seen: no older one is active.
    confirmed: AtomicU64,
    /// The latest revision whose file is written or being written: no newer one can be active.
    written: AtomicU64,
    /// The last revision that each connection has seen.
    seen: [AtomicU64; CONNECTIONS],
    stopped: AtomicBool,
    requests: AtomicU64,
}

#[test]
fn reloads_under_load_lose_no_request() {
    let gateway = Gateway::start();
    let progress = Progress {
        confirmed: AtomicU64::new(1),
        written: AtomicU64::new(1),
        seen: [const { AtomicU64::new(0) }; CONNECTIONS],
        stopped: AtomicBool::new(false),
        requests: AtomicU64::new(0),
    };
    let mut slowest = Duration::ZERO;
    std::thread::scope(|scope| {
        for seen in &progress.seen {
            let (client, progress) = (gateway.envoy.client("main"), &progress);
            scope.spawn(move || {
                // If a connection fails, the writer must not keep waiting.
                let stop = Stop(&progress.stopped);
                progress.load(client, seen);
                drop(stop);
            });
        }
        let stop = Stop(&progress.stopped);
        for revision in 2..=CHANGES + 1 {
            let start = Instant::now();
            progress.written.store(revision, SeqCst);
            gateway.write(&bundle(revision));
            while progress.seen.iter().any(|seen| seen.load(SeqCst) < revision) {
                assert!(!progress.stopped.load(SeqCst), "a connection found something wrong");
                assert!(start.elapsed() < wait::PATIENCE, "revision {revision} is not active");
                std::thread::sleep(Duration::from_millis(2));
            }
            progress.confirmed.store(revision, SeqCst);
            slowest = slowest.max(start.elapsed());
            std::thread::sleep(PACE.saturating_sub(start.elapsed()));
        }
        drop(stop);
    });
    let requests = progress.requests.load(SeqCst);
    println!("{CHANGES} changes, the slowest in force after {slowest:?}; {requests} requests");
    assert!(requests > CHANGES * 10, "{requests} requests are no load");

    // A bad configuration is rejected, whoever wrote it, and the last good one keeps serving.
    let last = CHANGES + 1;
    let mut bad = bundle(last + 1);
    bad["roles"]["reader"]["permissions"] = json!(["nothing"]);
    write_resource(&gateway.resource(), &bad);
    gateway.envoy.wait_for_log("role `reader` names permission `nothing`, which is not defined");
    let mut clients: Vec<http::Client> = (0..CONNECTIONS).map(|_| gateway.envoy.client("main")).collect();
    for number in 0..60 {
        let response = clients[number % CONNECTIONS].get("/v1/any", Some(READER));
        assert_eq!(revision(&response), Some(last));
    }

    // A revocation is active on every worker.
    let mut revoked = bundle(last + 2);
    revoked["tokens"]["reader"]["revoked_at"] = json!("2026-01-01T00:00:00Z");
    let start = Instant::now();
    gateway.write(&revoked);
    for client in &mut clients {
        wait::until(|| client.get("/v1/any", Some(READER)).status == 401);
    }
    println!("the revocation was active after {:?}", start.elapsed());
    for number in 0..60 {
        assert_eq!(clients[number % CONNECTIONS].get("/v1/any", Some(READER)).status, 401);
    }
}

impl Progress {
    /// Sends requests until it is stopped, and checks which policy judged each of them.
    fn load(&self, mut client: http::Client, seen: &AtomicU64) {
        while !self.stopped.load(SeqCst) {
            let oldest = self.confirmed.load(SeqCst);
            let any = client.get("/v1/any", Some(READER));
            let newest = self.written.load(SeqCst);
            let revision = revision(&any).unwrap_or_else(|| panic!("{any:?}"));
            assert!((oldest..=newest).contains(&revision), "{oldest} ≤ {revision} ≤ {newest}");
            // A worker never goes back.
            assert!(seen.fetch_max(revision, SeqCst) <= revision, "{revision} after a later one");

            // A path that only one revision grants.
            let oldest = self.confirmed.load(SeqCst);
            let asked = self.written.load(SeqCst);
            let only = client.get(&format!("/v1/only/{asked}"), Some(READER));
            let gone = client.get(&format!("/v1/only/{}", oldest - 1), Some(READER));
            let newest = self.written.load(SeqCst);
            let granted = match only.status {
                200 => true,
                403 => false,
                _ => panic!("{only:?}"),
            };
            assert!(
                granted || oldest < asked || asked < newest,
                "revision {asked} is in force, and denies: {only:?}"
            );
            assert_eq!(gone.status, 403, "revision {} is gone: {gone:?}", oldest - 1);
            self.requests.fetch_add(3, SeqCst);
        }
    }
}

/// Tells the other threads that one has ended, even by a panic.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

struct Gateway {
    envoy: Envoy,
    folder: tempfile::TempDir,
}

impl Gateway {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        render(folder.path(), &bundle(1));
        let listener = envoy::listener("main", &[discovered(folder.path())]);
        let envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 2).unwrap();
        Self { envoy, folder }
    }

    fn write(&self, bundle: &Value) {
        render(self.folder.path(), bundle);
    }

    fn resource(&self) -> PathBuf {
        self.folder.path().join("filter.json")
    }
}

/// Runs `tokenward render ecds`.
fn render(folder: &Path, bundle: &Value) {
    // The bundle is outside of the folder that Envoy watches.
    let file = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    std::fs::write(file.path(), bundle.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenward"));
    command.args(["render", "ecds", "-o", "filter.json", "--wasm"]).arg(envoy::wasm());
    command.arg("--bundle").arg(file.path());
    let output = command.current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A policy whose permission name contains the revision, and which grants one path that no other revision grants.
fn bundle(revision: u64) -> Value {
    let name = format!("revision-{revision}");
    json!({
        "version": 1, "name": "live", "revision": revision,
        "permissions": { &name: ["GET /v1/any", format!("GET /v1/only/{revision}")] },
        "roles": { "reader": { "permissions": [&name] } },
        "kinds": { "service": {} },
        "tokens": { "reader": token(json!([secret("1", READER, json!({}))])) },
    })
}

/// The revision that judged a permitted request, as the upstream received it.
fn revision(response: &Response) -> Option<u64> {
    let identity = (response.status == 200).then(|| upstream_header(response, "x-tokenward-identity"))??;
    let (_, rest) = identity.split_once("permission=\"revision-")?;
    rest.split('"').next()?.parse().ok()
}
