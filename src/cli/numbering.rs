//! The revision of a bundle or a list: from the clock, and above that of the file that it replaces.
//!
//! A gateway rejects another bundle with the same revision, and one more than a day ahead of its clock.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::payload::Kind;
use crate::cli::source::Source;
use crate::engine::memory::marks::highest_revision;
use crate::engine::words::time::Time;

/// The bundle or list in the file that is replaced, signed or not, if any.
pub(super) struct Former {
    path: PathBuf,
    payload: Value,
}

impl Former {
    /// Reads the file. A missing file, or one with other content, has no revision.
    pub(super) fn read(path: Option<&Path>) -> Self {
        let source = path.filter(|path| path.is_file()).and_then(|path| Source::read(path).ok());
        let payload = source.and_then(|source| {
            let envelope = Kind::of(source.text()).envelope(source.text()).ok()?;
            serde_json::from_slice(envelope.payload()).ok()
        });
        Self { path: path.unwrap_or(Path::new("")).to_owned(), payload: payload.unwrap_or_default() }
    }

    /// The revision of the replacement: the chosen one, or the clock in milliseconds.
    ///
    /// # Errors
    /// Fails if gateways would reject it, or if it goes back without `--allow-rollback`.
    pub(super) fn number(
        &self,
        chosen: Option<u64>,
        allow_rollback: Option<u64>,
        now: Time,
    ) -> Result<u64, Failure> {
        let (highest, newest, path) = (highest_revision(now), self.newest(), self.path.display());
        let Some(chosen) = chosen else {
            let clock = u64::try_from(now.millis()).unwrap_or(0);
            let number = clock.max(newest.map_or(0, |newest| newest.saturating_add(1)));
            if number > highest {
                let newest = newest.unwrap_or_default();
                let failure = Failure::new(format!(
                    "{path} has revision {newest}, more than a day ahead of the clock: gateways refuse it and every later one"
                ));
                return Err(failure.hint("remove the file if this machine's clock is right"));
            }
            return Ok(number);
        };
        ahead(chosen, now).map_or(Ok(()), Err)?;
        match newest {
            Some(newest) if chosen < newest && allow_rollback.is_none() => {
                let failure =
                    Failure::new(format!("revision {chosen} is lower than revision {newest} of {path}"));
                Err(failure.hint(format!(
                    "omit `--revision`, or roll back on purpose with `--allow-rollback {newest}`"
                )))
            }
            Some(_) | None => Ok(chosen),
        }
    }

    /// The build time of a file with the same revision and content, so that rebuilding gives the same file.
    ///
    /// # Errors
    /// Fails if the file has the same revision and other content.
    pub(super) fn same<T: Serialize>(
        &self,
        revision: u64,
        supersedes: Option<u64>,
        rebuilt: impl Fn(Option<Time>) -> T,
    ) -> Result<Option<Time>, Failure> {
        if self.field("revision") != Some(revision) || self.field("supersedes") != supersedes {
            return Ok(None);
        }
        let built_at = self.payload.get("built_at").and_then(Value::as_str);
        let built_at = built_at.and_then(|text| text.parse().ok());
        if serde_json::to_value(rebuilt(built_at)).is_ok_and(|value| value == self.payload) {
            return Ok(built_at);
        }
        let failure = Failure::new(format!(
            "{} has revision {revision} with other content: a gateway accepts only one of the two",
            self.path.display()
        ));
        Err(failure.hint("omit `--revision`, or choose a higher one"))
    }

    /// The highest revision known to a gateway that has accepted the file.
    fn newest(&self) -> Option<u64> {
        self.field("revision").max(self.field("supersedes"))
    }

    fn field(&self, name: &str) -> Option<u64> {
        self.payload.get(name).and_then(Value::as_u64)
    }
}

/// The failure for a revision that gateways would reject as too far ahead of the clock.
pub(super) fn ahead(revision: u64, now: Time) -> Option<Failure> {
    let failure = || {
        Failure::new(format!("revision {revision} is more than a day ahead of the clock: gateways refuse it"))
            .hint("omit `--revision`: `tokenward build` then uses the clock, in milliseconds since 1970")
    };
    (revision > highest_revision(now)).then(failure)
}

/// Checks the revision up to which a bundle or list with revision `own` may supersede others.
///
/// # Errors
/// Fails if it may follow that one anyway.
pub(super) fn superseded(own: u64, newest: u64, now: Time) -> Result<u64, Failure> {
    if newest < own {
        return Err(Failure::new(format!("the bundle's own revision, {own}, is above {newest}"))
            .hint("give `--allow-rollback` the active revision, which this bundle may replace"));
    }
    match ahead(newest, now) {
        Some(ahead) => Err(ahead),
        None => Ok(newest),
    }
}
