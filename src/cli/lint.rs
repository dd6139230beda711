//! `tokenward lint`: all that is wrong with a policy, and what is seldom meant.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::workspace::Workspace;
use crate::cli::{Exit, Format, output};
use crate::engine::lint::{Code, Finding, Severity, findings};

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
        for finding in &findings {
            tell(finding, &workspace, format);
        }
        let warnings = findings.iter().filter(|finding| finding.code.severity() == Severity::Warning).count();
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

fn tell(finding: &Finding, workspace: &Workspace, format: Format) {
    let failure = Failure::new(format!("{} [{}]", finding.message, finding.code)).hint(finding.code.hint());
    let failure = workspace.locate(failure, &finding.place);
    let severity = finding.code.severity();
    match (format, severity) {
        (Format::Text, Severity::Warning) => output::warning(&failure),
        (Format::Text, Severity::Note) => output::note(&failure),
        (Format::Json, Severity::Warning) => output::json(&report("warning", Some(finding.code), &failure)),
        (Format::Json, Severity::Note) => output::json(&report("note", Some(finding.code), &failure)),
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
