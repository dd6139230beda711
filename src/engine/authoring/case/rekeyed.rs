//! A bundle with made-up secrets, which cases can send.
//!
//! In: a bundle as written, and its cases. Out: the same policy and tokens with made-up secrets: one for each secret,
//! with its lifetime; one for each token, which always works; and one for each token that only a case describes. So a
//! case can test what a token may do, whatever the state of its secrets. Guard-rails of kinds are not checked here.

use std::collections::HashMap;
use std::fmt;

use crate::engine::authoring::case::presented::present;
use crate::engine::authoring::case::{Case, Prepared, Request, Site, Values};
use crate::engine::config::bundle::{Bundle, Secret, Token};
use crate::engine::config::credentials::CredentialSource;
use crate::engine::config::settings::Settings;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::gateway::Gateway;
use crate::engine::request::credential::Credential;
use crate::engine::request::credential::part::after_bar;
use crate::engine::request::head::RequestHead;
use crate::engine::words::entries::Entries;
use crate::engine::words::name::{SecretId, TokenId};
use crate::engine::words::secret::SecretDigest;
use crate::engine::words::time::Time;

/// A bundle with made-up secrets.
#[derive(Debug)]
pub(super) struct Rekeyed {
    /// The bundle with the digests of made-up secrets.
    pub(super) bundle: Bundle,
    tokens: HashMap<TokenId, KnownToken>,
    /// The tokens that cases describe, each with its made-up secret, or with its problem.
    assumed: Vec<(Token, Result<String, String>)>,
    latest: Time,
}

#[derive(Debug)]
struct KnownToken {
    /// A secret that always works.
    clear: String,
    secrets: Vec<KnownSecret>,
}

#[derive(Debug)]
struct KnownSecret {
    id: SecretId,
    clear: String,
    begins: Option<Time>,
}

impl Rekeyed {
    /// Replaces the digests of a bundle. Digests of secrets that `cases` themselves send to a gateway with `settings`
    /// stay.
    pub(super) fn of(mut bundle: Bundle, settings: &Settings, cases: &[Case]) -> Self {
        let assumed = assumed(&bundle, cases);
        bundle.kinds.0.iter_mut().for_each(|(_, kind)| {
            kind.max_lifetime = None;
            kind.require.clear();
        });
        let presented: Vec<SecretDigest> =
            cases.iter().flat_map(|case| presented(&case.request, settings)).collect();
        let mut latest = bundle.built_at.unwrap_or(Time::from_millis(0));
        let mut tokens = HashMap::new();
        for (id, token) in &mut bundle.tokens.0 {
            let known = rekey(id, token, &presented);
            latest = known.secrets.iter().filter_map(|secret| secret.begins).fold(latest, Time::max);
            tokens.insert(id.clone(), known);
        }
        let mut rekeyed = Self { bundle, tokens, assumed: Vec::new(), latest };
        for (token, fault) in assumed {
            let secret = match fault {
                None => Ok(rekeyed.add(token.clone())),
                Some(fault) => Err(fault),
            };
            rekeyed.assumed.push((token, secret));
        }
        rekeyed
    }

    /// Adds a token that only a case describes; returns its secret.
    fn add(&mut self, mut token: Token) -> String {
        let id = (1..).filter_map(|number: u32| format!("case-{number}").parse().ok());
        let Some(id) = id.into_iter().find(|id| !self.tokens.contains_key(id)) else { return String::new() };
        let known = rekey(&id, &mut token, &[]);
        let clear = known.clear.clone();
        self.bundle.tokens.0.push((id.clone(), token));
        self.tokens.insert(id, known);
        clear
    }

    /// The request of a case, as the gateway receives it.
    pub(super) fn request<'g>(
        &self,
        request: &Request,
        site: Site,
        gateway: &'g Gateway,
    ) -> Result<Prepared<'g>, BadCase> {
        let (secret, begins) = self.asks(request)?;
        let host = request.host.as_deref().unwrap_or(DEFAULT_HOST);
        let mut headers = vec![
            (":method".to_owned(), request.method.clone()),
            (":path".to_owned(), request.path.clone()),
            (":authority".to_owned(), host.to_owned()),
        ];
        if let Some(secret) = secret {
            let usual = CredentialSource::bearer();
            let source = request.via.as_ref().or(gateway.settings.credentials.first()).unwrap_or(&usual);
            present(&mut headers, source, secret);
        }
        headers.extend(own_headers(request).map(|(name, value)| (name, value.to_owned())));
        Ok(Prepared {
            headers,
            at: request.at.or(begins).unwrap_or(self.latest),
            source: request.source.clone().unwrap_or_else(|| DEFAULT_SOURCE.to_owned()),
            earlier: request.earlier,
            site,
            gateway,
        })
    }

    /// The secret that a request sends, and when it starts to work.
    fn asks<'r>(&'r self, request: &'r Request) -> Result<(Option<&'r str>, Option<Time>), BadCase> {
        match (&request.token, &request.assumed, &request.secret) {
            (None, None, None) => Ok((None, None)),
            (None, None, Some(secret)) => Ok((Some(secret), None)),
            (None, Some(token), None) => match self.assumed.iter().find(|(assumed, _)| assumed == token) {
                Some((_, Ok(secret))) => Ok((Some(secret), None)),
                Some((_, Err(fault))) => Err(BadCase::Assumed(fault.clone())),
                None => Err(BadCase::UnknownSite),
            },
            (Some(token), None, None) => self.token(token, request.at.is_some()),
            _ => Err(BadCase::SeveralCallers),
        }
    }

    /// The secret of `token`, or of `token/secret`.
    fn token(&self, token: &str, is_timed: bool) -> Result<(Option<&str>, Option<Time>), BadCase> {
        let (id, wanted) = token.split_once('/').map_or((token, None), |(id, secret)| (id, Some(secret)));
        let unknown = || BadCase::UnknownToken(token.chars().take(80).collect());
        let id: TokenId = id.parse().map_err(|_| unknown())?;
        let known = self.tokens.get(&id).ok_or_else(unknown)?;
        let last = known.secrets.last();
        let begins = last.and_then(|last| last.begins);
        let secret = match wanted {
            None if !is_timed => return Ok((Some(&known.clear), begins)),
            None => last.ok_or(BadCase::NoSecret(id))?,
            Some(wanted) => {
                let mut secrets = known.secrets.iter();
                secrets.find(|secret| secret.id.as_str() == wanted).ok_or_else(unknown)?
            }
        };
        Ok((Some(&secret.clear), secret.begins))
    }
}

/// The headers that a case sets itself.
fn own_headers(request: &Request) -> impl Iterator<Item = (String, &str)> {
    request.headers.iter().flat_map(|(name, values)| {
        let values = match values {
            Values::One(value) => std::slice::from_ref(value),
            Values::Many(values) => values,
        };
        values.iter().map(|value| (name.to_ascii_lowercase(), value.as_str()))
    })
}

/// The digests of everything that a case sends as a secret, and in its own headers and query.
fn presented(request: &Request, settings: &Settings) -> Vec<SecretDigest> {
    let headers: Vec<(String, &str)> =
        [(":path".to_owned(), request.path.as_str())].into_iter().chain(own_headers(request)).collect();
    let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut digests: Vec<SecretDigest> = match RequestHead::read(headers, settings).credential {
        Credential::Presented(secret, _) | Credential::Joined(secret, _) => vec![SecretDigest::of(&secret)],
        Credential::Missing | Credential::Ambiguous => Vec::new(),
    };
    if let Some(secret) = &request.secret {
        // A gateway may read only the text after a `|`.
        digests.extend([secret.as_bytes(), after_bar(secret.as_bytes())].map(SecretDigest::of));
    }
    digests
}

/// Replaces each secret of a token with a made-up one, and adds one that always works.
fn rekey(id: &TokenId, token: &mut Token, presented: &[SecretDigest]) -> KnownToken {
    let mut secrets = Vec::with_capacity(token.secrets.len());
    let revoked_at = token.revoked_at.take();
    for secret in &mut token.secrets {
        let clear = made_up(id, secret.id.as_str());
        if !presented.contains(&secret.sha256) {
            secret.sha256 = SecretDigest::of(clear.as_bytes());
        }
        // The token itself works here. Instead its revocation ends its secrets.
        secret.revoked_at = secret.revoked_at.or(revoked_at);
        secrets.push(KnownSecret { id: secret.id.clone(), clear, begins: secret.life().begins });
    }
    let clear = made_up(id, "");
    let name = (0_u32..).map(|number| if number == 0 { "case".to_owned() } else { format!("case-{number}") });
    let unused = name
        .filter_map(|name| name.parse().ok())
        .find(|name| secrets.iter().all(|secret| secret.id != *name));
    token.secrets.extend(unused.map(|secret_id| always_works(secret_id, &clear)));
    KnownToken { clear, secrets }
}

fn always_works(id: SecretId, clear: &str) -> Secret {
    Secret {
        id,
        sha256: SecretDigest::of(clear.as_bytes()),
        created_at: None,
        not_before: None,
        expires_at: None,
        retired_at: None,
        revoked_at: None,
        revoked_reason: None,
        undelivered: false,
    }
}

/// The tokens that cases describe, each once, with its problem in this policy.
fn assumed(bundle: &Bundle, cases: &[Case]) -> Vec<(Token, Option<String>)> {
    let mut assumed: Vec<(Token, Option<String>)> = Vec::new();
    let mut bare = Bundle { tokens: Entries::default(), ..bundle.clone() };
    bare.kinds.0.iter_mut().for_each(|(_, kind)| kind.require.clear());
    for token in cases.iter().filter_map(|case| case.request.assumed.as_ref()) {
        if !assumed.iter().any(|(known, _)| known == token) {
            assumed.push((token.clone(), fault(&bare, token)));
        }
    }
    assumed
}

/// The problem of a token in a policy without other tokens.
fn fault(bare: &Bundle, token: &Token) -> Option<String> {
    if !token.secrets.is_empty() || token.revoked_at.is_some() {
        return Some("a token in `as` has no secrets and is not revoked: use `token` or `secret`".to_owned());
    }
    let id: TokenId = "as".parse().ok()?;
    let tokens = Entries(vec![(id, token.clone())]);
    let problems = Policy::compile(Bundle { tokens, ..bare.clone() }).err()?;
    Some(problems.iter().map(|problem| problem.fault.to_string()).collect::<Vec<_>>().join("; "))
}

/// Why a case cannot run.
#[derive(Debug, Eq, PartialEq)]
pub enum BadCase {
    /// The policy has no such token, or the token has no such secret.
    UnknownToken(String),
    /// The token has no secret to test at a given time.
    NoSecret(TokenId),
    /// The problem with the token in `as`.
    Assumed(String),
    /// The case has more than one of `token`, `as` and `secret`.
    SeveralCallers,
    /// The rehearsal has no gateway for the case's place.
    UnknownSite,
}

impl fmt::Display for BadCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownToken(token) => {
                write!(f, "no token or secret `{}` is in the registry", token.escape_default())
            }
            Self::NoSecret(token) => {
                write!(f, "token `{token}` has no secret: without `at` the case asks what the token may do")
            }
            Self::Assumed(fault) => write!(f, "`as`: {fault}"),
            Self::UnknownSite => f.write_str("no gateway is in the case's `environment` and `service`"),
            Self::SeveralCallers => f.write_str("a request has only one of `token`, `as` and `secret`"),
        }
    }
}

/// A made-up secret that is always the same for the same token.
fn made_up(token: &TokenId, secret: &str) -> String {
    format!("test_{}", SecretDigest::of(format!("{token}/{secret}").as_bytes()).to_hex())
}

const DEFAULT_HOST: &str = "gateway.test";
const DEFAULT_SOURCE: &str = "127.0.0.1";
