//! The feed: one module of an Envoy fetches the bundle and the revocations, and all modules read them from shared data.
//!
//! Each module checks the shared data again, with its signatures, because other modules may write there.

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

/// Content that arrived and is not yet checked.
pub(super) struct Came {
    pub(super) kind: PayloadType,
    pub(super) content: Vec<u8>,
    /// The entity tag of the content.
    pub(super) etag: Option<String>,
    /// The content type, if it is not JSON.
    pub(super) label: Option<String>,
}

/// The kind of content that did not arrive, and why.
pub(super) type Missed = (PayloadType, BadAnswer);

/// What one module knows about the feed.
pub(super) struct Feed {
    settings: feed::Feed,
    leader: Leader,
    /// The list of revocations, if configured, and then the bundle.
    items: Vec<Item>,
}

/// One kind of content that the module fetches.
struct Item {
    kind: PayloadType,
    path: String,
    schedule: Schedule,
    /// The content that any module fetched last.
    kept: Kept,
    /// The pending call, and when it started.
    call: Option<(u32, Time)>,
    /// The entity tag of the last content.
    known: Known,
    /// When the last accepted content must be replaced.
    good_until: Option<Time>,
    /// The last logged reason why nothing arrived.
    trouble: Option<String>,
}

impl Feed {
    /// Returns the feed of a gateway. `bundle` is the name of the bundle in its configuration, if it has one.
    pub(super) fn new(settings: &feed::Feed, gateway: &Settings, bundle: Option<&PolicyName>) -> Self {
        let list = settings.revocations.iter().map(|path| (PayloadType::Revocations, path));
        let bundle_name = bundle.map(PolicyName::as_str).unwrap_or_default();
        // A gateway with another policy or other settings has a duty of its own.
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

    /// Returns content that any module fetched since the last call; the bundle comes last.
    pub(super) fn news(&mut self) -> Vec<(PayloadType, String)> {
        self.items.iter_mut().filter_map(|item| Some((item.kind, item.kept.news()?))).collect()
    }

    /// Sends the due requests if this module is the leader.
    ///
    /// # Errors
    /// Fails with the kind of content that cannot be requested, and why.
    pub(super) fn ask(&mut self, now: Time) -> Result<(), Missed> {
        // The module stays leader between ticks, even if no request is due.
        if !self.leader.leads(now, TERM) {
            return Ok(());
        }
        let is_first = self.items.last().is_some_and(|bundle| !bundle.kept.was_seen());
        for item in &mut self.items {
            if item.is_due(now) {
                item.ask(&self.settings, now).map_err(|bad| (item.kind, bad))?;
            }
            // The first bundle is requested after the list responds or times out, so that the gateway never permits a
            // revoked token.
            if is_first && item.call.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Processes an answer, and returns its content if it has any.
    ///
    /// # Errors
    /// Fails if the answer is unusable.
    pub(super) fn answered(&mut self, call: u32, length: usize, now: Time) -> Result<Option<Came>, Missed> {
        let mut items = self.items.iter_mut();
        let Some(item) = items.find(|item| item.call.is_some_and(|(expected, _)| expected == call)) else {
            return Ok(None);
        };
        item.answered(&self.settings, length, now).map_err(|bad| (item.kind, bad))
    }

    /// Records that the content was accepted, and when it must be replaced.
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

    /// Publishes new content to all modules. Returns whether the host stored it.
    pub(super) fn publish(&mut self, kind: PayloadType, content: &str) -> bool {
        let Some(item) = self.item(kind) else { return false };
        item.schedule.renewed();
        item.publish(content)
    }

    /// Records that content of this length was received, but is already active. A server that sends it repeatedly is
    /// asked less often.
    pub(super) fn repeated(&mut self, kind: PayloadType, length: usize, now: Time) {
        if let Some(item) = self.item(kind).filter(|_| length > CHEAP) {
            item.schedule.wasted(now, drawn(now));
        }
    }

    /// Records that content with this entity tag was rejected.
    pub(super) fn refused(&mut self, kind: PayloadType, etag: Option<String>, lasting: Lasting, now: Time) {
        if let Some(item) = self.item(kind) {
            item.known.refused(etag, lasting, now);
            item.schedule.wasted(now, drawn(now));
        }
    }

    /// Whether this reason differs from the last one.
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
        // This module already has the content.
        self.kept.look_past();
        kept
    }

    fn is_due(&mut self, now: Time) -> bool {
        // Give up a call if the host lost its answer.
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

    /// The list may be missing at first. The bundle must exist, and so must a list that existed before.
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
        // Stale content is not a success, because someone may withhold the new version.
        if !is_stale(self.good_until, now) {
            metrics::fed(self.kind, now);
        }
    }
}

/// Returns a number that differs between gateways, because they started at different times.
fn drawn(now: Time) -> u32 {
    u32::try_from(now.millis().rem_euclid(i64::from(u32::MAX))).unwrap_or_default()
}

/// Maximum size in bytes of content that is cheap enough to read at every interval.
const CHEAP: usize = 1 << 20;
/// Longer than several ticks, so that no other module takes over while this one runs.
const TERM: Span = Span::SECOND.times(15);
/// Timeout for the whole bundle.
const BUNDLE_TIMEOUT_MILLIS: u32 = 30_000;
/// Timeout for the list. It is short, and the first bundle waits for it.
const LIST_TIMEOUT_MILLIS: u32 = 5_000;
/// Milliseconds after which a call can no longer be pending.
const FORGOTTEN: i64 = 60_000;
