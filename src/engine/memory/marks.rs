//! The marks of a gateway: for each signing key, the last bundle or list that the gateway accepted.
//!
//! In: the record in the host's shared data, the seal of the next bundle, the keys that are trusted now, and the
//! time. Out: the record with the next bundle's mark, or why the gateway rejects that bundle.
//!
//! A bundle must follow the marks of every key that is trusted now, and leaves its mark for the keys that signed it.
//! So adding a key changes nothing. Removing a key drops only the marks that no other key signed: the other keys'
//! bundles continue from the last one that they signed.

use crate::engine::config::envelope::KeyId;
use crate::engine::memory::mark::MARK_BYTES;
use crate::engine::memory::mark::{Mark, Order};
use crate::engine::memory::seal::Seal;
use crate::engine::words::time::{Span, Time};

/// The last mark of each key, latest first.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Marks(Vec<(KeyName, Mark)>);

/// Why the gateway rejects a signed bundle or list. The active one stays active.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Setback {
    /// The gateway accepted a newer one before.
    Older(Mark),
    /// The gateway accepted one with the same revision and other content before.
    OtherContent(Mark),
    /// The revision is too far ahead of the gateway's clock.
    Ahead {
        /// The revision, or the one that the bundle supersedes.
        revision: u64,
    },
    /// The host cannot read the record of earlier bundles.
    Unknown,
}

impl Marks {
    /// Accepts the next bundle or list, given the keys that are trusted now.
    ///
    /// # Errors
    /// Why the bundle or list is rejected. The record is then unchanged.
    pub fn admit(&mut self, seal: &Seal, trusted: &[KeyId], now: Time) -> Result<(), Setback> {
        let last = self.last(trusted);
        match last.map(|last| (last, last.order(&seal.mark))) {
            // An accepted bundle is accepted again, regardless of the clock.
            Some((_, Order::Same)) => {}
            Some((last, Order::Older)) if last.rank() == seal.mark.rank() => {
                return Err(Setback::OtherContent(last));
            }
            Some((last, Order::Older)) => return Err(Setback::Older(last)),
            Some((_, Order::Newer)) | None if seal.mark.newest() > highest_revision(now) => {
                return Err(Setback::Ahead { revision: seal.mark.newest() });
            }
            Some((_, Order::Newer)) | None => {}
        }
        self.put(seal, trusted);
        Ok(())
    }

    /// The mark that the next bundle must follow: the highest mark of the keys, and among equal marks the latest.
    fn last(&self, trusted: &[KeyId]) -> Option<Mark> {
        let is_trusted = |name: &KeyName| trusted.iter().any(|key| KeyName::of(key) == *name);
        let marks = self.0.iter().filter(|(name, _)| is_trusted(name)).map(|(_, mark)| *mark);
        // `max_by_key` returns the last of equal marks.
        marks.rev().max_by_key(Mark::rank)
    }

    fn put(&mut self, seal: &Seal, trusted: &[KeyId]) {
        let names = |keys: &[KeyId]| keys.iter().map(KeyName::of).collect::<Vec<_>>();
        let (signers, trusted) = (names(&seal.signers), names(trusted));
        let unchanged =
            |name: &KeyName| self.0.iter().any(|(known, mark)| known == name && *mark == seal.mark);
        if signers.iter().all(unchanged) {
            return;
        }
        let others = self.0.iter().filter(|(name, _)| !signers.contains(name)).copied();
        let mut marks: Vec<_> = signers.iter().map(|name| (*name, seal.mark)).chain(others).collect();
        while marks.len() > MAX_MARKS {
            // The oldest mark of a key that is no longer trusted. There are fewer trusted keys than marks.
            let position = marks.iter().rposition(|(name, _)| !trusted.contains(name));
            marks.remove(position.unwrap_or(MAX_MARKS));
        }
        self.0 = marks;
    }

    /// The record as bytes for storage.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(name, mark)| name.0.into_iter().chain(mark.to_bytes())).collect()
    }

    /// Reads a stored record; `None` if the bytes are not a record.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() || entries.len() > MAX_MARKS {
            return None;
        }
        let entry = |bytes: &[u8; ENTRY_BYTES]| {
            let (name, mark) = bytes.split_first_chunk::<NAME_BYTES>()?;
            Some((KeyName(*name), Mark::from_bytes(mark)?))
        };
        entries.iter().map(entry).collect::<Option<Vec<_>>>().map(Self)
    }
}

impl Setback {
    /// The message for a rejected bundle or list of this revision.
    pub fn message(self, revision: u64) -> String {
        match self {
            Self::Older(mark) if mark.newest() == revision => {
                format!("a later bundle already superseded revision {revision}")
            }
            Self::Older(mark) => {
                format!("revision {revision} is older than revision {} on record", mark.newest())
            }
            Self::OtherContent(mark) => {
                format!(
                    "revision {} is on record with other content: build one of the two again",
                    mark.newest()
                )
            }
            Self::Ahead { revision } => format!(
                "revision {revision} is more than a day ahead of the gateway's clock: a revision is milliseconds since 1970"
            ),
            Self::Unknown => "cannot read the revision on record from the host".to_owned(),
        }
    }

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Older(_) => "older",
            Self::OtherContent(_) => "other_content",
            Self::Ahead { .. } => "ahead_of_clock",
            Self::Unknown => "unknown_marks",
        }
    }

    /// The highest revision accepted before, if known.
    pub fn newest(self) -> Option<u64> {
        match self {
            Self::Older(mark) | Self::OtherContent(mark) => Some(mark.newest()),
            Self::Ahead { .. } | Self::Unknown => None,
        }
    }
}

/// A key's id as bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct KeyName([u8; NAME_BYTES]);

impl KeyName {
    fn of(key: &KeyId) -> Self {
        Self(key.as_str().as_bytes().first_chunk().copied().unwrap_or_default())
    }
}

/// The highest revision that is accepted at a time. A revision is milliseconds since 1970, and a clock may be wrong
/// by a day.
pub fn highest_revision(now: Time) -> u64 {
    u64::try_from(now.plus(Span::DAY).millis()).unwrap_or(0)
}

const NAME_BYTES: usize = 16;
const ENTRY_BYTES: usize = NAME_BYTES + MARK_BYTES;
/// Maximum number of keys with marks. A gateway trusts at most 32 keys at a time.
const MAX_MARKS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::envelope::PublicKey;

    const NOW: Time = Time::from_millis(1_000_000_000_000);

    #[test]
    fn removed_key_leaves_other_marks_unchanged() {
        let mut marks = Marks::default();
        let ahead = highest_revision(NOW);
        assert_eq!(take(&mut marks, 10, 1, &[1], &[1, 2]), Ok(()));
        assert_eq!(take(&mut marks, 11, 1, &[2], &[1, 2]), Ok(()));
        // The leaked key signs the highest possible revision.
        assert_eq!(take(&mut marks, ahead, 6, &[1], &[1, 2]), Ok(()));
        assert!(matches!(take(&mut marks, 12, 1, &[2], &[1, 2]), Err(Setback::Older(_))));
        // Without the leaked key, the other key continues and still cannot go back.
        assert!(matches!(take(&mut marks, 10, 1, &[2], &[2]), Err(Setback::Older(_))));
        assert!(matches!(take(&mut marks, 11, 2, &[2], &[2]), Err(Setback::OtherContent(_))));
        assert_eq!(take(&mut marks, 11, 1, &[2], &[2]), Ok(()));
        assert_eq!(take(&mut marks, 12, 1, &[2], &[2]), Ok(()));
    }

    #[test]
    fn added_key_cannot_roll_back() {
        let mut marks = Marks::default();
        assert_eq!(take(&mut marks, 10, 1, &[1], &[1]), Ok(()));
        assert!(matches!(take(&mut marks, 9, 1, &[2], &[1, 2]), Err(Setback::Older(_))));
        // The same payload, signed by another key, leaves its mark for that key too.
        assert_eq!(take(&mut marks, 10, 1, &[2], &[1, 2]), Ok(()));
        assert!(matches!(take(&mut marks, 9, 1, &[2], &[2]), Err(Setback::Older(_))));
    }

    #[test]
    fn future_revision_leaves_no_mark() {
        let mut marks = Marks::default();
        let ahead = highest_revision(NOW);
        for revision in [ahead + 1, u64::MAX] {
            assert_eq!(take(&mut marks, revision, 1, &[1], &[1]), Err(Setback::Ahead { revision }));
        }
        assert_eq!(marks, Marks::default());
        assert_eq!(take(&mut marks, ahead, 1, &[1], &[1]), Ok(()));
        // Setting the clock back removes nothing that was accepted.
        let seal = seal(ahead, 1, &[1]);
        assert_eq!(marks.admit(&seal, &keys(&[1]), Time::EPOCH), Ok(()));
    }

    #[test]
    fn record_is_bounded_and_keeps_trusted_keys() {
        let mut marks = Marks::default();
        assert_eq!(take(&mut marks, 1, 1, &[200], &[200]), Ok(()));
        for key in 1..=100 {
            assert_eq!(take(&mut marks, u64::from(key) + 1, 1, &[key], &[key, 200]), Ok(()));
        }
        assert_eq!(marks.0.len(), MAX_MARKS);
        assert!(marks.last(&keys(&[200])).is_some());
        assert_eq!(Marks::from_bytes(&marks.to_bytes()), Some(marks));
        for bad in [&[0; ENTRY_BYTES - 1][..], &[255; ENTRY_BYTES], &[0; ENTRY_BYTES * (MAX_MARKS + 1)]] {
            assert_eq!(Marks::from_bytes(bad), None);
        }
    }

    fn take(
        marks: &mut Marks,
        revision: u64,
        content: u8,
        signers: &[u8],
        trusted: &[u8],
    ) -> Result<(), Setback> {
        marks.admit(&seal(revision, content, signers), &keys(trusted), NOW)
    }

    fn seal(revision: u64, content: u8, signers: &[u8]) -> Seal {
        let mark = Mark { newest: revision, goes_back: false, digest: [content; 32] };
        Seal { signers: keys(signers), supersedes: None, mark }
    }

    fn keys(numbers: &[u8]) -> Vec<KeyId> {
        let key =
            |number: &u8| ed25519_dalek::SigningKey::from_bytes(&[*number; 32]).verifying_key().to_bytes();
        numbers.iter().map(|number| PublicKey::from_bytes(&key(number)).unwrap().id()).collect()
    }
}
