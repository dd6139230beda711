//! The results, as a table, as goals met or missed, and as JSON.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use crate::configurations::{Configuration, EMPTY, NO_FILTER};
use crate::envoy::Envoy;
use crate::load::{CONNECTIONS, Round};

/// A configuration and its rounds.
pub struct Measured {
    pub configuration: Configuration,
    pub rounds: Vec<Round>,
}

impl Measured {
    pub fn new(configuration: Configuration) -> Self {
        Self { configuration, rounds: Vec::new() }
    }

    fn micros(&self) -> impl Iterator<Item = f64> {
        self.rounds.iter().map(|round| round.micros)
    }

    fn median(&self) -> f64 {
        quantile(self.micros().collect(), 0.5)
    }

    fn min(&self) -> f64 {
        self.micros().fold(f64::INFINITY, f64::min)
    }

    fn max(&self) -> f64 {
        self.micros().fold(0.0, f64::max)
    }
}

/// All results.
pub struct Report {
    measured: Vec<Measured>,
    envoy: String,
    cores: usize,
    load_average: String,
}

/// The maximum cost of a configuration, as a multiple of another's.
struct Goal {
    text: &'static str,
    of: &'static str,
    over: &'static str,
    limit: f64,
}

impl Report {
    pub fn new(envoy: &Envoy, measured: Vec<Measured>) -> Self {
        let server: Value = serde_json::from_str(&envoy.admin("/server_info")).unwrap();
        let version = server["version"].as_str().unwrap().split('/').nth(1).unwrap().to_owned();
        let cores = std::thread::available_parallelism().unwrap().get();
        let load_average = std::fs::read_to_string("/proc/loadavg").unwrap();
        let load_average = load_average.split(' ').next().unwrap().to_owned();
        Self { measured, envoy: version, cores, load_average }
    }

    fn find(&self, id: &str) -> Option<&Measured> {
        self.measured.iter().find(|row| row.configuration.id == id)
    }

    /// The added cost of a configuration, for each round.
    fn distances(&self, row: &Measured) -> Vec<f64> {
        let without = self.find(NO_FILTER).unwrap();
        row.micros().zip(without.micros()).map(|(with, without)| with - without).collect()
    }

    /// The added CPU time of a configuration per request.
    fn added(&self, row: &Measured) -> f64 {
        quantile(self.distances(row), 0.5)
    }

    /// The ratio of two added costs; `None` if the second is lost in the noise of this run.
    fn ratio(&self, of: &Measured, over: &Measured) -> Option<f64> {
        let told = quantile(self.distances(over), 0.25) > 0.0;
        told.then(|| self.added(of) / self.added(over))
    }

    fn over_empty(&self, row: &Measured) -> Option<f64> {
        self.ratio(row, self.find(EMPTY).unwrap())
    }

    fn requests(&self) -> u64 {
        self.measured.iter().flat_map(|row| &row.rounds).map(|round| round.requests).sum()
    }

    /// The goals of the measured configurations, each with its ratio if this run can determine it.
    fn goals(&self) -> impl Iterator<Item = (&'static Goal, Option<f64>)> {
        GOALS.iter().filter_map(|goal| {
            let (of, over) = (self.find(goal.of)?, self.find(goal.over)?);
            Some((goal, self.ratio(of, over)))
        })
    }

    pub fn to_json(&self) -> Value {
        let rows = self.measured.iter().map(|row| {
            json!({
                "id": row.configuration.id,
                "label": row.configuration.label,
                "median_micros": row.median(),
                "min_micros": row.min(),
                "max_micros": row.max(),
                "added_micros": self.added(row),
                "ratio_to_empty_filter": self.over_empty(row),
                "requests": row.rounds.iter().map(|round| round.requests).sum::<u64>(),
                "rounds": row.micros().collect::<Vec<_>>(),
            })
        });
        let goals = self.goals().map(|(goal, ratio)| {
            json!({ "goal": goal.text, "ratio": ratio, "limit": goal.limit, "met": ratio.map(|ratio| ratio <= goal.limit) })
        });
        json!({
            "envoy": self.envoy,
            "cores": self.cores,
            "load_average": self.load_average,
            "connections": CONNECTIONS,
            "requests": self.requests(),
            "configurations": rows.collect::<Vec<_>>(),
            "goals": goals.collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["configuration", "CPU µs/request", "min–max", "added", "× empty filter"]);
        for row in &self.measured {
            table.add_row([
                row.configuration.label.to_owned(),
                format!("{:.1}", row.median()),
                format!("{:.1}–{:.1}", row.min(), row.max()),
                format!("{:+.1}", self.added(row)),
                self.over_empty(row).map_or("–".to_owned(), |ratio| format!("{ratio:.2}")),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(f, "{}\n", table.trim_fmt())?;
        let Self { envoy, cores, load_average, .. } = self;
        write!(f, "Envoy {envoy}, one worker, {CONNECTIONS} connections, direct response; {cores} cores, ")?;
        writeln!(f, "load average {load_average}; {} requests; medians of rounds", self.requests())?;
        for (goal, ratio) in self.goals() {
            let outcome = match ratio {
                Some(ratio) if ratio <= goal.limit => format!("{ratio:.2} ×, met"),
                Some(ratio) => format!("{ratio:.2} ×, missed"),
                None => "lost in the noise of this run".to_owned(),
            };
            writeln!(f, "goal: {}: {outcome}", goal.text)?;
        }
        Ok(())
    }
}

/// The value below which this fraction of the values lies, interpolated if necessary.
fn quantile(mut values: Vec<f64>, fraction: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let position = fraction * (values.len() - 1) as f64;
    let (below, above) = (values[position.floor() as usize], values[position.ceil() as usize]);
    below + (above - below) * position.fract()
}

/// The performance goals, as ratios of added CPU time.
const GOALS: [Goal; 7] = [
    Goal { text: "permit with audit off ≤ 1.5 × the empty filter", of: "permit", over: EMPTY, limit: 1.5 },
    Goal { text: "… ≤ native rbac with 100 policies", of: "permit", over: "rbac-100", limit: 1.0 },
    Goal {
        text: "… ≤ 0.25 × native rbac with 1,000 policies", of: "permit", over: "rbac-1000", limit: 0.25
    },
    Goal {
        text: "… ≤ 1.5 × native rbac as a matcher tree", of: "permit", over: "tree-1000", limit: 1.5
    },
    Goal {
        text: "permit with audit to filter state ≤ 2 × the empty filter",
        of: "permit-state",
        over: EMPTY,
        limit: 2.0,
    },
    Goal { text: "100,000 tokens ≤ 1.1 × 10 tokens", of: "tokens-100000", over: "tokens-10", limit: 1.1 },
    Goal {
        text: "10,000 operations ≤ 1.1 × 10 operations",
        of: "operations-10000",
        over: "tokens-10",
        limit: 1.1,
    },
];
