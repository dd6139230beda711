//! The keys that a gateway trusts.

use crate::engine::config::envelope::TrustedKeys;
use crate::engine::config::problem::{Fault, Place, Problem, Problems};
use crate::engine::config::refusal::Refusal;
use crate::engine::config::settings::Settings;

/// The keys that must sign the content that a gateway accepts.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// For the bundle in the configuration; `None` if it does not have to be signed.
    pub configuration: Option<TrustedKeys>,
    /// For the content that the gateway fetches; `None` if it has no feed.
    pub feed: Option<TrustedKeys>,
}

impl Trust {
    /// Returns the keys of these settings.
    ///
    /// # Errors
    /// Fails if a key is invalid, or if the required number of signatures is.
    pub fn of(settings: &Settings) -> Result<Self, Problems> {
        let place = Place::default();
        let configuration = match settings.keys.clone() {
            Some(keys) => Some(TrustedKeys::new(keys, settings.threshold)),
            None if settings.threshold == 1 => None,
            None => Some(Err(Refusal::ThresholdOfNone { threshold: settings.threshold })),
        };
        let feed = settings.feed.as_ref().map(|feed| TrustedKeys::new(feed.keys.clone(), feed.threshold));
        let mut problems = Vec::new();
        let mut valid = |keys: Option<Result<TrustedKeys, Refusal>>, place: &Place| {
            keys?.map_err(|refusal| problems.push(problem(place, refusal))).ok()
        };
        let trust =
            Self { configuration: valid(configuration, &place), feed: valid(feed, &place.key("feed")) };
        Problems::check(problems)?;
        Ok(trust)
    }
}

fn problem(place: &Place, refusal: Refusal) -> Problem {
    let of_threshold = matches!(refusal, Refusal::Threshold { .. } | Refusal::ThresholdOfNone { .. });
    let key = if of_threshold { "threshold" } else { "keys" };
    Problem { place: place.key(key), fault: Fault::Signed(refusal) }
}
