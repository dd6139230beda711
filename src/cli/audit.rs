//! `tokenward audit`: checks the filter's audit events.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::audit::finding::Finding;
use crate::cli::audit::heads::Heads;
use crate::cli::audit::lines::Lines;
use crate::cli::audit::verifier::{Ends, Order, Report, Rules, Starts, Verifier};
use crate::cli::failure::Failure;
use crate::cli::files::Readers;
use crate::cli::{Exit, Format, files, output, stdin};
use crate::engine::config::settings::ChainKey;
use crate::engine::report::chain::Links;

pub mod event;
pub mod finding;
pub mod heads;
mod lines;
mod track;
pub mod verifier;

/// Check the filter's audit events
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward audit verify envoy.log
  tokenward audit verify --heads heads.json monday.log")]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find the audit events that are missing, changed, repeated or out of order in Envoy's logs
    Verify(Verify),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward audit verify --closed envoy.log.1 envoy.log
  kubectl logs edge | tokenward audit verify --heads heads.json")]
struct Verify {
    /// Envoy's logs, oldest first; standard input by default, or for `-`
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// File with the key of the chains, in 64 hex digits; one key per line
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Result of the last verification, to continue from; rewritten if everything is intact
    #[arg(long, value_name = "FILE")]
    heads: Option<PathBuf>,
    /// Require an end for every chain: Envoy was shut down, and its log is complete
    #[arg(long)]
    closed: bool,
    /// Accept chains that start in the middle, because older logs were rotated away
    #[arg(long, conflicts_with = "heads")]
    rotated: bool,
    /// Accept lines in any order, as in an access log, which writes them when requests end
    #[arg(long)]
    unordered: bool,
}

impl Audit {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let Command::Verify(verify) = self.command;
        verify.run(format)
    }
}

impl Verify {
    fn run(mut self, format: Format) -> Result<Exit, Vec<Failure>> {
        if self.files.is_empty() {
            self.files.push(PathBuf::from("-"));
        }
        let links = self.key_file.as_deref().map_or_else(|| Ok(vec![Links::Sha256]), keys)?;
        let heads = self.heads.as_deref().map_or_else(|| Ok(Heads::default()), Heads::read)?;
        let mut verifier = Verifier::new(self.rules(), links, heads);
        for (number, path) in self.files.iter().enumerate() {
            read(path, number, &mut verifier)?;
        }
        let report = verifier.finish();
        self.report(&report, format);
        if !report.is_intact() {
            return Ok(Exit::No);
        }
        if let Some(path) = &self.heads {
            files::replace(path, report.heads.to_text(), Readers::Owner)?;
        }
        Ok(Exit::Yes)
    }

    fn rules(&self) -> Rules {
        Rules {
            order: if self.unordered { Order::Any } else { Order::Kept },
            starts: if self.rotated { Starts::Anywhere } else { Starts::AtTheFirst },
            ends: if self.closed { Ends::All } else { Ends::Any },
        }
    }

    fn report(&self, report: &Report, format: Format) {
        for finding in &report.findings {
            let failure = self.failure(finding);
            match format {
                Format::Text => output::failure(&failure),
                Format::Json => output::json(&json!({
                    "code": finding.fault.code(),
                    "chain": finding.chain.map(|chain| chain.to_string()),
                    "seq": finding.seq,
                    "message": failure.message,
                    "place": failure.place,
                })),
            }
        }
        match format {
            Format::Text => output::done(&report.to_string()),
            Format::Json => output::json(&json!({
                "intact": report.is_intact(),
                "events": report.events,
                "counted": report.counted,
                "chains": report.chains,
                "open": report.open,
                "other_lines": report.other_lines,
                "findings": report.count,
            })),
        }
    }

    fn failure(&self, finding: &Finding) -> Failure {
        let place = finding.place.and_then(|place| {
            let path = self.files.get(place.file)?;
            Some(format!("{}:{}", name(path), place.line))
        });
        let failure = Failure { place, ..Failure::new(finding.to_string()) };
        match finding.fault.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

fn read(path: &Path, file: usize, verifier: &mut Verifier) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| Failure::new(format!("cannot read {}: {error}", name(path)));
    let input: Box<dyn Read> = if path == Path::new("-") {
        stdin::prompt("reading the log from the terminal: paste it, press Enter, then press Ctrl-D:\n");
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(cannot)?)
    };
    let mut lines = Lines::new(BufReader::with_capacity(BUFFER, input));
    while let Some((number, line)) = lines.next().map_err(cannot)? {
        verifier.line(finding::Place { file, line: number }, line);
    }
    Ok(())
}

/// Reads the keys from a file; never shows its content.
fn keys(path: &Path) -> Result<Vec<Links>, Failure> {
    let bad = |why: &str| {
        Failure::new(format!("{} {why}", path.display()))
            .hint("it has a key in each line, 64 hex digits as in `chain: {hmac_sha256: …}`")
    };
    let text = std::fs::read(path)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", path.display())))?;
    let text = str::from_utf8(&text).map_err(|_| bad("holds something else than keys"))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys: Option<Vec<Links>> =
        lines.map(|line| ChainKey::parse(line).and_then(|key| Links::keyed(&key))).collect();
    match keys {
        None => Err(bad("holds something else than keys")),
        Some(keys) if keys.is_empty() => Err(bad("holds no key")),
        Some(keys) => Ok(keys),
    }
}

fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

const BUFFER: usize = 1 << 18;
