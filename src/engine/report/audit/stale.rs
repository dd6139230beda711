//! Events of stale bundles and lists: a newer one should have arrived, or has arrived.

use serde::Serialize;

use crate::engine::config::envelope::PayloadType;
use crate::engine::config::revocations::Revocations;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::rollback::is_stale;
use crate::engine::report::audit::Version;
use crate::engine::words::time::Time;

/// A bundle or list became stale, or a fresh one replaced a stale one.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct StaleEvent<'a> {
    /// The kind of event.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("enum" = ["stale", "fresh"])))]
    event: &'static str,
    /// What became stale or fresh.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("enum" = ["bundle", "revocations"])))]
    what: &'static str,
    #[serde(flatten)]
    version: Version<'a>,
    /// When a newer one must have arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    good_until: Option<Time>,
}

impl<'a> StaleEvent<'a> {
    /// The event for a bundle.
    pub fn bundle(policy: &'a Policy, now: Time) -> Self {
        Self::of(PayloadType::Bundle, Version::of(policy), policy.good_until(), now)
    }

    /// The event for a revocation list.
    pub fn revocations(list: &'a Revocations, now: Time) -> Self {
        Self::of(PayloadType::Revocations, Version::of_list(list), list.good_until, now)
    }

    fn of(kind: PayloadType, version: Version<'a>, good_until: Option<Time>, now: Time) -> Self {
        let event = if is_stale(good_until, now) { "stale" } else { "fresh" };
        Self { event, what: kind.noun(), version, good_until }
    }

    /// The warning for the log; `None` if the bundle or list is fresh again.
    pub fn warning(&self) -> Option<String> {
        let until = self.good_until.filter(|_| self.event == "stale")?;
        let Version { revision, .. } = self.version;
        Some(format!(
            "tokenward: {} of `{}`, revision {revision}: a newer one was due by {}. This one stays active. Ship a newer \
             one, or find out who withholds it",
            self.what,
            self.version.name(),
            String::from(until)
        ))
    }
}
