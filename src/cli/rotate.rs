//! `tokenward rotate`: adds a new secret to a token and retires its earlier secrets.

use clap::Args;

use crate::cli::dry_run::DryRun;
use crate::cli::failure::Failure;
use crate::cli::folder::PolicyFolder;
use crate::cli::lock::Held;
use crate::cli::registry::{self, RegistryFile};
use crate::cli::retiring::Grace;
use crate::cli::secret::{Keeper, NewSecret, Retired};
use crate::cli::secret_state::State;
use crate::cli::workspace::Workspace;
use crate::cli::{Exit, Format, clock, output};
use crate::engine::config::bundle::{Registry, Secret};
use crate::engine::words::name::TokenId;
use crate::engine::words::time::{Span, Time};

/// Mint a new secret for a token, and retire the ones that work now
///
/// The old secrets keep working during the grace period. Their audit events say `"retiring":true`, so you see which
/// clients still use them. Afterwards the filter rejects them as `retired_secret`.
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
    /// How long the old secrets keep working, as in 24h; 0 ends them now
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = Grace::parse)]
    grace: Grace,
    /// Lifetime of the new secret, as in 30d; by default the longest that its kind allows
    #[arg(long, value_name = "SPAN")]
    expires_in: Option<Span>,
    #[command(flatten)]
    keeper: Keeper,
    #[command(flatten)]
    dry_run: DryRun,
}

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

    /// Retires the working secrets, and adds the new one.
    fn rotate(&self, registry: &mut Registry, new: &Secret, now: Time) -> Vec<Retired> {
        let mut retired = Vec::new();
        for (_, token) in registry.tokens.0.iter_mut().filter(|(id, _)| *id == self.token) {
            let works = |secret: &Secret| State::of(token, secret, now) == State::Active;
            let working: Vec<bool> = token.secrets.iter().map(works).collect();
            for (secret, _) in token.secrets.iter_mut().zip(working).filter(|(_, works)| *works) {
                retired.push(self.grace.retire(secret, now));
            }
            token.secrets.push(new.clone());
        }
        retired
    }
}
