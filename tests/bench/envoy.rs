//! The cost of a request: CPU time of a real Envoy per request, with the filter, without it, and with comparable
//! filters.
//!
//! One Envoy with one worker has a listener for each configuration. Rounds of load alternate over all of them, so a
//! noisy moment never affects one configuration alone. The benchmark prints medians over rounds; the added cost of a
//! configuration is the median of its differences to the adjacent round without a filter. It measures CPU time, not
//! latency: `wrk` keeps the worker busy, and Envoy's CPU time divided by the number of requests is the cost of the
//! filter. A missed goal is printed and fails nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot measure ends by panicking")]
#![expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "the same")]
#![expect(
    clippy::string_slice,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "the harness of the tests"
)]
#![expect(clippy::print_stdout, reason = "the table is what the benchmark is for")]

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::configurations::Configuration;
use crate::envoy::Envoy;
use crate::load::Load;
use crate::report::{Measured, Report};

mod configurations;
#[path = "../support/envoy.rs"]
#[expect(dead_code, reason = "the harness of the tests; a benchmark needs less of it")]
mod envoy;
#[path = "../support/http.rs"]
#[expect(dead_code, reason = "the harness of the tests; a benchmark needs less of it")]
mod http;
mod load;
mod report;
#[path = "../support/wait.rs"]
#[expect(dead_code, reason = "the harness of the tests; a benchmark needs less of it")]
mod wait;

fn main() {
    let extent = if std::env::args().any(|argument| argument == "--quick") { QUICK } else { FULL };
    let folder = tempfile::tempdir().unwrap();
    let configurations = configurations::all(folder.path(), extent.sizes);
    let envoy = start(folder.path(), &configurations);
    let load = Load::new(&envoy, extent.seconds);
    verify(&load, &configurations);
    let seconds = configurations.len() as u64 * extent.rounds * extent.seconds;
    println!("{} configurations, {} rounds: {seconds} seconds", configurations.len(), extent.rounds);
    let report = Report::new(&envoy, measure(&load, configurations, extent.rounds));
    println!("{report}");
    std::fs::create_dir_all("target").unwrap();
    std::fs::write("target/bench.json", format!("{:#}\n", report.to_json())).unwrap();
}

/// The amount of measurement.
struct Extent {
    rounds: u64,
    /// Duration of one round of one configuration.
    seconds: u64,
    /// Whether bundles of other sizes are measured too.
    sizes: bool,
}

const QUICK: Extent = Extent { rounds: 12, seconds: 1, sizes: false };
const FULL: Extent = Extent { rounds: 20, seconds: 2, sizes: true };

/// Envoy with a listener for each configuration. Its log is written and discarded.
fn start(folder: &Path, configurations: &[Configuration]) -> Envoy {
    let listeners: Vec<_> = configurations.iter().map(Configuration::listener).collect();
    let unused = "127.0.0.1:9".parse().unwrap();
    let configuration = envoy::configuration(&listeners, unused);
    symlink("/dev/null", folder.join("log")).unwrap();
    let started = Envoy::start_in(folder, &configuration.to_string(), 1);
    // Try a second time with a log, which shows why it failed.
    started.or_else(|_| Envoy::start(&configuration, 1)).unwrap_or_else(|log| panic!("{log}"))
}

/// Checks that each listener gives the expected response, rejects other tokens, and writes the log.
fn verify(load: &Load<'_>, configurations: &[Configuration]) {
    for configuration in configurations {
        let id = configuration.id;
        assert_eq!(load.status(id, &configuration.path, &configuration.secret), configuration.status, "{id}");
        if configuration.guards {
            assert_eq!(load.status(id, &configuration.path, "wrong"), 401, "{id}: a wrong key");
            assert_ne!(load.status(id, "/v1/other/1", &configuration.secret), 200, "{id}: a wrong path");
        }
    }
    let written = |id| {
        let found = configurations.iter().find(|configuration| configuration.id == id).unwrap();
        load.bytes_written(id, &found.path, &found.secret)
    };
    let silent = written("permit");
    for id in ["permit-audit", "permit-log-unchained"] {
        let audited = written(id);
        assert!(audited > silent + 200, "{id}: an audited request writes {audited} bytes, another {silent}");
    }
}

fn measure(load: &Load<'_>, configurations: Vec<Configuration>, rounds: u64) -> Vec<Measured> {
    let mut measured: Vec<Measured> = configurations.into_iter().map(Measured::new).collect();
    for _ in 0..rounds {
        for row in &mut measured {
            row.rounds.push(load.round(&row.configuration));
        }
    }
    measured
}
