//! What a run tells beside the results.

use std::path::Path;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::renew::due::Due;
use crate::cli::renew::renewal::Renewal;
use crate::cli::secret::NewSecret;
use crate::engine::words::time::{Span, Time};

/// How many secrets were minted, and where their digests are.
pub(super) fn described(renewals: &[Renewal], path: &Path) -> String {
    let secrets = if renewals.len() == 1 { "secret" } else { "secrets" };
    format!("minted {} {secrets}; {} holds the digests", renewals.len(), path.display())
}

/// Warns if clients were refused already, or if the new secret is due as soon as it is minted.
pub(super) fn warn_of_past_and_future(due: &Due<'_>, new: &NewSecret, expiring: Span, now: Time) {
    let Due { id, newest, .. } = due;
    if let Some(end) = newest.expires_at.filter(|end| *end <= now) {
        let message = format!("secret `{}` of token `{id}` ended {}", newest.id, end.from_now(now));
        output::warning(&Failure::new(message).hint("run `renew` more often, or with a longer `--expiring`"));
    }
    if new.entry.expires_at.is_some_and(|end| end <= now.plus(expiring)) {
        let message =
            format!("the new secret of token `{id}` ends within `--expiring` too: each run renews it");
        output::warning(
            &Failure::new(message).hint("choose a shorter `--expiring` or a longer `--expires-in`"),
        );
    }
}

/// That the registry still has the new secrets as undelivered.
pub(super) fn unsettled() -> Failure {
    Failure::new("the registry does not say yet which secrets were delivered: old and new ones work on")
        .hint("run `renew` again: it replaces them")
}

/// That gateways lack what the deliveries changed.
pub(super) fn unshipped(why: &str) -> Failure {
    Failure::new(format!("the registry has changes that were not shipped ({why})")).hint(
        "ship them: until then the gateways accept old secrets as long as they would have, and those whose delivery failed",
    )
}
