//! Events of rejected signed bundles: the bundle is older than the active one, or ahead of the clock.

use serde::Serialize;

use crate::engine::memory::marks::Setback;
use crate::engine::policy::compiled::Policy;
use crate::engine::report::audit::Version;

/// The filter rejected the signed bundle of a configuration. The active bundle stays active; without one, everything
/// is denied.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct RefusedEvent<'a> {
    /// The kind of event.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "rollback_refused")))]
    event: &'static str,
    #[serde(flatten)]
    version: Version<'a>,
    /// The revision up to which the bundle supersedes others.
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<u64>,
    /// Highest revision that the gateway accepted before, if that is the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<u64>,
    /// Why the bundle is rejected.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(extend("enum" = ["older", "other_content", "ahead_of_clock", "unknown_marks"]))
    )]
    cause: &'static str,
    /// Revision of the bundle that stays active. Without one, everything is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<u64>,
    /// True if this is the first VM of this Envoy with the configuration: Envoy only tries it there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    canary: bool,
    #[serde(skip)]
    setback: Setback,
}

impl<'a> RefusedEvent<'a> {
    /// The event for a rejected bundle. `active` is the revision that stays active, if any. `canary` is true in
    /// Envoy's canary VM.
    pub fn of(refused: &'a Policy, setback: Setback, active: Option<u64>, canary: bool) -> Self {
        Self {
            event: "rollback_refused",
            version: Version::of(refused),
            supersedes: refused.seal().and_then(|seal| seal.supersedes),
            newest: setback.newest(),
            cause: setback.code(),
            active,
            canary,
            setback,
        }
    }

    /// The event in words, with a fix.
    pub fn message(&self) -> String {
        let (name, revision) = (self.version.name(), self.version.revision);
        let active = match self.active {
            Some(active) => format!("revision {active} stays active"),
            None => "the filter answers everything with 503".to_owned(),
        };
        match self.setback {
            Setback::OtherContent(mark) => format!(
                "tokenward: bundle `{name}`, revision {}, is on record with other content; {active}. Build it with a \
                 higher revision",
                mark.newest()
            ),
            Setback::Older(mark) => format!(
                "tokenward: bundle `{name}`, revision {revision}, is older than revision {} on record; {active}. Build it \
                 anew, or sign it with `--allow-rollback {}`",
                mark.newest(),
                mark.to_supersede()
            ),
            Setback::Ahead { .. } => format!(
                "tokenward: bundle `{name}`: {}; {active}. Build it again, or set the clock",
                self.setback.message(revision)
            ),
            Setback::Unknown => format!(
                "tokenward: cannot read the revision of `{name}` on record from the host; {active}. The module \
                 needs proxy_get_shared_data and proxy_set_shared_data"
            ),
        }
    }
}
