//! The verdict: what the filter does with a request after the decision.
//!
//! In: a [`Decision`]. Out: the changes before forwarding, or a complete reply. Forwarding needs a [`Permit`], or a
//! deny that is only reported because its gateway or a role is in shadow mode.

use std::borrow::Cow;

use serde::Serialize;

use crate::engine::config::settings::{Mode, Settings};
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::decision::{Decision, Deny, Permit, Subject, Wait};
use crate::engine::policy::sent::Sent;
use crate::engine::policy::sent::text::text;
use crate::engine::policy::verdict::challenge::challenges;
use crate::engine::request::head::RequestHead;
use crate::engine::words::name::PermissionName;
use crate::engine::words::rate::Quota;
use crate::engine::words::reason::Reason;

mod challenge;

/// What the filter must do. It has no `Debug`, because a forwarded path includes its query.
#[must_use]
pub enum Verdict<'a> {
    /// Forward the request with these changes.
    Forward(Forward<'a>),
    /// Forward the request although it is denied; the denial is only reported.
    ForwardInShadow(Forward<'a>),
    /// Reply to the request.
    Reply(Reply),
}

/// The changes to a request before it is forwarded.
pub struct Forward<'a> {
    /// Headers to remove.
    pub remove: Vec<&'a [u8]>,
    /// Headers to set after that.
    pub set: Vec<(&'a str, Cow<'a, [u8]>)>,
    /// Headers to add. The request no longer has headers with these names, because `remove` lists them.
    pub add: Vec<(&'a str, Cow<'a, [u8]>)>,
    /// Headers to add to the response.
    pub response: Vec<(&'static str, String)>,
}

/// A reply instead of the upstream's response.
pub struct Reply {
    /// HTTP status.
    pub status: u32,
    /// Response code details for Envoy's access log: `tokenward_<reason>`.
    pub details: String,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body: an RFC 9457 problem.
    pub body: String,
    /// gRPC status, if the caller uses gRPC.
    pub grpc_status: Option<u32>,
}

impl<'a> Verdict<'a> {
    /// The verdict on a request.
    pub fn of(
        decision: &Decision<'a>,
        head: &'a RequestHead<'_>,
        policy: &Policy,
        settings: &'a Settings,
    ) -> Self {
        if settings.mode == Mode::Shadow {
            return match decision {
                Decision::Permit(permit) => {
                    Self::Forward(Forward::untouched(permit.subject(), permit.permission(), head, settings))
                }
                Decision::Deny(_) => Self::ForwardInShadow(Forward::untouched(None, None, head, settings)),
            };
        }
        match decision {
            Decision::Permit(permit) => Self::Forward(Forward::permitted(permit, head, policy, settings)),
            Decision::Deny(Deny { shadow: true, subject, .. }) => {
                let forward = Forward::of(subject.as_ref(), None, head, settings);
                Self::ForwardInShadow(forward.with_judged_host(head, policy))
            }
            Decision::Deny(deny) => Self::Reply(Reply::of(deny, head, policy, settings)),
        }
    }

    /// The HTTP status, if the filter replies.
    pub fn status(&self) -> Option<u32> {
        match self {
            Self::Forward(_) | Self::ForwardInShadow(_) => None,
            Self::Reply(reply) => Some(reply.status),
        }
    }
}

impl<'a> Forward<'a> {
    /// The changes to a permitted request at an enforcing gateway: one reading, no credential.
    fn permitted(
        permit: &Permit<'a>,
        head: &'a RequestHead<'_>,
        policy: &Policy,
        settings: &'a Settings,
    ) -> Self {
        let forward = Self::of(permit.subject(), permit.permission(), head, settings);
        let forward = forward.with_judged_host(head, policy);
        let fields =
            |quota: Quota| vec![("ratelimit-policy", quota.policy_field()), ("ratelimit", quota.field())];
        Self { response: permit.quota().map(fields).unwrap_or_default(), ..forward }
    }

    fn of(
        subject: Option<&Subject<'a>>,
        permission: Option<&PermissionName>,
        head: &'a RequestHead<'_>,
        settings: &'a Settings,
    ) -> Self {
        let mut forward = Self::untouched(subject, permission, head, settings);
        let cleaning = &head.cleaning;
        forward.remove.extend(&cleaning.overrides);
        let mut query = None;
        if !settings.forward_credential {
            forward.remove.extend(&cleaning.credentials);
            query = cleaning.query.as_deref();
            match cleaning.cookie.as_deref() {
                Some([]) => forward.remove.push(b"cookie"),
                Some(cookie) => forward.set.push(("cookie", Cow::Borrowed(cookie))),
                None => {}
            }
        }
        let path = head.path.as_ref().ok().and_then(|path| path.rewritten(query));
        forward.set.extend(path.map(|path| (":path", Cow::Owned(path))));
        forward
    }

    /// Sets the authority that was judged: Envoy chooses the virtual host again by it.
    fn with_judged_host(mut self, head: &'a RequestHead<'_>, policy: &Policy) -> Self {
        let Ok(host) = &head.host else { return self };
        let authority = host.rewritten(head.authority, policy.ports());
        if head.repeats_host {
            self.set.push(("host", authority.clone().unwrap_or(Cow::Borrowed(head.authority))));
        }
        self.set.extend(authority.map(|authority| (":authority", authority)));
        self
    }

    /// The changes in shadow mode: only tokenward's own headers, because the upstream still makes its own checks.
    fn untouched(
        subject: Option<&Subject<'a>>,
        permission: Option<&PermissionName>,
        head: &'a RequestHead<'_>,
        settings: &'a Settings,
    ) -> Self {
        let names = &settings.identity_headers;
        let add = subject.map(|subject| {
            let token = Cow::Borrowed(subject.token().as_str().as_bytes());
            let identity = Cow::Owned(identity(subject, permission).into_bytes());
            vec![(names.token.as_str(), token), (names.identity.as_str(), identity)]
        });
        Self {
            remove: head.cleaning.forged.clone(),
            set: Vec::new(),
            add: add.unwrap_or_default(),
            response: Vec::new(),
        }
    }
}

/// The identity as an RFC 9651 dictionary; names need no escaping.
fn identity(subject: &Subject<'_>, permission: Option<&PermissionName>) -> String {
    let mut identity = String::with_capacity(128);
    identity.push_str("kind=");
    identity.push_str(subject.kind().as_str());
    identity.push_str(", roles=(");
    for (position, role) in subject.roles().iter().enumerate() {
        if position > 0 {
            identity.push(' ');
        }
        identity.push_str(role.as_str());
    }
    identity.push(')');
    if let Some(permission) = permission {
        identity.push_str(", permission=\"");
        identity.push_str(permission.as_str());
        identity.push('"');
    }
    identity
}

/// The body of a reply (RFC 9457).
#[derive(Serialize)]
struct ProblemDetails<'a> {
    r#type: String,
    title: &'static str,
    status: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_id: Cow<'a, str>,
}

impl Reply {
    /// The reply if the host did not make the changes that a permitted request needs.
    #[cold]
    pub fn unchangeable() -> Self {
        Self {
            status: 503,
            details: "tokenward_unchangeable".to_owned(),
            headers: Vec::new(),
            body: String::new(),
            grpc_status: None,
        }
    }

    #[cold]
    fn of(deny: &Deny<'_>, head: &RequestHead<'_>, policy: &Policy, settings: &Settings) -> Self {
        let outside = Outside::of(deny.reason);
        let challenges = challenges(deny, &outside, policy, settings);
        let mut headers: Vec<(&'static str, String)> =
            challenges.into_iter().map(|challenge| ("www-authenticate", challenge)).collect();
        match deny.wait {
            Some(Wait::Quota(quota)) => {
                headers.push(("retry-after", quota.reset().to_string()));
                headers.push(("ratelimit-policy", quota.policy_field()));
                headers.push(("ratelimit", quota.field()));
            }
            Some(Wait::Seconds(seconds)) => headers.push(("retry-after", seconds.to_string())),
            None => {}
        }
        // Envoy turns the body of a gRPC reply into its `grpc-message` and sets the content type itself.
        let body = if head.grpc {
            outside.title.to_owned()
        } else {
            headers.push(("content-type", "application/problem+json".to_owned()));
            problem(&outside, head, policy)
        };
        Self {
            status: outside.status,
            details: format!("tokenward_{}", deny.reason.code()),
            headers,
            body,
            grpc_status: head.grpc.then_some(outside.grpc_status),
        }
    }
}

fn problem(outside: &Outside, head: &RequestHead<'_>, policy: &Policy) -> String {
    let request_id = std::str::from_utf8(head.request_id).ok().filter(|id| id.len() <= MAX_REQUEST_ID);
    let request_id = request_id.map(|id| match Sent::new(id.as_bytes(), MAX_REQUEST_ID, policy) {
        sent if sent.is_open() => Cow::Borrowed(id),
        sent => text(&sent, MAX_REQUEST_ID),
    });
    let problem = ProblemDetails {
        r#type: format!("urn:tokenward:{}", outside.code),
        title: outside.title,
        status: outside.status,
        request_id: request_id.unwrap_or_default(),
    };
    serde_json::to_string(&problem).unwrap_or_default()
}

/// The view of the caller. Unknown, expired and revoked tokens look alike.
struct Outside {
    status: u32,
    grpc_status: u32,
    code: &'static str,
    title: &'static str,
    /// Error code of the challenge (RFC 6750 §3.1), if any.
    error: Option<&'static str>,
}

impl Outside {
    fn of(reason: Reason) -> Self {
        let (status, grpc_status, code, title, error) = match reason {
            Reason::MalformedRequest => {
                (400, INVALID_ARGUMENT, "malformed_request", "Malformed or ambiguous request", None)
            }
            Reason::MissingToken => (401, UNAUTHENTICATED, "missing_token", "A token is required", None),
            Reason::AmbiguousToken => (
                401,
                UNAUTHENTICATED,
                "invalid_request",
                "More than one credential was given",
                Some("invalid_request"),
            ),
            Reason::UnknownToken
            | Reason::RevokedToken
            | Reason::RetiredSecret
            | Reason::ExpiredToken
            | Reason::NotYetValid
            | Reason::SuspendedToken => {
                (401, UNAUTHENTICATED, "invalid_token", "The token is not valid", Some("invalid_token"))
            }
            Reason::InsufficientScope => (
                403,
                PERMISSION_DENIED,
                "insufficient_scope",
                "The token may not do this",
                Some("insufficient_scope"),
            ),
            Reason::DeniedOperation => {
                (403, PERMISSION_DENIED, "forbidden", "The token may not do this", None)
            }
            Reason::WrongEnvironment
            | Reason::WrongService
            | Reason::SourceNotAllowed
            | Reason::OutsideHours => {
                (403, PERMISSION_DENIED, "forbidden", "The token may not be used here and now", None)
            }
            Reason::SuspendedSource => (
                429,
                RESOURCE_EXHAUSTED,
                "suspended_source",
                "Too many invalid tokens from this address",
                None,
            ),
            Reason::RateLimited => {
                (429, RESOURCE_EXHAUSTED, "rate_limited", "Too many requests with this token", None)
            }
            // A permit has no reply; this one would be the safest.
            Reason::NoPolicy | Reason::Public | Reason::Preflight | Reason::Permitted => {
                (503, UNAVAILABLE, "no_policy", "No active policy", None)
            }
        };
        Self { status, grpc_status, code, title, error }
    }
}

/// gRPC status codes, <https://grpc.io/docs/guides/status-codes/>.
const INVALID_ARGUMENT: u32 = 3;
const PERMISSION_DENIED: u32 = 7;
const RESOURCE_EXHAUSTED: u32 = 8;
const UNAVAILABLE: u32 = 14;
const UNAUTHENTICATED: u32 = 16;

const MAX_REQUEST_ID: usize = 128;
