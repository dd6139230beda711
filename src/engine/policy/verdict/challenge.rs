//! The challenges of a reply: the schemes with which a caller may authenticate.

use std::fmt::Write as _;

use crate::engine::config::credentials::CredentialSource;
use crate::engine::config::settings::Settings;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::decision::Deny;
use crate::engine::policy::verdict::Outside;

/// The challenges (RFC 9110 §11.6.1) for a reason. A 401 gets one for each scheme that the gateway accepts. If the
/// gateway accepts no scheme, the challenge of RFC 6750 §3 takes their place, because a 401 needs one.
pub(super) fn challenges(
    deny: &Deny<'_>,
    outside: &Outside,
    policy: &Policy,
    settings: &Settings,
) -> Vec<String> {
    if outside.status != 401 {
        return outside.error.map(|_| bearer_challenge(deny, outside, policy)).into_iter().collect();
    }
    let taken = || settings.credentials.iter().filter_map(CredentialSource::challenge);
    let others: Vec<&str> = taken().filter(|scheme| !is_bearer(scheme)).collect();
    let by_bearer = others.is_empty() || taken().any(is_bearer);
    let bearer = by_bearer.then(|| bearer_challenge(deny, outside, policy));
    bearer.into_iter().chain(others.iter().map(|scheme| format!("{scheme} {}", realm(policy)))).collect()
}

fn is_bearer(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("Bearer")
}

fn realm(policy: &Policy) -> String {
    format!("realm=\"{}\"", policy.name().map_or("", |name| name.as_str()))
}

/// The challenge of RFC 6750 §3.
fn bearer_challenge(deny: &Deny<'_>, outside: &Outside, policy: &Policy) -> String {
    let mut challenge = format!("Bearer {}", realm(policy));
    if let Some(error) = outside.error {
        let _ = write!(challenge, ", error=\"{error}\"");
    }
    if !deny.sufficient.is_empty() {
        let scope: Vec<&str> = deny.sufficient.iter().map(|name| name.as_str()).collect();
        let _ = write!(challenge, ", scope=\"{}\"", scope.join(" "));
    }
    challenge
}
