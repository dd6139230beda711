//! Reports a stale bundle or list: one worker reports it once, and reports once that it is fresh again.

use std::cell::Cell;

use crate::engine::config::envelope::PayloadType;
use crate::engine::config::settings::Settings;
use crate::filter::shared;

/// One module's knowledge about the bundle or the list.
pub(super) struct Staleness {
    key: Vec<u8>,
    /// What this module saw last.
    seen: Cell<Option<bool>>,
}

impl Staleness {
    /// The staleness of a gateway's bundle or list.
    pub(super) fn of(kind: PayloadType, gateway: &Settings) -> Self {
        Self { key: shared::key(&format!("stale/{}", kind.noun()), gateway), seen: Cell::new(None) }
    }

    /// Records whether it is stale now. True if that has changed and no other worker has reported it.
    pub(super) fn is_news(&self, stale: bool) -> bool {
        if self.seen.replace(Some(stale)) == Some(stale) {
            return false;
        }
        let flag: &[u8] = if stale { STALE } else { FRESH };
        let changed = shared::change(&self.key, |kept| {
            let is_news = kept.unwrap_or(FRESH) != flag;
            (is_news.then(|| flag.to_vec()), is_news)
        });
        changed.unwrap_or(stale)
    }
}

const STALE: &[u8] = b"1";
const FRESH: &[u8] = b"";
