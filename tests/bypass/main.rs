//! `make bypass`: checks that no spelling of a request reaches something that its caller may not access.
//!
//! The bench sends thousands of mutated requests over raw HTTP/1.1 and HTTP/2, through a real Envoy, to an upstream
//! that reads requests as leniently as possible. It judges each request that arrives by all its loose readings: no
//! reading may be something that the caller may not do, and the caller must not carry another name. Without the filter
//! each mutator must get through; otherwise it would prove nothing. With `--report` the bench prints everything. As a
//! test it is short and prints one line.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench fails by panicking"
)]
#![expect(clippy::arithmetic_side_effects, clippy::string_slice, reason = "a bench fails by panicking")]
#![expect(clippy::print_stdout, reason = "the report is what the bench is for")]
#![expect(clippy::disallowed_methods, reason = "a bench runs where there is a clock")]

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::envoy::Envoy;
use crate::flood::Flood;
use crate::generate::Attack;
use crate::harmless::Harmless;
use crate::run::{Round, Vacuity};
use crate::setting::{AUDITED, FLOODED, OPEN, SETTINGS, SOAKED, Setting};
use crate::upstream::Upstream;

mod cves;
#[path = "../support/envoy.rs"]
#[expect(dead_code, reason = "the harness of the tests; the bench needs less of it")]
mod envoy;
mod flood;
mod generate;
mod harmless;
#[path = "../support/http.rs"]
#[expect(dead_code, reason = "the harness of the tests; the bench needs less of it")]
mod http;
#[path = "../support/http2.rs"]
#[expect(dead_code, reason = "the harness of the tests; the bench needs less of it")]
mod http2;
mod mutate;
mod payloads;
mod policy;
mod random;
mod readings;
mod report;
mod request;
mod run;
mod send;
mod setting;
mod soak;
mod steps;
mod upstream;
#[path = "../support/wait.rs"]
#[expect(dead_code, reason = "the harness of the tests; the bench needs less of it")]
mod wait;

#[derive(Parser)]
struct Arguments {
    /// Tell all, rather than one line
    #[arg(long)]
    report: bool,
    /// Distinct requests for each setting
    #[arg(long, default_value_t = 4_000)]
    requests: usize,
    /// More payloads: one path or raw request a line
    #[arg(long)]
    payloads: Option<PathBuf>,
    /// Send so many requests to one listener instead, and look at Envoy before and after
    #[arg(long)]
    soak: Option<usize>,
    /// Flood one listener instead with so many requests of each kind, and look at how much Envoy logs
    #[arg(long)]
    flood: Option<usize>,
    /// Of the generator
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What `cargo test` hands to every test: filters, which mean nothing here
    #[arg(hide = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let start = Instant::now();
    if let Some(count) = arguments.flood {
        let floods = flood(count);
        floods.iter().for_each(|flood| println!("{flood}"));
        return ended(&failures_of(&floods));
    }
    let attacks = attacks(&arguments);
    if let Some(wanted) = arguments.soak {
        return soak(&attacks, wanted);
    }
    let results = Bench::start().run(&attacks);
    if arguments.report {
        println!("{}\n", report::table(&attacks, &results.rounds));
        println!("{}", report::details(&results.rounds));
        println!("{}", report::harmless(&results.harmless));
        println!("{}", report::vacuity(&results.vacuity));
    }
    let bypasses: usize = results.rounds.iter().map(|(_, round)| round.bypasses().count()).sum();
    // A bug shows in hundreds of requests, so a few of each kind are enough.
    let most = if bypasses <= 100 { bypasses } else { 3 };
    print!("{}", report::bypasses(&attacks, &results.rounds, most));
    let floods = flood(FLOOD);
    if arguments.report {
        floods.iter().for_each(|flood| println!("{flood}"));
    }
    let failures = [results.failures(), failures_of(&floods)].concat();
    failures.iter().for_each(|failure| println!("{failure}"));
    println!(
        "bypass: {bypasses} bypasses of {} distinct requests under each of {} settings, {} failures among {} cases of \
         known holes and what must pass, {:.0} s",
        attacks.len(),
        SETTINGS.len(),
        failures.len(),
        results.cases,
        start.elapsed().as_secs_f32()
    );
    if bypasses == 0 && failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the floods: `count` requests of each kind from a caller without a working token.
fn flood(count: usize) -> Vec<Flood> {
    let upstream = Upstream::start();
    let envoy = setting::start_flooded(&upstream);
    drop(envoy.client(FLOODED));
    flood::run(&envoy, count)
}

fn failures_of(floods: &[Flood]) -> Vec<String> {
    floods.iter().flat_map(Flood::failures).cloned().collect()
}

fn ended(failures: &[String]) -> ExitCode {
    failures.iter().for_each(|failure| println!("{failure}"));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn soak(attacks: &[Attack], wanted: usize) -> ExitCode {
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
    let envoy = setting::start_soaked(folder.path(), &upstream);
    drop(envoy.client(SOAKED));
    let soak = soak::soak(&envoy, SOAKED, attacks, wanted, &upstream);
    let failures = soak.failures();
    println!("{soak}");
    ended(&failures)
}

/// Returns the generated, the known and the file's attacks, without duplicates.
fn attacks(arguments: &Arguments) -> Vec<Attack> {
    let mut attacks = generate::generate(arguments.requests, arguments.seed);
    assert_eq!(attacks.len(), arguments.requests, "the generator has run out of requests");
    attacks.extend(payloads::parse(include_bytes!("known.txt")));
    if let Some(file) = &arguments.payloads {
        let text = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        attacks.extend(payloads::parse(&text));
    }
    let mut known = HashSet::new();
    attacks.retain(|attack| known.insert(attack.request.shown()));
    attacks
}

/// The running servers.
struct Bench {
    upstream: Upstream,
    envoy: Envoy,
}

/// Everything that the bench found.
struct Results {
    rounds: Vec<(&'static Setting, Round)>,
    harmless: Vec<(&'static Setting, Harmless)>,
    vacuity: Vec<Vacuity>,
    cases: usize,
    /// Known vulnerabilities whose case failed.
    broken: Vec<String>,
}

impl Bench {
    fn start() -> Self {
        let upstream = Upstream::start();
        let envoy = setting::start(&upstream);
        // Envoy's workers start to listen shortly after it reports that it is live.
        for name in SETTINGS.iter().map(|setting| setting.name).chain([AUDITED.name, OPEN]) {
            drop(envoy.client(name));
        }
        Self { upstream, envoy }
    }

    fn run(&self, attacks: &[Attack]) -> Results {
        let address = |setting: &Setting| self.envoy.listener(setting.name);
        let cases = cves::all();
        let mut broken = Vec::new();
        for setting in SETTINGS.iter().chain([&AUDITED]) {
            let round = Round::run(address(setting), &cves::attacks(&cases), &self.upstream);
            let failures = cves::failures(&cases, &round).into_iter();
            broken.extend(failures.map(|failure| format!("{}: {failure}", setting.name)));
        }
        // A caller's text must not become an audit event (CVE-2024-45808).
        let forged = self.envoy.decisions().into_iter().filter(|event| event["token"] == "admin");
        broken.extend(forged.map(|event| format!("an audit event by its caller: {event}")));
        let round = |setting| (setting, Round::run(address(setting), attacks, &self.upstream));
        Results {
            vacuity: run::vacuity(self.envoy.listener(OPEN), attacks, &self.upstream),
            rounds: SETTINGS.iter().map(round).collect(),
            harmless: SETTINGS
                .iter()
                .map(|setting| (setting, harmless::run(setting, address(setting))))
                .collect(),
            cases: cases.len(),
            broken,
        }
    }
}

impl Results {
    fn failures(&self) -> Vec<String> {
        let mut failures = self.broken.clone();
        for (setting, harmless) in &self.harmless {
            let broken = harmless.broken.iter();
            failures.extend(broken.map(|path| format!("{}: a request that must pass: {path}", setting.name)));
        }
        let idle = self.vacuity.iter().filter(|row| row.through + row.beside == 0);
        failures.extend(
            idle.map(|row| format!("mutator `{}` gets nothing through without the filter", row.mutator)),
        );
        failures
    }
}

/// Default number of requests of each kind of flood.
const FLOOD: usize = 4_000;
