//! That a signed bundle of a configuration is not in force: it may not follow those before it, or is ahead of the clock.

use serde::Serialize;

use crate::engine::memory::marks::Setback;
use crate::engine::policy::compiled::Policy;
use crate::engine::report::audit::Version;

/// That a configuration brought a bundle that is not taken: what was in force stays, or everything is denied.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct RefusedEvent<'a> {
    /// What happened.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "rollback_refused")))]
    event: &'static str,
    #[serde(flatten)]
    version: Version<'a>,
    /// The revision that it may go back from.
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<u64>,
    /// Highest revision that was taken before, where that is the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<u64>,
    /// Why it is not in force.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(extend("enum" = ["older", "other_content", "ahead_of_clock", "unknown_marks"]))
    )]
    cause: &'static str,
    /// Revision of the bundle that stays in force; without one everything is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<u64>,
    /// Whether no VM of this Envoy had the configuration before: Envoy tries it there, and nowhere else.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    canary: bool,
    #[serde(skip)]
    setback: Setback,
}

impl<'a> RefusedEvent<'a> {
    /// The event of a bundle that is not taken, where the bundle of revision `active` stays in force or nothing does;
    /// `canary` is true in Envoy's canary VM.
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

    /// The event in words, with what to do.
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
                "tokenward: bundle `{name}`: {}; {active}. Build it anew, or set the clock",
                self.setback.message(revision)
            ),
            Setback::Unknown => format!(
                "tokenward: cannot read the revision of `{name}` on record from the host; {active}. The module \
                 needs proxy_get_shared_data and proxy_set_shared_data"
            ),
        }
    }
}
