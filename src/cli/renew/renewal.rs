//! A token's renewal: its new secret, and what became of that.

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

/// A token, its new secret, and what became of it.
pub(super) struct Renewal {
    pub(super) token: TokenId,
    pub(super) secret: NewSecret,
    pub(super) outcome: Outcome,
}

/// What became of a new secret.
pub(super) enum Outcome {
    /// The registry has its digest.
    Minted,
    /// The client has it; these secrets are retired.
    Renewed(Vec<Retired>),
    /// No command got it, and why.
    Unused(Unused),
    /// The delivery command says that the client does not have it.
    Undelivered(String),
    /// The delivery command was killed: the client has it, or not.
    Unclear(String),
}

/// Why no delivery command got a secret.
pub(super) enum Unused {
    /// The shipping command failed.
    NotShipped(String),
    /// A signal asked us to stop.
    Stopped,
    /// Another command retired, revoked or removed it, or its token.
    Overtaken,
}

/// A renewal as JSON shows it.
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
    /// The new secret's entry in a registry, if it is there and works.
    pub(super) fn is_wanted(&self, registry: &Registry, now: Time) -> bool {
        let Some(token) = registry.tokens.get(&self.token) else { return false };
        let entry = token.secrets.iter().find(|secret| self.is_own(secret));
        entry.is_some_and(|entry| State::of(token, entry, now) == State::Active)
    }

    /// Whether the entry is that of the new secret.
    pub(super) fn is_own(&self, secret: &Secret) -> bool {
        secret.id == self.secret.entry.id && secret.sha256 == self.secret.entry.sha256
    }

    /// What the delivery command gets to know, beside the secret.
    pub(super) fn variables(&self) -> [(&'static str, String); 3] {
        let end = self.secret.entry.expires_at.map(String::from).unwrap_or_default();
        [
            ("TOKENWARD_TOKEN", self.token.to_string()),
            ("TOKENWARD_SECRET_ID", self.secret.entry.id.to_string()),
            ("TOKENWARD_EXPIRES_AT", end),
        ]
    }

    /// Takes down how the delivery ended.
    pub(super) fn delivered(&mut self, ended: Ended) {
        self.outcome = match ended {
            Ended::Done => Outcome::Renewed(Vec::new()),
            Ended::Failed(why) => Outcome::Undelivered(why),
            Ended::Killed(why) => Outcome::Unclear(why),
        };
    }

    /// Whether the client has what it needs, as far as this run goes.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.outcome, Outcome::Minted | Outcome::Renewed(_) | Outcome::Unused(Unused::Overtaken))
    }

    /// Tells what became of it.
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

    /// Why the token is not renewed, and what that means.
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

/// That a token is due, but no secret could be minted for it.
pub(super) struct Unminted {
    pub(super) token: TokenId,
    pub(super) why: Failure,
}

impl Unminted {
    /// Tells it.
    pub(super) fn report(&self, writing: Writing, format: Format) {
        let message = format!("token `{}` is not renewed: {}", self.token, self.why.message);
        if format == Format::Json {
            let shown = json!({ "token": self.token, "result": "not_minted", "error": message });
            output::json(&writing.report(&shown));
        }
        output::failure(&Failure { hint: self.why.hint.clone(), ..Failure::new(message) });
    }
}

/// The secrets of `token` that the new one at `position` replaces: those before it that were due, or that an earlier run
/// did not deliver.
pub(super) fn replaced(token: &Token, position: usize, limit: Time, now: Time) -> Vec<usize> {
    let before = token.secrets.iter().take(position).enumerate();
    let replaced = before.filter(|(_, secret)| {
        let ends = secret.undelivered || secret.expires_at.is_some_and(|end| end <= limit);
        ends && State::of(token, secret, now) == State::Active
    });
    replaced.map(|(position, _)| position).collect()
}
