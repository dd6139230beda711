//! `--dry-run`: the command checks everything but writes nothing.

use clap::Args;
use serde::Serialize;
use serde_json::Value;

/// Whether a command writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Writing {
    /// The command writes.
    Real,
    /// `--dry-run`: the command writes nothing.
    DryRun,
}

/// The option of every command that writes.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct DryRun {
    /// Check everything and show what would be done, but write nothing
    #[arg(long)]
    dry_run: bool,
}

impl DryRun {
    pub(super) fn writing(self) -> Writing {
        if self.dry_run { Writing::DryRun } else { Writing::Real }
    }
}

impl Writing {
    /// The text for stderr: `minted …`, or `dry run, nothing is written: minted …`.
    pub(super) fn describe(self, done: &str) -> String {
        match self {
            Self::Real => done.to_owned(),
            Self::DryRun => format!("dry run, nothing is written: {done}"),
        }
    }

    /// The result as JSON; `"dry_run": true` marks a dry run.
    pub(super) fn report(self, done: &impl Serialize) -> Value {
        let mut report = serde_json::to_value(done).unwrap_or_default();
        if let (Self::DryRun, Value::Object(entries)) = (self, &mut report) {
            entries.insert("dry_run".to_owned(), Value::Bool(true));
        }
        report
    }
}
