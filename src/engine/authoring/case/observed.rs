//! A case's request, and what is decided about it.

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
    /// The address that it comes from.
    pub source: String,
    /// How often the same request was made just before.
    pub earlier: u32,
    /// Where the gateway is.
    pub site: Site,
    /// The gateway that it comes to.
    pub gateway: &'g Gateway,
}

impl<'g> Prepared<'g> {
    /// Judges the request, and records the steps in `trace`.
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
    /// What stands last in `x-forwarded-for` when the filter sees the request.
    ///
    /// A case that has the header itself says what came in, and from whom: Envoy adds that address. Any other says who
    /// calls, through as many proxies as the gateway trusts.
    pub fn forwarded_for(&self) -> String {
        let says = self.headers.iter().any(|(name, _)| name == FORWARDED_FOR);
        let rule = self.gateway.settings.source.filter(|_| !says);
        let proxies = rule.map_or(0, |rule| rule.trusted_hops.number());
        self.source.clone() + &format!(", {PROXY}").repeat(proxies)
    }

    /// What a defense remembers of the requests before.
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

    /// The bucket as the requests before left it.
    fn bucket(&self, limit: RateLimit) -> Bucket {
        (0..self.earlier).fold(Bucket::FULL, |bucket, _| match limit.take(bucket, self.at) {
            Taken::Granted { bucket: after, .. } => after,
            Taken::Refused(_) => bucket,
        })
    }
}

/// What was decided about a request.
#[derive(Debug, Serialize)]
pub struct Observed {
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
    /// The host that the upstream gets, with its port; `None` where the filter answers.
    #[serde(skip)]
    pub host: Option<String>,
    /// The audit event.
    #[serde(skip)]
    pub event: String,
}

impl Observed {
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
        if let Some(host) = &expect.host {
            differ("host", host.clone(), self.host.clone().unwrap_or_else(|| "none".to_owned()));
        }
        differences
    }
}

/// The authority of a request as the upstream gets it.
fn forwarded_host(verdict: &Verdict<'_>, head: &RequestHead<'_>) -> Option<String> {
    let (Verdict::Forward(forward) | Verdict::ForwardInShadow(forward)) = verdict else { return None };
    let set = forward.set.iter().find(|(name, _)| *name == ":authority");
    let authority = set.map_or(head.authority, |(_, value)| value);
    Some(String::from_utf8_lossy(authority).into_owned())
}

const FORWARDED_FOR: &str = "x-forwarded-for";
/// The address of a proxy that nothing else is known of.
const PROXY: &str = "127.0.0.1";
/// The status of a request that was forwarded, by a well-meaning upstream.
const FORWARDED: u32 = 200;
