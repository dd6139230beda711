//! Messages of a run in addition to the results.

use std::path::Path;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::renew::due::Due;
use crate::cli::renew::renewal::Renewal;
use crate::cli::secret::NewSecret;
use crate::engine::words::time::{Span, Time};

/// Says how many secrets were minted, and which file holds their digests.
pub(super) fn described(renewals: &[Renewal], path: &Path) -> String {
    let secrets = if renewals.len() == 1 { "secret" } else { "secrets" };
    format!("minted {} {secrets}; {} holds the digests", renewals.len(), path.display())
}

/// Warns if gateways already reject clients, or if the new secret is due as soon as it is minted.
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

/// The error if the registry still marks the new secrets as undelivered.
pub(super) fn unsettled() -> Failure {
    Failure::new("the registry does not say yet which secrets were delivered: old and new ones work on")
        .hint("run `renew` again: it replaces them")
}

/// The error if the gateways lack the changes after the deliveries.
pub(super) fn unshipped(why: &str) -> Failure {
    Failure::new(format!("the registry has changes that were not shipped ({why})")).hint(
        "ship them: until then the gateways accept old secrets as long as they would have, and those whose delivery failed",
    )
}
