//! Follows one chain line by line, in bounded memory.
//!
//! An early line waits for the missing lines before it, so lines out of order are distinguished from missing ones.
//! After too long a wait, the track continues with the next waiting line and trusts the hash in it.

use std::collections::BTreeMap;

use crate::cli::audit::event::Event;
use crate::cli::audit::finding::{Fault, Place};
use crate::engine::report::chain::{Link, Links};

/// The state of a chain, or of a part of one.
#[derive(Debug)]
pub(super) struct Track {
    /// Number of the next event; `None` before the first.
    next: Option<u64>,
    /// Whether the first event may have any number. If so, its hash is trusted.
    starts: Start,
    /// The hash before the next event, as written and as computed.
    before: [Link; 2],
    /// Which of the keys made the chain.
    links: Option<usize>,
    /// The latest event so far, in any order.
    latest: Option<u64>,
    waiting: BTreeMap<u64, (Place, Event<'static>)>,
    ended: bool,
    canary: bool,
    /// The line of the last event.
    last: Option<Place>,
}

/// Where a track may start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Start {
    /// At the first event only.
    First,
    /// At any event.
    Anywhere,
}

/// The rules that all tracks share.
#[derive(Debug)]
pub(super) struct Guide {
    pub(super) links: Vec<Links>,
    /// Whether lines must be in the order of their numbers.
    pub(super) ordered: bool,
}

impl Guide {
    /// How many lines may wait for an earlier one.
    fn patience(&self) -> usize {
        if self.ordered { 1 << 12 } else { 1 << 16 }
    }
}

/// Receives faults: the fault, the number of the event, and its line.
pub(super) type Report<'t> = &'t mut dyn FnMut(Fault, u64, Place);

impl Track {
    /// Starts a chain at its first event.
    pub(super) fn new(starts: Start) -> Self {
        Self {
            next: None,
            starts,
            before: [Link::START; 2],
            links: None,
            latest: None,
            waiting: BTreeMap::new(),
            ended: false,
            canary: false,
            last: None,
        }
    }

    /// Continues a chain after a known event.
    pub(super) fn behind(next: u64, hash: Link, ended: bool) -> Self {
        Self { next: Some(next), before: [hash; 2], ended, ..Self::new(Start::First) }
    }

    /// Adds an event.
    pub(super) fn event(&mut self, event: Event<'_>, place: Place, guide: &Guide, report: Report<'_>) {
        let seq = event.seq;
        if self.next.is_some_and(|next| seq < next) || self.waiting.contains_key(&seq) {
            report(Fault::Repeated, seq, place);
            return;
        }
        if guide.ordered && self.latest.is_some_and(|latest| seq < latest) {
            report(Fault::Reordered, seq, place);
        }
        self.latest = self.latest.max(Some(seq));
        if seq == self.next.unwrap_or(0) {
            self.follow(&event, place, guide, report);
            while let Some((place, event)) = self.next.and_then(|next| self.waiting.remove(&next)) {
                self.follow(&event, place, guide, report);
            }
            return;
        }
        self.waiting.insert(seq, (place, event.into_owned()));
        if self.waiting.len() > guide.patience() {
            self.give_up(guide, report);
        }
    }

    /// Processes all waiting events.
    pub(super) fn finish(&mut self, guide: &Guide, report: Report<'_>) {
        while !self.waiting.is_empty() {
            self.give_up(guide, report);
        }
    }

    /// Continues after a gap.
    fn give_up(&mut self, guide: &Guide, report: Report<'_>) {
        let Some((seq, (place, event))) = self.waiting.pop_first() else { return };
        if self.next.is_some() || self.starts == Start::First {
            report(Fault::Missing(seq.saturating_sub(1)), self.next.unwrap_or(0), place);
        }
        self.take(&event, place, [event.hash; 2]);
        while let Some((place, event)) = self.next.and_then(|next| self.waiting.remove(&next)) {
            self.follow(&event, place, guide, report);
        }
    }

    /// Adds the next event and checks its hash.
    fn follow(&mut self, event: &Event<'_>, place: Place, guide: &Guide, report: Report<'_>) {
        if self.ended {
            report(Fault::AfterEnd, event.seq, place);
        }
        let candidates = guide.links.iter().enumerate();
        let mut candidates = candidates.filter(|(number, _)| self.links.is_none_or(|links| links == *number));
        let fits = |links: &Links| {
            let [written, computed] = self.before;
            links.link(written, &event.signed) == event.hash
                || written != computed && links.link(computed, &event.signed) == event.hash
        };
        if let Some((number, _)) = candidates.find(|(_, links)| fits(links)) {
            self.links = Some(number);
            self.take(event, place, [event.hash; 2]);
            return;
        }
        report(Fault::Changed, event.seq, place);
        // Either the text or the hash was changed, so the next line is chained to one of the two hashes.
        let [written, _] = self.before;
        let links = guide.links.get(self.links.unwrap_or(0));
        let computed = links.map_or(event.hash, |links| links.link(written, &event.signed));
        self.take(event, place, [event.hash, computed]);
    }

    fn take(&mut self, event: &Event<'_>, place: Place, before: [Link; 2]) {
        self.canary = self.next.is_none() && event.seq == 0 && event.is_canary();
        self.next = Some(event.seq.saturating_add(1));
        self.before = before;
        self.ended = event.is_end();
        self.last = Some(place);
    }

    /// Number of the next event; `None` before the first.
    pub(super) fn next(&self) -> Option<u64> {
        self.next
    }

    /// The hash of the last event.
    pub(super) fn hash(&self) -> Link {
        let [written, _] = self.before;
        written
    }

    /// Whether the chain has ended.
    pub(super) fn is_ended(&self) -> bool {
        self.ended || self.canary
    }

    /// The line of the last event.
    pub(super) fn last(&self) -> Option<Place> {
        self.last
    }
}
