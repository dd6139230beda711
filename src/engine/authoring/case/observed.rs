//! The request of a case, and its actual outcome.

use serde::Serialize;

use crate::engine::authoring::case::{Expect, Outcome, Site};
use crate::engine::authoring::ledger::Ledger;
use crate::engine::policy::decision::{Circumstances, Trace};
use crate::engine::policy::gateway::Gateway;
use crate::engine::policy::verdict::Verdict;
use crate::engine::report::audit::{AuditEvent, Line};
use crate::engine::request::head::RequestHead;
use crate::engine::words::address::Source;
use crate::engine::words::name::PermissionName;
use crate::engine::words::rate::{Bucket, RateLimit, Taken};
use crate::engine::words::reason::Reason;
use crate::engine::words::time::Time;

/// A request that is ready to be judged.
#[derive(Clone, Debug)]
pub struct Prepared<'g> {
    /// Names and values, pseudo-headers first.
    pub headers: Vec<(String, String)>,
    /// The time of the request.
    pub at: Time,
    /// The source address.
    pub source: String,
    /// How often the same request was made just before.
    pub earlier: u32,
    /// The gateway's environment and service.
    pub site: Site,
    /// The gateway that receives the request.
    pub gateway: &'g Gateway,
}

impl<'g> Prepared<'g> {
    /// Judges the request and records the steps in `trace`.
    pub fn judge(&self, trace: &mut impl Trace<'g>) -> Observed {
        let Gateway { policy, settings, .. } = self.gateway;
        let headers = self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let forwarded_for = self.forwarded_for();
        let head = RequestHead::read(
            headers.chain([(FORWARDED_FOR.as_bytes(), forwarded_for.as_bytes())]),
            settings,
        );
        let bracketed = self.source.contains(':');
        let envoy = if bracketed { format!("[{}]:0", self.source) } else { format!("{}:0", self.source) };
        let source = head.source(Source::of(envoy.as_bytes()), settings);
        let circumstances = Circumstances { now: self.at, source };
        let ledger = self.ledger(&head, circumstances);
        let judged = policy.judge(&head, circumstances, &ledger.suspensions, trace);
        let decision = judged.meter(|_, limit| limit.take(self.bucket(limit), self.at));
        let event = AuditEvent::of(&decision, &head, circumstances, policy, settings.mode);
        let event = Line::new(&event, self.at, 0).to_json();
        let verdict = Verdict::of(&decision, &head, policy, settings);
        let status = verdict.status();
        let host = forwarded_host(&verdict, &head);
        Observed {
            decision: if decision.is_permit() { Outcome::Permit } else { Outcome::Deny },
            forwarded: status.is_none(),
            reason: decision.reason(),
            permission: decision.permission().cloned(),
            status: status.unwrap_or(FORWARDED),
            host,
            event,
        }
    }
}

impl Prepared<'_> {
    /// The value at the end of `x-forwarded-for` when the filter sees the request.
    ///
    /// If a case sets the header itself, it sets the incoming value, and Envoy appends the source. Otherwise the
    /// value is the source, followed by as many proxies as the gateway trusts.
    pub fn forwarded_for(&self) -> String {
        let says = self.headers.iter().any(|(name, _)| name == FORWARDED_FOR);
        let rule = self.gateway.settings.source.filter(|_| !says);
        let proxies = rule.map_or(0, |rule| rule.trusted_hops.number());
        self.source.clone() + &format!(", {PROXY}").repeat(proxies)
    }

    /// The state of the defense after the earlier requests.
    fn ledger(&self, head: &RequestHead<'_>, circumstances: Circumstances<'_>) -> Ledger {
        let mut ledger = Ledger::default();
        let policy = &self.gateway.policy;
        if let Some(defense) = policy.defense() {
            for _ in 0..self.earlier {
                let judged = policy.judge(head, circumstances, &ledger.suspensions, &mut ());
                let decision = judged.meter(|_, limit| limit.take(Bucket::FULL, self.at));
                if let Some(offence) = policy.offence(&decision, circumstances.source) {
                    ledger.enter(&offence, defense, circumstances.now);
                }
            }
        }
        ledger
    }

    /// The bucket after the earlier requests.
    fn bucket(&self, limit: RateLimit) -> Bucket {
        (0..self.earlier).fold(Bucket::FULL, |bucket, _| match limit.take(bucket, self.at) {
            Taken::Granted { bucket: after, .. } => after,
            Taken::Refused(_) => bucket,
        })
    }
}

/// The actual outcome of a request.
#[derive(Debug, Serialize)]
pub struct Observed {
    /// Permit or deny.
    pub decision: Outcome,
    /// The reason.
    pub reason: Reason,
    /// The permission that permits the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission: Option<PermissionName>,
    /// The status of the response; 200 if the request is forwarded.
    pub status: u32,
    /// Whether the request is forwarded. In shadow mode, so are denied requests.
    #[serde(skip)]
    pub forwarded: bool,
    /// The host, with its port, that the upstream receives; `None` if the filter replies.
    #[serde(skip)]
    pub host: Option<String>,
    /// The audit event.
    #[serde(skip)]
    pub event: String,
}

impl Observed {
    /// Compares with the expected outcome: a line for each difference.
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
        if let Some(host) = &expect.host {
            differ("host", host.clone(), self.host.clone().unwrap_or_else(|| "none".to_owned()));
        }
        differences
    }
}

/// The authority that the upstream receives.
fn forwarded_host(verdict: &Verdict<'_>, head: &RequestHead<'_>) -> Option<String> {
    let (Verdict::Forward(forward) | Verdict::ForwardInShadow(forward)) = verdict else { return None };
    let set = forward.set.iter().find(|(name, _)| *name == ":authority");
    let authority = set.map_or(head.authority, |(_, value)| value);
    Some(String::from_utf8_lossy(authority).into_owned())
}

const FORWARDED_FOR: &str = "x-forwarded-for";
/// The address of a made-up proxy.
const PROXY: &str = "127.0.0.1";
/// The status of a forwarded request: the upstream is assumed to accept it.
const FORWARDED: u32 = 200;
