//! How a replaced secret ends: it works for a grace period, but never longer than before.

use crate::cli::secret::Retired;
use crate::engine::config::bundle::Secret;
use crate::engine::words::time::{BadSpan, Span, Time};

/// How long a retired secret keeps working: a span, or not at all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grace(Option<Span>);

impl Grace {
    /// Parses the value of `--grace`.
    ///
    /// # Errors
    /// Fails if the value is neither 0 nor a span.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        zero_or_span(text).map(Self).map_err(|error| format!("{error}; 0 is no grace at all"))
    }

    /// Retires the secret, and returns when it ends.
    pub(super) fn retire(self, secret: &mut Secret, now: Time) -> Retired {
        let expires_at = self.end(secret, now);
        (secret.retired_at, secret.expires_at) = (Some(now), Some(expires_at));
        Retired { secret_id: secret.id.clone(), expires_at }
    }

    /// Returns when the secret ends: after its start, and no later than without retiring.
    fn end(self, secret: &Secret, now: Time) -> Time {
        let end = self.0.map_or(now, |span| now.plus(span));
        let end = secret.expires_at.map_or(end, |old| old.min(end));
        secret.life().begins.map_or(end, |start| end.max(start.shifted(1_000)))
    }
}

/// Parses a span that may be 0, with or without a unit. Returns `None` for 0.
///
/// # Errors
/// Fails if the text is neither 0 nor a span.
pub(super) fn zero_or_span(text: &str) -> Result<Option<Span>, BadSpan> {
    if ["0", "0s", "0m", "0h", "0d"].contains(&text) {
        return Ok(None);
    }
    text.parse().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::bundle::from_json;

    #[test]
    fn retired_secret_ends_within_grace_and_lifetime() {
        let now: Time = "2026-03-01T12:00:00Z".parse().unwrap();
        for (span, created, old, end) in [
            ("24h", "2026-02-01T00:00:00Z", "2026-04-01T00:00:00Z", "2026-03-02T12:00:00Z"),
            ("24h", "2026-02-01T00:00:00Z", "2026-03-01T18:00:00Z", "2026-03-01T18:00:00Z"),
            ("0", "2026-02-01T00:00:00Z", "2026-04-01T00:00:00Z", "2026-03-01T12:00:00Z"),
            ("0", "2026-03-01T12:00:00Z", "2026-04-01T00:00:00Z", "2026-03-01T12:00:01Z"),
        ] {
            let sha256 = "1".repeat(64);
            let secret = format!(
                r#"{{ "id": "1", "sha256": "{sha256}", "created_at": "{created}", "expires_at": "{old}" }}"#
            );
            let secret: Secret = from_json(secret.as_bytes()).unwrap();
            let grace = Grace::parse(span).unwrap();
            assert_eq!(String::from(grace.end(&secret, now)), end, "{span} {created} {old}");
        }
    }
}
