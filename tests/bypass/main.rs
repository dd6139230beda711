//! `make bypass`: does any spelling of a request reach what its caller has no right to?
//!
//! Thousands of mutated requests go over raw HTTP/1.1 and HTTP/2 through a real Envoy to an upstream that reads
//! requests as loosely as anybody does. What reached it is judged by all its loose readings: whether one of them is
//! something that the caller may not do, or the caller bears another's name. Without the filter each mutator must
//! get through, or it would prove nothing. With `--report` it tells all; as a test it is short, and silent but for
//! one line.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a bench fails by panicking")]
#![expect(clippy::arithmetic_side_effects, clippy::string_slice, reason = "a bench fails by panicking")]
#![expect(clippy::print_stdout, reason = "the report is what the bench is for")]
#![expect(clippy::disallowed_methods, reason = "a bench runs where there is a clock")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::envoy::Envoy;
use crate::generate::Attack;
use crate::harmless::Harmless;
use crate::run::Round;
use crate::setting::{OPEN, SETTINGS, Setting};
use crate::upstream::Upstream;

mod cves;
#[path = "../support/envoy.rs"]
#[expect(dead_code, reason = "the harness of the tests; the bench needs less of it")]
mod envoy;
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
mod steps;
mod upstream;

#[derive(Parser)]
struct Arguments {
    /// Tell all, rather than one line
    #[arg(long)]
    report: bool,
    /// Distinct requests for each setting
    #[arg(long, default_value_t = 2_000)]
    requests: usize,
    /// More payloads: one path or raw request a line
    #[arg(long)]
    payloads: Option<PathBuf>,
    /// Of the generator
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Filters of `cargo test`, which mean nothing here
    #[arg(hide = true)]
    rest: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let start = Instant::now();
    let mut attacks = generate::generate(arguments.requests, arguments.seed);
    assert_eq!(attacks.len(), arguments.requests, "the generator has run out of requests");
    if let Some(file) = &arguments.payloads {
        let text = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        attacks.extend(payloads::parse(&text));
    }
    let bench = Bench::start();
    let results = bench.run(&attacks);
    if arguments.report {
        println!("{}\n{}", report::table(&attacks, &results.rounds), report::details(&results.rounds));
        println!("{}", report::harmless(&results.harmless));
        println!("{}", vacuity_shown(&results.vacuity));
    }
    let failures = results.failures();
    for failure in &failures {
        println!("{failure}");
    }
    println!("{}", report::bypasses(&attacks, &results.rounds, if arguments.report { 3 } else { 1 }));
    let bypasses: usize = results.rounds.iter().map(|(_, round)| round.bypasses().count()).sum();
    println!(
        "bypass: {bypasses} bypasses of {} distinct requests under each of {} settings; {} cases of known holes; \
         {} failures; {:.0} s",
        attacks.len(),
        SETTINGS.len(),
        results.cases,
        failures.len(),
        start.elapsed().as_secs_f32()
    );
    if bypasses == 0 && failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The running servers.
struct Bench {
    upstream: Upstream,
    envoy: Envoy,
}

/// All that the bench found.
struct Results {
    rounds: Vec<(&'static Setting, Round)>,
    harmless: Vec<(&'static Setting, Harmless)>,
    vacuity: Vec<(&'static str, usize, usize)>,
    cases: usize,
    /// Cases of known holes that went wrong.
    broken: Vec<String>,
}

impl Bench {
    fn start() -> Self {
        let upstream = Upstream::start();
        let envoy = setting::start(&upstream);
        // Its workers listen a moment after it says that it is live.
        for name in SETTINGS.iter().map(|setting| setting.name).chain([OPEN]) {
            drop(envoy.client(name));
        }
        Self { upstream, envoy }
    }

    fn run(&self, attacks: &[Attack]) -> Results {
        let address = |name: &str| -> SocketAddr { self.envoy.listener(name) };
        let families: Vec<&'static str> = mutate::all().map(|mutator| mutator.name).collect();
        let vacuity = run::vacuity(address(OPEN), attacks, &families, &self.upstream);
        let cases = cves::all();
        let mut results =
            Results { rounds: Vec::new(), harmless: Vec::new(), vacuity, cases: cases.len(), broken: Vec::new() };
        for setting in &SETTINGS {
            let address = address(setting.name);
            let round = Round::run(address, &cves::attacks(&cases), &self.upstream);
            let failures = cves::failures(&cases, &round).into_iter();
            results.broken.extend(failures.map(|failure| format!("{}: {failure}", setting.name)));
            results.rounds.push((setting, Round::run(address, attacks, &self.upstream)));
            results.harmless.push((setting, harmless::run(address)));
        }
        results
    }
}

impl Results {
    fn failures(&self) -> Vec<String> {
        let mut failures = self.broken.clone();
        for (setting, harmless) in &self.harmless {
            let broken = harmless.broken.iter();
            failures.extend(broken.map(|path| format!("{}: a request that must pass: {path}", setting.name)));
        }
        let idle = self.vacuity.iter().filter(|(_, through, beside)| through + beside == 0);
        failures.extend(idle.map(|(name, _, _)| format!("mutator `{name}` gets nothing through where there is no filter")));
        failures
    }
}

fn vacuity_shown(vacuity: &[(&'static str, usize, usize)]) -> String {
    let mut text = "Without the filter each mutator alone got through (in brackets: Envoy itself refuses it):\n ".to_owned();
    for (name, through, beside) in vacuity {
        let count = if *through > 0 { through.to_string() } else { format!("({beside})") };
        text += &format!(" {name} {count}");
    }
    text
}
