//! `tokenward revoke`: revokes a token or one of its secrets immediately.
//!
//! It may be 3 a.m. with a secret leaked on the internet, so the command needs only a readable registry, whatever else
//! is wrong with the policy. If other problems keep the revocation from being shipped, the command warns after it has
//! written the revocation.

use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::cli::dry_run::{DryRun, Writing};
use crate::cli::failure::Failure;
use crate::cli::folder::PolicyFolder;
use crate::cli::lock::Held;
use crate::cli::registry::{self, RegistryFile};
use crate::cli::stdin::{self, Line};
use crate::cli::workspace::Workspace;
use crate::cli::{Exit, Format, clock, output};
use crate::engine::config::bundle::{Registry, Secret};
use crate::engine::words::name::{SecretId, TokenId};
use crate::engine::words::secret::SecretDigest;
use crate::engine::words::time::Time;

/// Revoke a token, one of its secrets, or leaked secrets read from standard input
///
/// Only the registry must be valid: `revoke` ignores other problems of the policy. A gateway rejects the secrets as
/// soon as it loads the next bundle or list of revocations.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward revoke ci-deploy --secret-id 2 --reason 'left the team'
  echo $LEAKED | tokenward revoke --stdin --reason 'in a build log'")]
pub(super) struct Revoke {
    #[command(flatten)]
    pub(super) folder: PolicyFolder,
    /// Id of the token to revoke, with all its secrets
    #[arg(required_unless_present = "stdin", conflicts_with = "stdin")]
    token: Option<TokenId>,
    /// Revoke only this secret of the token
    #[arg(long, value_name = "ID", requires = "token", conflicts_with = "stdin")]
    secret_id: Option<SecretId>,
    /// Revoke the secrets on standard input, one per line, bare or as in a header; the command never shows them
    #[arg(long)]
    stdin: bool,
    /// The reason, at most 256 characters; the registry stores it
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    #[command(flatten)]
    dry_run: DryRun,
}

impl Revoke {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let folder = self.folder.find()?;
        // Read the lines before the lock is taken, because a person may take a while to paste.
        let lines = self.stdin.then(|| stdin::lines("tokenward revoke --stdin --reason TEXT")).transpose()?;
        let file = RegistryFile::open_existing(&folder, Held::Continue)?;
        let Found { targets, unmatched } = self.find(lines, file.registry())?;
        refuse_secrets(&self.reason, file.registry())?;
        if !targets.is_empty() {
            self.revoke(file, &targets, format)?;
            self.warn_of_problems(&folder);
        } else if let [only] = unmatched.as_slice()
            && !only.digests.is_empty()
        {
            output::done("no token has this secret: nothing is revoked");
            return Ok(Exit::No);
        }
        unmatched.iter().for_each(|line| report_unmatched(line, format));
        if unmatched.iter().any(|line| line.digests.is_empty()) {
            return Ok(Exit::Failed);
        }
        Ok(if unmatched.is_empty() { Exit::Yes } else { Exit::No })
    }

    fn revoke(&self, file: RegistryFile, targets: &[Target], format: Format) -> Result<(), Vec<Failure>> {
        let (now, writing) = (clock::now(), self.dry_run.writing());
        let mut registry = file.registry().clone();
        targets.iter().for_each(|target| target.revoke(&mut registry, now, &self.reason));
        let outcomes: Vec<Option<Time>> =
            targets.iter().map(|target| target.revoked_at(file.registry())).collect();
        let path = file.edit(registry)?.write(writing)?;
        for (target, before) in targets.iter().zip(outcomes) {
            target.report(before, now, (&path, writing), format);
        }
        Ok(())
    }

    /// Warns if no bundle can be built. Without a bundle the revocation does not reach the gateways.
    fn warn_of_problems(&self, folder: &Path) {
        let workspace = Workspace::open_folder(folder).map_err(Into::into);
        if workspace.and_then(|workspace| workspace.compile()).is_err() {
            let warning =
                Failure::new("the policy has problems: no bundle can be built until they are fixed");
            output::warning(&warning.hint(format!("run `{}` for a list", self.folder.command("lint"))));
        }
    }

    /// Finds the tokens and secrets named by the arguments or by standard input.
    fn find(&self, lines: Option<Vec<Line>>, registry: &Registry) -> Result<Found, Failure> {
        let Some(token) = &self.token else {
            return Ok(Found::of(lines.unwrap_or_default(), registry));
        };
        let known = registry::token(registry, token)?;
        let target = match &self.secret_id {
            Some(secret) => Target::secret(token, &registry::secret(token, known, secret)?.id),
            None => Target { token: token.clone(), secret: None },
        };
        Ok(Found { targets: vec![target], unmatched: Vec::new() })
    }
}

/// The targets to revoke, and the lines of standard input that match no token's secret or hold no secret.
#[derive(Default)]
struct Found {
    targets: Vec<Target>,
    unmatched: Vec<Line>,
}

impl Found {
    fn of(lines: Vec<Line>, registry: &Registry) -> Self {
        let mut found = Self::default();
        for line in lines {
            let matching = secrets(registry).filter(|(_, secret)| line.digests.contains(&secret.sha256));
            let targets: Vec<_> = matching.map(|(id, secret)| Target::secret(id, &secret.id)).collect();
            if targets.is_empty() {
                found.unmatched.push(line);
            }
            let new = targets.into_iter().filter(|target| !found.targets.contains(target));
            let new: Vec<_> = new.collect();
            found.targets.extend(new);
        }
        found
    }
}

/// Reports a line of standard input by its number, never by its text.
fn report_unmatched(line: &Line, format: Format) {
    let number = line.number;
    output::failure(&if line.digests.is_empty() {
        Failure::new(format!("line {number} of standard input is not a secret")).hint(stdin::form())
    } else {
        Failure::new(format!("no token has the secret in line {number} of standard input"))
    });
    if format == Format::Json {
        output::json(&json!({ "line": number, "token": null }));
    }
}

/// A token or one of its secrets, to revoke.
#[derive(Eq, PartialEq)]
struct Target {
    token: TokenId,
    secret: Option<SecretId>,
}

impl Target {
    fn secret(token: &TokenId, secret: &SecretId) -> Self {
        Self { token: token.clone(), secret: Some(secret.clone()) }
    }

    /// Returns when it was revoked. The revocation of a token counts for each of its secrets.
    fn revoked_at(&self, registry: &Registry) -> Option<Time> {
        let token = registry.tokens.get(&self.token)?;
        let mut secrets = token.secrets.iter().filter(|secret| Some(&secret.id) == self.secret.as_ref());
        token.revoked_at.or_else(|| secrets.find_map(|secret| secret.revoked_at))
    }

    /// Revokes the target, unless it is already revoked.
    fn revoke(&self, registry: &mut Registry, now: Time, reason: &str) {
        if self.revoked_at(registry).is_some() {
            return;
        }
        let revoked = (Some(now), Some(reason.to_owned()));
        let token = registry.tokens.0.iter_mut().find(|(id, _)| *id == self.token);
        match (token, &self.secret) {
            (Some((_, token)), None) => (token.revoked_at, token.revoked_reason) = revoked,
            (Some((_, token)), Some(id)) => {
                for secret in token.secrets.iter_mut().filter(|secret| secret.id == *id) {
                    (secret.revoked_at, secret.revoked_reason) = revoked.clone();
                }
            }
            (None, _) => {}
        }
    }

    fn report(&self, before: Option<Time>, now: Time, (path, writing): (&Path, Writing), format: Format) {
        let Self { token, secret } = self;
        let shown = match secret {
            Some(secret) => format!("secret `{secret}` of token `{token}`"),
            None => format!("token `{token}`"),
        };
        output::done(&match before {
            Some(before) => format!("{shown} was revoked already, at {}: unchanged", String::from(before)),
            None => writing.describe(&format!(
                "revoked {shown} in {}; a gateway learns it from the next bundle",
                path.display()
            )),
        });
        if format == Format::Json {
            output::json(&writing.report(&json!({
                "token": token,
                "secret_id": secret,
                "revoked_at": before.unwrap_or(now),
                "already": before.is_some(),
            })));
        }
    }
}

fn secrets(registry: &Registry) -> impl Iterator<Item = (&TokenId, &Secret)> {
    registry.tokens.iter().flat_map(|(id, token)| token.secrets.iter().map(move |secret| (id, secret)))
}

/// Rejects a reason that contains a secret of the registry.
fn refuse_secrets(reason: &str, registry: &Registry) -> Result<(), Failure> {
    let words = reason
        .split(|c: char| !c.is_ascii_graphic())
        .map(|word| word.trim_matches(['`', '"', '\'', '.', ',']));
    let digests: Vec<SecretDigest> = words.map(|word| SecretDigest::of(word.as_bytes())).collect();
    if secrets(registry).any(|(_, secret)| digests.contains(&secret.sha256)) {
        return Err(Failure::new("the reason has a secret in it, and the registry would keep that")
            .hint("pass a leaked secret with `--stdin`"));
    }
    Ok(())
}

fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().count() > LONGEST_REASON {
        return Err(format!("a reason has 1 to {LONGEST_REASON} characters"));
    }
    Ok(text.to_owned())
}

const LONGEST_REASON: usize = 256;
