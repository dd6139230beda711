//! A slot: some of those who are counted, those whose keys have the same place.
//!
//! What is counted is bounded by the number of slots and their size, whoever calls. Where a slot is full, the one
//! who was counted least lately makes room; who is suspended is remembered elsewhere, and does not.

use crate::engine::memory::key::{Key, SIZE};
use crate::engine::words::time::Time;

/// What is remembered of one who is counted.
pub trait Record: Sized {
    /// When it was counted last.
    fn latest(&self) -> Time;
    /// Reads it off the begin of `bytes`; none where that is none.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
    /// Writes it behind `bytes`.
    fn write(&self, bytes: &mut Vec<u8>);
}

/// At most eight who are counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Slot<R>(Vec<(Key, R)>);

impl<R> Default for Slot<R> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<R: Record> Slot<R> {
    /// Reads a slot from where it was kept; of what is no slot as much as can be read.
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

    /// The slot as bytes, to be kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        for (key, record) in &self.0 {
            bytes.extend(key.0);
            record.write(&mut bytes);
        }
        bytes
    }

    /// Takes out what is remembered under the key.
    pub(super) fn take(&mut self, key: Key) -> Option<R> {
        let position = self.0.iter().position(|(known, _)| *known == key)?;
        Some(self.0.swap_remove(position).1)
    }

    /// Remembers something under a key that is not there; where there is no room, what was counted least lately goes.
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

/// How many slots there are of each kind.
pub const SLOTS: u64 = 256;
/// Most who share a slot.
pub(super) const WAYS: usize = 8;
/// First byte of a slot.
const VERSION: u8 = 1;
