//! A lease: decides which of several threads does a job that only one thread may do.
//!
//! In: the stored lease, the thread that asks, and the time. Out: the lease to store, if the thread gets it. The
//! holder renews the lease in time; if the holder disappears, the lease expires.

use crate::engine::words::time::{Span, Time};

/// A lease: its holder and its expiry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lease {
    owner: u64,
    until: Time,
}

impl Lease {
    /// Claims the lease for `owner` for a term from now on; `None` if another thread holds it. `kept` may be any
    /// bytes. Invalid bytes count as no lease, and so does a lease longer than a term plus clock skew.
    pub fn claim(kept: Option<&[u8]>, owner: u64, now: Time, term: Span) -> Option<Self> {
        let until = now.plus(term);
        let latest = until.plus(Span::SKEW);
        let held = kept.and_then(Self::from_bytes).filter(|held| now < held.until && held.until <= latest);
        if held.is_some_and(|held| held.owner != owner) {
            return None;
        }
        Some(Self { owner, until })
    }

    /// The lease after its owner gives it up: it ends at `now`.
    pub fn given_up(kept: Option<&[u8]>, owner: u64, now: Time) -> Option<Self> {
        let held = kept.and_then(Self::from_bytes).filter(|held| held.owner == owner)?;
        Some(Self { until: now, ..held })
    }

    /// The lease as bytes for storage.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let number = self.owner.to_le_bytes().into_iter().chain(self.until.millis().to_le_bytes());
        bytes.iter_mut().zip(number).for_each(|(byte, new)| *byte = new);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (owner, until) = bytes.split_first_chunk()?;
        let until = i64::from_le_bytes(until.try_into().ok()?);
        Some(Self { owner: u64::from_le_bytes(*owner), until: Time::from_millis(until) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(kept: Option<&[u8]>, owner: u64, now: i64) -> Option<[u8; 16]> {
        let term = "10s".parse().unwrap();
        Lease::claim(kept, owner, Time::from_millis(now), term).map(Lease::to_bytes)
    }

    #[test]
    fn one_owner_holds_the_lease_until_it_ends() {
        let lease = claim(None, 1, 0).unwrap();
        assert_eq!(claim(Some(&lease), 2, 9_999), None);
        let renewed = claim(Some(&lease), 1, 9_999).unwrap();
        assert_eq!(claim(Some(&renewed), 2, 19_998), None);
        assert!(claim(Some(&renewed), 2, 19_999).is_some());
        assert_eq!(Lease::given_up(Some(&renewed), 2, Time::from_millis(10_000)), None);
        let free = Lease::given_up(Some(&renewed), 1, Time::from_millis(10_000)).unwrap().to_bytes();
        assert!(claim(Some(&free), 2, 10_000).is_some());
    }

    #[test]
    fn slow_clock_does_not_break_a_lease() {
        let lease = claim(None, 1, 10_000).unwrap();
        assert_eq!(claim(Some(&lease), 2, 9_990), None);
    }

    #[test]
    fn invalid_lease_is_free() {
        for garbage in [&b""[..], b"?", &[0xFF; 15], &[0x7F; 16], &[0xFF; 17]] {
            assert!(claim(Some(garbage), 1, 0).is_some(), "{garbage:?}");
        }
        // A clock that was set back.
        let ahead = claim(None, 1, 3_600_000).unwrap();
        assert!(claim(Some(&ahead), 2, 0).is_some());
    }
}
