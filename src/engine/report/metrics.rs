//! Metrics: counters of decisions and configurations, and gauges of the active policy.
//!
//! Out: the names of the host's statistics. A label is in the name as `reason=.=unknown_token;.;`, before the
//! metric's own name. Istio's rule for `extraStatTags` (pilot's `envoy_bootstrap.json`) and the rules in
//! `envoy/envoy.yaml` extract such labels. Text from a caller is never in a name: reasons, modes and [`MAX_KINDS`]
//! bound the number of names.

use crate::engine::config::envelope::PayloadType;
use crate::engine::config::settings::Mode;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::decision::Decision;
use crate::engine::words::name::PolicyName;
use crate::engine::words::reason::Reason;
use crate::engine::words::time::Time;

/// The counter for a decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tally {
    outcome: &'static str,
    reason: Reason,
    kind: KindSlot,
    mode: Mode,
}

impl Tally {
    /// The tally of a decision by a gateway in `mode`. A deny that is only reported counts as shadow.
    pub fn of(decision: &Decision<'_>, mode: Mode) -> Self {
        Self {
            outcome: if decision.is_permit() { "permit" } else { "deny" },
            reason: decision.reason(),
            kind: decision.subject().map_or(KindSlot::NONE, |subject| KindSlot::of(subject.kind_number())),
            mode: if decision.is_shadow() { Mode::Shadow } else { mode },
        }
    }

    /// A number below [`Tally::SLOTS`], different for each counter name.
    pub fn slot(self) -> usize {
        let mode = match self.mode {
            Mode::Enforce => 0,
            Mode::Shadow => 1,
        };
        let of_kind = (self.reason as usize).saturating_mul(MODES).saturating_add(mode);
        self.kind.0.saturating_mul(PER_KIND).saturating_add(of_kind)
    }

    /// The number of slots.
    pub const SLOTS: usize = KINDS * PER_KIND;

    /// Name of the counter.
    pub fn name(self, policy: &Policy) -> String {
        let mode = self.mode.as_str();
        let kind = self.kind.label(policy);
        let labels =
            [("outcome", self.outcome), ("reason", self.reason.code()), ("kind", &kind), ("mode", mode)];
        name("tokenward_decisions_total", &labels)
    }
}

/// Whether a decision is about a rotated-out secret that still works.
pub fn is_use_of_retiring_secret(decision: &Decision<'_>) -> bool {
    let ended = matches!(decision.reason(), Reason::RetiredSecret | Reason::RevokedToken);
    !ended && decision.subject().is_some_and(|subject| subject.retiring())
}

/// A kind as a metric's label: one of the policy's first [`MAX_KINDS`], "other", or no kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct KindSlot(usize);

impl KindSlot {
    const OTHER: Self = Self(MAX_KINDS);
    const NONE: Self = Self(MAX_KINDS + 1);

    fn of(kind: usize) -> Self {
        Self(kind.min(Self::OTHER.0))
    }

    fn label(self, policy: &Policy) -> String {
        if self == Self::NONE {
            return "none".to_owned();
        }
        let kind = policy.kinds.get(self.0).filter(|_| self != Self::OTHER);
        kind.map_or_else(|| "other".to_owned(), |kind| value(kind.as_str()))
    }
}

/// A counter that does not depend on a policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Counter {
    /// A request with a rotated-out secret that still works.
    RetiringSecretUse,
    /// A configuration that a thread activated.
    ConfigurationAccepted,
    /// A configuration that was rejected.
    ConfigurationRefused,
    /// A fetched bundle or revocation list that became active.
    FeedFetched,
    /// A fetch without a usable result.
    FeedFailed,
    /// A suspension of a token.
    TokenSuspension,
    /// A suspension of a source.
    SourceSuspension,
    /// An alert.
    Alert,
    /// An event that did not reach its destination.
    DroppedEvent,
}

impl Counter {
    /// The counters that exist before they count anything.
    pub const ANNOUNCED: [Self; 9] = [
        Self::RetiringSecretUse,
        Self::ConfigurationAccepted,
        Self::ConfigurationRefused,
        Self::FeedFetched,
        Self::FeedFailed,
        Self::TokenSuspension,
        Self::SourceSuspension,
        Self::Alert,
        Self::DroppedEvent,
    ];

    /// Name of the counter.
    pub fn name(self) -> String {
        match self {
            Self::RetiringSecretUse => name("tokenward_retiring_secret_uses_total", &[]),
            Self::ConfigurationAccepted => name("tokenward_configurations_total", &[("result", "accepted")]),
            Self::ConfigurationRefused => name("tokenward_configurations_total", &[("result", "refused")]),
            Self::FeedFetched => name("tokenward_feed_total", &[("result", "fetched")]),
            Self::FeedFailed => name("tokenward_feed_total", &[("result", "failed")]),
            Self::TokenSuspension => name("tokenward_token_suspensions_total", &[]),
            Self::SourceSuspension => name("tokenward_source_suspensions_total", &[]),
            Self::Alert => name("tokenward_alerts_total", &[]),
            Self::DroppedEvent => name("tokenward_events_dropped_total", &[]),
        }
    }
}

/// A gauge of a bundle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Gauge {
    /// The revision.
    Revision,
    /// When the bundle was built, in seconds since 1970; 0 if unknown.
    Built,
    /// Time since the bundle was built, in seconds; 0 if unknown.
    Age,
    /// When the bundle expires, in seconds since 1970; 0 if never.
    Expires,
    /// The number of tokens.
    Tokens,
    /// The number of secrets that expire within seven days, without revoked and rotated-out ones.
    ExpiringSecrets,
    /// The processes that serve it: 1. During a hot restart Envoy adds the gauges of two processes, and this one says so.
    Processes,
}

impl Gauge {
    /// All gauges.
    pub const ALL: [Self; 7] = [
        Self::Revision,
        Self::Built,
        Self::Age,
        Self::Expires,
        Self::Tokens,
        Self::ExpiringSecrets,
        Self::Processes,
    ];

    /// Name of the gauge for bundles with this name.
    pub fn name(self, bundle: &PolicyName) -> String {
        let gauge = match self {
            Self::Revision => "tokenward_bundle_revision",
            Self::Built => "tokenward_bundle_built_timestamp_seconds",
            Self::Age => "tokenward_bundle_age_seconds",
            Self::Expires => "tokenward_bundle_expires_timestamp_seconds",
            Self::Tokens => "tokenward_bundle_tokens",
            Self::ExpiringSecrets => "tokenward_secrets_expiring_within_7_days",
            Self::Processes => "tokenward_bundle_processes",
        };
        name(gauge, &[("bundle", &value(bundle.as_str()))])
    }

    /// The gauge's value for a policy.
    pub fn of(self, policy: &Policy, now: Time) -> u64 {
        let seconds = |seconds: i64| u64::try_from(seconds).unwrap_or(0);
        match self {
            Self::Revision => policy.revision(),
            Self::Built => policy.built_at.map_or(0, |built| seconds(built.seconds())),
            Self::Age => {
                policy.built_at.map_or(0, |built| seconds(now.seconds().saturating_sub(built.seconds())))
            }
            Self::Expires => policy.expires_at.map_or(0, |end| seconds(end.seconds())),
            Self::Tokens => u64::try_from(policy.token_count()).unwrap_or(u64::MAX),
            Self::ExpiringSecrets => {
                let count = policy.secrets_ending(now, now.shifted(SEVEN_DAYS));
                u64::try_from(count).unwrap_or(u64::MAX)
            }
            Self::Processes => 1,
        }
    }
}

/// Name of the gauge for tokens that a gateway in `mode` suspends, for bundles with this name.
pub fn suspended_tokens(bundle: &PolicyName, mode: Mode) -> String {
    suspended("tokenward_suspended_tokens", bundle, mode)
}

/// Name of the gauge for sources that a gateway in `mode` suspends, for bundles with this name.
pub fn suspended_sources(bundle: &PolicyName, mode: Mode) -> String {
    suspended("tokenward_suspended_sources", bundle, mode)
}

fn suspended(metric: &str, bundle: &PolicyName, mode: Mode) -> String {
    name(metric, &[("bundle", &value(bundle.as_str())), ("mode", mode.as_str())])
}

/// Name of the gauge for when a newer bundle, or revocation list, must have arrived, for bundles with this name.
pub fn good_until(kind: PayloadType, bundle: &PolicyName) -> String {
    let labels = [("bundle", value(bundle.as_str())), ("what", kind.noun().to_owned())];
    let labels = labels.each_ref().map(|(label, value)| (*label, value.as_str()));
    name("tokenward_good_until_timestamp_seconds", &labels)
}

/// The value of that gauge: in seconds since 1970; 0 if not set.
pub fn good_until_seconds(good_until: Option<Time>) -> u64 {
    good_until.map_or(0, |end| u64::try_from(end.seconds()).unwrap_or(0))
}

/// Name of the gauge for the last time that a feed fetched the server's current content, or learned that it is
/// unchanged. Stale content does not count.
pub fn last_success(kind: PayloadType) -> String {
    name("tokenward_feed_last_success_timestamp_seconds", &[("what", kind.noun())])
}

/// Name of the gauge of the processes that have such a feed: 1, and 2 during a hot restart.
pub fn feed_processes(kind: PayloadType) -> String {
    name("tokenward_feed_processes", &[("what", kind.noun())])
}

/// A metric name with labels that the host's rules can extract.
fn name(metric: &str, labels: &[(&str, &str)]) -> String {
    let labels: String = labels.iter().map(|(label, value)| format!("{label}=.={value};.;")).collect();
    labels + metric
}

/// A policy's name as the value of a label: without `.` and `:`, at which hosts split names.
fn value(text: &str) -> String {
    text.replace(['.', ':'], "_")
}

/// Maximum number of kinds with their own label.
pub const MAX_KINDS: usize = 16;
/// Plus the labels for other kinds and for no kind.
const KINDS: usize = MAX_KINDS + 2;
const MODES: usize = 2;
const PER_KIND: usize = Reason::ALL.len() * MODES;
const SEVEN_DAYS: i64 = 7 * 24 * 60 * 60 * 1_000;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::engine::config::bundle::from_json;

    #[test]
    fn each_tally_has_its_own_slot_and_name() {
        let kinds: Vec<String> = (0..40).map(|kind| format!("\"kind-{kind}\": {{}}")).collect();
        let bundle = format!(r#"{{ "version": 1, "name": "many", "kinds": {{ {} }} }}"#, kinds.join(","));
        let policy = Policy::compile(from_json(bundle.as_bytes()).unwrap()).unwrap();
        let (mut slots, mut names) = (HashSet::new(), HashSet::new());
        for kind in (0..40).map(KindSlot::of).chain([KindSlot::NONE]) {
            for reason in Reason::ALL {
                for mode in [Mode::Enforce, Mode::Shadow] {
                    let tally = Tally { outcome: "deny", reason, kind, mode };
                    assert!(tally.slot() < Tally::SLOTS, "{tally:?}");
                    assert_eq!(slots.insert(tally.slot()), names.insert(tally.name(&policy)), "{tally:?}");
                }
            }
        }
        assert_eq!(slots.len(), Tally::SLOTS);
        assert!(names.contains("outcome=.=deny;.;reason=.=rate_limited;.;kind=.=kind-15;.;mode=.=shadow;.;tokenward_decisions_total"));
        assert!(!names.iter().any(|name| name.contains("kind-16")));
    }

    #[test]
    fn policy_name_cannot_imitate_a_label() {
        assert_eq!(value("tag.a:b"), "tag_a_b");
    }

    #[test]
    fn secrets_expiring_within_seven_days_are_counted() {
        let secret = |number: u32, more: &str| {
            format!(
                r#"{{ "id": "{number}", "sha256": "{number:064x}", "expires_at": "2026-03-10T00:00:00Z" {more} }}"#
            )
        };
        let kept = [secret(1, ""), secret(2, "")].join(",");
        let ended = [
            secret(3, r#", "revoked_at": "2026-03-01T00:00:00Z""#),
            secret(4, r#", "retired_at": "2026-03-01T00:00:00Z""#),
        ];
        let bundle = format!(
            r#"{{ "version": 1, "name": "few", "kinds": {{ "user": {{}} }}, "tokens": {{
                "kept": {{ "kind": "user", "roles": [], "secrets": [{kept}, {}] }},
                "gone": {{ "kind": "user", "roles": [], "secrets": [{}], "revoked_at": "2026-03-01T00:00:00Z" }}
            }} }}"#,
            ended.join(","),
            secret(5, ""),
        );
        let policy = Policy::compile(from_json(bundle.as_bytes()).unwrap()).unwrap();
        for (now, count) in [
            ("2026-03-02T23:59:59Z", 0),
            ("2026-03-03T00:00:00Z", 2),
            ("2026-03-09T23:59:59Z", 2),
            ("2026-03-10T00:00:00Z", 0),
        ] {
            let now = Time::try_from(now.to_owned()).unwrap();
            assert_eq!(Gauge::ExpiringSecrets.of(&policy, now), count, "{now}");
        }
    }
}
