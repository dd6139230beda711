//! The whole state of a defense in one value, for cases, which have no host.

use crate::engine::config::defense::Defense;
use crate::engine::memory::slot::Slot;
use crate::engine::memory::suspensions::{Suspended, Suspensions};
use crate::engine::memory::window::Window;
use crate::engine::policy::offence::{Offence, Response};
use crate::engine::words::time::{Span, Time};

/// The state of the defense after earlier requests.
#[derive(Debug, Default)]
pub struct Ledger {
    counters: Slot<Window>,
    /// The current suspensions.
    pub suspensions: Suspensions,
}

impl Ledger {
    /// Records an offence.
    pub fn enter(&mut self, offence: &Offence<'_>, defense: &Defense, now: Time) {
        let span = match offence.response {
            Response::Alert => return,
            Response::Suspend(span) => span,
            Response::Count(threshold) => match self.counters.count(offence.key, threshold, now) {
                Some(_) => threshold.suspend,
                None => return,
            },
        };
        let (suspended, longest) = self.list(offence, defense);
        if let Some(longest) = longest {
            let _ = suspended.add(offence.key, now, span, longest);
        }
    }

    fn list(&mut self, offence: &Offence<'_>, defense: &Defense) -> (&mut Suspended, Option<Span>) {
        match offence.subject {
            Some(_) => (&mut self.suspensions.tokens, defense.longest_of_tokens()),
            None => (&mut self.suspensions.sources, defense.longest_of_sources()),
        }
    }
}
