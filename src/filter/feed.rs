//! The feed: one module of an Envoy fetches the bundle and the revocations, and all of them take it from shared data.
//!
//! What is in shared data is checked again by each, signature and all: other modules may write there.

use crate::engine::envelope::PayloadType;
use crate::engine::feed::{self, Answer, BadAnswer, MAX_FETCHED, Schedule, answer};
use crate::engine::time::{Span, Time};
use crate::filter::host::{self, ANY, Stored};
use crate::filter::leader::Leader;

/// What came, and its content.
pub(super) type Came = (PayloadType, Vec<u8>);
/// What did not come, and why.
pub(super) type Missed = (PayloadType, BadAnswer);

/// What one module knows of the feed.
pub(super) struct Feed {
    settings: feed::Feed,
    leader: Leader,
    /// The bundle, and the list of revocations where there is one.
    items: Vec<Item>,
}

/// Something that is fetched.
struct Item {
    kind: PayloadType,
    path: String,
    schedule: Schedule,
    /// Keys in shared data: what was fetched, and a mark that is written after it.
    content: String,
    mark: String,
    /// Version of the mark when the content was last looked at.
    seen: Option<u32>,
    /// The call that is under way, and since when.
    call: Option<(u32, Time)>,
    /// Entity tag of what came last, be it of use or not.
    etag: Option<String>,
    /// Why nothing came, as it was told last.
    trouble: Option<String>,
}

impl Feed {
    pub(super) fn new(settings: &feed::Feed) -> Self {
        let key = format!("tokenward/feed/{}", settings.id());
        let item = |kind, name: &str, path: &String| Item {
            kind,
            path: path.clone(),
            schedule: Schedule::new(settings.interval),
            content: format!("{key}/{name}"),
            mark: format!("{key}/{name}/mark"),
            seen: None,
            call: None,
            etag: None,
            trouble: None,
        };
        let bundle = item(PayloadType::Bundle, "bundle", &settings.path);
        let list = settings.revocations.as_ref();
        let list = list.map(|path| item(PayloadType::Revocations, "revocations", path));
        Self {
            settings: settings.clone(),
            leader: Leader::of(&format!("feed/{}", settings.id())),
            items: [bundle].into_iter().chain(list).collect(),
        }
    }

    /// What was fetched since this was last asked, by whichever module; the bundle first.
    pub(super) fn news(&mut self) -> Vec<(PayloadType, String)> {
        self.items.iter_mut().filter_map(|item| Some((item.kind, item.news()?))).collect()
    }

    /// Asks the server, where it is time and this module's to do.
    ///
    /// # Errors
    /// What cannot be asked for, and why.
    pub(super) fn ask(&mut self, now: Time) -> Result<(), Missed> {
        // The duty is kept from one tick to the next, also while there is nothing to ask for.
        if !self.leader.leads(now, TERM) {
            return Ok(());
        }
        for item in &mut self.items {
            if item.is_due(now) {
                item.ask(&self.settings, now).map_err(|bad| (item.kind, bad))?;
            }
        }
        Ok(())
    }

    /// Takes in an answer: what is new, if anything is.
    ///
    /// # Errors
    /// Why the answer is of no use.
    pub(super) fn answered(&mut self, call: u32, length: usize, now: Time) -> Result<Option<Came>, Missed> {
        let mut items = self.items.iter_mut();
        let Some(item) = items.find(|item| item.call.is_some_and(|(expected, _)| expected == call)) else {
            return Ok(None);
        };
        let content = item.answered(length, now).map_err(|bad| (item.kind, bad))?;
        Ok(content.map(|content| (item.kind, content)))
    }

    /// Whether it is news that nothing came for this reason.
    pub(super) fn is_news(&mut self, kind: PayloadType, error: &str) -> bool {
        let item = self.items.iter_mut().find(|item| item.kind == kind);
        item.is_some_and(|item| item.trouble.replace(error.to_owned()).as_deref() != Some(error))
    }

    /// Hands what was fetched to all modules, this one too.
    pub(super) fn publish(&mut self, kind: PayloadType, content: &str) {
        for item in self.items.iter_mut().filter(|item| item.kind == kind) {
            item.trouble = None;
            let kept = host::replace_shared_data(item.content.as_bytes(), content.as_bytes(), ANY)
                && host::replace_shared_data(item.mark.as_bytes(), b"1", ANY);
            if !kept {
                host::log_error("tokenward: the host does not keep what was fetched: it is not in force");
            }
        }
    }
}

impl Item {
    fn news(&mut self) -> Option<String> {
        let Stored::Value(_, version) = host::shared_data(self.mark.as_bytes()) else { return None };
        if self.seen.replace(version) == Some(version) {
            return None;
        }
        match host::shared_data(self.content.as_bytes()) {
            Stored::Value(bytes, _) => String::from_utf8(bytes).ok(),
            Stored::Nothing | Stored::Failed => None,
        }
    }

    fn is_due(&mut self, now: Time) -> bool {
        // A call whose answer the host forgot is given up.
        self.call = self.call.filter(|(_, since)| now < since.shifted(FORGOTTEN));
        self.call.is_none() && self.schedule.is_due(now)
    }

    fn ask(&mut self, settings: &feed::Feed, now: Time) -> Result<(), BadAnswer> {
        let head = settings.request(&self.path, self.etag.as_deref());
        let call = host::get(&settings.cluster, head, TIMEOUT_MILLIS).ok_or_else(|| {
            self.schedule.failed(now, drawn(now));
            BadAnswer::None
        })?;
        self.call = Some((call, now));
        Ok(())
    }

    fn answered(&mut self, length: usize, now: Time) -> Result<Option<Vec<u8>>, BadAnswer> {
        self.call = None;
        let answer = answer(host::answer_headers().iter(), length, MAX_FETCHED)
            .inspect_err(|_| self.schedule.failed(now, drawn(now)))?;
        self.schedule.succeeded(now, drawn(now));
        match answer {
            Answer::Unchanged => Ok(None),
            Answer::New { etag } => {
                self.etag = etag;
                Ok(Some(host::answer_body(length)))
            }
        }
    }
}

/// A number that differs between gateways: they started at different times.
fn drawn(now: Time) -> u32 {
    u32::try_from(now.millis().rem_euclid(i64::from(u32::MAX))).unwrap_or_default()
}

/// Longer than some ticks, so that nobody else asks while this one lives.
const TERM: Span = Span::SECOND.times(15);
const TIMEOUT_MILLIS: u32 = 5_000;
/// Milliseconds after which a call cannot be under way any more.
const FORGOTTEN: i64 = 30_000;
