//! Events of a defense: that somebody is suspended, or that somebody should look.

use std::borrow::Cow;

use serde::Serialize;

use crate::engine::config::settings::Mode;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::offence::{Cause, Offence};
use crate::engine::policy::sent::Sent;
use crate::engine::report::audit::{MAX_SOURCE, Version, text};
use crate::engine::words::address::Source;
use crate::engine::words::name::{KindName, SecretId, TokenId};
use crate::engine::words::time::Time;

/// What a defense did about an offence.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct DefenseEvent<'a> {
    /// What happened: a token or a source is suspended, or somebody should look.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("enum" = ["suspended", "alert"])))]
    event: &'static str,
    /// For what: a key of the policy's `defense`.
    reason: Cause,
    /// Whether the policy was enforced; in `shadow` nobody is kept out.
    mode: Mode,
    /// Id of the token; none where a source is suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a TokenId>,
    /// Id of the token's secret that was presented.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a SecretId>,
    /// Kind of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a KindName>,
    /// Where the request came from; of a suspended source what is suspended, with IPv6 its network of 64 bits.
    #[serde(skip_serializing_if = "str::is_empty")]
    source: Cow<'a, str>,
    /// How often it happened.
    count: usize,
    /// Until when the suspension lasts: UTC, to the millisecond.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Time"))]
    until: Option<String>,
    #[serde(flatten)]
    version: Version<'a>,
}

/// Where and when an offence was.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The policy that was in force.
    pub policy: &'a Policy,
    /// Whether it was enforced.
    pub mode: Mode,
    /// Where the request came from.
    pub source: Source<'a>,
    /// When.
    pub now: Time,
}

impl<'a> DefenseEvent<'a> {
    /// That the token, or the source where there is none, is suspended `until` then, after so many offences.
    pub fn suspended(offence: &'a Offence<'_>, scene: Scene<'a>, count: usize, until: Time) -> Self {
        Self { until: Some(until.to_string()), ..Self::of("suspended", offence, scene, count) }
    }

    /// That there were so many offences since the last alert.
    pub fn alert(offence: &'a Offence<'_>, scene: Scene<'a>, count: usize) -> Self {
        Self::of("alert", offence, scene, count)
    }

    fn of(event: &'static str, offence: &'a Offence<'_>, scene: Scene<'a>, count: usize) -> Self {
        let Scene { policy, mode, source, .. } = scene;
        let subject = offence.subject.as_ref();
        Self {
            event,
            reason: offence.cause,
            mode,
            token: subject.map(|subject| subject.token()),
            secret: subject.map(|subject| subject.secret()),
            kind: subject.map(|subject| subject.kind()),
            source: match subject {
                Some(_) => text(&Sent::new(source.text(), MAX_SOURCE, policy), MAX_SOURCE),
                // Of an IPv6 address the whole network is suspended.
                None => offence.key.to_string().into(),
            },
            count,
            until: None,
            version: Version::of(policy),
        }
    }
}
