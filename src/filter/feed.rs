//! The feed: one module of an Envoy fetches the bundle, and all of them take it from shared data.
//!
//! What is in shared data is checked again by each, signature and all: other modules may write there.

use std::time::Duration;

use crate::engine::feed::{self, Answer, MAX_FETCHED, Schedule, answer};
use crate::engine::time::Time;
use crate::filter::host::{self, Call, Stored};
use crate::filter::leader::Candidate;

/// What one module knows of the feed.
pub(super) struct Feed {
    settings: feed::Feed,
    schedule: Schedule,
    candidate: Candidate,
    /// Keys in shared data: what was fetched, and a mark that is written after it.
    bundle: String,
    mark: String,
    /// Version of the mark when the bundle was last looked at.
    seen: Option<u32>,
    /// The call that is under way, and since when.
    call: Option<(Call, Time)>,
    /// Entity tag of what came last, be it of use or not.
    etag: Option<String>,
}

impl Feed {
    pub(super) fn new(settings: &feed::Feed) -> Self {
        let key = format!("tokenward/feed/{}", settings.id());
        Self {
            schedule: Schedule::new(settings.interval),
            candidate: Candidate::new(&key),
            bundle: format!("{key}/bundle"),
            mark: format!("{key}/mark"),
            settings: settings.clone(),
            seen: None,
            call: None,
            etag: None,
        }
    }

    /// What was fetched since this was last asked, by whichever module.
    pub(super) fn news(&mut self) -> Option<String> {
        let Stored::Value(_, version) = host::shared_data(self.mark.as_bytes()) else { return None };
        if self.seen.replace(version) == Some(version) {
            return None;
        }
        match host::shared_data(self.bundle.as_bytes()) {
            Stored::Value(bytes, _) => String::from_utf8(bytes).ok(),
            Stored::Nothing | Stored::Failed => None,
        }
    }

    /// Asks the server, where it is time and this module's to do.
    ///
    /// # Errors
    /// Why it cannot be asked.
    pub(super) fn ask(&mut self, now: Time) -> Result<(), feed::BadAnswer> {
        // A call whose answer the host forgot is given up.
        self.call = self.call.filter(|(_, since)| now < since.shifted(FORGOTTEN));
        if self.call.is_some() || !self.schedule.is_due(now) || !self.candidate.leads(now) {
            return Ok(());
        }
        let head = self.settings.request(&self.settings.path, self.etag.as_deref());
        let call = host::send(&self.settings.cluster, head, None, TIMEOUT);
        self.call = call.map(|call| (call, now));
        if call.is_none() {
            self.schedule.failed(now, drawn(now));
            return Err(feed::BadAnswer::None);
        }
        Ok(())
    }

    /// Takes in an answer: what is new, if anything is.
    ///
    /// # Errors
    /// Why the answer is of no use.
    pub(super) fn answered(
        &mut self,
        call: Call,
        length: usize,
        now: Time,
    ) -> Result<Option<Vec<u8>>, feed::BadAnswer> {
        if self.call.is_none_or(|(expected, _)| expected != call) {
            return Ok(None);
        }
        self.call = None;
        match answer(host::answer_headers().iter(), length, MAX_FETCHED) {
            Ok(Answer::Unchanged) => {
                self.schedule.succeeded(now, drawn(now));
                Ok(None)
            }
            Ok(Answer::New { etag }) => {
                self.schedule.succeeded(now, drawn(now));
                self.etag = etag;
                Ok(Some(host::answer_body(length)))
            }
            Err(bad) => {
                self.schedule.failed(now, drawn(now));
                Err(bad)
            }
        }
    }

    /// Hands a bundle to all modules, this one too.
    pub(super) fn publish(&self, bundle: &str) {
        host::set_shared_data(self.bundle.as_bytes(), bundle.as_bytes());
        host::set_shared_data(self.mark.as_bytes(), b"1");
    }
}

/// A number that differs between gateways: they started at different times.
fn drawn(now: Time) -> u32 {
    u32::try_from(now.millis().rem_euclid(i64::from(u32::MAX))).unwrap_or_default()
}

const TIMEOUT: Duration = Duration::from_secs(5);
/// Milliseconds after which a call cannot be under way any more.
const FORGOTTEN: i64 = 30_000;
