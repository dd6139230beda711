//! A token's renewal: its new secret, and the outcome.

use serde::Serialize;
use serde_json::json;

use crate::cli::dry_run::Writing;
use crate::cli::failure::Failure;
use crate::cli::renew::shell::Ended;
use crate::cli::secret::{NewSecret, Retired};
use crate::cli::secret_state::State;
use crate::cli::{Format, output};
use crate::engine::config::bundle::{Registry, Secret, Token};
use crate::engine::words::name::TokenId;
use crate::engine::words::time::Time;

/// A token, its new secret, and the outcome.
pub(super) struct Renewal {
    pub(super) token: TokenId,
    pub(super) secret: NewSecret,
    pub(super) outcome: Outcome,
}

/// The outcome for a new secret.
pub(super) enum Outcome {
    /// The registry has the digest.
    Minted,
    /// The client has the secret; these secrets are retired.
    Renewed(Vec<Retired>),
    /// No command received the secret, and why.
    Unused(Unused),
    /// The delivery command reports that the client does not have the secret.
    Undelivered(String),
    /// The delivery command was killed, so the client may have the secret.
    Unclear(String),
}

/// Why no delivery command received a secret.
pub(super) enum Unused {
    /// The shipping command failed.
    NotShipped(String),
    /// A signal asked the run to stop.
    Stopped,
    /// Another command retired, revoked or removed the secret or its token.
    Overtaken,
}

/// A renewal as shown in JSON.
#[derive(Serialize)]
struct Shown<'r> {
    token: &'r TokenId,
    result: &'static str,
    secret_id: String,
    expires_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<&'r [Retired]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Renewal {
    /// Whether the registry still has the new secret, and it works.
    pub(super) fn is_wanted(&self, registry: &Registry, now: Time) -> bool {
        let Some(token) = registry.tokens.get(&self.token) else { return false };
        let entry = token.secrets.iter().find(|secret| self.is_own(secret));
        entry.is_some_and(|entry| State::of(token, entry, now) == State::Active)
    }

    /// Whether the entry belongs to the new secret.
    pub(super) fn is_own(&self, secret: &Secret) -> bool {
        secret.id == self.secret.entry.id && secret.sha256 == self.secret.entry.sha256
    }

    /// Returns the environment variables that the delivery command gets in addition to the secret.
    pub(super) fn variables(&self) -> [(&'static str, String); 3] {
        let end = self.secret.entry.expires_at.map(String::from).unwrap_or_default();
        [
            ("TOKENWARD_TOKEN", self.token.to_string()),
            ("TOKENWARD_SECRET_ID", self.secret.entry.id.to_string()),
            ("TOKENWARD_EXPIRES_AT", end),
        ]
    }

    /// Records how the delivery ended.
    pub(super) fn delivered(&mut self, ended: Ended) {
        self.outcome = match ended {
            Ended::Done => Outcome::Renewed(Vec::new()),
            Ended::Failed(why) => Outcome::Undelivered(why),
            Ended::Killed(why) => Outcome::Unclear(why),
        };
    }

    /// Whether the client has the secret that it needs, as far as this run knows.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.outcome, Outcome::Minted | Outcome::Renewed(_) | Outcome::Unused(Unused::Overtaken))
    }

    /// Reports the outcome.
    pub(super) fn report(&self, now: Time, writing: Writing, format: Format) {
        let (token, id) = (&self.token, &self.secret.entry.id);
        match &self.outcome {
            Outcome::Minted => output::done(&writing.describe(&format!("{} is minted", self.name(now)))),
            Outcome::Renewed(retired) => {
                output::done(&format!("{} is delivered", self.name(now)));
                for Retired { secret_id, expires_at } in retired {
                    let (time, far) = (String::from(*expires_at), expires_at.from_now(now));
                    output::done(&format!(
                        "secret `{secret_id}` of token `{token}` is retired: it works until {time} ({far})"
                    ));
                }
            }
            Outcome::Unused(Unused::Overtaken) => output::done(&format!(
                "token `{token}` was changed meanwhile: its new secret `{id}` is not delivered"
            )),
            Outcome::Unused(_) | Outcome::Undelivered(_) | Outcome::Unclear(_) => {
                self.failure().iter().for_each(output::failure);
            }
        }
        if format == Format::Json {
            output::json(&writing.report(&self.shown()));
        }
    }

    fn name(&self, now: Time) -> String {
        let (token, entry) = (&self.token, &self.secret.entry);
        let end = entry.expires_at.map(|end| format!(", which ends {},", end.from_now(now)));
        format!("secret `{}` of token `{token}`{}", entry.id, end.unwrap_or_default())
    }

    /// Returns why the token is not renewed, and the consequences.
    fn failure(&self) -> Option<Failure> {
        let (token, id) = (&self.token, &self.secret.entry.id);
        let (message, hint) = match &self.outcome {
            Outcome::Minted | Outcome::Renewed(_) | Outcome::Unused(Unused::Overtaken) => return None,
            Outcome::Unused(Unused::NotShipped(why)) => (
                format!("token `{token}` is not renewed: the shipping command failed ({why})"),
                format!(
                    "no client got secret `{id}`, and the registry no longer has it; the old secrets are as they were"
                ),
            ),
            Outcome::Unused(Unused::Stopped) => (
                format!("token `{token}` is not renewed: a signal stopped the run"),
                format!(
                    "no client got secret `{id}`, and the registry no longer has it; the old secrets are as they were"
                ),
            ),
            Outcome::Undelivered(why) => (
                format!("token `{token}` is not renewed: the delivery command failed ({why})"),
                format!("secret `{id}` is revoked; the old secrets are as they were"),
            ),
            Outcome::Unclear(why) => (
                format!(
                    "token `{token}` may be renewed or not: the delivery command did not end by itself ({why})"
                ),
                format!("secret `{id}` works, and so do the old secrets; the next run replaces `{id}`"),
            ),
        };
        Some(Failure::new(message).hint(hint))
    }

    fn shown(&self) -> Shown<'_> {
        let (result, retired) = match &self.outcome {
            Outcome::Minted => ("minted", None),
            Outcome::Renewed(retired) => ("renewed", Some(retired.as_slice())),
            Outcome::Unused(Unused::NotShipped(_)) => ("not_shipped", None),
            Outcome::Unused(Unused::Stopped) => ("stopped", None),
            Outcome::Unused(Unused::Overtaken) => ("overtaken", None),
            Outcome::Undelivered(_) => ("not_delivered", None),
            Outcome::Unclear(_) => ("unclear", None),
        };
        let entry = &self.secret.entry;
        Shown {
            token: &self.token,
            result,
            secret_id: entry.id.to_string(),
            expires_at: entry.expires_at,
            retired,
            error: self.failure().map(|failure| failure.message),
        }
    }
}

/// A due token for which no secret could be minted.
pub(super) struct Unminted {
    pub(super) token: TokenId,
    pub(super) why: Failure,
}

impl Unminted {
    /// Reports it.
    pub(super) fn report(&self, writing: Writing, format: Format) {
        let message = format!("token `{}` is not renewed: {}", self.token, self.why.message);
        if format == Format::Json {
            let shown = json!({ "token": self.token, "result": "not_minted", "error": message });
            output::json(&writing.report(&shown));
        }
        output::failure(&Failure { hint: self.why.hint.clone(), ..Failure::new(message) });
    }
}

/// Returns the secrets of `token` that the new one at `position` replaces: earlier secrets that were due, or that an
/// earlier run did not deliver.
pub(super) fn replaced(token: &Token, position: usize, limit: Time, now: Time) -> Vec<usize> {
    let before = token.secrets.iter().take(position).enumerate();
    let replaced = before.filter(|(_, secret)| {
        let ends = secret.undelivered || secret.expires_at.is_some_and(|end| end <= limit);
        ends && State::of(token, secret, now) == State::Active
    });
    replaced.map(|(position, _)| position).collect()
}
