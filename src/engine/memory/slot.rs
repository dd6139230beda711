//! A slot: the counters of the keys that share a place.
//!
//! The number of slots and their size bound the memory, whoever calls. In a full slot, a new key replaces the key
//! that was counted least recently. Suspensions are stored elsewhere and are never replaced.

use crate::engine::memory::key::{Key, SIZE};
use crate::engine::words::time::Time;

/// The counter of one key.
pub trait Record: Sized {
    /// When it last counted something.
    fn latest(&self) -> Time;
    /// Reads a record from the start of `bytes`; `None` if there is none.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
    /// Appends the record to `bytes`.
    fn write(&self, bytes: &mut Vec<u8>);
}

/// The counters of at most eight keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Slot<R>(Vec<(Key, R)>);

impl<R> Default for Slot<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R: Record> Slot<R> {
    /// Reads a stored slot, as far as the bytes are valid.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let Some((&VERSION, mut rest)) = bytes.split_first() else { return Self::default() };
        let mut slot = Self::default();
        while slot.0.len() < WAYS
            && let Some((key, record)) = read(&mut rest)
        {
            slot.take(key);
            slot.0.push((key, record));
        }
        slot
    }

    /// The slot as bytes for storage.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        for (key, record) in &self.0 {
            bytes.extend(key.0);
            record.write(&mut bytes);
        }
        bytes
    }

    /// Removes and returns the record of the key.
    pub(super) fn take(&mut self, key: Key) -> Option<R> {
        let position = self.0.iter().position(|(known, _)| *known == key)?;
        Some(self.0.swap_remove(position).1)
    }

    /// Adds the record of a key that the slot does not have. In a full slot it replaces the record that was counted
    /// least recently.
    pub(super) fn put(&mut self, key: Key, record: R) {
        if self.0.len() >= WAYS {
            let oldest = self.0.iter().enumerate().min_by_key(|(_, (_, record))| record.latest());
            if let Some((position, _)) = oldest {
                self.0.swap_remove(position);
            }
        }
        self.0.push((key, record));
    }
}

fn read<R: Record>(bytes: &mut &[u8]) -> Option<(Key, R)> {
    let (key, rest) = bytes.split_first_chunk::<SIZE>()?;
    *bytes = rest;
    Some((Key(*key), R::read(bytes)?))
}

/// Number of slots for each kind of counter.
pub const SLOTS: u64 = 256;
/// Maximum number of keys in a slot.
pub(super) const WAYS: usize = 8;
/// First byte of a slot.
const VERSION: u8 = 1;
