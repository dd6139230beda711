//! `--dry-run`: whether a command that writes does it, or only tells what it would do.

use clap::Args;
use serde::Serialize;
use serde_json::Value;

/// Whether a command's work goes to disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Effect {
    /// It does.
    Written,
    /// It is only tried out.
    Tried,
}

/// The option of every command that writes.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct DryRun {
    /// Check everything and tell what would be done, but write nothing
    #[arg(long)]
    dry_run: bool,
}

impl DryRun {
    pub(super) fn effect(self) -> Effect {
        if self.dry_run { Effect::Tried } else { Effect::Written }
    }
}

impl Effect {
    /// What was done, for stderr: `minted …`, or `dry run, nothing is written: minted …`.
    pub(super) fn told(self, done: &str) -> String {
        match self {
            Self::Written => done.to_owned(),
            Self::Tried => format!("dry run, nothing is written: {done}"),
        }
    }

    /// What was done, as JSON; `"dry_run": true` tells that it was not.
    pub(super) fn report(self, done: &impl Serialize) -> Value {
        let mut report = serde_json::to_value(done).unwrap_or_default();
        if let (Self::Tried, Value::Object(entries)) = (self, &mut report) {
            entries.insert("dry_run".to_owned(), Value::Bool(true));
        }
        report
    }
}
