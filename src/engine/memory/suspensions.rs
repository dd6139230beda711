//! The current suspensions: tokens and sources, each a bounded list that the filter looks up for every request.

use crate::engine::memory::key::Key;
use crate::engine::memory::key::SIZE;
use crate::engine::words::time::{Span, Time};

/// All current suspensions.
#[derive(Clone, Debug, Default)]
pub struct Suspensions {
    /// Tokens.
    pub tokens: Suspended,
    /// Sources.
    pub sources: Suspended,
}

impl Suspensions {
    /// No suspensions.
    pub const NONE: &'static Self = &Self { tokens: Suspended(Vec::new()), sources: Suspended(Vec::new()) };
}

/// The suspended keys of one kind with their ends, ordered by key; each key occurs once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Suspended(Vec<(Key, Time)>);

/// The result of adding a suspension.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Added {
    /// The key is suspended from now on.
    Now,
    /// The key was already suspended.
    Before,
    /// The list is full, so the key is not suspended.
    Full,
}

impl Suspended {
    /// Reads a stored list, as far as the bytes are valid.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Self::default() };
        let mut entries: Vec<(Key, Time)> = rest.chunks_exact(ENTRY).take(MAX).filter_map(read).collect();
        entries.sort_unstable();
        entries.dedup_by_key(|(key, _)| *key);
        Self(entries)
    }

    /// The list as bytes for storage.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len().saturating_mul(ENTRY).saturating_add(1));
        bytes.push(VERSION);
        for (key, until) in &self.0 {
            bytes.extend(key.0);
            bytes.extend(until.millis().to_le_bytes());
        }
        bytes
    }

    /// Suspends a key from now on for `span`. Only expired suspensions make room.
    pub fn add(&mut self, key: Key, now: Time, span: Span, longest: Span) -> Added {
        self.0.retain(|(_, until)| lasts(*until, now, longest));
        let Err(position) = self.0.binary_search_by_key(&key, |(known, _)| *known) else {
            return Added::Before;
        };
        if self.0.len() >= MAX {
            return Added::Full;
        }
        self.0.insert(position, (key, now.plus(span)));
        Added::Now
    }

    /// When the suspension of the key ends, if it is suspended. A suspension that lasts longer than the policy's
    /// `longest`, plus clock skew, is ignored: it comes from an earlier policy or from another module.
    pub fn until(&self, key: Key, now: Time, longest: Span) -> Option<Time> {
        let position = self.0.binary_search_by_key(&key, |(known, _)| *known).ok()?;
        self.0.get(position).map(|(_, until)| *until).filter(|until| lasts(*until, now, longest))
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of suspensions now.
    pub fn count(&self, now: Time, longest: Span) -> usize {
        self.0.iter().filter(|(_, until)| lasts(*until, now, longest)).count()
    }
}

fn lasts(until: Time, now: Time, longest: Span) -> bool {
    now < until && until <= now.plus(longest).plus(Span::SKEW)
}

fn read(entry: &[u8]) -> Option<(Key, Time)> {
    let (key, until) = entry.split_first_chunk::<SIZE>()?;
    Some((Key(*key), Time::from_millis(i64::from_le_bytes(*until.first_chunk()?))))
}

/// Maximum number of suspensions.
pub(super) const MAX: usize = 4_096;
/// Length of an entry in bytes: a key and a time.
const ENTRY: usize = 24;
/// First byte of a list.
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_clock_does_not_lift_suspensions() {
        let span: Span = "15m".parse().unwrap();
        let (one, other) = (Key([1; SIZE]), Key([2; SIZE]));
        let (now, behind) = (Time::from_millis(1_000_000), Time::from_millis(999_990));
        let mut suspended = Suspended::default();
        assert_eq!(suspended.add(one, now, span, span), Added::Now);
        assert_eq!(suspended.until(one, behind, span), Some(now.plus(span)));
        assert_eq!(suspended.add(other, behind, span, span), Added::Now);
        assert_eq!(suspended.add(one, behind, span, span), Added::Before);
        assert_eq!(suspended.count(behind, span), 2);
        // A clock that was set back by a full hour exceeds the skew.
        assert_eq!(suspended.until(one, now.shifted(-3_600_000), span), None);
    }
}
