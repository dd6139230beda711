//! The leader: the one root context that performs a duty now.

use std::cell::Cell;

use crate::engine::memory::lease::Lease;
use crate::engine::words::time::{Span, Time};
use crate::filter::{host, shared};

/// A root context's claim to a duty.
pub(super) struct Leader {
    /// The key of the duty in the host's shared data.
    key: String,
    /// The owner number of this root context, unique in this Envoy.
    me: Cell<Option<u64>>,
}

impl Leader {
    /// A claim to `duty`. All root contexts that share the duty use the same name.
    pub(super) fn of(duty: &str) -> Self {
        Self { key: format!("tokenward/leader/{duty}"), me: Cell::new(None) }
    }

    /// Whether this root context has the duty for a term from now on. If the host fails, no root context has it.
    pub(super) fn leads(&self, now: Time, term: Span) -> bool {
        let Some(me) = self.me.get().or_else(next) else { return false };
        self.me.set(Some(me));
        let claimed = shared::change(self.key.as_bytes(), |kept| {
            let lease = Lease::claim(kept, me, now, term);
            (lease.map(|lease| lease.to_bytes().to_vec()), lease.is_some())
        });
        claimed.unwrap_or(false)
    }

    /// Gives up the duty, if this root context has it.
    pub(super) fn give_up(&self, now: Time) {
        if let Some(me) = self.me.get() {
            let _ = shared::change(self.key.as_bytes(), |kept| {
                (Lease::given_up(kept, me, now).map(|lease| lease.to_bytes().to_vec()), ())
            });
        }
    }
}

/// Gives up the duty at once when the root context ends. After a trap, others get it when the term ends.
impl Drop for Leader {
    fn drop(&mut self) {
        if let Some(now) = host::now() {
            self.give_up(now);
        }
    }
}

/// A unique number.
fn next() -> Option<u64> {
    shared::change(b"tokenward/leader", |kept| {
        let last = kept.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
        let next = last.wrapping_add(1);
        (Some(next.to_le_bytes().to_vec()), next)
    })
}
