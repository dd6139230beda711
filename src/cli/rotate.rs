//! `tokenward rotate`: a new secret for a token, and an end to the ones before it.

use clap::Args;

use crate::cli::dry_run::DryRun;
use crate::cli::failure::Failure;
use crate::cli::folder::PolicyFolder;
use crate::cli::lock::Held;
use crate::cli::registry::{self, RegistryFile};
use crate::cli::secret::{Keeper, NewSecret, Retired};
use crate::cli::secret_state::State;
use crate::cli::workspace::Workspace;
use crate::cli::{Exit, Format, clock, output};
use crate::engine::config::bundle::{Registry, Secret};
use crate::engine::words::name::TokenId;
use crate::engine::words::time::{Span, Time};

/// Mint a new secret for a token, and retire the ones that work now
///
/// For the grace the old secrets go on working, and each use of them is marked in its audit event, so
/// that you see who has not moved on. After it their use is told from a guess, as `retired_secret`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward rotate ci-deploy
  tokenward rotate ci-deploy --grace 7d --expires-in 90d")]
pub(super) struct Rotate {
    #[command(flatten)]
    pub(super) folder: PolicyFolder,
    /// Id of the token
    token: TokenId,
    /// How long the old secrets go on working, as in 24h; 0 ends them now
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = grace)]
    grace: Grace,
    /// How long the new secret lives, as in 30d; as long as its kind allows without it
    #[arg(long, value_name = "SPAN")]
    expires_in: Option<Span>,
    #[command(flatten)]
    keeper: Keeper,
    #[command(flatten)]
    dry_run: DryRun,
}

/// How long a retired secret goes on working: no time, or a span.
#[derive(Clone, Copy, Debug)]
struct Grace(Option<Span>);

impl Rotate {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let folder = self.folder.find()?;
        let workspace = Workspace::open_folder(&folder)?;
        let policy = workspace.policy()?;
        let file = RegistryFile::open_existing(&folder, Held::Fail)?;
        let token = registry::token(file.registry(), &self.token)?;
        registry::refuse_revoked(&self.token, token)?;

        let now = clock::now();
        let named = (&self.token, &token.kind);
        let secret = NewSecret::mint(&policy, named, &token.secrets, now, self.expires_in)?;
        let mut registry = file.registry().clone();
        let retired = self.rotate(&mut registry, &secret.entry, now);
        let (writing, disagreement) = (self.dry_run.writing(), clock::disagreement(file.registry(), now));
        let edit = file.edit(registry)?.check(&workspace)?;
        secret.keep(&self.keeper, writing)?;
        let path = edit.write(writing).inspect_err(|_| self.keeper.discard(writing))?;

        secret.show(&self.token, Some(&retired), &self.keeper, writing, format)?;
        output::done(&writing.describe(&secret.shown(&self.token, &path, &self.keeper)));
        for Retired { secret_id, expires_at } in &retired {
            let end = if *expires_at > now { "works until" } else { "ended" };
            let (time, far) = (String::from(*expires_at), expires_at.from_now(now));
            output::done(&format!("secret `{secret_id}` is retired: it {end} {time} ({far})"));
        }
        disagreement.iter().for_each(output::warning);
        Ok(Exit::Yes)
    }

    /// Retires the secrets that work now, and adds the new one.
    fn rotate(&self, registry: &mut Registry, new: &Secret, now: Time) -> Vec<Retired> {
        let mut retired = Vec::new();
        for (_, token) in registry.tokens.0.iter_mut().filter(|(id, _)| *id == self.token) {
            let works = |secret: &Secret| State::of(token, secret, now) == State::Active;
            let working: Vec<bool> = token.secrets.iter().map(works).collect();
            for (secret, _) in token.secrets.iter_mut().zip(working).filter(|(_, works)| *works) {
                let expires_at = self.grace.end(secret, now);
                (secret.retired_at, secret.expires_at) = (Some(now), Some(expires_at));
                retired.push(Retired { secret_id: secret.id.clone(), expires_at });
            }
            token.secrets.push(new.clone());
        }
        retired
    }
}

impl Grace {
    /// When the secret ends: not later than it would anyway, and after it began.
    fn end(self, secret: &Secret, now: Time) -> Time {
        let end = self.0.map_or(now, |span| now.plus(span));
        let end = secret.expires_at.map_or(end, |old| old.min(end));
        secret.life().begins.map_or(end, |start| end.max(start.shifted(1_000)))
    }
}

fn grace(text: &str) -> Result<Grace, String> {
    if ["0", "0s", "0m", "0h", "0d"].contains(&text) {
        return Ok(Grace(None));
    }
    text.parse().map(|span| Grace(Some(span))).map_err(|error| format!("{error}; 0 is no grace at all"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::bundle::from_json;

    #[test]
    fn a_retired_secret_ends_with_the_grace_but_no_later_than_before_and_not_before_it_began() {
        let now: Time = "2026-03-01T12:00:00Z".parse().unwrap();
        for (span, created, old, end) in [
            ("24h", "2026-02-01T00:00:00Z", "2026-04-01T00:00:00Z", "2026-03-02T12:00:00Z"),
            ("24h", "2026-02-01T00:00:00Z", "2026-03-01T18:00:00Z", "2026-03-01T18:00:00Z"),
            ("0", "2026-02-01T00:00:00Z", "2026-04-01T00:00:00Z", "2026-03-01T12:00:00Z"),
            ("0", "2026-03-01T12:00:00Z", "2026-04-01T00:00:00Z", "2026-03-01T12:00:01Z"),
        ] {
            let sha256 = "1".repeat(64);
            let secret = format!(
                r#"{{ "id": "1", "sha256": "{sha256}", "created_at": "{created}", "expires_at": "{old}" }}"#
            );
            let secret: Secret = from_json(secret.as_bytes()).unwrap();
            assert_eq!(String::from(grace(span).unwrap().end(&secret, now)), end, "{span} {created} {old}");
        }
    }
}
