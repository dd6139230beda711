//! `tokenward lint`: all that is wrong with a policy, and what is seldom meant.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::workspace::Workspace;
use crate::cli::{Exit, Format, output};
use crate::engine::lint::{Code, Severity, findings};
use crate::engine::problem::Place;

/// Check a policy and its tokens
#[derive(Args, Debug)]
pub(super) struct Lint {
    /// Folder with policy.yaml and tokens.yaml, or a bundle
    policy: PathBuf,
}

impl Lint {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let workspace = Workspace::open(&self.policy)?;
        let (document, policy) = match workspace.compile() {
            Ok(compiled) => compiled,
            Err(failures) => {
                for failure in &failures {
                    match format {
                        Format::Text => output::failure(failure),
                        Format::Json => output::json(&report("error", None, failure)),
                    }
                }
                return Ok(Exit::No);
            }
        };
        let findings = findings(&document);
        let places: Vec<&Place> = findings.iter().map(|finding| &finding.place).collect();
        for (finding, (source, position)) in findings.iter().zip(workspace.locate(&places)) {
            let failure = Failure::new(format!("{} [{}]", finding.message, finding.code));
            let failure =
                failure.hint(finding.code.hint()).at(source.path.display(), position, &finding.place);
            tell(finding.code, &failure, format);
        }
        let mut warnings =
            findings.iter().filter(|finding| finding.code.severity() == Severity::Warning).count();
        if let Some(missing) = workspace.missing_registry() {
            warnings = warnings.saturating_add(1);
            match format {
                Format::Text => output::warning(&missing),
                Format::Json => output::json(&report("warning", None, &missing)),
            }
        }
        if format == Format::Text {
            output::done(&format!(
                "{}: {} permissions, {} roles, {} tokens, {warnings} warnings",
                document.name,
                document.permissions.len(),
                document.roles.len(),
                policy.token_count(),
            ));
        }
        Ok(if warnings == 0 { Exit::Yes } else { Exit::No })
    }
}

fn tell(code: Code, failure: &Failure, format: Format) {
    match (format, code.severity()) {
        (Format::Text, Severity::Warning) => output::warning(failure),
        (Format::Text, Severity::Note) => output::note(failure),
        (Format::Json, Severity::Warning) => output::json(&report("warning", Some(code), failure)),
        (Format::Json, Severity::Note) => output::json(&report("note", Some(code), failure)),
    }
}

fn report(severity: &str, code: Option<Code>, failure: &Failure) -> serde_json::Value {
    json!({
        "severity": severity,
        "code": code,
        "message": failure.message,
        "place": failure.place,
        "hint": failure.hint,
    })
}
