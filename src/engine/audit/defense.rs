//! Events of a defense: that somebody is suspended, or that somebody should look.

use std::borrow::Cow;

use serde::Serialize;

use crate::engine::address::Source;
use crate::engine::audit::{FORMAT_VERSION, MAX_HOST, line, milliseconds, text};
use crate::engine::defense::{Cause, Offence};
use crate::engine::name::{KindName, PolicyName, SecretId, TokenId};
use crate::engine::policy::Policy;
use crate::engine::settings::Mode;
use crate::engine::time::Time;

/// What a defense did about an offence.
#[derive(Debug, Serialize)]
pub struct DefenseEvent<'a> {
    v: u8,
    #[serde(serialize_with = "milliseconds")]
    ts: Time,
    event: &'static str,
    reason: Cause,
    mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a TokenId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a SecretId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a KindName>,
    #[serde(skip_serializing_if = "str::is_empty")]
    source: Cow<'a, str>,
    count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'a PolicyName>,
    revision: u64,
    seq: u64,
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
    pub fn suspended(
        offence: &'a Offence<'_>,
        scene: Scene<'a>,
        count: usize,
        until: Time,
        seq: u64,
    ) -> Self {
        Self { until: Some(until.to_string()), ..Self::of("suspended", offence, scene, count, seq) }
    }

    /// That there were so many offences since it was last told.
    pub fn alert(offence: &'a Offence<'_>, scene: Scene<'a>, count: usize, seq: u64) -> Self {
        Self::of("alert", offence, scene, count, seq)
    }

    fn of(event: &'static str, offence: &'a Offence<'_>, scene: Scene<'a>, count: usize, seq: u64) -> Self {
        let Scene { policy, mode, source, now } = scene;
        let subject = offence.subject.as_ref();
        Self {
            v: FORMAT_VERSION,
            ts: now,
            event,
            reason: offence.cause,
            mode,
            token: subject.map(|subject| subject.token()),
            secret: subject.map(|subject| subject.secret()),
            kind: subject.map(|subject| subject.kind()),
            source: match subject {
                Some(_) => text(source.text(), MAX_HOST),
                // Of an IPv6 address the whole network is suspended.
                None => offence.key.to_string().into(),
            },
            count,
            until: None,
            bundle: policy.name(),
            revision: policy.revision(),
            seq,
        }
    }

    /// The event as one line of JSON.
    pub fn to_json(&self) -> String {
        line(self)
    }
}
