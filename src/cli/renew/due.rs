//! Which tokens are due: tokens whose newest secret ends soon, or ended recently.

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::registry;
use crate::cli::token_options::unknown;
use crate::engine::config::bundle::{PolicyDocument, Registry, Secret, Token};
use crate::engine::words::name::{KindName, TokenId};
use crate::engine::words::time::{Span, Time};

/// Which tokens are renewed.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub(super) struct Choice {
    /// Renew tokens whose newest secret ends within this span, as in 8h
    #[arg(long, value_name = "SPAN")]
    pub(super) expiring: Span,
    /// Renew also tokens whose newest secret ended at most this long ago
    #[arg(long, value_name = "SPAN", default_value = "7d")]
    lapsed: Span,
    /// Renew only this token; may be repeated
    #[arg(long = "token", value_name = "ID")]
    tokens: Vec<TokenId>,
    /// Renew only tokens of this kind
    #[arg(long)]
    kind: Option<KindName>,
}

/// A token that is due.
pub(super) struct Due<'r> {
    pub(super) id: &'r TokenId,
    pub(super) token: &'r Token,
    /// The secret that ends soon.
    pub(super) newest: &'r Secret,
}

/// Whether a token is due.
enum Need<'r> {
    Due(&'r Secret),
    /// The token is not due, and why.
    None(String),
}

impl Choice {
    /// Rejects names that the registry or the policy does not have.
    ///
    /// # Errors
    /// Fails with each unknown name, and lists the known ones.
    pub(super) fn check(&self, policy: &PolicyDocument, registry: &Registry) -> Result<(), Vec<Failure>> {
        let strange = self.tokens.iter().filter_map(|id| registry::token(registry, id).err());
        let kinds: Vec<&str> = policy.kinds.iter().map(|(name, _)| name.as_str()).collect();
        let kind = self.kind.iter().filter(|kind| !kinds.contains(&kind.as_str()));
        let failures: Vec<Failure> =
            strange.chain(kind.map(|kind| unknown("kind", kind.as_str(), &kinds))).collect();
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    /// Returns the due tokens, in the order of the registry.
    pub(super) fn due<'r>(&self, registry: &'r Registry, now: Time) -> Vec<Due<'r>> {
        let chosen = registry.tokens.iter().filter(|(id, token)| self.has(id, token));
        let due = chosen.filter_map(|(id, token)| match self.need(token, now) {
            Need::Due(newest) => Some(Due { id, token, newest }),
            Need::None(_) => None,
        });
        due.collect()
    }

    /// Returns why tokens that `--token` names are not due.
    pub(super) fn passed_over(&self, registry: &Registry, now: Time) -> Vec<String> {
        let named = registry.tokens.iter().filter(|(id, _)| self.tokens.contains(id));
        let reasons = named.filter_map(|(id, token)| match self.need(token, now) {
            Need::None(why) if self.has(id, token) => Some(format!("token `{id}` is not renewed: {why}")),
            Need::None(_) | Need::Due(_) => None,
        });
        reasons.collect()
    }

    fn has(&self, id: &TokenId, token: &Token) -> bool {
        let is_named = self.tokens.is_empty() || self.tokens.contains(id);
        is_named && self.kind.as_ref().is_none_or(|kind| *kind == token.kind)
    }

    fn need<'r>(&self, token: &'r Token, now: Time) -> Need<'r> {
        if token.revoked_at.is_some() {
            return Need::None("it is revoked".to_owned());
        }
        // If an earlier run was killed, it may have delivered this secret.
        let pending = newest(token, |secret| secret.undelivered && !is_over(secret, now));
        let Some(newest) = newest(token, |secret| !secret.undelivered).or(pending) else {
            return Need::None("it has no secret that is neither retired nor revoked".to_owned());
        };
        let Some(end) = newest.expires_at else {
            return Need::None("its newest secret never ends".to_owned());
        };
        let words = end.from_now(now);
        if pending.is_none() && end.plus(self.lapsed) < now {
            return Need::None(format!("its newest secret ended {words}, longer ago than `--lapsed`"));
        }
        if end > now.plus(self.expiring) && !newest.undelivered {
            return Need::None(format!("its newest secret ends {words}"));
        }
        Need::Due(newest)
    }
}

/// Returns the newest secret that is neither retired nor revoked.
fn newest(token: &Token, wanted: impl Fn(&Secret) -> bool) -> Option<&Secret> {
    let kept = |secret: &&Secret| secret.retired_at.is_none() && secret.revoked_at.is_none();
    token.secrets.iter().filter(kept).filter(|secret| wanted(secret)).max_by_key(|secret| secret.created_at)
}

fn is_over(secret: &Secret, now: Time) -> bool {
    secret.expires_at.is_some_and(|end| end <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::bundle::from_json;

    #[test]
    fn newest_delivered_secret_decides() {
        let choice = Choice {
            expiring: "8h".parse().unwrap(),
            lapsed: "7d".parse().unwrap(),
            tokens: Vec::new(),
            kind: None,
        };
        for (secrets, due) in [
            (&[("1", "02T00", "05T08", "")][..], Some("1")),
            (&[("1", "02T00", "05T09", "")], None),
            (&[("1", "02T00", "04T00", "")], Some("1")),
            (&[("1", "02T00", "05T08", "retired_at")], None),
            (&[("1", "02T00", "05T08", "revoked_at")], None),
            // An older secret may belong to another client.
            (&[("1", "01T00", "20T00", ""), ("2", "02T00", "05T08", "")], Some("2")),
            (&[("1", "02T00", "05T08", ""), ("2", "03T00", "06T08", "")], None),
            // A secret left behind by an earlier run does not prevent a renewal.
            (&[("1", "02T00", "05T08", ""), ("2", "03T00", "06T08", "undelivered")], Some("1")),
            (&[("1", "02T00", "05T09", ""), ("2", "03T00", "06T08", "undelivered")], None),
            (&[("1", "02T00", "05T08", "revoked_at"), ("2", "03T00", "06T08", "undelivered")], Some("2")),
        ] {
            let now = "2026-03-05T00:00:00Z".parse().unwrap();
            let entries = secrets.iter().map(|(id, created, end, mark)| entry(id, created, end, mark));
            let entries: Vec<String> = entries.collect();
            let token = format!(r#"{{ "kind": "tool", "secrets": [{}] }}"#, entries.join(","));
            let token: Token = from_json(token.as_bytes()).unwrap();
            let found = match choice.need(&token, now) {
                Need::Due(secret) => Some(secret.id.as_str()),
                Need::None(_) => None,
            };
            assert_eq!(found, due, "{secrets:?}");
        }
    }

    fn entry(id: &str, created: &str, end: &str, mark: &str) -> String {
        let mark = match mark {
            "" => String::new(),
            "undelivered" => r#", "undelivered": true"#.to_owned(),
            time => format!(r#", "{time}": "2026-03-04T00:00:00Z""#),
        };
        format!(
            r#"{{ "id": "{id}", "sha256": "{id:0>64}", "created_at": "2026-03-{created}:00:00Z",
                 "expires_at": "2026-03-{end}:00:00Z"{mark} }}"#
        )
    }
}
