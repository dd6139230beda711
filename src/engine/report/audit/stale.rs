//! That what is in force was to be replaced by now, or has been.

use serde::Serialize;

use crate::engine::config::envelope::PayloadType;
use crate::engine::config::revocations::Revocations;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::rollback::is_stale;
use crate::engine::report::audit::{FORMAT_VERSION, line, milliseconds};
use crate::engine::words::name::PolicyName;
use crate::engine::words::time::Time;

/// That a bundle or a list has become stale, or that a fresh one has taken the place of a stale one.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct StaleEvent<'a> {
    /// Version of the format.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = FORMAT_VERSION)))]
    v: u8,
    /// When it happened: UTC, to the millisecond.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Time"))]
    ts: Time,
    /// What happened.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("enum" = ["stale", "fresh"])))]
    event: &'static str,
    /// What it happened to.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("enum" = ["bundle", "revocations"])))]
    what: &'static str,
    /// Name of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'a PolicyName>,
    /// Revision of the bundle, or of the list of revocations.
    revision: u64,
    /// By when a newer one must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    good_until: Option<Time>,
    /// Number of the event: each VM counts its own from 0 on.
    seq: u64,
}

impl<'a> StaleEvent<'a> {
    /// The event of a bundle; `seq` is the number of the event.
    pub fn bundle(policy: &'a Policy, now: Time, seq: u64) -> Self {
        Self::of(PayloadType::Bundle, policy.name(), policy.revision(), policy.good_until(), now, seq)
    }

    /// The event of a list of revocations; `seq` is the number of the event.
    pub fn revocations(list: &'a Revocations, now: Time, seq: u64) -> Self {
        Self::of(PayloadType::Revocations, Some(&list.name), list.revision, list.good_until, now, seq)
    }

    fn of(
        kind: PayloadType,
        bundle: Option<&'a PolicyName>,
        revision: u64,
        good_until: Option<Time>,
        now: Time,
        seq: u64,
    ) -> Self {
        let event = if is_stale(good_until, now) { "stale" } else { "fresh" };
        Self { v: FORMAT_VERSION, ts: now, event, what: kind.noun(), bundle, revision, good_until, seq }
    }

    /// The event in words, with what to do; `None` for what is fresh again.
    pub fn told(&self) -> Option<String> {
        let until = self.good_until.filter(|_| self.event == "stale")?;
        let name = self.bundle.map_or("", PolicyName::as_str);
        Some(format!(
            "tokenward: {} of `{name}`, revision {}: a newer one was due by {}. This one stays active. Ship a newer \
             one, or find out who withholds it",
            self.what,
            self.revision,
            String::from(until)
        ))
    }

    /// The event as one line of JSON.
    pub fn to_json(&self) -> String {
        line(self)
    }
}
