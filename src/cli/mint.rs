//! `tokenward mint`: makes a new secret and shows it once; the registry stores its digest.

use clap::Args;

use crate::cli::dry_run::DryRun;
use crate::cli::failure::Failure;
use crate::cli::folder::PolicyFolder;
use crate::cli::registry::{self, RegistryFile};
use crate::cli::secret::{Keeper, NewSecret};
use crate::cli::token_options::TokenOptions;
use crate::cli::workspace::Workspace;
use crate::cli::{Exit, Format, clock, output};
use crate::engine::authoring::lint::{Finding, attributes_that_fold_together};
use crate::engine::config::bundle::{Registry, Secret};
use crate::engine::config::problem::Step;
use crate::engine::words::name::{KindName, TokenId};
use crate::engine::words::time::Span;

/// Mint a secret, for a new token or another one for a known token
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward mint ci-deploy --expires-in 30d
  tokenward mint billing --kind service --role viewer --owner me@acme.test --purpose 'exports bills'")]
pub(super) struct Mint {
    #[command(flatten)]
    pub(super) folder: PolicyFolder,
    /// Id of the token; a new one is added to tokens.yaml, with the options below
    token: TokenId,
    /// Lifetime of the secret, as in 24h; by default the longest that its kind allows
    #[arg(long, value_name = "SPAN")]
    expires_in: Option<Span>,
    #[command(flatten)]
    keeper: Keeper,
    #[command(flatten)]
    dry_run: DryRun,
    #[command(flatten)]
    description: TokenOptions,
}

impl Mint {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let folder = self.folder.find()?;
        let workspace = Workspace::open_folder(&folder)?;
        let policy = workspace.policy()?;
        let file = RegistryFile::open(&folder)?;

        let kind = self.kind(file.registry())?;
        self.description.check(&policy)?;
        let others = file.registry().tokens.get(&self.token).map_or(&[][..], |token| &token.secrets);
        let now = clock::now();
        let secret = NewSecret::mint(&policy, (&self.token, &kind), others, now, self.expires_in)?;
        let mut registry = file.registry().clone();
        self.add(&mut registry, kind, secret.entry.clone())?;
        let mut warnings = self.warnings(&registry);
        warnings.extend(clock::disagreement(file.registry(), now));
        let writing = self.dry_run.writing();
        let edit = file.edit(registry)?.check(&workspace)?;
        secret.keep(&self.keeper, writing)?;
        let path = edit.write(writing).inspect_err(|_| self.keeper.discard(writing))?;

        secret.show(&self.token, None, &self.keeper, writing, format)?;
        output::done(&writing.describe(&secret.shown(&self.token, &path, &self.keeper)));
        warnings.iter().for_each(output::warning);
        Ok(Exit::Yes)
    }

    /// Warns about attributes that differ from those of another token only in letter case.
    fn warnings(&self, registry: &Registry) -> Vec<Failure> {
        let own = [Step::Key("tokens".to_owned()), Step::Key(self.token.to_string())];
        let findings = attributes_that_fold_together(&registry.tokens);
        let findings = findings.iter().filter(|finding| finding.place.steps().starts_with(&own));
        let warning = |finding: &Finding| {
            Failure::new(format!("{} [{}]", finding.message, finding.code)).hint(finding.hint())
        };
        findings.map(warning).collect()
    }

    fn kind(&self, registry: &Registry) -> Result<KindName, Failure> {
        match (registry::token(registry, &self.token), &self.description.kind) {
            (Ok(_), _) if !self.description.is_empty() => Err(Failure::new(format!(
                "token `{}` already exists: its description cannot be changed with `mint`",
                self.token
            ))
            .hint("leave out the options that describe a new token, or edit tokens.yaml")),
            (Ok(known), _) => {
                registry::refuse_revoked(&self.token, known)?;
                Ok(known.kind.clone())
            }
            (Err(_), Some(kind)) => Ok(kind.clone()),
            (Err(unknown), None) => {
                let near = unknown.hint.as_ref().map(|near| format!("{near}; ")).unwrap_or_default();
                let how =
                    "for a new token say what it is: `--kind service --role viewer --owner … --purpose …`";
                Err(unknown.hint(format!("{near}{how}")))
            }
        }
    }

    fn add(&self, registry: &mut Registry, kind: KindName, secret: Secret) -> Result<(), Failure> {
        match registry.tokens.0.iter_mut().find(|(id, _)| *id == self.token) {
            Some((_, token)) => token.secrets.push(secret),
            None => {
                let token = self.description.clone().token(kind, secret)?;
                registry.tokens.0.push((self.token.clone(), token));
            }
        }
        Ok(())
    }
}
