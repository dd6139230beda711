//! `tokenward mint`: a new secret, shown once; the registry gets its digest.

use std::path::PathBuf;

use clap::Args;
use rand::SeedableRng;
use rand::distr::{Alphanumeric, SampleString};
use rand::rngs::{StdRng, SysRng};
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::files::Readers;
use crate::cli::source::parse_yaml;
use crate::cli::workspace::Workspace;
use crate::cli::{Exit, Format, clock, files, output, registry};
use crate::engine::document::{self, Document, Registry, TokenPrefix};
use crate::engine::name::{KindName, PermissionName, RoleName, SecretId, TokenId};
use crate::engine::policy::Policy;
use crate::engine::problem::{Fault, Problem, Problems};
use crate::engine::secret::{RANDOM_CHARACTERS, SecretDigest};
use crate::engine::time::{Span, Time};

/// Mint a secret, for a new token or another one for a known token
#[derive(Args, Debug)]
pub(super) struct Mint {
    /// Folder with policy.yaml and tokens.yaml
    policy: PathBuf,
    /// Id of the token; one that is not in tokens.yaml is added, with the options below
    token: TokenId,
    /// How long the secret lives, as in 24h; as long as its kind allows without it
    #[arg(long, value_name = "SPAN")]
    expires_in: Option<Span>,
    /// Kind of the new token
    #[arg(long)]
    kind: Option<KindName>,
    /// Role of the new token; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<RoleName>,
    /// Permission that the new token is narrowed to; may be repeated
    #[arg(long = "scope", value_name = "PERMISSION")]
    scope: Vec<PermissionName>,
    /// Who answers for the new token
    #[arg(long)]
    owner: Option<String>,
    /// What the new token is for
    #[arg(long)]
    purpose: Option<String>,
}

impl Mint {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let workspace = Workspace::open_folder(&self.policy)?;
        let policy = workspace.policy()?;
        let registry = workspace.registry()?;
        let text = workspace.registry_text();

        let known = registry.tokens.get(&self.token);
        let kind = self.kind_of(known)?;
        if policy.kinds.get(&kind).is_none() {
            let fault = Fault::UnknownKind { token: self.token, kind };
            return Err(Failure { hint: fault.hint(), ..Failure::new(fault.to_string()) }.into());
        }
        let now = clock::now();
        let limit = policy.kinds.get(&kind).and_then(|kind| kind.max_lifetime);
        let Some(lifetime) = self.expires_in.or(limit) else {
            return Err(Failure::new(format!(
                "kind `{kind}` has no `max_lifetime` to take the secret's life from"
            ))
            .hint("say how long it lives, as in `--expires-in 30d`")
            .into());
        };
        let clear = mint(policy.token_prefix.as_ref(), &kind)?;
        let secret = secret(known, &clear, now, now.plus(lifetime))?;
        let (id, expires_at) = (secret.id.clone(), secret.expires_at);
        let edited = match known {
            Some(_) => registry::with_secret(text, &registry, &self.token, &secret)?,
            None => registry::with_token(text, &registry, &self.token, &self.token_of(kind, secret))?,
        };
        check(policy, &edited)?;
        let path = workspace.registry_path();
        files::replace(&path, &edited, Readers::Owner)?;

        match format {
            Format::Text => output::data(&format!("{clear}\n")),
            Format::Json => output::json(&json!({
                "token": self.token, "secret_id": id, "secret": clear, "expires_at": expires_at,
            })),
        }
        output::done(&format!(
            "minted secret `{id}` of token `{}`, good for {lifetime}; {} holds its digest, nothing holds the secret",
            self.token,
            path.display()
        ));
        Ok(Exit::Yes)
    }

    fn kind_of(&self, known: Option<&document::Token>) -> Result<KindName, Failure> {
        let described = self.kind.is_some()
            || self.owner.is_some()
            || self.purpose.is_some()
            || !(self.roles.is_empty() && self.scope.is_empty());
        match (known, &self.kind) {
            (Some(_), _) if described => Err(Failure::new(format!(
                "token `{}` is in the registry: what it is cannot be said again",
                self.token
            ))
            .hint("leave out the options that describe a new token, or edit tokens.yaml")),
            (Some(known), _) => Ok(known.kind.clone()),
            (None, Some(kind)) => Ok(kind.clone()),
            (None, None) => Err(Failure::new(format!("token `{}` is not in the registry", self.token))
                .hint("say what it is: `--kind service --role viewer --owner … --purpose …`")),
        }
    }

    fn token_of(&self, kind: KindName, secret: document::Secret) -> document::Token {
        document::Token {
            kind,
            roles: self.roles.clone(),
            scope: (!self.scope.is_empty()).then(|| self.scope.clone()),
            owner: self.owner.clone(),
            purpose: self.purpose.clone(),
            environments: None,
            services: None,
            attributes: document::Entries::default(),
            allowed_sources: None,
            allowed_hours: None,
            rate_limit: None,
            revoked_at: None,
            secrets: vec![secret],
        }
    }
}

fn secret(
    known: Option<&document::Token>,
    clear: &str,
    now: Time,
    end: Time,
) -> Result<document::Secret, Failure> {
    let numbers =
        known.iter().flat_map(|token| &token.secrets).filter_map(|secret| secret.id.as_str().parse().ok());
    let next = numbers.max().unwrap_or(0_u32).saturating_add(1);
    let id: SecretId = next.to_string().parse().map_err(|error| Failure::new(format!("{error}")))?;
    Ok(document::Secret {
        id,
        sha256: SecretDigest::of(clear.as_bytes()),
        created_at: Some(now),
        not_before: None,
        expires_at: Some(end),
        retired_at: None,
        revoked_at: None,
    })
}

/// Refuses an edit by which the policy would no longer compile.
fn check(policy: document::PolicyDocument, edited: &str) -> Result<(), Vec<Failure>> {
    let told = |problems: Problems| -> Vec<Failure> {
        let tell = |problem: &Problem| Failure::of(problem, "tokens.yaml, unchanged", None);
        problems.iter().map(tell).collect()
    };
    let registry: Registry = parse_yaml(edited).map_err(told)?;
    Policy::compile(Document::of(policy, registry)).map_err(told)?;
    Ok(())
}

/// A new secret: `<prefix>_<kind letters>_<32 random base62 digits><6 base62 digits of CRC32>`.
fn mint(prefix: Option<&TokenPrefix>, kind: &KindName) -> Result<String, Failure> {
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

/// `text` and the CRC32 of it, so that a scanner knows a secret of ours from a look-alike.
fn with_checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = ['0'; CHECKSUM_DIGITS];
    for digit in digits.iter_mut().rev() {
        let position = usize::try_from(rest % 62).unwrap_or(0);
        *digit = BASE62.chars().nth(position).unwrap_or('0');
        rest /= 62;
    }
    text.chars().chain(digits).collect()
}

const DEFAULT_PREFIX: &str = "tw";
const CHECKSUM_DIGITS: usize = 6;
const BASE62: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::secret::Secret;

    #[test]
    fn a_minted_secret_has_its_prefix_kind_and_checksum() {
        let prefix = TokenPrefix::try_from("acme".to_owned()).unwrap();
        let secret = mint(Some(&prefix), &"service".parse().unwrap()).unwrap();
        assert_eq!(secret.len(), "acme_svc_".len() + RANDOM_CHARACTERS + CHECKSUM_DIGITS);
        let (body, _) = secret.split_at(secret.len() - CHECKSUM_DIGITS);
        assert!(secret.starts_with("acme_svc_") && with_checksum(body) == secret);
        assert!(Secret::parse(secret.as_bytes()).is_some());
        assert_ne!(secret, mint(Some(&prefix), &"service".parse().unwrap()).unwrap());
    }

    #[test]
    fn the_checksum_is_crc32_in_base62() {
        // The check value of CRC-32/ISO-HDLC: 0xCBF43926 for "123456789".
        assert_eq!(with_checksum("123456789"), "1234567893jZRME");
    }
}
