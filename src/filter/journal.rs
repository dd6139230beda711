//! The journal: the only way out for events. It numbers them, chains them and passes them to the sinks.
//!
//! Requests of strangers have a budget of lines per second; a summary counts the others. Decisions go to the
//! configured sinks. Notices, which belong to no request, always go to the log. Even if only filter state is
//! configured, they must not be lost, and there is no request with filter state for them.

use std::cell::{Cell, RefCell};

use serde::Serialize;

use crate::engine::config::settings::{Audit, Sink};
use crate::engine::memory::register::{Birth, Register, fingerprint};
use crate::engine::policy::decision::Decision;
use crate::engine::report::audit::{AuditEvent, ClosedEvent, Counted, CountedEvent, Line, Strangers};
use crate::engine::report::chain::{Chain, Links};
use crate::engine::report::sample::Sampler;
use crate::engine::words::reason::Reason;
use crate::engine::words::time::Time;
use crate::filter::host::{self, Stored};
use crate::filter::shared;

/// The outlet for the events of one configuration.
pub(super) struct Journal {
    audit: Audit,
    /// The fingerprint of the configuration.
    fingerprint: u64,
    /// Number of the next event.
    sequence: Cell<u64>,
    sampler: Cell<Sampler>,
    strangers: RefCell<Strangers>,
    /// `None` before `open`, and if lines are not chained.
    chain: Cell<Option<Chain>>,
    /// The life to which the chain belongs.
    life: Cell<u64>,
}

impl Journal {
    /// A journal for these configuration bytes.
    pub(super) fn new(audit: Audit, configuration: &[u8]) -> Self {
        let fingerprint =
            if audit.sinks.is_empty() { 0 } else { fingerprint(&host::plugin_name(), configuration) };
        let strangers = RefCell::new(Strangers::new(audit.strangers.into()));
        Self {
            audit,
            fingerprint,
            sequence: Cell::new(0),
            sampler: Cell::new(Sampler::default()),
            strangers,
            chain: Cell::new(None),
            life: Cell::new(0),
        }
    }

    /// Starts the chain; returns whether it belongs to a canary, in a VM that serves no requests.
    pub(super) fn open(&self) -> bool {
        if !self.is_read() {
            return false;
        }
        self.sampler.set(Sampler::new(self.fingerprint, host::nanoseconds()));
        let Some(links) = Links::of(&self.audit.chain) else { return false };
        let Birth { id, canary } = birth(self.fingerprint);
        self.chain.set(Some(Chain::new(id, links)));
        self.life.set(id.life);
        canary
    }

    /// Whether any sink is configured.
    pub(super) fn is_read(&self) -> bool {
        !self.audit.sinks.is_empty()
    }

    /// Whether a decision is logged.
    pub(super) fn logs(&self, decision: &Decision<'_>) -> bool {
        let mut sampler = self.sampler.get();
        let shown = self.is_read() && sampler.picks(self.audit.permits.share_of(decision));
        self.sampler.set(sampler);
        shown
    }

    /// Whether a logged decision gets its own line. If not, a summary counts it.
    pub(super) fn admits(&self, reason: Reason, now: Time) -> bool {
        let admitted = self.strangers.borrow_mut().admits(reason, now);
        if !admitted && self.audit.sinks.contains(&Sink::FilterState) {
            // The summary counts it, even if the host fails here.
            let _ = host::set_filter_state(&CountedEvent::of(reason).to_json());
        }
        admitted
    }

    /// Takes the counts of a second, once it is over.
    pub(super) fn over(&self, now: Time) -> Option<Counted> {
        self.strangers.borrow_mut().over(now)
    }

    /// Takes the current counts.
    pub(super) fn take_counted(&self) -> Option<Counted> {
        self.strangers.borrow_mut().take()
    }

    /// Writes a decision to the configured sinks.
    pub(super) fn write_decision(&self, event: &AuditEvent<'_>, now: Time) {
        let line = self.chained(Line::new(event, now, self.next()).to_json());
        let names = |sink| self.audit.sinks.contains(&sink);
        // If the host does not accept the filter state, the event goes to the log instead.
        let lost = names(Sink::FilterState) && !host::set_filter_state(&line);
        if names(Sink::Log) || lost {
            host::log_event(self.audit.level, &line);
        }
    }

    /// Writes a notice to the log, if any sink is configured; returns its line.
    pub(super) fn write<'e, E: Serialize>(&self, event: &'e E, now: Time) -> Line<'e, E> {
        if !self.is_read() {
            return Line::new(event, now, 0);
        }
        let line = Line::new(event, now, self.next());
        host::log_event(self.audit.level, &self.chained(line.to_json()));
        line
    }

    /// Writes the last notice of a chain, if the chain has other lines. `event` gets the number of chains.
    pub(super) fn close<'p>(&self, event: impl FnOnce(Option<u64>) -> ClosedEvent<'p>, now: Time) {
        let chain = self.chain.take();
        if chain.is_some() && self.sequence.get() > 0 {
            self.chain.set(chain);
            self.write(&event(chains(self.life.get())), now);
        }
        self.chain.set(None);
    }

    /// Takes the number for the next event.
    fn next(&self) -> u64 {
        let number = self.sequence.get();
        self.sequence.set(number.saturating_add(1));
        number
    }

    /// The line with its place in the chain, if lines are chained.
    fn chained(&self, line: String) -> String {
        let Some(mut chain) = self.chain.take() else { return line };
        let line = chain.seal(line);
        self.chain.set(Some(chain));
        line
    }
}

/// The number of chains so far in this life.
fn chains(life: u64) -> Option<u64> {
    match host::shared_data(REGISTER) {
        Stored::Value(bytes, _) => Register::from_bytes(&bytes)?.count(life),
        Stored::Nothing | Stored::Failed => None,
    }
}

/// Starts the next chain of this Envoy. If the host stores no data, it is the first chain of a new life.
fn birth(configuration: u64) -> Birth {
    let begun = || Register::new(host::nanoseconds(), &host::node_id());
    let birth = shared::change(REGISTER, |bytes| {
        let mut register = bytes.and_then(Register::from_bytes).unwrap_or_else(begun);
        let birth = register.enter(configuration);
        (Some(register.to_bytes()), birth)
    });
    birth.unwrap_or_else(|| Birth { canary: false, ..begun().enter(configuration) })
}

/// Other modules may share the namespace, so the key starts with `tokenward`.
const REGISTER: &[u8] = b"tokenward/chains";
