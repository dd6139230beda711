//! Policy tests: a request and the decision that is expected of the policy, as data.
//!
//! In: a `*.test.yaml` beside a policy. Out: what the policy really decides, and where that differs. The
//! same cases run here and, by the same headers, through the filter in Envoy.
//!
//! A registry holds no secrets, so the document is *rekeyed*: every digest is replaced by that of a made-up
//! secret, and a case names the token whose secret it brings.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::engine::address::Source;
use crate::engine::audit::AuditEvent;
use crate::engine::decision::{Circumstances, Decision, Trace};
use crate::engine::defense::Ledger;
use crate::engine::document::{Document, Entries, Secret, given};
use crate::engine::head::RequestHead;
use crate::engine::name::{EnvironmentName, PermissionName, SecretId, ServiceName, TokenId};
use crate::engine::policy::Policy;
use crate::engine::problem::Problems;
use crate::engine::rate::{Bucket, Taken};
use crate::engine::reason::Reason;
use crate::engine::secret::SecretDigest;
use crate::engine::settings::{Gateway, Settings};
use crate::engine::time::Time;
use crate::engine::verdict::Verdict;

/// One case: a request and what is expected.
#[derive(Debug, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The promise that the case keeps.
    pub name: String,
    /// The request.
    pub request: Request,
    /// What is expected.
    pub expect: Expect,
}

/// The request of a case.
#[derive(Debug, Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend("not" = { "required": ["token", "secret"] }))
)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `:method`.
    pub method: String,
    /// `:path`, query included.
    pub path: String,
    /// `:authority`.
    #[serde(default, deserialize_with = "given")]
    pub host: Option<String>,
    /// The token whose secret the request brings: `ci-deploy`, or `ci-deploy/2` for one of several
    /// secrets; without it the last one.
    #[serde(default, deserialize_with = "given")]
    pub token: Option<String>,
    /// A secret as presented, instead of `token`.
    #[serde(default, deserialize_with = "given")]
    pub secret: Option<String>,
    /// The address that the request comes from.
    #[serde(default, deserialize_with = "given")]
    pub source: Option<String>,
    /// The gateway's environment, instead of that of its settings.
    #[serde(default, deserialize_with = "given")]
    pub environment: Option<EnvironmentName>,
    /// The gateway's service, instead of that of its settings.
    #[serde(default, deserialize_with = "given")]
    pub service: Option<ServiceName>,
    /// How often the same request was made just before; 0 without it.
    #[serde(default)]
    pub earlier: u32,
    /// The time; without it the moment in which the token's secret was created.
    #[serde(default, deserialize_with = "given")]
    pub at: Option<Time>,
    /// More headers; a list for one that is repeated.
    #[serde(default)]
    pub headers: Entries<String, Values>,
}

/// The values of a header.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Values {
    /// One.
    One(String),
    /// Several headers of this name.
    Many(Vec<String>),
}

/// What is expected of a case.
#[derive(Debug, Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Permit or deny.
    pub decision: Outcome,
    /// The reason.
    pub reason: Reason,
    /// The permission by which the request is permitted.
    #[serde(default, deserialize_with = "given")]
    pub permission: Option<PermissionName>,
    /// The status that the caller gets; 200 where the request is forwarded.
    #[serde(default, deserialize_with = "given")]
    pub status: Option<u32>,
}

/// Permit or deny.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The request may pass.
    Permit,
    /// The request may not pass.
    Deny,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
        })
    }
}

/// A document in which all secrets are known.
#[derive(Debug)]
pub struct Rekeyed {
    /// The document with the digests of made-up secrets.
    pub document: Document,
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
    pub fn of(mut document: Document, cases: &[Case]) -> Self {
        let presented: Vec<SecretDigest> = cases
            .iter()
            .filter_map(|case| case.request.secret.as_ref())
            .map(|secret| SecretDigest::of(secret.as_bytes()))
            .collect();
        let mut secrets: HashMap<TokenId, Vec<KnownSecret>> = HashMap::new();
        let mut latest = document.built_at.unwrap_or(Time::from_millis(0));
        for (token, entry) in &mut document.tokens.0 {
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
        Self { document, secrets, latest }
    }

    fn request<'g>(
        &self,
        request: &Request,
        place: Place,
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
            place,
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

/// A request that is ready to be judged.
#[derive(Clone, Debug)]
pub struct Prepared<'g> {
    /// Names and values, pseudo-headers first.
    pub headers: Vec<(String, String)>,
    /// The time of the request.
    pub at: Time,
    /// The address that it comes from.
    pub source: String,
    /// How often the same request was made just before.
    pub earlier: u32,
    /// Where the gateway is.
    pub place: Place,
    /// The gateway that it comes to.
    pub gateway: &'g Gateway,
}

/// Where a case's gateway is, if not where its settings say.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// The environment.
    pub environment: Option<EnvironmentName>,
    /// The service.
    pub service: Option<ServiceName>,
}

impl Place {
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
    pub fn document(&self, document: &Document) -> Document {
        let mut document = document.clone();
        document.environment = self.environment.clone().or(document.environment);
        document.service = self.service.clone().or(document.service);
        document
    }
}

impl<'g> Prepared<'g> {
    /// Judges the request, telling the steps.
    pub fn judge(&self, trace: &mut impl Trace<'g>) -> Judged {
        let Gateway { policy, settings } = self.gateway;
        let headers = self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let head = RequestHead::read(headers, settings);
        let bracketed = self.source.contains(':');
        let source = if bracketed { format!("[{}]:0", self.source) } else { format!("{}:0", self.source) };
        let circumstances = Circumstances { now: self.at, source: Source::of(source.as_bytes()) };
        let ledger = self.ledger(&head, circumstances);
        let decision = policy.decide_among(&head, circumstances, &ledger.suspensions, trace);
        let decision = self.metered(decision);
        let event = AuditEvent::of(&decision, &head, circumstances, policy, settings.mode, 0).to_json();
        let verdict = Verdict::of(&decision, &head, policy, settings);
        let status = verdict.status();
        Judged {
            decision: if decision.is_permit() { Outcome::Permit } else { Outcome::Deny },
            forwarded: status.is_none(),
            reason: decision.reason(),
            permission: decision.permission().cloned(),
            status: status.unwrap_or(FORWARDED),
            event,
        }
    }
}

impl Prepared<'_> {
    /// What a defense remembers of the requests before.
    fn ledger(&self, head: &RequestHead<'_>, circumstances: Circumstances<'_>) -> Ledger {
        let mut ledger = Ledger::default();
        let policy = &self.gateway.policy;
        if let Some(defense) = policy.defense() {
            for _ in 0..self.earlier {
                let decision = policy.decide_among(head, circumstances, &ledger.suspensions, &mut ());
                if let Some(offence) = policy.offence(&decision, circumstances.source) {
                    ledger.enter(&offence, defense, circumstances.now);
                }
            }
        }
        ledger
    }

    /// The decision after the request and those before it were counted.
    fn metered<'p>(&self, decision: Decision<'p>) -> Decision<'p> {
        let Some(limit) = decision.rate_limit() else { return decision };
        let mut bucket = Bucket::FULL;
        for _ in 0..self.earlier {
            if let Taken::Granted { bucket: after, .. } = limit.take(bucket, self.at) {
                bucket = after;
            }
        }
        decision.metered(limit.take(bucket, self.at))
    }
}

/// What was decided about a request.
#[derive(Debug, Serialize)]
pub struct Judged {
    /// Permit or deny.
    pub decision: Outcome,
    /// The reason.
    pub reason: Reason,
    /// The permission by which the request is permitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<PermissionName>,
    /// The status that the caller gets; 200 where the request is forwarded.
    pub status: u32,
    /// Whether the request is forwarded; in shadow a denied one is too.
    #[serde(skip)]
    pub forwarded: bool,
    /// The audit event.
    #[serde(skip)]
    pub event: String,
}

impl Judged {
    /// Where this differs from what is expected: a line for each difference.
    pub fn differences(&self, expect: &Expect) -> Vec<String> {
        let mut differences = Vec::new();
        let mut differ = |what: &str, expected: String, got: String| {
            if expected != got {
                differences.push(format!("{what}: expected {expected}, got {got}"));
            }
        };
        differ("decision", expect.decision.to_string(), self.decision.to_string());
        differ("reason", expect.reason.to_string(), self.reason.to_string());
        if let Some(permission) = &expect.permission {
            differ(
                "permission",
                permission.to_string(),
                self.permission.as_ref().map_or("none".to_owned(), ToString::to_string),
            );
        }
        if let Some(status) = expect.status {
            differ("status", status.to_string(), self.status.to_string());
        }
        differences
    }
}

/// A policy at a gateway, with the cases that it is to pass.
#[derive(Debug)]
pub struct Rehearsal {
    rekeyed: Rekeyed,
    /// One for each place that the cases name, and one for the gateway's own.
    gateways: BTreeMap<Place, Gateway>,
}

impl Rehearsal {
    /// Compiles the rekeyed document for a gateway with `settings`.
    ///
    /// # Errors
    /// All that is wrong with the document.
    pub fn of(document: Document, settings: &Settings, cases: &[Case]) -> Result<Self, Problems> {
        let rekeyed = Rekeyed::of(document, cases);
        let places = cases.iter().map(|case| Place::of(&case.request)).chain([Place::default()]);
        let mut gateways = BTreeMap::new();
        for place in places {
            if let Entry::Vacant(new) = gateways.entry(place) {
                let settings = new.key().settings(settings);
                let document = settings.place(new.key().document(&rekeyed.document))?;
                new.insert(Gateway { policy: Policy::compile(document)?, settings });
            }
        }
        Ok(Self { rekeyed, gateways })
    }

    /// The rekeyed document.
    pub fn document(&self) -> &Document {
        &self.rekeyed.document
    }

    /// The request of a case as headers, and its time.
    ///
    /// # Errors
    /// What the case names and the policy does not have.
    pub fn prepare(&self, request: &Request) -> Result<Prepared<'_>, BadCase> {
        let place = Place::of(request);
        let gateway = self.gateways.get(&place).ok_or(BadCase::UnknownPlace)?;
        self.rekeyed.request(request, place, gateway)
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
    UnknownPlace,
}

impl fmt::Display for BadCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownToken(token) => {
                write!(f, "no token or secret `{}` is in the registry", token.escape_default())
            }
            Self::UnknownPlace => f.write_str("no gateway is in the case's `environment` and `service`"),
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
/// The status of a request that was forwarded, by a well-meaning upstream.
const FORWARDED: u32 = 200;
