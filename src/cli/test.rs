//! `tokenward test`: the cases beside a policy.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::workspace::{CaseFile, Workspace, case_files};
use crate::cli::{Exit, Format, output};
use crate::engine::authoring::case::{Case, Rehearsal};

/// Run a policy's test cases
#[derive(Args, Debug)]
pub(super) struct Test {
    /// Folder with policy.yaml, tokens.yaml and *.test.yaml
    policy: PathBuf,
}

impl Test {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let workspace = Workspace::open_folder(&self.policy)?;
        let files = case_files(&self.policy)?;
        let settings = workspace.settings()?;
        let (mut passed, mut failed) = (0_usize, 0_usize);
        for CaseFile { path, cases } in &files {
            let rehearsal = Rehearsal::of(workspace.bundle()?, &settings, cases)
                .map_err(|problems| workspace.failures(&problems))?;
            for case in cases {
                let wrong = differences(&rehearsal, case);
                let count = if wrong.is_empty() { &mut passed } else { &mut failed };
                *count = count.saturating_add(1);
                report(&path.display().to_string(), case, &wrong, format);
            }
        }
        if passed.saturating_add(failed) == 0 {
            return Err(Failure::new(format!("{} has no cases", self.policy.display()))
                .hint("write them in files named `*.test.yaml` beside the policy")
                .into());
        }
        if format == Format::Text {
            output::data(&format!("{passed} passed, {failed} failed\n"));
        }
        Ok(if failed == 0 { Exit::Yes } else { Exit::No })
    }
}

fn differences(rehearsal: &Rehearsal, case: &Case) -> Vec<String> {
    match rehearsal.prepare(&case.request) {
        Ok(prepared) => prepared.judge(&mut ()).differences(&case.expect),
        Err(error) => vec![error.to_string()],
    }
}

fn report(file: &str, case: &Case, wrong: &[String], format: Format) {
    match format {
        Format::Json => {
            output::json(
                &json!({ "file": file, "name": case.name, "passed": wrong.is_empty(), "differences": wrong }),
            );
        }
        Format::Text if wrong.is_empty() => {}
        Format::Text => {
            output::data(&format!("failed: {} ({file})\n", case.name));
            wrong.iter().for_each(|difference| output::data(&format!("  {difference}\n")));
        }
    }
}
