//! The audit event: one line of JSON for each request.
//!
//! In: the head, the decision and where the request came from. Out: an [`AuditEvent`] that never holds a
//! secret, a whole digest or a query, and whose length is bounded whatever the request was.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Serialize;

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

/// That a configuration is in force: the event of a new policy.
#[derive(Debug, Serialize)]
pub struct ConfiguredEvent<'a> {
    v: u8,
    #[serde(serialize_with = "milliseconds")]
    ts: Time,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'a PolicyName>,
    revision: u64,
    tokens: usize,
}

impl<'a> ConfiguredEvent<'a> {
    /// The event of a policy that is now in force.
    pub fn of(policy: &'a Policy, now: Time) -> Self {
        Self {
            v: FORMAT_VERSION,
            ts: now,
            event: "configured",
            bundle: policy.name(),
            revision: policy.revision(),
            tokens: policy.token_count(),
        }
    }

    /// The event as one line of JSON.
    pub fn to_json(&self) -> String {
        line(self)
    }
}

/// A value as one line of JSON in ASCII: what some reader takes for the end of a line, or a terminal for a
/// command (U+0085, U+2028, U+009B), is escaped like everything beyond ASCII (RFC 8259 §7).
fn line(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii() && byte != DELETE;
    if json.bytes().all(plain) {
        return json;
    }
    let mut line = String::with_capacity(json.len().saturating_mul(2));
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if plain(byte) => line.push(char::from(byte)),
            Ok(_) | Err(_) => {
                let _ = write!(line, "\\u{unit:04x}");
            }
        }
    }
    line
}

fn milliseconds<S: serde::Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
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

/// At most `limit` bytes as text, what is not UTF-8 replaced.
fn text(bytes: &[u8], limit: usize) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.get(..limit).unwrap_or(bytes))
}

const DELETE: u8 = 0x7F;
const FORMAT_VERSION: u8 = 1;
const MAX_REQUEST_ID: usize = 128;
const MAX_METHOD: usize = 32;
const MAX_HOST: usize = 255;
const MAX_PATH: usize = 1_024;
