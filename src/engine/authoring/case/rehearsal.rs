//! A policy that is ready to be judged by: its secrets are known, and its gateways stand where the cases name them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::engine::authoring::case::{Case, Prepared, Request, Values};
use crate::engine::config::bundle::{Bundle, Secret};
use crate::engine::config::problem::Problems;
use crate::engine::config::settings::Settings;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::gateway::Gateway;
use crate::engine::words::name::{EnvironmentName, SecretId, ServiceName, TokenId};
use crate::engine::words::secret::SecretDigest;
use crate::engine::words::time::Time;

/// A policy at a gateway, with the cases that it is to pass.
#[derive(Debug)]
pub struct Rehearsal {
    rekeyed: Rekeyed,
    /// One for each place that the cases name, and one for the gateway's own.
    gateways: BTreeMap<Site, Gateway>,
}

impl Rehearsal {
    /// Compiles the rekeyed document for a gateway with `settings`.
    ///
    /// # Errors
    /// All that is wrong with the document.
    pub fn of(bundle: Bundle, settings: &Settings, cases: &[Case]) -> Result<Self, Problems> {
        let rekeyed = Rekeyed::of(bundle, cases);
        let sites = cases.iter().map(|case| Site::of(&case.request)).chain([Site::default()]);
        let mut gateways = BTreeMap::new();
        for site in sites {
            if let Entry::Vacant(new) = gateways.entry(site) {
                let settings = new.key().settings(settings);
                let bundle = settings.place(new.key().bundle(&rekeyed.bundle))?;
                new.insert(Gateway { policy: Policy::compile(bundle)?, settings, ..Gateway::default() });
            }
        }
        Ok(Self { rekeyed, gateways })
    }

    /// The rekeyed document.
    pub fn bundle(&self) -> &Bundle {
        &self.rekeyed.bundle
    }

    /// The request of a case as headers, and its time.
    ///
    /// # Errors
    /// What the case names and the policy does not have.
    pub fn prepare(&self, request: &Request) -> Result<Prepared<'_>, BadCase> {
        let site = Site::of(request);
        let gateway = self.gateways.get(&site).ok_or(BadCase::UnknownSite)?;
        self.rekeyed.request(request, site, gateway)
    }
}

/// A document in which all secrets are known.
#[derive(Debug)]
pub struct Rekeyed {
    /// The document with the digests of made-up secrets.
    pub bundle: Bundle,
    secrets: HashMap<TokenId, Vec<KnownSecret>>,
    latest: Time,
}

#[derive(Debug)]
struct KnownSecret {
    id: SecretId,
    clear: String,
    created: Option<Time>,
}

impl Rekeyed {
    /// Replaces the digests of `document`, but for those of secrets that `cases` present themselves.
    pub fn of(mut bundle: Bundle, cases: &[Case]) -> Self {
        let presented: Vec<SecretDigest> = cases
            .iter()
            .filter_map(|case| case.request.secret.as_ref())
            .map(|secret| SecretDigest::of(secret.as_bytes()))
            .collect();
        let mut secrets: HashMap<TokenId, Vec<KnownSecret>> = HashMap::new();
        let mut latest = bundle.built_at.unwrap_or(Time::from_millis(0));
        for (token, entry) in &mut bundle.tokens.0 {
            for secret in &mut entry.secrets {
                let clear = made_up(token, &secret.id);
                if !presented.contains(&secret.sha256) {
                    secret.sha256 = SecretDigest::of(clear.as_bytes());
                }
                let created = created(secret);
                latest = latest.max(created.unwrap_or(latest));
                let known = KnownSecret { id: secret.id.clone(), clear, created };
                secrets.entry(token.clone()).or_default().push(known);
            }
        }
        Self { bundle, secrets, latest }
    }

    fn request<'g>(
        &self,
        request: &Request,
        site: Site,
        gateway: &'g Gateway,
    ) -> Result<Prepared<'g>, BadCase> {
        let known = request.token.as_deref().map(|token| self.secret(token)).transpose()?;
        let secret = match (known, &request.secret) {
            (Some(_), Some(_)) => return Err(BadCase::TokenAndSecret),
            (Some(known), None) => Some(&known.clear),
            (None, secret) => secret.as_ref(),
        };
        let host = request.host.as_deref().unwrap_or(DEFAULT_HOST);
        let mut headers = vec![
            (":method".to_owned(), request.method.clone()),
            (":path".to_owned(), request.path.clone()),
            (":authority".to_owned(), host.to_owned()),
        ];
        headers.extend(secret.map(|secret| ("authorization".to_owned(), format!("Bearer {secret}"))));
        for (name, values) in request.headers.iter() {
            let values = match values {
                Values::One(value) => std::slice::from_ref(value),
                Values::Many(values) => values,
            };
            headers.extend(values.iter().map(|value| (name.to_ascii_lowercase(), value.clone())));
        }
        let at = request.at.or(known.and_then(|known| known.created)).unwrap_or(self.latest);
        Ok(Prepared {
            headers,
            at,
            source: request.source.clone().unwrap_or_else(|| DEFAULT_SOURCE.to_owned()),
            earlier: request.earlier,
            site,
            gateway,
        })
    }

    /// The secret of `token`, or of `token/secret`.
    fn secret(&self, token: &str) -> Result<&KnownSecret, BadCase> {
        let (id, wanted) = token.split_once('/').map_or((token, None), |(id, secret)| (id, Some(secret)));
        let unknown = || BadCase::UnknownToken(token.chars().take(80).collect());
        let id: TokenId = id.parse().map_err(|_| unknown())?;
        let secrets = self.secrets.get(&id).ok_or_else(unknown)?;
        let found = match wanted {
            Some(wanted) => secrets.iter().find(|secret| secret.id.as_str() == wanted),
            None => secrets.last(),
        };
        found.ok_or_else(unknown)
    }
}

/// Where a case's gateway is, if not where its settings say.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Site {
    /// The environment.
    pub environment: Option<EnvironmentName>,
    /// The service.
    pub service: Option<ServiceName>,
}

impl Site {
    fn of(request: &Request) -> Self {
        Self { environment: request.environment.clone(), service: request.service.clone() }
    }

    /// The settings of a gateway that is here.
    pub fn settings(&self, settings: &Settings) -> Settings {
        Settings {
            environment: self.environment.clone().or_else(|| settings.environment.clone()),
            service: self.service.clone().or_else(|| settings.service.clone()),
            ..settings.clone()
        }
    }

    /// The document as it is built for this place.
    pub fn bundle(&self, bundle: &Bundle) -> Bundle {
        let mut bundle = bundle.clone();
        bundle.environment = self.environment.clone().or(bundle.environment);
        bundle.service = self.service.clone().or(bundle.service);
        bundle
    }
}

/// Why a case cannot be run.
#[derive(Debug, Eq, PartialEq)]
pub enum BadCase {
    /// The policy has no such token, or the token no such secret.
    UnknownToken(String),
    /// The case has both `token` and `secret`.
    TokenAndSecret,
    /// The gateway was not made for the case's place.
    UnknownSite,
}

impl fmt::Display for BadCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownToken(token) => {
                write!(f, "no token or secret `{}` is in the registry", token.escape_default())
            }
            Self::UnknownSite => f.write_str("no gateway is in the case's `environment` and `service`"),
            Self::TokenAndSecret => f.write_str("a request brings a `token` or a `secret`, not both"),
        }
    }
}

fn created(secret: &Secret) -> Option<Time> {
    secret.created_at.max(secret.not_before)
}

/// A secret that no one uses, the same for the same token each time.
fn made_up(token: &TokenId, secret: &SecretId) -> String {
    format!("test_{}", SecretDigest::of(format!("{token}/{secret}").as_bytes()).to_hex())
}

const DEFAULT_HOST: &str = "gateway.test";
const DEFAULT_SOURCE: &str = "127.0.0.1";
