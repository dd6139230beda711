//! `tokenward prune`: removes tokens and secrets from the registry that ended long ago.

use clap::Args;
use serde::Serialize;

use crate::cli::dry_run::{DryRun, Writing};
use crate::cli::failure::Failure;
use crate::cli::folder::PolicyFolder;
use crate::cli::lock::Held;
use crate::cli::registry::RegistryFile;
use crate::cli::secret_state::State;
use crate::cli::workspace::Workspace;
use crate::cli::{Exit, Format, clock, output};
use crate::engine::config::bundle::{Registry, Secret, Token};
use crate::engine::words::name::{SecretId, TokenId};
use crate::engine::words::time::{Span, Time};

/// Remove secrets that ended long ago, and revoked tokens without remaining secrets
///
/// As long as the registry has the digest of an ended secret, audit events name its token and the precise reason
/// (`revoked_token`, `expired_token`, `retired_secret`). After that, its use is an `unknown_token`, like any guess.
/// Therefore secrets stay for a while.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward prune --dry-run
  tokenward prune --older-than 90d")]
pub(super) struct Prune {
    #[command(flatten)]
    pub(super) folder: PolicyFolder,
    /// Minimum time since they ended, as in 90d
    #[arg(long, value_name = "SPAN", default_value = "30d")]
    older_than: Span,
    #[command(flatten)]
    dry_run: DryRun,
}

/// A removed secret or token.
#[derive(Serialize)]
struct Removed {
    token: TokenId,
    secret_id: Option<SecretId>,
    state: State,
    ended_at: Time,
}

impl Prune {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let folder = self.folder.find()?;
        let workspace = Workspace::open_folder(&folder)?;
        let file = RegistryFile::open_existing(&folder, Held::Fail)?;
        let (now, writing) = (clock::now(), self.dry_run.writing());
        let limit = now.shifted(self.older_than.millis().saturating_neg());
        let mut registry = file.registry().clone();
        let removed = prune(&mut registry, limit);
        if removed.is_empty() {
            output::done(&format!(
                "nothing ended more than {} ago: nothing is removed",
                self.older_than.words()
            ));
            return Ok(Exit::Yes);
        }
        file.edit(registry)?.check(&workspace)?.write(writing)?;
        removed.iter().for_each(|removed| removed.report(now, writing, format));
        Ok(Exit::Yes)
    }
}

/// Removes everything that ended by `limit`; returns the removed entries.
fn prune(registry: &mut Registry, limit: Time) -> Vec<Removed> {
    let mut removed = Vec::new();
    registry.tokens.0.retain_mut(|(id, token)| {
        let ends: Vec<Option<(State, Time)>> =
            token.secrets.iter().map(|secret| end(token, secret).filter(|(_, end)| *end <= limit)).collect();
        let over = token.secrets.iter().zip(&ends).filter_map(|(secret, end)| Some((secret, (*end)?)));
        removed.extend(over.map(|(secret, (state, ended_at))| Removed {
            token: id.clone(),
            secret_id: Some(secret.id.clone()),
            state,
            ended_at,
        }));
        let mut ends = ends.iter();
        token.secrets.retain(|_| ends.next().is_none_or(Option::is_none));
        let revoked_at = token.revoked_at.filter(|revoked| token.secrets.is_empty() && *revoked <= limit);
        removed.extend(revoked_at.map(|ended_at| Removed {
            token: id.clone(),
            secret_id: None,
            state: State::Revoked,
            ended_at,
        }));
        revoked_at.is_none()
    });
    removed
}

/// How and when a secret ends, by the earliest cause.
fn end(token: &Token, secret: &Secret) -> Option<(State, Time)> {
    let over = if secret.retired_at.is_some() { State::Retired } else { State::Expired };
    let revoked = [token.revoked_at, secret.revoked_at].into_iter().flatten().map(|at| (State::Revoked, at));
    let ends = revoked.chain(secret.expires_at.map(|at| (over, at)));
    ends.min_by_key(|(_, at)| *at)
}

impl Removed {
    fn report(&self, now: Time, writing: Writing, format: Format) {
        let Self { token, state, ended_at, .. } = self;
        let removed = match &self.secret_id {
            Some(secret) => format!("secret `{secret}` of token `{token}`"),
            None => format!("token `{token}`"),
        };
        let (since, far) = (String::from(*ended_at), ended_at.from_now(now));
        output::done(&writing.describe(&format!("removed {removed}: {state} since {since} ({far})")));
        if format == Format::Json {
            output::json(&writing.report(self));
        }
    }
}
