//! The event of a request: what was decided about it, and why.

use std::borrow::Cow;

use serde::Serialize;

use crate::engine::audit::{FORMAT_VERSION, MAX_HOST, line, milliseconds, text};
use crate::engine::decision::{Circumstances, Decision};
use crate::engine::head::RequestHead;
use crate::engine::name::{KindName, PermissionName, PolicyName, RoleName, SecretId, TokenId};
use crate::engine::policy::Policy;
use crate::engine::reason::Reason;
use crate::engine::secret::Fingerprint;
use crate::engine::settings::Mode;
use crate::engine::time::Time;

/// What is told of one request.
#[derive(Debug, Serialize)]
pub struct AuditEvent<'a> {
    v: u8,
    #[serde(serialize_with = "milliseconds")]
    ts: Time,
    event: &'static str,
    decision: &'static str,
    reason: Reason,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    mode: Mode,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: Cow<'a, str>,
    method: Cow<'a, str>,
    host: Cow<'a, str>,
    path: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    source: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a TokenId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a SecretId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a KindName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<&'a [RoleName]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<&'a PermissionName>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    retiring: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Fingerprint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'a PolicyName>,
    revision: u64,
    seq: u64,
}

impl<'a> AuditEvent<'a> {
    /// The event of a decision by a gateway in `mode`; `seq` is the number of the event.
    pub fn of(
        decision: &'a Decision<'_>,
        head: &'a RequestHead<'_>,
        circumstances: Circumstances<'a>,
        policy: &'a Policy,
        mode: Mode,
        seq: u64,
    ) -> Self {
        let subject = decision.subject();
        let (outcome, rule, fingerprint) = match decision {
            Decision::Permit(_) => ("permit", None, None),
            Decision::Deny(deny) => ("deny", deny.rule, deny.fingerprint),
        };
        Self {
            v: FORMAT_VERSION,
            ts: circumstances.now,
            event: "decision",
            decision: outcome,
            reason: decision.reason(),
            rule,
            mode: if decision.is_tried() { Mode::Shadow } else { mode },
            request_id: text(head.request_id, MAX_REQUEST_ID),
            method: text(head.method, MAX_METHOD),
            host: text(head.authority, MAX_HOST),
            path: path(head),
            source: text(circumstances.source.text(), MAX_HOST),
            token: subject.map(|subject| subject.token()),
            secret: subject.map(|subject| subject.secret()),
            kind: subject.map(|subject| subject.kind()),
            roles: subject.map(|subject| subject.roles()),
            permission: decision.permission(),
            retiring: subject.is_some_and(|subject| subject.retiring()),
            fingerprint,
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

/// The canonical path, or what came in before any query where there is none.
fn path<'a>(head: &'a RequestHead<'_>) -> Cow<'a, str> {
    match &head.path {
        Ok(path) => text(path.as_str().as_bytes(), MAX_PATH),
        Err(_) => {
            let end = head.target.iter().position(|byte| matches!(byte, b'?' | b'#'));
            text(head.target.get(..end.unwrap_or(head.target.len())).unwrap_or_default(), MAX_PATH)
        }
    }
}

const MAX_REQUEST_ID: usize = 128;
const MAX_METHOD: usize = 32;
const MAX_PATH: usize = 1_024;
