//! A window: the recent times at which a key was counted.

use crate::engine::config::defense::{MAX_COUNT, Threshold};
use crate::engine::memory::key::Key;
use crate::engine::memory::slot::{Record, Slot};
use crate::engine::words::time::{Span, Time};

/// The times at which a key was counted, in order. There are always fewer than the limit.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Window(Vec<Time>);

impl Slot<Window> {
    /// Counts an offence of the key. If that reaches the limit, returns the number of offences and forgets them.
    pub fn count(&mut self, key: Key, threshold: Threshold, now: Time) -> Option<usize> {
        let mut window = self.take(key).unwrap_or_default();
        window.0.retain(|moment| is_within(*moment, threshold.per, now));
        // Threads read the clock one after another, but may count in a different order.
        let position = window.0.partition_point(|moment| *moment <= now);
        window.0.insert(position, now);
        let count = window.0.len();
        if count >= threshold.limit.number() {
            return Some(count);
        }
        self.put(key, window);
        None
    }
}

/// Whether both times are within one span of `per`.
fn is_within(moment: Time, per: Span, now: Time) -> bool {
    let apart = now.millis().abs_diff(moment.millis());
    i64::try_from(apart).is_ok_and(|apart| apart < per.millis())
}

impl Record for Window {
    fn latest(&self) -> Time {
        self.0.last().copied().unwrap_or(Time::BEGINNING)
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk()?;
        let count = usize::from(u16::from_le_bytes(*count).min(MAX_COUNT));
        let (moments, rest) = rest.split_at_checked(count.checked_mul(MOMENT)?)?;
        *bytes = rest;
        let moments = moments.chunks_exact(MOMENT).filter_map(|bytes| bytes.first_chunk());
        let mut moments: Vec<Time> =
            moments.map(|moment| Time::from_millis(i64::from_le_bytes(*moment))).collect();
        moments.sort_unstable();
        Some(Self(moments))
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let count = u16::try_from(self.0.len()).unwrap_or(u16::MAX);
        bytes.extend(count.to_le_bytes());
        bytes.extend(self.0.iter().take(count.into()).flat_map(|moment| moment.millis().to_le_bytes()));
    }
}

/// Length of a stored time in bytes.
const MOMENT: usize = 8;
