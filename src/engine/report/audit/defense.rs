//! Events of the defense: suspensions and alerts.

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

/// The reaction of the defense to an offence.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct DefenseEvent<'a> {
    /// The kind of event: a token or a source was suspended, or an alert was raised.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("enum" = ["suspended", "alert"])))]
    event: &'static str,
    /// The reason: a key of the policy's `defense`.
    reason: Cause,
    /// Whether the policy was enforced. In `shadow` the filter rejects nothing.
    mode: Mode,
    /// Id of the token; omitted if a source is suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a TokenId>,
    /// Id of the secret that the request sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a SecretId>,
    /// Kind of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a KindName>,
    /// The source of the request. For a suspended source: the suspended address, or the /64 network of an IPv6
    /// address.
    #[serde(skip_serializing_if = "str::is_empty")]
    source: Cow<'a, str>,
    /// How many offences were counted.
    count: usize,
    /// When the suspension ends: UTC, to the millisecond.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Time"))]
    until: Option<String>,
    #[serde(flatten)]
    version: Version<'a>,
}

/// The circumstances of an offence.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The active policy.
    pub policy: &'a Policy,
    /// Whether the policy was enforced.
    pub mode: Mode,
    /// The source of the request.
    pub source: Source<'a>,
    /// The time of the request.
    pub now: Time,
}

impl<'a> DefenseEvent<'a> {
    /// The suspension of the token, or of the source if there is no token, until `until` after this number of
    /// offences.
    pub fn suspended(offence: &'a Offence<'_>, scene: Scene<'a>, count: usize, until: Time) -> Self {
        Self { until: Some(until.to_string()), ..Self::of("suspended", offence, scene, count) }
    }

    /// An alert about this number of offences since the last one.
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
                // For IPv6 the whole network is suspended.
                None => offence.key.to_string().into(),
            },
            count,
            until: None,
            version: Version::of(policy),
        }
    }
}
