//! Who is suspended now: tokens and sources, each a bounded list that is looked up for every request.

use crate::engine::memory::key::Key;
use crate::engine::memory::key::SIZE;
use crate::engine::words::time::{Span, Time};

/// All who are suspended.
#[derive(Clone, Debug, Default)]
pub struct Suspensions {
    /// Tokens.
    pub tokens: Suspended,
    /// Sources.
    pub sources: Suspended,
}

impl Suspensions {
    /// Nobody.
    pub const NONE: &'static Self = &Self { tokens: Suspended(Vec::new()), sources: Suspended(Vec::new()) };
}

/// Those of one kind who are suspended, and until when; ordered by their keys, each there once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Suspended(Vec<(Key, Time)>);

/// What came of suspending somebody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Added {
    /// It is suspended from now on.
    Now,
    /// It was suspended already.
    Before,
    /// It is not suspended: there is no room.
    Full,
}

impl Suspended {
    /// Reads the list from where it was kept; of what is no list as much as can be read.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Self::default() };
        let mut entries: Vec<(Key, Time)> = rest.chunks_exact(ENTRY).take(MAX).filter_map(read).collect();
        entries.sort_unstable();
        entries.dedup_by_key(|(key, _)| *key);
        Self(entries)
    }

    /// The list as bytes, to be kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len().saturating_mul(ENTRY).saturating_add(1));
        bytes.push(VERSION);
        for (key, until) in &self.0 {
            bytes.extend(key.0);
            bytes.extend(until.millis().to_le_bytes());
        }
        bytes
    }

    /// Suspends somebody from now on for `span`. Whose suspension is over makes room, and nobody else does.
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

    /// Until when the key is suspended, if it is. What lasts longer than the policy's `longest` suspension, and than
    /// clocks lie apart, is none:
    /// it comes from a policy that is no longer in force, or from somebody else.
    pub fn until(&self, key: Key, now: Time, longest: Span) -> Option<Time> {
        let position = self.0.binary_search_by_key(&key, |(known, _)| *known).ok()?;
        self.0.get(position).map(|(_, until)| *until).filter(|until| lasts(*until, now, longest))
    }

    /// Whether nobody can be suspended.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many are suspended.
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

/// Most who are suspended at a time.
pub(super) const MAX: usize = 4_096;
/// Bytes of an entry: a key and a time.
const ENTRY: usize = 24;
/// First byte of a list.
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_clock_is_a_little_behind_lets_nobody_go() {
        let span: Span = "15m".parse().unwrap();
        let (one, other) = (Key([1; SIZE]), Key([2; SIZE]));
        let (now, behind) = (Time::from_millis(1_000_000), Time::from_millis(999_990));
        let mut suspended = Suspended::default();
        assert_eq!(suspended.add(one, now, span, span), Added::Now);
        assert_eq!(suspended.until(one, behind, span), Some(now.plus(span)));
        assert_eq!(suspended.add(other, behind, span, span), Added::Now);
        assert_eq!(suspended.add(one, behind, span, span), Added::Before);
        assert_eq!(suspended.count(behind, span), 2);
        // A clock that was set back by an hour is another matter.
        assert_eq!(suspended.until(one, now.shifted(-3_600_000), span), None);
    }
}
