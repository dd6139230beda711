//! The leader: of all root contexts that could do something, the one that does it now.

use std::cell::Cell;

use crate::engine::memory::lease::Lease;
use crate::engine::words::time::{Span, Time};
use crate::filter::{host, shared};

/// One root context's claim to a duty.
pub(super) struct Leader {
    /// The duty's key in the host's shared data.
    key: String,
    /// Who we are: a number that no other root context of this Envoy has.
    me: Cell<Option<u64>>,
}

impl Leader {
    /// A claim to `duty`, a name that is the same in all root contexts that share it.
    pub(super) fn of(duty: &str) -> Self {
        Self { key: format!("tokenward/leader/{duty}"), me: Cell::new(None) }
    }

    /// Whether the duty is ours for a term from now on. Where the host fails it is nobody's.
    pub(super) fn leads(&self, now: Time, term: Span) -> bool {
        let Some(me) = self.me.get().or_else(next) else { return false };
        self.me.set(Some(me));
        let claimed = shared::change(self.key.as_bytes(), |kept| {
            let lease = Lease::claim(kept, me, now, term);
            (lease.map(|lease| lease.to_bytes().to_vec()), lease.is_some())
        });
        claimed.unwrap_or(false)
    }

    /// Gives the duty up, if it is ours.
    pub(super) fn give_up(&self, now: Time) {
        if let Some(me) = self.me.get() {
            let _ = shared::change(self.key.as_bytes(), |kept| {
                (Lease::given_up(kept, me, now).map(|lease| lease.to_bytes().to_vec()), ())
            });
        }
    }
}

/// Whoever goes leaves the duty to the others at once; where a trap ends all, it is theirs after the term.
impl Drop for Leader {
    fn drop(&mut self) {
        if let Some(now) = host::now() {
            self.give_up(now);
        }
    }
}

/// A number that nobody else gets.
fn next() -> Option<u64> {
    shared::change(b"tokenward/leader", |kept| {
        let last = kept.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
        let next = last.wrapping_add(1);
        (Some(next.to_le_bytes().to_vec()), next)
    })
}
