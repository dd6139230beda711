//! Marks: a signed bundle or list leaves a mark, and marks are ordered.

/// How far a gateway has come in a series of bundles.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark {
    /// The highest revision so far.
    pub(super) newest: u64,
    /// Whether the last bundle says that it supersedes that revision.
    pub(super) goes_back: bool,
    /// SHA-256 of the last bundle's payload.
    pub(super) digest: [u8; DIGEST_BYTES],
}

/// How a bundle relates to the last one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// The bundle is newer and may follow.
    Newer,
    /// The bundle is the last one again.
    Same,
    /// The bundle is older, or has the same revision and other content.
    Older,
}

impl Mark {
    /// How the bundle with the mark `next` relates to the bundle with this mark.
    pub fn order(&self, next: &Self) -> Order {
        match next.rank().cmp(&self.rank()) {
            std::cmp::Ordering::Greater => Order::Newer,
            std::cmp::Ordering::Equal if next.digest == self.digest => Order::Same,
            std::cmp::Ordering::Equal | std::cmp::Ordering::Less => Order::Older,
        }
    }

    /// The values that marks are compared by.
    pub(super) fn rank(&self) -> (u64, bool) {
        (self.newest, self.goes_back)
    }

    /// Whether this is the mark of the bundle whose payload has this digest.
    pub fn is_of(&self, digest: [u8; DIGEST_BYTES]) -> bool {
        self.digest == digest
    }

    /// The highest revision so far.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// The revision that a bundle with a lower revision of its own must at least supersede.
    pub fn to_supersede(&self) -> u64 {
        self.newest.saturating_add(u64::from(self.goes_back))
    }

    /// The mark as bytes for storage.
    pub fn to_bytes(self) -> [u8; MARK_BYTES] {
        let mut bytes = [0; MARK_BYTES];
        let parts =
            self.newest.to_le_bytes().into_iter().chain([u8::from(self.goes_back)]).chain(self.digest);
        bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
        bytes
    }

    /// Reads a stored mark; `None` if the bytes are not a mark.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (newest, rest) = bytes.split_first_chunk::<8>()?;
        let (goes_back, digest) = rest.split_first()?;
        let goes_back = match goes_back {
            0 => false,
            1 => true,
            _ => return None,
        };
        let digest = <[u8; DIGEST_BYTES]>::try_from(digest).ok()?;
        Some(Self { newest: u64::from_le_bytes(*newest), goes_back, digest })
    }
}

const DIGEST_BYTES: usize = 32;
/// Length of a stored mark in bytes.
pub(super) const MARK_BYTES: usize = 41;

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(newest: u64, goes_back: bool, content: u8) -> Mark {
        Mark { newest, goes_back, digest: [content; DIGEST_BYTES] }
    }

    #[test]
    fn order_of_bundles_is_total() {
        let marks = [mark(7, false, 1), mark(9, false, 2), mark(9, true, 3), mark(10, false, 4)];
        for (number, earlier) in marks.iter().enumerate() {
            for (other, later) in marks.iter().enumerate() {
                let expected = match number.cmp(&other) {
                    std::cmp::Ordering::Less => Order::Newer,
                    std::cmp::Ordering::Equal => Order::Same,
                    std::cmp::Ordering::Greater => Order::Older,
                };
                assert_eq!(earlier.order(later), expected, "{earlier:?} {later:?}");
            }
        }
        assert_eq!(mark(7, false, 1).order(&mark(7, false, 2)), Order::Older, "other content, same revision");
    }

    #[test]
    fn stored_mark_is_read_back() {
        for mark in [mark(0, false, 0), mark(u64::MAX, true, 255)] {
            assert_eq!(Mark::from_bytes(&mark.to_bytes()), Some(mark));
        }
        let mut flag = mark(1, true, 1).to_bytes();
        flag[8] = 2;
        for bad in [&b""[..], &[0; 40], &[0; 42], &flag] {
            assert_eq!(Mark::from_bytes(bad), None);
        }
    }
}
