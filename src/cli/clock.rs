//! The system clock, for the commands that need it; the engine takes time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::cli::failure::Failure;
use crate::engine::config::bundle::Registry;
use crate::engine::words::life::Life;
use crate::engine::words::time::Time;

/// The start of the current second.
pub(super) fn now() -> Time {
    precise().whole_second()
}

/// The current millisecond.
#[expect(clippy::disallowed_methods, reason = "the command line is native: it has a clock")]
pub(super) fn precise() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Warns if the registry contains a time in the future of this machine's clock: one of the two clocks is wrong.
pub(super) fn disagreement(registry: &Registry, now: Time) -> Option<Failure> {
    let times = registry.tokens.iter().flat_map(|(token, entry)| {
        entry.secrets.iter().flat_map(move |secret| {
            let written = [("created_at", secret.created_at), ("retired_at", secret.retired_at)];
            written.into_iter().filter_map(move |(key, at)| Some((at?, key, &secret.id, token)))
        })
    });
    let (at, key, secret, token) =
        times.max_by_key(|(at, ..)| *at).filter(|(at, ..)| *at > now.plus(Life::LEEWAY))?;
    let behind = at.seconds_after(now);
    let message = format!(
        "this machine's clock and the registry disagree: here it is {}, but `{key}` of secret `{secret}` of token \
         `{token}` is {}, {behind} s later",
        String::from(now),
        String::from(at)
    );
    Some(Failure::new(message).hint(format!(
        "set the clocks: a gateway rejects a secret that is created more than {} s ahead of its own clock as `not_yet_valid`",
        Life::LEEWAY.seconds()
    )))
}
