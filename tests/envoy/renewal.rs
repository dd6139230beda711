//! A month of secrets that live one day: `tokenward renew` runs each hour against a real Envoy, while commands fail,
//! hang and are killed at random. Clients that read their secret again each hour are never rejected.
//!
//! The test does not change any clock. To let an hour pass, it moves each time in the registry and in Envoy's bundle
//! one hour into the past. So the command and Envoy use the real clock, and a slow machine does not change the result.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokenward::engine::words::time::Time;

use crate::discovery::{discovered, write_resource};
use crate::envoy::{self, Envoy};
use crate::{echo, http, wait};

const HOURS: u64 = 30 * 24;
/// Faults are random, but a broken store or network is repaired after this many runs.
const LONGEST_OUTAGE: u32 = 5;
const TOKENS: [&str; 3] = ["early", "meanwhile", "late"];

#[test]
fn month_of_renewals_rejects_no_client() {
    let mut site = Site::start();
    let first: Vec<String> = TOKENS.iter().map(|token| site.read(&format!("clients/{token}"))).collect();
    let clients = TOKENS.map(|_| Client::default());
    let (stopped, refusals) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let mut ends = Ends::default();
    std::thread::scope(|scope| {
        let stop = Stop(&stopped);
        for (token, client) in TOKENS.iter().zip(&clients) {
            let (connection, file) = (site.envoy.client("main"), site.path(&format!("clients/{token}")));
            let (stopped, refusals) = (&stopped, &refusals);
            scope.spawn(move || {
                let stop = Stop(stopped);
                client.work(connection, &file, (stopped, refusals));
                drop(stop);
            });
        }
        let (mut random, mut outage) = (Random(16), 0);
        for hour in 1..=HOURS {
            site.pass_an_hour();
            // The clients read each secret an hour ago.
            clients.iter().for_each(|client| client.wait_for_requests(&stopped));
            clients[0].hour.store(hour, SeqCst);
            let plan = if outage < LONGEST_OUTAGE { Plan::random(&mut random) } else { Plan::default() };
            let status = site.renew(&plan, || clients[1].hour.store(hour, SeqCst));
            let faults = site.faults();
            assert_eq!(status.success(), faults.is_empty(), "hour {hour}: {status}, {faults:?}");
            outage = if faults.is_empty() { 0 } else { outage + 1 };
            ends.count(&faults);
            clients[1].hour.store(hour, SeqCst);
            clients[2].hour.store(hour, SeqCst);
            clients.iter().for_each(|client| client.wait_for_requests(&stopped));
            // A job with a fresh clone has only the shipped state.
            if random.one_in(4) {
                site.restore_what_was_shipped();
            }
            if hour % 24 == 0 {
                site.tokenward(&["prune", "--older-than", "2d"]);
            }
        }
        drop(stop);
    });
    let requests: u64 = clients.iter().map(|client| client.requests.load(SeqCst)).sum();
    let read: Vec<u64> = clients.iter().map(|client| client.secrets.load(SeqCst)).collect();
    println!("{HOURS} hours, {} bundles, {ends:?}, {read:?} secrets, {requests} requests", site.published);
    assert_eq!(refusals.into_inner().unwrap(), Vec::<String>::new());
    // Check that the test was effective: each kind of fault occurred, secrets changed each day, and an old secret is
    // rejected.
    assert!(ends.0.iter().all(|(_, count)| *count >= 5), "{ends:?}");
    assert!(read.iter().all(|read| *read >= 30), "{read:?}");
    let mut client = site.envoy.client("main");
    for old in &first {
        assert_eq!(client.get("/v1/any", Some(old)).status, 401);
    }
}

/// How the commands of a run fail, if they do.
#[derive(Default)]
struct Plan {
    ships: [Option<&'static str>; 2],
    deliveries: [Option<&'static str>; 3],
}

impl Plan {
    fn random(random: &mut Random) -> Self {
        let mut plan = Self::default();
        plan.ships.fill_with(|| random.one_in(5).then(|| random.one_of(&SHIP_FAULTS)));
        plan.deliveries.fill_with(|| random.one_in(2).then(|| random.one_of(&DELIVERY_FAULTS)));
        plan
    }
}

/// The number of occurrences of each kind of fault.
#[derive(Debug)]
struct Ends(Vec<(&'static str, usize)>);

impl Default for Ends {
    fn default() -> Self {
        Self(SHIP_FAULTS.iter().chain(&DELIVERY_FAULTS).map(|fault| (*fault, 0)).collect())
    }
}

impl Ends {
    fn count(&mut self, faults: &[String]) {
        for (fault, count) in &mut self.0 {
            *count += faults.iter().filter(|found| *found == fault).count();
        }
    }
}

/// The gateway, the policy's folder, and stand-ins for a pipeline and a secret store.
struct Site {
    folder: TempDir,
    watched: TempDir,
    envoy: Envoy,
    /// Envoy's current bundle.
    bundle: Value,
    /// Number of bundles published.
    published: u64,
}

impl Site {
    fn start() -> Self {
        let (folder, watched) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let write = |path: &str, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
        for part in ["policy", "clients", "plan"] {
            std::fs::create_dir(folder.path().join(part)).unwrap();
        }
        write("policy/policy.yaml", POLICY);
        write("policy/tokens.yaml", "version: 1\ntokens: {}\n");
        write("ship.sh", include_str!("fixtures/renewal/ship.sh"));
        write("deliver.sh", include_str!("fixtures/renewal/deliver.sh"));
        let bundle = json!({ "version": 1, "name": "month", "revision": 1 });
        write_resource(&watched.path().join("filter.json"), &bundle);
        let listener = envoy::listener("main", &[discovered(watched.path())]);
        let envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 1).unwrap();
        let mut site = Self { folder, watched, envoy, bundle, published: 1 };
        for token in TOKENS {
            let more = ["--kind", "service", "--role", "reader", "--expires-in", "24h"];
            let secret = site.tokenward(&[&["mint", token], &more[..]].concat());
            std::fs::write(site.path(&format!("clients/{token}")), secret.trim_end()).unwrap();
        }
        site.tokenward(&["build", "-o", "bundle.json"]);
        std::fs::copy(site.path("policy/tokens.yaml"), site.path("plan/tokens.yaml")).unwrap();
        site.publish_what_was_built();
        site
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenward"));
        command.current_dir(self.folder.path()).args(arguments).args(["-p", "policy"]);
        command.env("COMMAND", env!("CARGO_BIN_EXE_tokenward"));
        command
    }

    fn tokenward(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs `renew`, and publishes what its shipping command built.
    fn renew(&mut self, plan: &Plan, published: impl Fn()) -> ExitStatus {
        for (number, fault) in (1..).zip(plan.ships) {
            std::fs::write(self.path(&format!("plan/ship-{number}")), fault.unwrap_or("works")).unwrap();
        }
        for (token, fault) in TOKENS.iter().zip(plan.deliveries) {
            std::fs::write(self.path(&format!("plan/{token}")), fault.unwrap_or("works")).unwrap();
        }
        std::fs::write(self.path("plan/ships"), "0").unwrap();
        std::fs::write(self.path("plan/faults"), "").unwrap();
        let commands = ["--ship", ". ./ship.sh", "--deliver", ". ./deliver.sh"];
        let spans = ["--expiring", "8h", "--wait", "0", "--grace", "2h"];
        let mut renew = self.command(&[&["renew"], &commands[..], &spans].concat());
        let mut child = renew.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        loop {
            let ended = child.try_wait().unwrap();
            if std::fs::remove_file(self.path("built")).is_ok() {
                self.publish_what_was_built();
                published();
                std::fs::write(self.path("published"), "").unwrap();
            } else if let Some(status) = ended {
                assert!(
                    matches!((status.code(), status.signal()), (Some(0 | 1), _) | (_, Some(9))),
                    "{status}"
                );
                return status;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Returns the faults of the last run's commands.
    fn faults(&self) -> Vec<String> {
        self.read("plan/faults").lines().map(str::to_owned).collect()
    }

    fn publish_what_was_built(&mut self) {
        self.bundle = serde_json::from_str(&self.read("bundle.json")).unwrap();
        self.publish();
    }

    /// Gives Envoy the bundle, and waits until it is active.
    fn publish(&mut self) {
        self.published += 1;
        let sign = format!("/published/{}", self.published);
        self.bundle["revision"] = json!(self.published);
        self.bundle["public"] = json!([format!("GET {sign}")]);
        write_resource(&self.watched.path().join("filter.json"), &self.bundle);
        let mut client = self.envoy.client("main");
        for _ in 0..60_000 {
            if client.get(&sign, None).status == 200 {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("bundle {} is not active\n{}", self.published, self.envoy.log());
    }

    /// Moves every time that the command and Envoy use one hour into the past.
    fn pass_an_hour(&mut self) {
        for file in ["policy/tokens.yaml", "plan/tokens.yaml"] {
            std::fs::write(self.path(file), an_hour_older(&self.read(file))).unwrap();
        }
        self.bundle = serde_json::from_str(&an_hour_older(&self.bundle.to_string())).unwrap();
        self.publish();
    }

    fn restore_what_was_shipped(&self) {
        std::fs::copy(self.path("plan/tokens.yaml"), self.path("policy/tokens.yaml")).unwrap();
    }
}

/// A client that sends requests continuously, and reads its secret again when its hour changes.
#[derive(Default)]
struct Client {
    hour: AtomicU64,
    requests: AtomicU64,
    /// Number of different secrets that it read.
    secrets: AtomicU64,
}

impl Client {
    fn work(
        &self,
        mut connection: http::Client,
        file: &PathBuf,
        (stopped, refusals): (&AtomicBool, &Mutex<Vec<String>>),
    ) {
        let (mut secret, mut read) = (String::new(), u64::MAX);
        while !stopped.load(SeqCst) {
            let hour = self.hour.load(SeqCst);
            if hour != read {
                let new = std::fs::read_to_string(file).unwrap();
                self.secrets.fetch_add(u64::from(new != secret), SeqCst);
                (secret, read) = (new, hour);
            }
            let response = connection.get("/v1/any", Some(&secret));
            if response.status != 200 {
                let name = file.display();
                refusals.lock().unwrap().push(format!("{name} of hour {hour}: {response:?}"));
            }
            self.requests.fetch_add(1, SeqCst);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the client has sent a complete request with its current secret.
    fn wait_for_requests(&self, stopped: &AtomicBool) {
        let enough = self.requests.load(SeqCst) + 2;
        for _ in 0..120_000 {
            assert!(!stopped.load(SeqCst), "a client found something wrong");
            if self.requests.load(SeqCst) >= enough {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("a client sends no requests within {:?}", wait::PATIENCE);
    }
}

/// Signals the other threads when one ends, for any reason.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// A random number generator with the same numbers in each run of the test (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.next().is_multiple_of(count)
    }

    fn one_of(&mut self, faults: &[&'static str]) -> &'static str {
        let count = u64::try_from(faults.len()).unwrap();
        faults[usize::try_from(self.next() % count).unwrap()]
    }
}

/// Returns the text with every time moved one hour into the past.
fn an_hour_older(text: &str) -> String {
    let (mut older, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(next) = rest.chars().next() {
        let time = rest.get(..TIME.len()).and_then(|time| time.parse::<Time>().ok());
        let length = if time.is_some() { TIME.len() } else { next.len_utf8() };
        match time {
            Some(time) => older.push_str(&String::from(time.shifted(-3_600_000))),
            None => older.push(next),
        }
        rest = &rest[length..];
    }
    older
}

const TIME: &str = "2026-03-01T00:00:00Z";

const POLICY: &str = "version: 1\nname: month\npermissions:\n  any: [\"GET /v1/any\"]\n\
                      roles:\n  reader: { permissions: [any] }\nkinds:\n  service: { max_lifetime: 24h }\n";

/// The command fails before or after the gateway has the bundle, or the whole run is killed at that point.
const SHIP_FAULTS: [&str; 4] = ["ship-fails", "ship-fails-late", "run-dies", "run-dies-late"];

/// The command reports that it stored nothing, is killed before or after it stored the secret, or the whole run is
/// killed at that point.
const DELIVERY_FAULTS: [&str; 4] =
    ["delivery-fails", "delivery-dies", "delivery-dies-late", "run-dies-in-it"];
