//! The event of a request: the decision, and its reason.

use std::borrow::Cow;

use serde::Serialize;

use crate::engine::config::settings::Mode;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::decision::{Circumstances, Decision};
use crate::engine::policy::sent::Sent;
use crate::engine::policy::sent::text::{json_width, share, width};
use crate::engine::report::audit::{Line, MAX_HOST, MAX_SOURCE, MAX_STRANGERS_LINE, Version, text};
use crate::engine::report::chain::MAX_SEAL;
use crate::engine::request::head::{RequestHead, Seen};
use crate::engine::request::rule::Rule;
use crate::engine::words::address::Source;
use crate::engine::words::name::{KindName, PermissionName, RoleName, SecretId, TokenId};
use crate::engine::words::reason::Reason;
use crate::engine::words::secret::Fingerprint;
use crate::engine::words::time::Time;

/// The event of one request. Without a known token the line has at most 512 bytes, so text from the caller may be cut
/// shorter than the fields say. `<c3a9>` is bytes in hex, `<hidden>` is a secret or user information, and `<+7>` at
/// the end means that 7 more bytes were sent.
#[derive(Debug, Serialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(schemars::JsonSchema))]
pub struct AuditEvent<'a> {
    /// The kind of event.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("const" = "decision")))]
    event: &'static str,
    /// The decision.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(extend("enum" = ["permit", "deny"])))]
    decision: &'static str,
    /// The reason of the decision.
    reason: Reason,
    /// The rule that a malformed request breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(with = "Option<String>"))]
    rule: Option<Rule>,
    /// Whether the decision was enforced. In `shadow` it is only reported.
    mode: Mode,
    /// `x-request-id`, at most 128 bytes.
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: Cow<'a, str>,
    /// The method, at most 32 bytes.
    method: Cow<'a, str>,
    /// The host, at most 255 bytes.
    host: Cow<'a, str>,
    /// The path that was judged, without its query. If the path is malformed: the received path up to the first of
    /// `? # & ;`, percent-encoded or not. At most 1,024 bytes.
    path: Cow<'a, str>,
    /// The source address; omitted if it is unknown.
    #[serde(skip_serializing_if = "str::is_empty")]
    source: Cow<'a, str>,
    /// Id of the token, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a TokenId>,
    /// Id of the token's secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a SecretId>,
    /// Kind of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a KindName>,
    /// Roles of the token, including inherited ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<&'a [RoleName]>,
    /// The permission that permits the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<&'a PermissionName>,
    /// True if the secret was rotated out and still works during its overlap.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    retiring: bool,
    /// The first 8 hex digits of the digest of an unknown token.
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Fingerprint>,
    /// Where a request without a token may have a credential that the gateway does not accept there. The names come
    /// from a fixed list, never from the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<Seen>,
    #[serde(flatten)]
    version: Version<'a>,
}

impl<'a> AuditEvent<'a> {
    /// The event of a decision by a gateway in `mode`.
    pub fn of(
        decision: &'a Decision<'_>,
        head: &'a RequestHead<'_>,
        circumstances: Circumstances<'a>,
        policy: &'a Policy,
        mode: Mode,
    ) -> Self {
        let subject = decision.subject();
        let (outcome, rule, fingerprint) = match decision {
            Decision::Permit(_) => ("permit", None, None),
            Decision::Deny(deny) => ("deny", deny.rule, deny.fingerprint),
        };
        let bare = Self {
            event: "decision",
            decision: outcome,
            reason: decision.reason(),
            rule,
            mode: if decision.is_shadow() { Mode::Shadow } else { mode },
            request_id: Cow::Borrowed(""),
            method: Cow::Borrowed(""),
            host: Cow::Borrowed(""),
            path: Cow::Borrowed(""),
            source: Cow::Borrowed(""),
            token: subject.map(|subject| subject.token()),
            secret: subject.map(|subject| subject.secret()),
            kind: subject.map(|subject| subject.kind()),
            roles: subject.map(|subject| subject.roles()),
            permission: decision.permission(),
            retiring: subject.is_some_and(|subject| subject.retiring()),
            fingerprint,
            seen: head.seen.filter(|_| decision.reason() == Reason::MissingToken),
            version: Version::of(policy),
        };
        let sent = Texts::of(head, circumstances.source, policy);
        let widths = if subject.is_some() { Widths::MOST } else { sent.widths(&bare, circumstances.now) };
        Self {
            request_id: text(&sent.request_id, widths.request_id),
            method: text(&sent.method, widths.method),
            host: text(&sent.host, widths.host),
            path: text(&sent.path, widths.path),
            source: text(&sent.source, widths.source),
            ..bare
        }
    }
}

/// The caller's text, as far as an event shows it.
struct Texts<'a> {
    request_id: Sent<'a>,
    method: Sent<'a>,
    host: Sent<'a>,
    path: Sent<'a>,
    source: Sent<'a>,
}

impl<'a> Texts<'a> {
    fn of(head: &'a RequestHead<'_>, source: Source<'a>, policy: &Policy) -> Self {
        let most = Widths::MOST;
        Self {
            request_id: Sent::new(head.request_id, most.request_id, policy),
            method: Sent::new(head.method, most.method, policy),
            host: Sent::new(head.authority, most.host, policy),
            path: Sent::path(path(head), head.raw_path, most.path, policy),
            source: Sent::new(source.text(), most.source, policy),
        }
    }

    /// The lengths of the texts that keep the line of a `bare` event, with its chain, within the limit for unknown
    /// callers. The source address is kept whole; the other texts share the rest.
    fn widths(&self, bare: &AuditEvent<'_>, now: Time) -> Widths {
        // Use the longest number, so that the number of earlier events does not change where a text is cut.
        let bare = Line::new(bare, now, u64::MAX);
        let members = [(&self.request_id, REQUEST_ID), (&self.source, SOURCE)];
        let present = members.iter().filter(|(sent, _)| !sent.is_empty());
        let frame = present.fold(json_width(&bare), |sum, (_, member)| sum.saturating_add(member.len()));
        let source = MAX_ADDRESS;
        let taken = frame.saturating_add(MAX_SEAL).saturating_add(width(&self.source, source));
        let most = Widths::MOST;
        let widths = [
            width(&self.request_id, most.request_id),
            width(&self.method, most.method),
            width(&self.host, most.host),
            width(&self.path, most.path),
        ];
        let share = share(widths, MAX_STRANGERS_LINE.saturating_sub(taken));
        Widths {
            request_id: share.min(most.request_id),
            method: share.min(most.method),
            host: share.min(most.host),
            path: share.min(most.path),
            source,
        }
    }
}

/// Maximum lengths of the texts of an event, in bytes.
struct Widths {
    request_id: usize,
    method: usize,
    host: usize,
    path: usize,
    source: usize,
}

impl Widths {
    /// The lengths if the token is known.
    const MOST: Self = Self { request_id: 128, method: 32, host: MAX_HOST, path: 1_024, source: MAX_SOURCE };
}

/// The canonical path, or the received one if it is malformed. Parts that some program may read as a query are
/// removed, because they may contain a secret.
fn path<'a>(head: &'a RequestHead<'_>) -> &'a [u8] {
    match &head.path {
        Ok(path) => path.as_str().as_bytes(),
        Err(_) => {
            let length = head.raw_path.len();
            let end = (0..length).find(|at| head.raw_path.get(*at..).is_some_and(begins_query));
            head.raw_path.get(..end.unwrap_or(length)).unwrap_or_default()
        }
    }
}

/// Whether the bytes start with a delimiter of a path or query, percent-encoded or not.
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
/// The text around a request id, and around an address. An empty one is omitted with this text.
const REQUEST_ID: &str = "\"request_id\":\"\",";
const SOURCE: &str = "\"source\":\"\",";
/// Length of the longest IPv6 address (RFC 4291 §2.2), in bytes.
const MAX_ADDRESS: usize = 45;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::settings::Settings;

    #[test]
    fn rejected_path_is_logged_without_its_query() {
        for (target, shown) in [
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
            // A well-formed path is logged in full.
            ("/v1/x&y", "/v1/x&y"),
        ] {
            let headers = [(&b":path"[..], target.as_bytes())];
            let head = RequestHead::read(headers.into_iter(), &Settings::default());
            assert_eq!(path(&head), shown.as_bytes(), "{target}");
        }
    }
}
