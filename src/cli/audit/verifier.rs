//! Verification: takes lines of logs and returns their faults. Reads no file and prints nothing.

use std::collections::BTreeMap;
use std::fmt;

use crate::cli::audit::event::{BadSummary, Event, Line};
use crate::cli::audit::finding::{Fault, Finding, Place};
use crate::cli::audit::heads::{Head, Heads};
use crate::cli::audit::track::{Guide, Start, Track};
use crate::engine::memory::chain_id::ChainId;
use crate::engine::report::chain::Links;

/// The requirements for a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rules {
    /// The order of lines in a chain.
    pub order: Order,
    /// Where chains start.
    pub starts: Starts,
    /// Which chains must have ended.
    pub ends: Ends,
}

/// The order of lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// The order of the events.
    Kept,
    /// Any.
    Any,
}

/// Where chains may start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Starts {
    /// At their first event, or after the last verified event; no chain may be missing.
    AtTheFirst,
    /// Anywhere, because older logs are gone.
    Anywhere,
}

/// Which chains must have ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ends {
    /// Any number of them.
    Any,
    /// All.
    All,
}

/// Follows the chains of a log.
#[derive(Debug)]
pub struct Verifier {
    rules: Rules,
    guide: Guide,
    heads: Heads,
    chains: BTreeMap<ChainId, Chain>,
    /// By life, the minimum number of chains.
    shown: BTreeMap<u64, u64>,
    findings: Findings,
    events: u64,
    counted: u64,
    other_lines: u64,
}

/// The result of a verification.
#[derive(Debug)]
pub struct Report {
    /// The faults, in log order; at most a thousand.
    pub findings: Vec<Finding>,
    /// The number of faults.
    pub count: u64,
    /// Number of events.
    pub events: u64,
    /// Number of requests without their own event: the sum of all summaries.
    pub counted: u64,
    /// Number of chains.
    pub chains: usize,
    /// Number of chains without an end.
    pub open: usize,
    /// Number of lines without an event.
    pub other_lines: u64,
    /// The new heads of the chains.
    pub heads: Heads,
}

/// A chain in the log: the part that was verified before, and the new part.
#[derive(Debug)]
struct Chain {
    known: Track,
    /// Number of the first event that was not verified before.
    unknown_from: u64,
    new: Track,
}

impl Verifier {
    /// A verifier for chains that use one of the links. Some chains may be verified up to their heads.
    pub fn new(rules: Rules, links: Vec<Links>, heads: Heads) -> Self {
        Self {
            rules,
            guide: Guide { links, ordered: rules.order == Order::Kept },
            heads,
            chains: BTreeMap::new(),
            shown: BTreeMap::new(),
            findings: Findings::default(),
            events: 0,
            counted: 0,
            other_lines: 0,
        }
    }

    /// Processes a line.
    pub fn line(&mut self, place: Place, line: &[u8]) {
        let fault = match Line::read(line) {
            Line::Other => {
                self.other_lines = self.other_lines.saturating_add(1);
                return;
            }
            Line::Event(event) => {
                self.events = self.events.saturating_add(1);
                self.event(event, place);
                return;
            }
            Line::Damaged => Fault::Damaged,
            Line::Unchained => Fault::Unchained,
        };
        self.events = self.events.saturating_add(1);
        self.findings.add(Finding { fault, chain: None, seq: None, place: Some(place) });
    }

    fn event(&mut self, event: Event<'_>, place: Place) {
        let id = event.chain;
        if let Some(count) = event.chains() {
            let shown = self.shown.entry(id.life).or_default();
            *shown = count.max(*shown);
        }
        match event.counted() {
            Ok(count) => self.counted = self.counted.saturating_add(count),
            Err(BadSummary) => self.findings.add_in(id, Fault::Miscounted, event.seq, Some(place)),
        }
        let chain = self.chains.entry(id).or_insert_with(|| Chain::of(id, self.rules.starts, &self.heads));
        let findings = &mut self.findings;
        let mut report = |fault, seq, place| findings.add_in(id, fault, seq, Some(place));
        let track = if event.seq < chain.unknown_from { &mut chain.known } else { &mut chain.new };
        track.event(event, place, &self.guide, &mut report);
    }

    /// The result.
    pub fn finish(mut self) -> Report {
        let mut open = 0_usize;
        for (id, chain) in &mut self.chains {
            let findings = &mut self.findings;
            chain.finish(*id, &self.guide, &self.heads, findings);
            let latest = chain.latest();
            if !latest.is_ended() {
                open = open.saturating_add(1);
                // A chain that is no longer listed has ended.
                if self.rules.ends == Ends::All || self.heads.is_forgotten(*id) {
                    findings.add_in(*id, Fault::Open, 0, latest.last());
                }
            }
        }
        for (id, Chain { new, .. }) in &self.chains {
            if let (Some(next), Some(_)) = (new.next(), new.last()) {
                self.heads.put(*id, Head::new(next, new.hash(), new.is_ended()));
            }
        }
        self.find_absent();
        if self.events == 0 {
            self.findings.add(Finding { fault: Fault::Empty, chain: None, seq: None, place: None });
        }
        self.heads.forget();
        let Findings { mut list, count } = self.findings;
        list.sort_by_key(|finding| (finding.place.is_none(), finding.place));
        let chains = self.chains.len();
        let Self { events, counted, other_lines, heads, .. } = self;
        Report { findings: list, count, events, counted, chains, open, other_lines, heads }
    }

    /// Finds missing chains: those that should have ended, and those that must exist.
    fn find_absent(&mut self) {
        if self.rules.starts == Starts::Anywhere {
            return;
        }
        let mut lives: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let listed: Vec<(ChainId, bool)> = self.heads.iter().map(|(id, head)| (id, head.ended)).collect();
        for id in listed.iter().map(|(id, _)| *id).chain(self.chains.keys().copied()) {
            lives.entry(id.life).or_default().push(id.number);
        }
        for (life, mut numbers) in lives {
            numbers.sort_unstable();
            let mut expected = self.heads.ended(life).saturating_add(1);
            for number in numbers {
                if number > expected {
                    let missing = ChainId { life, number: expected };
                    let last = number.saturating_sub(1);
                    self.findings.add_in(missing, Fault::NoChain(last), 0, None);
                }
                expected = expected.max(number.saturating_add(1));
            }
            if let Some(last) = self.shown.get(&life).copied().filter(|last| *last >= expected) {
                self.findings.add_in(ChainId { life, number: expected }, Fault::NoChain(last), 0, None);
            }
        }
        if self.rules.ends == Ends::All {
            for (id, _) in listed.iter().filter(|(id, ended)| !ended && !self.chains.contains_key(id)) {
                self.findings.add_in(*id, Fault::Open, 0, None);
            }
        }
    }
}

impl Chain {
    fn of(id: ChainId, starts: Starts, heads: &Heads) -> Self {
        let anywhere = Track::new(Start::Anywhere);
        if heads.is_forgotten(id) {
            return Self { known: anywhere, unknown_from: u64::MAX, new: Track::new(Start::First) };
        }
        match heads.get(id).and_then(|head| Some((head, head.link()?))) {
            Some((head, link)) => {
                let new = Track::behind(head.next, link, head.ended);
                Self { known: anywhere, unknown_from: head.next, new }
            }
            None => {
                let start = if starts == Starts::Anywhere { Start::Anywhere } else { Start::First };
                Self { known: anywhere, unknown_from: 0, new: Track::new(start) }
            }
        }
    }
}

impl Chain {
    /// Processes all waiting events, and compares the part that was verified before with its head.
    fn finish(&mut self, id: ChainId, guide: &Guide, heads: &Heads, findings: &mut Findings) {
        let mut report = |fault, seq, place| findings.add_in(id, fault, seq, Some(place));
        self.known.finish(guide, &mut report);
        self.new.finish(guide, &mut report);
        let head = heads.get(id).and_then(|head| Some((head.next, head.link()?)));
        let (Some((known, hash)), Some(next), Some(last)) = (head, self.known.next(), self.known.last())
        else {
            return;
        };
        if next < known {
            report(Fault::Cut(known.saturating_sub(1)), next.saturating_sub(1), last);
        } else if self.known.hash() != hash {
            report(Fault::Replaced, known.saturating_sub(1), last);
        }
    }

    /// The later part that has lines in this log.
    fn latest(&self) -> &Track {
        if self.new.last().is_some() || self.known.last().is_none() { &self.new } else { &self.known }
    }
}

impl Report {
    /// Whether the log has no faults.
    pub fn is_intact(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, counted, chains, open, other_lines, count, .. } = self;
        let found = if self.is_intact() { "intact".to_owned() } else { format!("{count} findings") };
        write!(
            f,
            "{events} events in {chains} chains: {found}; {open} chains open, {other_lines} other lines"
        )?;
        if *counted > 0 { write!(f, ", {counted} more requests in summaries") } else { Ok(()) }
    }
}

/// The faults so far.
#[derive(Debug, Default)]
struct Findings {
    list: Vec<Finding>,
    count: u64,
}

impl Findings {
    fn add(&mut self, finding: Finding) {
        self.count = self.count.saturating_add(1);
        if self.list.len() < MAX_FINDINGS {
            self.list.push(finding);
        }
    }

    fn add_in(&mut self, chain: ChainId, fault: Fault, seq: u64, place: Option<Place>) {
        self.add(Finding { fault, chain: Some(chain), seq: Some(seq), place });
    }
}

const MAX_FINDINGS: usize = 1_000;
