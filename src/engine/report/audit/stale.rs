//! That what is in force was to be replaced by now, or has been.

use serde::Serialize;

use crate::engine::config::envelope::PayloadType;
use crate::engine::config::revocations::Revocations;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::rollback::is_stale;
use crate::engine::report::audit::Version;
use crate::engine::words::time::Time;

/// That a bundle or a list has become stale, or that a fresh one has taken the place of a stale one.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct StaleEvent<'a> {
    /// What happened.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("enum" = ["stale", "fresh"])))]
    event: &'static str,
    /// What it happened to.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("enum" = ["bundle", "revocations"])))]
    what: &'static str,
    #[serde(flatten)]
    version: Version<'a>,
    /// By when a newer one must be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    good_until: Option<Time>,
}

impl<'a> StaleEvent<'a> {
    /// The event of a bundle.
    pub fn bundle(policy: &'a Policy, now: Time) -> Self {
        Self::of(PayloadType::Bundle, Version::of(policy), policy.good_until(), now)
    }

    /// The event of a list of revocations.
    pub fn revocations(list: &'a Revocations, now: Time) -> Self {
        Self::of(PayloadType::Revocations, Version::of_list(list), list.good_until, now)
    }

    fn of(kind: PayloadType, version: Version<'a>, good_until: Option<Time>, now: Time) -> Self {
        let event = if is_stale(good_until, now) { "stale" } else { "fresh" };
        Self { event, what: kind.noun(), version, good_until }
    }

    /// The warning for people; `None` for what is fresh again.
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
