//! New secrets: made from the system's random numbers and shown once. The registry gets their digest.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use rand::SeedableRng;
use rand::distr::{Alphanumeric, SampleString};
use rand::rngs::{StdRng, SysRng};
use serde::Serialize;

use crate::cli::dry_run::Writing;
use crate::cli::failure::Failure;
use crate::cli::files::{self, Readers};
use crate::cli::{Format, output};
use crate::engine::config::bundle;
use crate::engine::config::bundle::{PolicyDocument, TokenPrefix};
use crate::engine::config::problem::Fault;
use crate::engine::words::name::{KindName, SecretId, TokenId};
use crate::engine::words::secret::SecretDigest;
use crate::engine::words::secret::minted::{DEFAULT_PREFIX, RANDOM_CHARACTERS, checksum};
use crate::engine::words::time::{Span, Time};

/// A new secret. Not `Debug`: it cannot be logged by accident.
pub(super) struct NewSecret {
    clear: String,
    /// The registry entry.
    pub(super) entry: bundle::Secret,
    lifetime: Span,
}

impl NewSecret {
    /// Mints a secret for a token of this kind, with an id that is not in `others`.
    ///
    /// # Errors
    /// Fails if the policy has no such kind, if the lifetime is not given, or if the system has no random numbers.
    pub(super) fn mint(
        policy: &PolicyDocument,
        (token, kind): (&TokenId, &KindName),
        others: &[bundle::Secret],
        now: Time,
        expires_in: Option<Span>,
    ) -> Result<Self, Failure> {
        let Some(rails) = policy.kinds.get(kind) else {
            let fault = Fault::UnknownKind { token: token.clone(), kind: kind.clone() };
            return Err(Failure { hint: fault.hint(), ..Failure::new(fault.to_string()) });
        };
        let lifetime = expires_in.or(rails.max_lifetime).ok_or_else(|| {
            Failure::new(format!("kind `{kind}` has no `max_lifetime` to take the secret's life from"))
                .hint("say how long it lives, as in `--expires-in 30d`")
        })?;
        let clear = clear(policy.token_prefix.as_ref(), kind)?;
        let entry = bundle::Secret {
            id: next_id(others)?,
            sha256: SecretDigest::of(clear.as_bytes()),
            created_at: Some(now),
            not_before: None,
            expires_at: Some(now.plus(lifetime)),
            retired_at: None,
            revoked_at: None,
            revoked_reason: None,
            undelivered: false,
        };
        Ok(Self { clear, entry, lifetime })
    }

    /// Shows the secret on stdout: once, and only after the registry has its digest.
    ///
    /// # Errors
    /// Fails if stdout is closed or full. The caller then did not get the secret.
    pub(super) fn show(
        &self,
        token: &TokenId,
        retired: Option<&[Retired]>,
        keeper: &Keeper,
        writing: Writing,
        format: Format,
    ) -> Result<(), Failure> {
        let file = keeper.output.as_deref();
        let secret = (writing == Writing::Real && file.is_none()).then_some(&self.clear);
        match (format, secret) {
            (Format::Text, Some(secret)) => output::data(&format!("{secret}\n")),
            (Format::Text, None) => {}
            (Format::Json, secret) => output::json(&writing.report(&Shown {
                token,
                secret_id: &self.entry.id,
                secret,
                file,
                expires_at: self.entry.expires_at,
                retired,
            })),
        }
        match output::unwritten().filter(|_| secret.is_some()) {
            None => Ok(()),
            Some(error) => {
                let id = &self.entry.id;
                let message =
                    format!("secret `{id}` of token `{token}` was minted, but not handed out: {error}");
                Err(Failure::new(message).hint(format!(
                    "it is lost: revoke it with `tokenward revoke {token} --secret-id {id} --reason 'not handed out'`, then mint another"
                )))
            }
        }
    }

    /// Writes the secret, without a line end, to a command's standard input.
    ///
    /// # Errors
    /// That the command does not read it.
    pub(super) fn hand_over(&self, command: &mut impl Write) -> io::Result<()> {
        command.write_all(self.clear.as_bytes())
    }

    /// Writes the secret to the requested new file, before the registry gets its digest.
    ///
    /// # Errors
    /// Fails if the file cannot be written or already exists.
    pub(super) fn keep(&self, keeper: &Keeper, writing: Writing) -> Result<(), Failure> {
        match keeper.output.as_ref().filter(|_| writing == Writing::Real) {
            Some(path) => files::create(path, &format!("{}\n", self.clear), Readers::Owner),
            None => Ok(()),
        }
    }

    /// The text for stderr.
    pub(super) fn shown(&self, token: &TokenId, registry: &Path, keeper: &Keeper) -> String {
        let holder =
            keeper.output.as_ref().map_or_else(|| "nothing".to_owned(), |path| path.display().to_string());
        format!(
            "minted secret `{}` of token `{token}`, good for {}; {} holds its digest, {holder} holds the secret",
            self.entry.id,
            self.lifetime.words(),
            registry.display()
        )
    }
}

/// The destination of a new secret.
#[derive(Args, Clone, Debug)]
pub(super) struct Keeper {
    /// New file for the secret, which only its owner can read; standard output by default
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Keeper {
    /// Removes the file again, because the registry did not get the digest.
    pub(super) fn discard(&self, writing: Writing) {
        if let Some(path) = self.output.as_ref().filter(|_| writing == Writing::Real) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A secret that is retired by rotation.
#[derive(Serialize)]
pub(super) struct Retired {
    pub(super) secret_id: SecretId,
    pub(super) expires_at: Time,
}

/// A new secret as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    token: &'a TokenId,
    secret_id: &'a SecretId,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
    expires_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<&'a [Retired]>,
}

fn next_id(others: &[bundle::Secret]) -> Result<SecretId, Failure> {
    let numbers = others.iter().filter_map(|secret| secret.id.as_str().parse().ok());
    let next = numbers.max().unwrap_or(0_u32).saturating_add(1);
    next.to_string().parse().map_err(|error| Failure::new(format!("{error}")))
}

/// Generates a secret: `<prefix>_<kind letters>_<32 random base62 digits><6 base62 digits of CRC32>`.
fn clear(prefix: Option<&TokenPrefix>, kind: &KindName) -> Result<String, Failure> {
    let mut random = StdRng::try_from_rng(&mut SysRng)
        .map_err(|error| Failure::new(format!("the system has no random numbers: {error}")))?;
    let prefix = prefix.map_or(DEFAULT_PREFIX, TokenPrefix::as_str);
    let random = Alphanumeric.sample_string(&mut random, RANDOM_CHARACTERS);
    Ok(with_checksum(&format!("{prefix}_{}_{random}", kind_letters(kind))))
}

fn kind_letters(kind: &KindName) -> String {
    match kind.as_str() {
        "service" => "svc".to_owned(),
        "admin" => "adm".to_owned(),
        "user" => "usr".to_owned(),
        other => {
            other.chars().filter(char::is_ascii_alphanumeric).take(3).collect::<String>().to_ascii_lowercase()
        }
    }
}

/// `text` and its checksum, with which a scanner recognizes tokenward's secrets.
fn with_checksum(text: &str) -> String {
    text.chars().chain(checksum(text.as_bytes()).map(char::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::words::secret::Secret;

    #[test]
    fn minted_secret_has_prefix_kind_and_checksum() {
        let prefix = TokenPrefix::try_from("acme".to_owned()).unwrap();
        let secret = clear(Some(&prefix), &"service".parse().unwrap()).unwrap();
        assert_eq!(secret.len(), "acme_svc_".len() + RANDOM_CHARACTERS + 6);
        let (body, _) = secret.split_at(secret.len() - 6);
        assert!(secret.starts_with("acme_svc_") && with_checksum(body) == secret);
        assert!(Secret::parse(secret.as_bytes()).is_some());
        assert_ne!(secret, clear(Some(&prefix), &"service".parse().unwrap()).unwrap());
    }
}
