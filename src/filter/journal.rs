//! The journal: audit events, numbered, to the sinks that the configuration names.

use std::cell::Cell;

use crate::engine::settings::{Audit, Sink};
use crate::filter::host;

/// Where the events of one configuration go.
pub(super) struct Journal {
    audit: Audit,
    /// Number of the next event.
    sequence: Cell<u64>,
}

impl Journal {
    pub(super) fn new(audit: Audit) -> Self {
        Self { audit, sequence: Cell::new(0) }
    }

    /// Whether anybody reads events.
    pub(super) fn is_read(&self) -> bool {
        self.audit.sinks.contains(&Sink::Log)
    }

    /// Writes the event that `event` makes of its number; it is only made where somebody reads it.
    pub(super) fn write(&self, event: impl FnOnce(u64) -> String) {
        if self.is_read() {
            let number = self.sequence.get();
            self.sequence.set(number.saturating_add(1));
            host::log(self.audit.level, &event(number));
        }
    }
}
