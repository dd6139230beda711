//! Uses of a retired secret: the first raises an alert at once, later ones are collected for a while.

use crate::engine::memory::key::Key;
use crate::engine::memory::slot::{Record, Slot};
use crate::engine::words::time::Time;

/// When a token's retired secrets last raised an alert, and how many uses followed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Uses {
    alerted: Time,
    since: u32,
}

impl Slot<Uses> {
    /// Counts a use. If an alert is due, returns the number of uses since the last one, including this one.
    pub fn note(&mut self, key: Key, now: Time) -> Option<u32> {
        let known = self.take(key);
        let count = known.map_or(0, |uses| uses.since).saturating_add(1);
        let quiet = known.is_some_and(|uses| uses.alerted.millis().abs_diff(now.millis()) < QUIET_MILLIS);
        let uses = match known {
            Some(uses) if quiet => Uses { alerted: uses.alerted, since: count },
            Some(_) | None => Uses { alerted: now, since: 0 },
        };
        self.put(key, uses);
        (!quiet).then_some(count)
    }
}

impl Record for Uses {
    fn latest(&self) -> Time {
        self.alerted
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (alerted, rest) = bytes.split_first_chunk()?;
        let (since, rest) = rest.split_first_chunk()?;
        *bytes = rest;
        Some(Self {
            alerted: Time::from_millis(i64::from_le_bytes(*alerted)),
            since: u32::from_le_bytes(*since),
        })
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.alerted.millis().to_le_bytes());
        bytes.extend(self.since.to_le_bytes());
    }
}

/// Minimum time between two alerts for the same token: ten minutes.
const QUIET_MILLIS: u64 = 600_000;
