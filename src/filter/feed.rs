//! The feed: one module of an Envoy fetches the bundle and the revocations, and all of them take it from shared data.
//!
//! What is in shared data is checked again by each, signature and all: other modules may write there.

use crate::engine::config::envelope::PayloadType;
use crate::engine::config::feed;
use crate::engine::config::feed::MAX_FETCHED;
use crate::engine::config::settings::Settings;
use crate::engine::fetching::answer::{Answer, Asked, BadAnswer, answer};
use crate::engine::fetching::known::{Known, Lasting};
use crate::engine::fetching::schedule::Schedule;
use crate::engine::policy::rollback::is_stale;
use crate::engine::words::name::PolicyName;
use crate::engine::words::time::{Span, Time};
use crate::filter::host;
use crate::filter::kept::Kept;
use crate::filter::leader::Leader;
use crate::filter::{metrics, shared};

/// What came: whether it is of use is not known yet.
pub(super) struct Came {
    pub(super) kind: PayloadType,
    pub(super) content: Vec<u8>,
    /// Its entity tag.
    pub(super) etag: Option<String>,
    /// Its content type, if that is not JSON.
    pub(super) label: Option<String>,
}

/// What did not come, and why.
pub(super) type Missed = (PayloadType, BadAnswer);

/// What one module knows of the feed.
pub(super) struct Feed {
    settings: feed::Feed,
    leader: Leader,
    /// The list of revocations where there is one, and the bundle.
    items: Vec<Item>,
}

/// Something that is fetched.
struct Item {
    kind: PayloadType,
    path: String,
    schedule: Schedule,
    /// What was fetched last, by whichever module.
    kept: Kept,
    /// The call that is under way, and since when.
    call: Option<(u32, Time)>,
    /// Entity tag of what came last.
    known: Known,
    /// By when what was accepted last must be replaced.
    good_until: Option<Time>,
    /// Why nothing came, as it was logged last.
    trouble: Option<String>,
}

impl Feed {
    /// The feed of a gateway, whose configuration has a bundle of this name, if it has one.
    pub(super) fn new(settings: &feed::Feed, gateway: &Settings, bundle: Option<&PolicyName>) -> Self {
        let list = settings.revocations.iter().map(|path| (PayloadType::Revocations, path));
        let bundle_name = bundle.map(PolicyName::as_str).unwrap_or_default();
        // Whoever would take another policy's bundle, or is another gateway, has something else to do.
        let duty = settings.duty(&shared::key(bundle_name, gateway));
        Self {
            settings: settings.clone(),
            leader: Leader::of(&format!("feed/{duty}")),
            items: list
                .chain([(PayloadType::Bundle, &settings.path)])
                .map(|(kind, path)| Item::new(kind, path, settings, gateway))
                .collect(),
        }
    }

    /// What was fetched since this was last asked, by whichever module; the bundle last.
    pub(super) fn news(&mut self) -> Vec<(PayloadType, String)> {
        self.items.iter_mut().filter_map(|item| Some((item.kind, item.kept.news()?))).collect()
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
        let is_first = self.items.last().is_some_and(|bundle| !bundle.kept.was_seen());
        for item in &mut self.items {
            if item.is_due(now) {
                item.ask(&self.settings, now).map_err(|bad| (item.kind, bad))?;
            }
            // The first bundle is asked for when the list was answered, or was not: what is revoked is never permitted.
            if is_first && item.call.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes in an answer: what came, if anything did.
    ///
    /// # Errors
    /// Why the answer is of no use.
    pub(super) fn answered(&mut self, call: u32, length: usize, now: Time) -> Result<Option<Came>, Missed> {
        let mut items = self.items.iter_mut();
        let Some(item) = items.find(|item| item.call.is_some_and(|(expected, _)| expected == call)) else {
            return Ok(None);
        };
        item.answered(&self.settings, length, now).map_err(|bad| (item.kind, bad))
    }

    /// Takes in that what came is of use, and by when it must be replaced.
    pub(super) fn accepted(
        &mut self,
        kind: PayloadType,
        etag: Option<String>,
        good_until: Option<Time>,
        now: Time,
    ) {
        if let Some(item) = self.item(kind) {
            item.known.accepted(etag);
            item.good_until = good_until;
            item.succeeded(now);
        }
    }

    /// Hands what was fetched, and is new, to all modules; whether the host does.
    pub(super) fn publish(&mut self, kind: PayloadType, content: &str) -> bool {
        let Some(item) = self.item(kind) else { return false };
        item.schedule.renewed();
        item.publish(content)
    }

    /// Takes in that so many bytes came whole, and are in force already: a server that has them read again and again
    /// is asked less often.
    pub(super) fn repeated(&mut self, kind: PayloadType, length: usize, now: Time) {
        if let Some(item) = self.item(kind).filter(|_| length > CHEAP) {
            item.schedule.wasted(now, drawn(now));
        }
    }

    /// Takes in that what came, with this entity tag, is of no use.
    pub(super) fn refused(&mut self, kind: PayloadType, etag: Option<String>, lasting: Lasting, now: Time) {
        if let Some(item) = self.item(kind) {
            item.known.refused(etag, lasting, now);
            item.schedule.wasted(now, drawn(now));
        }
    }

    /// Whether it is news that nothing came for this reason.
    pub(super) fn is_news(&mut self, kind: PayloadType, error: &str) -> bool {
        let item = self.item(kind);
        item.is_some_and(|item| item.trouble.replace(error.to_owned()).as_deref() != Some(error))
    }

    fn item(&mut self, kind: PayloadType) -> Option<&mut Item> {
        self.items.iter_mut().find(|item| item.kind == kind)
    }
}

impl Item {
    fn new(kind: PayloadType, path: &str, settings: &feed::Feed, gateway: &Settings) -> Self {
        let what = format!("feed/{}/{}", settings.id(path), kind.noun());
        metrics::announce_feed(kind);
        Self {
            kind,
            path: path.to_owned(),
            schedule: Schedule::new(settings.interval),
            kept: Kept::new(&what, gateway),
            call: None,
            known: Known::default(),
            good_until: None,
            trouble: None,
        }
    }

    fn publish(&mut self, content: &str) -> bool {
        let kept = self.kept.put(content, b"1");
        if !kept {
            log::error!("tokenward: the host does not store the fetched content: it is not active");
        }
        // This module has it already.
        self.kept.look_past();
        kept
    }

    fn is_due(&mut self, now: Time) -> bool {
        // A call whose answer the host forgot is given up.
        self.call = self.call.filter(|(_, since)| now < since.shifted(FORGOTTEN));
        self.call.is_none() && self.schedule.is_due(now)
    }

    fn ask(&mut self, settings: &feed::Feed, now: Time) -> Result<(), BadAnswer> {
        let head = settings.request(&self.path, self.known.asked(now));
        let timeout = match self.kind {
            PayloadType::Bundle => BUNDLE_TIMEOUT_MILLIS,
            PayloadType::Revocations => LIST_TIMEOUT_MILLIS,
        };
        let call = host::get(&settings.cluster, head, timeout).ok_or_else(|| {
            self.schedule.failed(now, drawn(now));
            BadAnswer::None
        })?;
        self.call = Some((call, now));
        Ok(())
    }

    fn answered(&mut self, feed: &feed::Feed, length: usize, now: Time) -> Result<Option<Came>, BadAnswer> {
        self.call = None;
        let asked = Asked { feed, path: &self.path, known: &self.known };
        match answer(host::answer_headers().iter(), length, MAX_FETCHED, asked) {
            Ok(Answer::Unchanged) => {
                self.succeeded(now);
                Ok(None)
            }
            Ok(Answer::New { etag, label }) => {
                Ok(Some(Came { kind: self.kind, content: host::answer_body(length), etag, label }))
            }
            Err(bad) => Err(self.missed(bad, now)),
        }
    }

    /// A list need not be there from the start; a bundle, and a list that was there, must.
    fn missed(&mut self, bad: BadAnswer, now: Time) -> BadAnswer {
        let optional = self.kind == PayloadType::Revocations && self.kept.content().is_none();
        let bad = if optional { bad.of_the_first() } else { bad };
        if bad.is_failure() {
            self.schedule.failed(now, drawn(now));
        } else {
            self.schedule.succeeded(now, drawn(now));
        }
        bad
    }

    fn succeeded(&mut self, now: Time) {
        self.trouble = None;
        self.schedule.succeeded(now, drawn(now));
        // A server that repeats what should have been replaced is no success: somebody may withhold the new one.
        if !is_stale(self.good_until, now) {
            metrics::fed(self.kind, now);
        }
    }
}

/// A number that differs between gateways: they started at different times.
fn drawn(now: Time) -> u32 {
    u32::try_from(now.millis().rem_euclid(i64::from(u32::MAX))).unwrap_or_default()
}

/// Bytes that are read at every interval without anybody noticing.
const CHEAP: usize = 1 << 20;
/// Longer than some ticks, so that nobody else asks while this one lives.
const TERM: Span = Span::SECOND.times(15);
/// Until the whole bundle is there.
const BUNDLE_TIMEOUT_MILLIS: u32 = 30_000;
/// A list is short, and the first bundle waits for it.
const LIST_TIMEOUT_MILLIS: u32 = 5_000;
/// Milliseconds after which a call cannot be under way any more.
const FORGOTTEN: i64 = 60_000;
