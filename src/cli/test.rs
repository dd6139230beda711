//! `tokenward test`: runs the test cases beside a policy.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::folder::quoted;
use crate::cli::input::PolicyFiles;
use crate::cli::workspace::{CaseFile, both, case_files, each};
use crate::cli::{Exit, Format, output, registry};
use crate::engine::authoring::case::{Case, Rehearsal};
use crate::engine::authoring::explain::Explanation;
use crate::engine::config::bundle::Token;
use crate::engine::config::problem::Place;
use crate::engine::words::entries::Entries;
use crate::engine::words::name::TokenId;

/// Run a policy's test cases
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward test
  tokenward test orders.test.yaml --settings staging.yaml")]
pub(super) struct Test {
    /// Files of test cases; by default all *.test.yaml in the policy's folder
    #[arg(value_name = "FILE")]
    cases: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) files: PolicyFiles,
}

impl Test {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        self.refuse_folders()?;
        let workspace = self.files.open()?;
        let files = self.case_files(workspace.folder());
        let (bundle, (settings, files)) = both(workspace.bundle(), both(workspace.settings(), files))?;
        let (mut passed, mut failed) = (0_usize, 0_usize);
        for file in &files {
            let rehearsal = Rehearsal::of(bundle.clone(), &settings, &file.cases)
                .map_err(|problems| workspace.failures(&problems))?;
            for (number, case) in file.cases.iter().enumerate() {
                let outcome = outcome(&rehearsal, case, &bundle.tokens);
                let count = if outcome.wrong.is_empty() { &mut passed } else { &mut failed };
                *count = count.saturating_add(1);
                report(file, number, case, &outcome, format);
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
    /// Rejects a folder in place of a file.
    fn refuse_folders(&self) -> Result<(), Failure> {
        let Some(folder) = self.cases.iter().find(|path| path.is_dir()) else { return Ok(()) };
        Err(Failure::new(format!("{} is a folder, not a file of cases", folder.display()))
            .hint(format!("test the policy in it with `-p {}`", quoted(folder))))
    }

    fn case_files(&self, folder: &Path) -> Result<Vec<CaseFile>, Vec<Failure>> {
        if self.cases.is_empty() {
            return case_files(folder);
        }
        each(&self.cases)
    }
}

/// The result of a case.
#[derive(Default)]
struct Outcome {
    /// The differences from the expected outcome.
    wrong: Vec<String>,
    /// The steps of the decision, if there are differences.
    steps: Vec<String>,
}

fn outcome(rehearsal: &Rehearsal, case: &Case, tokens: &Entries<TokenId, Token>) -> Outcome {
    if let Some(failure) = case.request.token.as_deref().and_then(|token| registry::stranger(tokens, token)) {
        let wrong = [Some(failure.message), failure.hint].into_iter().flatten().collect();
        return Outcome { wrong, ..Outcome::default() };
    }
    match rehearsal.prepare(&case.request) {
        Ok(prepared) => {
            let mut explanation = Explanation::default();
            let wrong = prepared.judge(&mut explanation).differences(&case.expect);
            Outcome { wrong, steps: explanation.steps().map(ToString::to_string).collect() }
        }
        Err(error) => Outcome { wrong: vec![error.to_string()], ..Outcome::default() },
    }
}

fn report(file: &CaseFile, number: usize, case: &Case, outcome: &Outcome, format: Format) {
    let Outcome { wrong, steps } = outcome;
    match format {
        Format::Json => {
            let (path, passed) = (file.source.path.display().to_string(), wrong.is_empty());
            output::json(&json!({ "file": path, "name": case.name, "passed": passed, "differences": wrong }));
        }
        Format::Text if wrong.is_empty() => {}
        Format::Text => {
            output::line(&format!("failed: {} ({})", case.name, place(file, number)));
            wrong.iter().for_each(|difference| output::line(&format!("  {difference}")));
            if !steps.is_empty() {
                output::line("  how it was decided:");
            }
            steps.iter().for_each(|step| output::line(&format!("    {step}")));
        }
    }
}

/// The file and line of a case.
fn place(file: &CaseFile, number: usize) -> String {
    let path = file.source.path.display();
    match file.source.positions(&[&Place::default().index(number)]).as_slice() {
        [Some(position)] => format!("{path}:{}", position.line),
        _ => path.to_string(),
    }
}
