//! That a signed bundle is not in force, for it may not follow those before it.

use serde::Serialize;

use crate::engine::audit::{FORMAT_VERSION, line, milliseconds};
use crate::engine::freshness::Mark;
use crate::engine::name::PolicyName;
use crate::engine::policy::Policy;
use crate::engine::time::Time;

/// That a configuration brought a bundle that goes back: everything is denied until one comes that does not.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct RefusedEvent<'a> {
    /// Version of the format.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = FORMAT_VERSION)))]
    v: u8,
    /// When it happened: UTC, to the millisecond.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Time"))]
    ts: Time,
    /// What happened.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "rollback_refused")))]
    event: &'static str,
    /// Name of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'a PolicyName>,
    /// Its revision.
    revision: u64,
    /// The revision that it may go back from.
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<u64>,
    /// Highest revision that was there; none where the host does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<u64>,
    /// Whether no VM of this Envoy had the configuration before: Envoy tries it there, and nowhere else.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    trial: bool,
    /// Number of the event: each VM counts its own from 0 on.
    seq: u64,
    #[serde(skip)]
    newer: Option<Mark>,
}

impl<'a> RefusedEvent<'a> {
    /// The event of a policy that may not follow what left `newer`; `trial` is whether the configuration was not there
    /// before, `seq` the number of the event.
    pub fn of(policy: &'a Policy, newer: Option<Mark>, trial: bool, now: Time, seq: u64) -> Self {
        Self {
            v: FORMAT_VERSION,
            ts: now,
            event: "rollback_refused",
            bundle: policy.name(),
            revision: policy.revision(),
            supersedes: policy.seal().and_then(|seal| seal.supersedes),
            newest: newer.map(|mark| mark.newest()),
            trial,
            seq,
            newer,
        }
    }

    /// The event as one line of JSON.
    pub fn to_json(&self) -> String {
        line(self)
    }

    /// The event in words, with what to do.
    pub fn told(&self) -> String {
        let name = self.bundle.map_or("", PolicyName::as_str);
        let revision = self.revision;
        match self.newer {
            Some(newer) if newer.newest() == revision => format!(
                "tokenward: another bundle `{name}` of revision {revision} was here before; everything is answered by \
                 503. Build it with a higher revision"
            ),
            Some(newer) => format!(
                "tokenward: bundle `{name}` of revision {revision} is older than revision {}, which was here before; \
                 everything is answered by 503. Build it anew, or sign it with `--allow-rollback {}`",
                newer.newest(),
                newer.to_supersede()
            ),
            None => format!(
                "tokenward: the host does not say which revision of `{name}` was here before; everything is answered \
                 by 503. The module needs proxy_get_shared_data and proxy_set_shared_data"
            ),
        }
    }
}
