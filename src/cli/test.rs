//! `tokenward test`: the cases beside a policy.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::folder::quoted;
use crate::cli::input::PolicyFiles;
use crate::cli::workspace::{CaseFile, case_file, case_files};
use crate::cli::{Exit, Format, output, registry};
use crate::engine::authoring::case::{Case, Rehearsal};
use crate::engine::config::bundle::Token;
use crate::engine::words::entries::Entries;
use crate::engine::words::name::TokenId;

/// Run a policy's test cases
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward test
  tokenward test orders.test.yaml --settings staging.yaml")]
pub(super) struct Test {
    /// Files of test cases; without one all *.test.yaml in the policy's folder
    #[arg(value_name = "FILE")]
    cases: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) files: PolicyFiles,
}

impl Test {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        self.refuse_folders()?;
        let workspace = self.files.open()?;
        let files = self.case_files(workspace.folder())?;
        let settings = workspace.settings()?;
        let tokens = workspace.bundle()?.tokens;
        let (mut passed, mut failed) = (0_usize, 0_usize);
        for CaseFile { path, cases } in &files {
            let rehearsal = Rehearsal::of(workspace.bundle()?, &settings, cases)
                .map_err(|problems| workspace.failures(&problems))?;
            for case in cases {
                let wrong = differences(&rehearsal, case, &tokens);
                let count = if wrong.is_empty() { &mut passed } else { &mut failed };
                *count = count.saturating_add(1);
                report(&path.display().to_string(), case, &wrong, format);
            }
        }
        if passed.saturating_add(failed) == 0 {
            return Err(Failure::new(format!("{} has no cases", workspace.folder().display()))
                .hint("write them in files named `*.test.yaml` beside the policy")
                .into());
        }
        if format == Format::Text {
            output::data(&format!("{passed} passed, {failed} failed\n"));
        }
        Ok(if failed == 0 { Exit::Yes } else { Exit::No })
    }
}

impl Test {
    /// Refuses a folder where a file of cases belongs.
    fn refuse_folders(&self) -> Result<(), Failure> {
        let Some(folder) = self.cases.iter().find(|path| path.is_dir()) else { return Ok(()) };
        Err(Failure::new(format!("{} is a folder, not a file of cases", folder.display()))
            .hint(format!("test the policy in it with `-p {}`", quoted(folder))))
    }

    fn case_files(&self, folder: &Path) -> Result<Vec<CaseFile>, Vec<Failure>> {
        if self.cases.is_empty() {
            return case_files(folder);
        }
        self.cases.iter().map(|path| case_file(path)).collect()
    }
}

fn differences(rehearsal: &Rehearsal, case: &Case, tokens: &Entries<TokenId, Token>) -> Vec<String> {
    if let Some(failure) = case.request.token.as_deref().and_then(|token| registry::stranger(tokens, token)) {
        return [Some(failure.message), failure.hint].into_iter().flatten().collect();
    }
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
