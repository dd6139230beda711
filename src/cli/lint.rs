//! `tokenward lint`: finds errors and probable mistakes in a policy.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::input::Input;
use crate::cli::lint::envoy::Reliance;
use crate::cli::source::Source;
use crate::cli::workspace::{CaseFile, Workspace, both, case_files};
use crate::cli::{Exit, Format, output};
use crate::engine::authoring::lint::{Code, Severity, findings, findings_of_signed, unsaid_proxies};
use crate::engine::config::problem::Place;

mod envoy;

/// Check a policy and its tokens
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward lint --envoy envoy.yaml --deny-warnings
  curl http://127.0.0.1:9901/config_dump | tokenward lint --envoy -")]
pub(super) struct Lint {
    #[command(flatten)]
    pub(super) input: Input,
    /// Envoy's configuration to check as well, or alone if there is no policy; `-` is standard input
    #[arg(long, value_name = "FILE")]
    envoy: Option<PathBuf>,
    /// Exit with 1 for warnings too, not only for errors
    #[arg(long)]
    deny_warnings: bool,
}

impl Lint {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let policy = self.policy()?.map(|workspace| policy(&workspace, format)).transpose()?;
        let reliance = policy.as_ref().map(|linted| linted.reliance).unwrap_or_default();
        let envoy = self.envoy.as_ref().map(|path| envoy(path, reliance, format)).transpose()?;
        let counts = policy.map(|linted| linted.counts).into_iter().chain(envoy);
        let fails = |counts: Counts| counts.errors > 0 || self.deny_warnings && counts.warnings > 0;
        Ok(if counts.into_iter().any(fails) { Exit::No } else { Exit::Yes })
    }
}

impl Lint {
    /// The policy; `None` if the user gave only Envoy's configuration.
    fn policy(&self) -> Result<Option<Workspace>, Failure> {
        let alone = self.envoy.is_some() && self.input.bundle.is_none();
        if alone && self.input.files.folder.look()?.is_none() {
            return Ok(None);
        }
        let workspace = self.input.open()?;
        if let Some(note) = self.input.without_settings(workspace.gateway()) {
            output::note(&note);
        }
        Ok(Some(workspace))
    }
}

/// The numbers of errors and warnings.
#[derive(Clone, Copy, Default)]
struct Counts {
    errors: usize,
    warnings: usize,
}

impl Counts {
    fn add(&mut self, severity: Severity) {
        let count = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
            Severity::Note => return,
        };
        *count = count.saturating_add(1);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.errors > 0 {
            write!(f, "{} errors, ", self.errors)?;
        }
        write!(f, "{} warnings", self.warnings)
    }
}

/// The findings of a policy.
struct Linted {
    counts: Counts,
    /// The parts of Envoy's configuration on which it relies.
    reliance: Reliance,
}

fn policy(workspace: &Workspace, format: Format) -> Result<Linted, Vec<Failure>> {
    let checked = both(workspace.compile(), both(workspace.settings(), cases(workspace)));
    let ((bundle, policy), (settings, _)) = match checked {
        Ok(checked) => checked,
        Err(failures) => {
            for failure in &failures {
                match format {
                    Format::Text => output::failure(failure),
                    Format::Json => output::json(&report("error", None, failure)),
                }
            }
            let counts = Counts { errors: failures.len(), warnings: 0 };
            return Ok(Linted { counts, reliance: Reliance::default() });
        }
    };
    let mut findings = findings(&bundle);
    findings.extend(unsaid_proxies(&bundle, &settings));
    if workspace.is_signed() {
        findings.extend(findings_of_signed(&bundle));
    }
    let places: Vec<&Place> = findings.iter().map(|finding| &finding.place).collect();
    let mut counts = Counts::default();
    for (finding, (source, position)) in findings.iter().zip(workspace.locate(&places)) {
        if position.as_ref().is_some_and(|position| allows(source.text(), position.line, finding.code)) {
            continue;
        }
        counts.add(finding.code.severity());
        let failure = Failure::new(format!("{} [{}]", finding.message, finding.code));
        let failure = source.locate(failure.hint(finding.hint()), position, &finding.place);
        print(finding.code.severity(), Some(&finding.code.to_string()), &failure, format);
    }
    if let Some(missing) = workspace.missing_registry() {
        counts.add(Severity::Warning);
        print(Severity::Warning, None, &missing, format);
    }
    if format == Format::Text {
        output::done(&format!(
            "{}: {} permissions, {} roles, {} tokens, {counts}",
            bundle.name,
            bundle.permissions.len(),
            bundle.roles.len(),
            policy.token_count(),
        ));
    }
    let reliance = Reliance {
        sources: policy.reads_source(),
        hosts: policy.index().names_hosts(),
        hops: settings.source.map(|rule| rule.trusted_hops.number()),
    };
    Ok(Linted { counts, reliance })
}

/// Reads the test cases beside a policy, to find their mistakes too.
fn cases(workspace: &Workspace) -> Result<Vec<CaseFile>, Vec<Failure>> {
    let folder = workspace.folder();
    if folder.as_os_str().is_empty() { Ok(Vec::new()) } else { case_files(folder) }
}

/// Whether a comment on the line of a finding, or on the line above it, allows it: `# tokenward: allow unused_role`.
fn allows(text: &str, line: usize, code: Code) -> bool {
    let code = code.to_string();
    let named = |line: &str| {
        let (_, comment) = line.split_once('#')?;
        let codes = comment.trim_start().strip_prefix("tokenward:")?.trim_start().strip_prefix("allow ")?;
        codes.split([',', ' ']).find(|named| *named == code).map(|_| ())
    };
    let above = text.lines().nth(line.wrapping_sub(2)).filter(|line| line.trim_start().starts_with('#'));
    [text.lines().nth(line.wrapping_sub(1)), above].into_iter().flatten().any(|line| named(line).is_some())
}

/// Lints an Envoy configuration; returns the numbers of errors and warnings.
fn envoy(path: &Path, reliance: Reliance, format: Format) -> Result<Counts, Vec<Failure>> {
    let source = if path == Path::new("-") { Source::standard_input()? } else { Source::read(path)? };
    let configuration =
        envoy::parse(source.text()).map_err(|problem| vec![Failure::of(&problem, path.display(), None)])?;
    let findings = envoy::findings(&configuration, reliance)?;
    let places: Vec<&Place> = findings.iter().map(|finding| &finding.place).collect();
    for (finding, position) in findings.iter().zip(source.positions(&places)) {
        let failure = Failure::new(format!("{} [{}]", finding.message, finding.code)).hint(finding.hint);
        print(
            finding.severity,
            Some(finding.code),
            &source.locate(failure, position, &finding.place),
            format,
        );
    }
    let mut counts = Counts::default();
    findings.iter().for_each(|finding| counts.add(finding.severity));
    if format == Format::Text {
        output::done(&format!("{}: {counts}", path.display()));
    }
    Ok(counts)
}

fn print(severity: Severity, code: Option<&str>, failure: &Failure, format: Format) {
    match (format, severity) {
        (Format::Text, Severity::Error) => output::failure(failure),
        (Format::Text, Severity::Warning) => output::warning(failure),
        (Format::Text, Severity::Note) => output::note(failure),
        (Format::Json, Severity::Error) => output::json(&report("error", code, failure)),
        (Format::Json, Severity::Warning) => output::json(&report("warning", code, failure)),
        (Format::Json, Severity::Note) => output::json(&report("note", code, failure)),
    }
}

fn report(severity: &str, code: Option<&str>, failure: &Failure) -> Value {
    json!({
        "severity": severity,
        "code": code,
        "message": failure.message,
        "place": failure.place,
        "hint": failure.hint,
    })
}
