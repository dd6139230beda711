//! A lease: which one of several modules does what only one is to do.
//!
//! In: what shared data holds, who asks, the time. Out: whether it is the one, and what to leave in shared data.

use crate::engine::time::Time;

/// Who holds a lease, and until when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lease {
    owner: u64,
    until: Time,
}

/// What somebody who wants a lease is to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// It holds the lease.
    Held,
    /// It holds the lease once this takes the place of what was there.
    Take(Lease),
    /// Somebody else holds it.
    Leave,
}

impl Lease {
    /// What `owner` is to do where shared data holds `current`, which anybody may have written.
    ///
    /// A lease lasts [`LENGTH`] and is renewed in its second half, so that its holder keeps it while it lives and
    /// another one has it soon after. One that ends later than any that begins now is nobody's: the clock was put
    /// back, or the bytes are no lease.
    pub fn step(current: Option<Self>, owner: u64, now: Time) -> Step {
        let next = Self { owner, until: now.shifted(LENGTH) };
        match current {
            Some(lease) if lease.until <= now || lease.until > next.until => Step::Take(next),
            Some(lease) if lease.owner != owner => Step::Leave,
            Some(lease) if lease.until > now.shifted(LENGTH / 2) => Step::Held,
            Some(_) | None => Step::Take(next),
        }
    }

    /// The lease in 16 bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (owner, until) = bytes.split_at_mut(8);
        owner.copy_from_slice(&self.owner.to_le_bytes());
        until.copy_from_slice(&self.until.millis().to_le_bytes());
        bytes
    }

    /// The lease in these bytes; none where they are no lease.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (owner, until) = bytes.split_at_checked(8)?;
        Some(Self {
            owner: u64::from_le_bytes(owner.try_into().ok()?),
            until: Time::from_millis(i64::from_le_bytes(until.try_into().ok()?)),
        })
    }
}

/// Milliseconds that a lease lasts.
const LENGTH: i64 = 6_000;

#[cfg(test)]
mod tests {
    use super::*;

    const A: u64 = 1;
    const B: u64 = 2;

    fn at(seconds: i64) -> Time {
        Time::from_millis(seconds.saturating_mul(1_000))
    }

    fn lease(owner: u64, until: i64) -> Option<Lease> {
        Some(Lease { owner, until: at(until) })
    }

    #[test]
    fn one_holds_it_until_it_is_gone_for_a_while() {
        let took = |owner, until| Step::Take(Lease { owner, until: at(until) });
        assert_eq!(Lease::step(None, A, at(0)), took(A, 6));
        assert_eq!(Lease::step(lease(A, 6), A, at(1)), Step::Held);
        assert_eq!(Lease::step(lease(A, 6), A, at(4)), took(A, 10));
        for now in 0..=5 {
            assert_eq!(Lease::step(lease(A, 6), B, at(now)), Step::Leave);
        }
        assert_eq!(Lease::step(lease(A, 6), B, at(6)), took(B, 12));
    }

    #[test]
    fn what_cannot_be_a_lease_binds_nobody() {
        assert_eq!(Lease::step(lease(A, 60), B, at(0)), Step::Take(Lease { owner: B, until: at(6) }));
        for bytes in [&b""[..], b"garbage", &[0xFF; 15], &[0; 17]] {
            assert_eq!(Lease::from_bytes(bytes), None);
        }
        let held = Lease { owner: A, until: at(6) };
        assert_eq!(Lease::from_bytes(&held.to_bytes()), Some(held));
        let endless = Lease::from_bytes(&[0xFF; 16]);
        assert_eq!(Lease::step(endless, A, at(0)), Step::Take(Lease { owner: A, until: at(6) }));
    }
}
