//! `tokenward lint`: all that is wrong with a policy, and what is seldom meant.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::failure::Failure;
use crate::cli::input::Input;
use crate::cli::lint::envoy::Reliance;
use crate::cli::source::Source;
use crate::cli::workspace::Workspace;
use crate::cli::{Exit, Format, output};
use crate::engine::authoring::lint::{Severity, findings, findings_of_signed, unsaid_proxies};
use crate::engine::config::problem::Place;

mod envoy;

/// Check a policy and its tokens
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward lint --envoy envoy.yaml
  tokenward lint --bundle bundle.dsse.json --settings production.yaml")]
pub(super) struct Lint {
    #[command(flatten)]
    pub(super) input: Input,
    /// Envoy's configuration, which is checked too; alone where there is no policy
    #[arg(long, value_name = "FILE")]
    envoy: Option<PathBuf>,
}

impl Lint {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let policy = self.policy()?.map(|workspace| policy(&workspace, format)).transpose()?;
        let reliance = policy.as_ref().map(|linted| linted.reliance).unwrap_or_default();
        let envoy = self.envoy.as_ref().map(|path| envoy(path, reliance, format)).transpose()?;
        let warnings = policy.map_or(0, |linted| linted.warnings).saturating_add(envoy.unwrap_or(0));
        Ok(if warnings == 0 { Exit::Yes } else { Exit::No })
    }
}

impl Lint {
    /// The policy; none where only Envoy's configuration is there.
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

/// What was found of a policy.
struct Linted {
    warnings: usize,
    /// What it relies on in Envoy's configuration.
    reliance: Reliance,
}

fn policy(workspace: &Workspace, format: Format) -> Result<Linted, Vec<Failure>> {
    let settings = workspace.settings()?;
    let (bundle, policy) = match workspace.compile() {
        Ok(compiled) => compiled,
        Err(failures) => {
            for failure in &failures {
                match format {
                    Format::Text => output::failure(failure),
                    Format::Json => output::json(&report("error", None, failure)),
                }
            }
            return Ok(Linted { warnings: failures.len(), reliance: Reliance::default() });
        }
    };
    let mut findings = findings(&bundle);
    findings.extend(unsaid_proxies(&bundle, &settings));
    if workspace.is_signed() {
        findings.extend(findings_of_signed(&bundle));
    }
    let places: Vec<&Place> = findings.iter().map(|finding| &finding.place).collect();
    for (finding, (source, position)) in findings.iter().zip(workspace.locate(&places)) {
        let failure = Failure::new(format!("{} [{}]", finding.message, finding.code));
        let failure = failure.hint(finding.hint()).at(source.path.display(), position, &finding.place);
        print(finding.code.severity(), Some(&finding.code.to_string()), &failure, format);
    }
    let mut warnings = findings.iter().filter(|finding| finding.code.severity() == Severity::Warning).count();
    if let Some(missing) = workspace.missing_registry() {
        warnings = warnings.saturating_add(1);
        print(Severity::Warning, None, &missing, format);
    }
    if format == Format::Text {
        output::done(&format!(
            "{}: {} permissions, {} roles, {} tokens, {warnings} warnings",
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
    Ok(Linted { warnings, reliance })
}

/// The number of warnings about an Envoy configuration.
fn envoy(path: &Path, reliance: Reliance, format: Format) -> Result<usize, Vec<Failure>> {
    let source = Source::read(path)?;
    let configuration: Value = source.parse().map_err(|problems| {
        problems.iter().map(|problem| Failure::of(problem, path.display(), None)).collect::<Vec<_>>()
    })?;
    let findings = envoy::findings(&configuration, reliance);
    let places: Vec<&Place> = findings.iter().map(|finding| &finding.place).collect();
    for (finding, position) in findings.iter().zip(source.positions(&places)) {
        let failure = Failure::new(format!("{} [{}]", finding.message, finding.code)).hint(finding.hint);
        print(
            finding.severity,
            Some(finding.code),
            &failure.at(path.display(), position, &finding.place),
            format,
        );
    }
    let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
    if format == Format::Text {
        output::done(&format!("{}: {warnings} warnings", path.display()));
    }
    Ok(warnings)
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
