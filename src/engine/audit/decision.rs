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
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema), schemars(deny_unknown_fields))]
pub struct AuditEvent<'a> {
    /// Version of the format.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = FORMAT_VERSION)))]
    v: u8,
    /// When the request came: UTC, to the millisecond.
    #[serde(serialize_with = "milliseconds")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Time"))]
    ts: Time,
    /// What happened.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "decision")))]
    event: &'static str,
    /// What was decided.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("enum" = ["permit", "deny"])))]
    decision: &'static str,
    /// Why.
    reason: Reason,
    /// Of a malformed request, the rule that it breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'static str>,
    /// Whether the decision was enforced; `shadow` is only reported.
    mode: Mode,
    /// `x-request-id`, at most 128 bytes.
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: Cow<'a, str>,
    /// The method, at most 32 bytes.
    method: Cow<'a, str>,
    /// The host, at most 255 bytes.
    host: Cow<'a, str>,
    /// The path that was judged, without its query; where there is none, what came in up to the first of `? # & ;`,
    /// percent-encoded or not. At most 1,024 bytes.
    path: Cow<'a, str>,
    /// The address that the request comes from; none where it is unknown.
    #[serde(skip_serializing_if = "str::is_empty")]
    source: Cow<'a, str>,
    /// Id of the token, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a TokenId>,
    /// Id of the token's secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a SecretId>,
    /// Kind of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a KindName>,
    /// Roles of the token, inherited ones included.
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<&'a [RoleName]>,
    /// The permission by which the request may pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<&'a PermissionName>,
    /// True where the secret was rotated away and works only for its overlap.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    retiring: bool,
    /// Of a token that nobody knows: the first 8 hex digits of its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Fingerprint>,
    /// Name of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<&'a PolicyName>,
    /// Revision of the bundle.
    revision: u64,
    /// Number of the event: each VM counts its own from 0 on.
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

/// The canonical path, or what came in where there is none: without what may be a query to some program, or a part of
/// one, and so have a secret in it.
fn path<'a>(head: &'a RequestHead<'_>) -> Cow<'a, str> {
    match &head.path {
        Ok(path) => text(path.as_str().as_bytes(), MAX_PATH),
        Err(_) => {
            let length = head.target.len();
            let end = (0..length).find(|at| head.target.get(*at..).is_some_and(begins_query));
            text(head.target.get(..end.unwrap_or(length)).unwrap_or_default(), MAX_PATH)
        }
    }
}

/// Whether the bytes begin with what divides a path or query, percent-encoded or not.
fn begins_query(bytes: &[u8]) -> bool {
    match bytes {
        [b'?' | b'#' | b'&' | b';', ..] => true,
        [b'%', high, low, ..] => {
            DELIMITERS.iter().any(|delimiter| delimiter.eq_ignore_ascii_case(&[*high, *low]))
        }
        _ => false,
    }
}

/// `#`, `&`, `;` and `?` in hex.
const DELIMITERS: [&[u8]; 4] = [b"23", b"26", b"3B", b"3F"];
const MAX_REQUEST_ID: usize = 128;
const MAX_METHOD: usize = 32;
const MAX_PATH: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::settings::Settings;

    #[test]
    fn of_a_path_that_is_refused_nothing_is_told_that_may_be_a_query() {
        for (target, told) in [
            ("/v1/x;token=secret", "/v1/x"),
            ("/v1/x%3Btoken=secret", "/v1/x"),
            ("/v1/x%3ftoken=secret", "/v1/x"),
            ("/v1/../x?token=secret", "/v1/../x"),
            ("/v1/../x%26token=secret", "/v1/../x"),
            ("/v1/../x&token=secret", "/v1/../x"),
            ("/v1/x%23token=secret", "/v1/x"),
            ("/v1/x#token=secret", "/v1/x"),
            ("//%2", "//%2"),
            ("/v1/%zz%2e", "/v1/%zz%2e"),
            ("", ""),
            // One that has a reading is told in full.
            ("/v1/x&y", "/v1/x&y"),
        ] {
            let headers = [(&b":path"[..], target.as_bytes())];
            let head = RequestHead::read(headers.into_iter(), &Settings::default());
            assert_eq!(path(&head), told, "{target}");
        }
    }
}
